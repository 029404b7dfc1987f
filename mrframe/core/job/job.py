"""`Job`: the user's work, as a value.

A job names a reader, a map in one of three forms (functions, a declaration, nothing), a combiner, a reducer and the
steps that follow. It checks itself when it is constructed, as far as that is possible without data. Field names are
checked against the reader's schema when the job is submitted. A job runs nothing itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Any, Literal

from mrframe.core.fast_dataclass import ADDED, dataclass
from mrframe.core.job.calls import checked
from mrframe.core.job.joins import check_join, view
from mrframe.core.job.signature import describe, parameter_fields
from mrframe.core.model.reader import Reader
from mrframe.errors import JobError

KeyOrder = Literal["hash", "total"]


TEXT = Reader("text")
WORDS = Reader("words")
JSON_LINES = Reader("json")
PAIRS = Reader("pairs")


class Reducer:
    """Base of the ready reducers, which are implemented in `mrframe.shuffle.reducers`.

    name         public name
    ordered      whether the result depends on the order of the values
    needs_value  whether a declaration must have `value=`
    """

    name: str = ""
    ordered: bool = False
    needs_value: bool = True

    def __repr__(self) -> str:
        return self.name


class Each(Reducer):
    """Every pair unchanged: for jobs that only sort or filter. It folds nothing, so it has no combiner."""

    name = "each"
    ordered = True
    needs_value = False


each = Each()


@dataclass(frozen=True, slots=True)
class Top:
    """The step `top(n, by)`: the `n` pairs with the largest value (or item `by` of it), ties by key."""

    n: int
    by: int | str | None = None


Fields = tuple[str, ...] | Mapping[str, str]
PerSource = Any
"""{source: part} of a join. Any, because code that uses a part only ever gets the view of one source."""
Reduce = Callable[..., Iterable[tuple[Any, Any]]] | Reducer | Mapping[str, Reducer]


@checked
@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One map-shuffle-reduce over logs, with the steps that follow it.

        >>> from mrframe import Job, count, logs
        >>> job = Job(read=logs.access, key="path", reduce=count)
        >>> [(step.key, step.top is not None) for step in job.then(mrframe.top(3)).steps()]
        [('path', False), (None, True)]

    read        the reader: `logs.combined`, `logs.access`, `text`, `words`, `json_lines`, …
    map         function of fields (its parameters name them) that yields (key, value) pairs
    map_split   function of an iterator of named tuples, called once per split. Needs `fields`
    map_batch   function of a pyarrow.Table of the fields of a block that yields tables with the columns key and
                value (pyarrow, Polars, …). Needs `fields` and the extra `mrframe[fast]`. See docs/batches.md
    key, value  the declaration: names of fields, in place of a map function
    where       function of fields: only records for which it is true are mapped
    fields      names of the fields if a signature cannot name them: a tuple, or {name: path in JSON}
    combine     function (key, values) -> pairs with the same key, which folds values before the shuffle
    reduce      function (key, values) -> pairs, a ready reducer, or {name: ready reducer}
    partitions  number of reduce tasks, by default chosen by the size of the input
    partition   function (key, partitions) -> index, in place of the hash
    key_order   "hash", or "total": partitions are ranges of keys, each below the next, for large output in order
    sort_values whether reduce gets the values of a key sorted, instead of in the order of the input
    pure        whether the map's output depends on its input alone, so that its results can be saved. By default
                (None) they are saved if all names that its code uses are known to be pure, and it is observed to have
                no side effects. See docs/saved.md
    name        display name, by default the name of the job's file
    columns     names of the columns of the result, those of the key first: ("path", "hits", "bytes"). By default they
                follow from a declaration with a ready reducer, and a dict from reduce names its own. See docs/jobs.md

    A join reads several sources: read={"hits": logs.combined, "users": json_lines}. Each of map, map_split, key,
    value, where and fields is then {source: part}, or one part for all. reduce is a function (key, hits, users)
    of lists of values, the last a stream. `joins.py` has the rules.

    Raises JobError if the parts contradict each other.
    """

    read: Reader | PerSource = Reader("access", "auto")
    map: Callable[..., Iterable[tuple[Any, Any]]] | PerSource | None = None
    map_split: Callable[..., Iterable[tuple[Any, Any]]] | PerSource | None = None
    key: str | tuple[str, ...] | PerSource | None = None
    value: str | tuple[str, ...] | PerSource | None = None
    where: Callable[..., bool] | PerSource | None = None
    fields: Fields | PerSource | None = None
    map_batch: Callable[..., Any] | None = None
    combine: Callable[..., Iterable[tuple[Any, Any]]] | None = None
    reduce: Reduce | None = None
    partition: Callable[[Any, int], int] | None = None
    partitions: int | None = None
    key_order: KeyOrder = "hash"
    sort_values: bool = False
    pure: bool | None = None
    name: str = ""
    top: Top | None = None
    next: Job | None = None
    columns: tuple[str, ...] = field(default=(), metadata=ADDED)

    def __repr__(self) -> str:
        given = [
            (f.name, getattr(self, f.name)) for f in dataclasses.fields(self) if getattr(self, f.name) != f.default
        ]
        shown = [f"{name}={getattr(part, '__qualname__', None) or repr(part)}" for name, part in given]
        return f"Job({', '.join(shown)})"

    def __post_init__(self) -> None:
        check_parts(self)

    def then(self, following: Job) -> Job:
        """Return this job followed by another one, which reads the fields `key` and `value` of its output."""
        if following.is_join:
            raise JobError("the job given to .then() is a join, which reads files; it can only be the first step")
        if following.read != PAIRS:
            if following.read != Reader("access", "auto"):
                raise JobError(
                    f"the job given to .then() reads {following.read.kind!r}: a following job reads the pairs of "
                    "the step before; leave its read= out"
                )
            following = dataclasses.replace(following, read=PAIRS)
        tail = following if self.next is None else self.next.then(following)
        return dataclasses.replace(self, next=tail)

    def steps(self) -> tuple[Job, ...]:
        """Return this job and all that follow it, in order."""
        rest = self.next.steps() if self.next is not None else ()
        return (self, *rest)

    @property
    def is_join(self) -> bool:
        """Whether the job reads several named sources."""
        return isinstance(self.read, Mapping)

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of the sources of a join, in its order. Any other job has one source, ""."""
        return tuple(self.read) if isinstance(self.read, Mapping) else ("",)

    def sources(self) -> dict[str, Job]:
        """Return {source: this job over that source alone} of a join, in its order, else {"": itself}."""
        return {name: view(self, name) for name in self.source_names} if self.is_join else {"": self}

    def map_fields(self) -> tuple[str, ...]:
        """Return the names of the fields that the map gets, in the order of its parameters."""
        if self.map is not None:
            return _given(self.fields) or parameter_fields(self.map, "map")
        if self.map_split is not None or self.map_batch is not None:
            return _given(self.fields)
        return (*_names(self.key), *_names(self.value))

    def where_fields(self) -> tuple[str, ...]:
        """Return the names of the fields that `where` gets."""
        return parameter_fields(self.where, "where") if self.where is not None else ()

    def projection(self) -> tuple[str, ...]:
        """Return all fields to extract, each once: the map's first, then those that only `where` needs."""
        return tuple(dict.fromkeys((*self.map_fields(), *self.where_fields())))

    def paths(self) -> dict[str, str]:
        """Return {field: path} if `fields` names paths into nested JSON, else an empty dict."""
        return dict(self.fields) if isinstance(self.fields, Mapping) else {}


def top(n: int, by: int | str | None = None) -> Job:
    """Return a step for `.then()`: the `n` pairs with the largest value, in descending order, ties by key.

    `by` picks the item of the value to compare: an index of a tuple, or a name of a dict.
    Raises JobError if n is not a positive whole number.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise JobError(f"top({n!r}): the number of rows must be a whole number of at least 1")
    return Job(read=PAIRS, top=Top(n, by), name="top")


def check_parts(job: Job) -> None:
    """Raise JobError if the parts of a job contradict each other. The message names the remedy."""
    _check_columns(job)
    if job.is_join:
        check_join(job)
        return
    if not isinstance(job.read, Reader):
        raise JobError(f"read={job.read!r} is not a reader; give one such as logs.combined, text or words")
    if job.top is not None:
        return
    grains = [name for name in ("map", "map_split", "map_batch", "key") if getattr(job, name) is not None]
    if len(grains) != 1:
        given = " and ".join(grains) or "none of them"
        raise JobError(f"a job has one of map=, map_split=, map_batch= and key=; {given} was given")
    if job.key is None and job.value is not None:
        raise JobError("value= belongs to the declaration key=…, value=…; with a map function, yield the value")
    for name in ("map", "map_split", "map_batch", "where", "combine", "partition"):
        part = getattr(job, name)
        if part is not None and not callable(part):
            raise JobError(f"{name}={part!r} is not a function")
    for name in ("map_split", "map_batch"):
        if getattr(job, name) is not None and not job.fields:
            raise JobError(f'{name}= needs fields=, such as fields=("path", "size"): its parameter names no field')
    _check_reduce(job)
    _check_order(job)
    if job.partitions is not None and (isinstance(job.partitions, bool) or job.partitions < 1):
        raise JobError(f"partitions={job.partitions!r}: the number of partitions must be at least 1")
    if not job.projection():  # raises by itself for *args and the like
        raise JobError(
            f"map={describe(job.map) if job.map else None} has no parameters, so it would see nothing of the data; "
            "name the fields that it wants as its parameters"
        )


def _check_columns(job: Job) -> None:
    names = job.columns
    if type(names) is not tuple or not all(isinstance(name, str) and name for name in names):
        raise JobError(f'columns={names!r} is not a tuple of names, such as ("path", "hits")')
    if len(set(names)) < len(names):
        raise JobError(f"columns={names!r} has a name twice; give each column a name of its own")


def _check_reduce(job: Job) -> None:
    reduce = job.reduce
    if reduce is None:
        raise JobError("the job has no reduce=; give a function (key, values), or a ready one such as count or total")
    if isinstance(reduce, Mapping):
        wrong = [name for name, part in reduce.items() if not isinstance(part, Reducer)]
        if wrong or not reduce:
            raise JobError(f"reduce={{…}} needs ready reducers as its values; {wrong or 'it is empty'}")
    elif not isinstance(reduce, Reducer) and not callable(reduce):
        raise JobError(f"reduce={reduce!r} is neither a function (key, values) nor a ready reducer")
    if job.key is not None and job.value is None and isinstance(reduce, Reducer) and reduce.needs_value:
        raise JobError(f"reduce={reduce} needs the value to work on; name its field with value=…")
    if job.combine is not None and (isinstance(reduce, (Reducer, Mapping))):
        raise JobError("a ready reducer has its own combiner; leave combine= out")


def _check_order(job: Job) -> None:
    if job.key_order not in ("hash", "total"):
        raise JobError(f'key_order={job.key_order!r} is neither "hash" nor "total"')
    if job.key_order == "total" and job.partition is not None:
        raise JobError('key_order="total" cuts the keys into partitions itself; leave partition= out')
    if job.pure not in (None, True, False):
        raise JobError(f"pure={job.pure!r} is none of True, False and None")
    if not isinstance(job.sort_values, bool):
        raise JobError(f"sort_values={job.sort_values!r} is neither True nor False")
    if job.sort_values and job.combine is not None:
        raise JobError(
            "sort_values=True wants every value, and combine= folds them before they travel; leave one out"
        )
    if job.sort_values and (isinstance(job.reduce, Mapping) or not getattr(job.reduce, "ordered", True)):
        raise JobError(f"reduce={job.reduce} gives the same for any order of the values; leave sort_values= out")


def _names(declared: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if declared is None:
        return ()
    return (declared,) if isinstance(declared, str) else tuple(declared)


def _given(fields: Fields | None) -> tuple[str, ...]:
    return tuple(fields) if fields is not None else ()
