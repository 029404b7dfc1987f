"""MapReduce in plain Python: the answer that a job must give, or the errors that it must end with.

The reference of the differential run. It holds all of the input in memory, reads it line by line, and runs the job's
own functions in the simplest order. It follows docs/reading.md and docs/jobs.md and imports nothing of mrframe: a job
file is executed with a module of stubs in place of `mrframe`, so that `count` is a word and a `Job` is a dict.
Not here: reading (`reference_readers.py`), comparing a run with the reference (`differential.py`).

Rules:
- Only what the documents promise is expected. Where they leave something open (which of two failing records is named,
  the order of rows with equal keys, whether a combiner runs at all), all that they allow is accepted.
- A job must be deterministic, but for the world around it, which is read here as it is when the reference runs.
"""

from __future__ import annotations

import builtins
import inspect
import types
from collections import Counter, namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from fractions import Fraction
from io import StringIO
from typing import Any

from mrframe.testing.differential.reference_readers import Input, Reading, Record, read_all
from mrframe.testing.differential.reference_values import (
    RefusedValue,
    as_key,
    as_tuple,
    identity,
    plain,
    reduced,
    travelled,
)

READY = ("total", "count", "smallest", "largest", "mean", "distinct", "collect", "each")
Pair = tuple[Any, Any]


@dataclass
class Expected:
    """The expected result of a run.

    rows     the answer, or None if only an error can come
    slugs    the errors that may be raised in its place, or empty
    failing  the errors that say so of records
    failing_records  (source, line, number) of the records on which the job's code fails, when only they can be named
    any_order  whether rows of equal keys may come in any order
    folds    whether a combiner or partitioner may fail, too, which belongs to no record
    """

    rows: list[Pair] | None = None
    slugs: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    failing_records: set[tuple[str, int, int]] = field(default_factory=set)
    figures: dict[str, Any] = field(default_factory=dict)
    rejects: list[tuple[str, int, int, bytes]] = field(default_factory=list)
    any_order: bool = False
    folds: bool = False


# ---- the job -------------------------------------------------------------------------------------------


class StubJob(dict[str, Any]):
    """The parts of a job by name, and `steps`: the job itself and its later steps."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(parts)
        self.steps: list[StubJob] = [self]

    def then(self, following: StubJob) -> StubJob:
        """This job with another step."""
        result = StubJob(**self)
        result.steps = [*self.steps, *following.steps]
        return result

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


def job_of(source: str, counters: Counter[str]) -> StubJob:
    """Execute a job file with stubs and return its `job`. `mrframe.increment` counts in `counters`."""
    stub: Any = types.ModuleType("mrframe")
    for name in (*READY, "text", "words", "json_lines"):
        setattr(stub, name, name)
    stub.Job, stub.logs = StubJob, types.SimpleNamespace(combined="combined", access="combined")
    stub.top = lambda n, by=None: StubJob(top=(n, by))
    stub.increment = lambda name, n=1: counters.update({name: n})

    def load(name: str, *rest: Any) -> Any:
        return stub if name == "mrframe" else __import__(name, *rest)

    names: dict[str, Any] = {"__builtins__": {**vars(builtins), "__import__": load}, "__name__": "job"}
    exec(compile(source, "job.py", "exec"), names)  # noqa: S102  (a job of our own making)
    job: StubJob = names["job"]
    return job


def parameters(function: Callable[..., Any]) -> list[str]:
    """The fields that a function asks for."""
    return [name for name, one in inspect.signature(function).parameters.items() if one.default is one.empty]


# ---- map -----------------------------------------------------------------------------------------------


def checked(results: Any) -> list[Pair]:
    """Return the pairs that a function gives, each a tuple of two. Raises RefusedValue for anything else."""
    if results is None:
        raise RefusedValue("user-code")
    pairs = list(results)
    if any(type(pair) is not tuple or len(pair) != 2 for pair in pairs):
        raise RefusedValue("user-code")
    return pairs


def guarded(work: Callable[[], Any], slugs: tuple[str, ...] = ("user-code",)) -> Any:
    """Return the result of some code of the job. Raises RefusedValue if the code raises."""
    try:
        return work()
    except RefusedValue as refused:
        raise RefusedValue(*refused.slugs, *slugs[1:]) from None
    except BaseException:  # the job's code: sys.exit and GeneratorExit, too
        raise RefusedValue(*slugs) from None


def mapped(step: StubJob, fields: Mapping[str, Any]) -> list[Pair]:
    """Return the pairs of one record. Raises RefusedValue if the job's code fails on it or yields invalid pairs."""
    where = step.where
    if where and not guarded(lambda: bool(where(*(fields[name] for name in parameters(where))))):
        return []
    if step.key is not None:
        pick = [
            tuple(fields[n] for n in p) if isinstance(p, tuple) else p and fields[p] for p in (step.key, step.value)
        ]
        pairs = [(pick[0], pick[1])]
    elif step.map is not None:
        arguments = [fields[name] for name in step.fields or parameters(step.map)]
        pairs = guarded(lambda: checked(step.map(*arguments)))
    else:  # a whole split: these functions go record by record, and `singly` stands for map_batch
        record = namedtuple("record", step.fields)(*(fields[name] for name in step.fields))  # noqa: PYI024
        function = step.map_split or (lambda records: step.map_batch.singly(*next(records)))
        pairs = guarded(lambda: checked(function(iter([record]))))
    for key, value in pairs:
        identity(key)
        if step.reduce in READY[:-1] or isinstance(step.reduce, Mapping):
            reduced(step.reduce, [value])
        if step.sort_values:
            guarded(lambda: identity(value), ("key-refused", "value-refused"))  # noqa: B023  (called here)
    return pairs


def mapped_all(step: StubJob, rows: Iterable[Pair]) -> list[Pair]:
    """Return the pairs of all rows of the step before. Raises RefusedValue, with every error that may come first."""
    pairs: list[Pair] = []
    refused: set[str] = set()
    for key, value in rows:
        try:
            pairs += mapped(step, {"key": key, "value": value})
        except RefusedValue as error:
            refused |= error.slugs
    if refused:
        raise RefusedValue(*refused)
    return pairs


def fields_of(step: StubJob) -> list[str]:
    """All fields that a step asks for."""
    names: list[str] = [*step.fields] if step.fields else parameters(step.map) if step.map else []
    for part in (step.key, step.value):
        names += [part] if isinstance(part, str) else [*(part or ())]
    return list(dict.fromkeys([*names, *(parameters(step.where) if step.where else ())]))


# ---- reduce --------------------------------------------------------------------------------------------


def grouped(pairs: Iterable[Pair]) -> dict[Any, tuple[Any, list[Any]]]:
    """{identity: (key, its values in order)}, in the order of keys."""
    groups: dict[Any, tuple[Any, list[Any]]] = {}
    for key, value in pairs:
        groups.setdefault(identity(key), (as_key(key), []))[1].append(travelled(value))
    return dict(sorted(groups.items()))


def reduce_step(step: StubJob, sides: Sequence[Iterable[Pair]], expected: Expected) -> list[Pair]:
    """Return the rows of a step, in order, from the pairs of its sources. Raises RefusedValue if it must fail."""
    if step.sort_values:  # of the forms that a key comes in, that of its first value counts
        sides = [sorted(pairs, key=lambda pair: (identity(pair[0]), identity(pair[1]))) for pairs in sides]
    if step.reduce == "each":  # each with its own form of the key
        sides = [[(key, (key, value)) for key, value in sides[0]]]
    groups = [grouped(pairs) for pairs in sides]
    rows: list[Pair] = []
    refused: set[str] = set()
    for token in sorted(set().union(*groups)):
        key = next(group[token][0] for group in groups if token in group)
        values = [group[token][1] if token in group else [] for group in groups]
        try:
            some = rows_of(step.reduce, key, values)
        except RefusedValue as error:
            refused |= error.slugs
        else:
            expected.any_order |= step.key_order != "total" and any(identity(k) != token for k, _ in some)
            rows += some
    if refused:
        raise RefusedValue(*refused)
    return sorted(((as_key(k), travelled(v)) for k, v in rows), key=lambda row: identity(row[0]))


def rows_of(reduce: Any, key: Any, values: list[list[Any]]) -> list[Pair]:
    """The rows of one key."""
    if reduce == "each":
        rows = values[0]
    elif reduce in READY or isinstance(reduce, Mapping):
        rows = [(key, reduced(reduce, values[0]))]
    else:
        rows = guarded(lambda: checked(reduce(key, *values[:-1], iter(values[-1]))))
    for found, value in rows:
        identity(found)
        if not plain(value):
            raise RefusedValue("value-refused")
    return rows


def best(rows: list[Pair], n: int, by: Any) -> list[Pair]:
    """Return the rows with the largest value, or item of it, in that order. Ties are ordered by key."""

    def rank(row: Pair) -> Any:
        value = row[1] if by is None else guarded(lambda: row[1][by])
        return identity(as_tuple(value))

    try:
        return sorted(rows, key=rank, reverse=True)[:n]
    except RefusedValue:
        raise RefusedValue("user-code") from None


# ---- all of it -----------------------------------------------------------------------------------------


def expect(source: str, inputs: Sequence[Input], options: Mapping[str, Any]) -> Expected:
    """Return the expected result of running the job file `source` over these inputs."""
    counters: Counter[str] = Counter()
    expected = Expected()
    with redirect_stdout(StringIO()):
        job = job_of(source, counters)
        try:
            _run(job, inputs, options, expected, counters)
        except RefusedValue as refused:
            expected.rows, expected.slugs = None, expected.slugs | refused.slugs
    expected.figures["counters"] = dict(counters)
    return expected


def _run(
    job: StubJob, inputs: Sequence[Input], options: Mapping[str, Any], expected: Expected, counters: Counter[str]
) -> None:
    expected.folds = bool(job.combine or job.partition)
    names = list(job.read) if isinstance(job.read, Mapping) else [""]
    views = {name: StubJob(**{part: _of(value, name) for part, value in job.items()}) for name in names}
    some = {name: [one for one in inputs if one.name == name] for name in names}
    readings = {
        name: read_all(view.read, fields_of(view), view.fields, some[name], options) for name, view in views.items()
    }
    lacks = {reading.lacks for reading in readings.values()}
    if "must" in lacks:
        raise RefusedValue("unknown-field")
    expected.slugs |= {"unknown-field"} if "may" in lacks else set()  # it depends on the first records alone
    if any(reading.without_time for reading in readings.values()):
        expected.slugs |= {"usage"}  # when none of the first records says its time
    sides = [list(_pairs(views[name], readings[name].records, expected, counters)) for name in names]
    left_out, lines = len(expected.failing_records), sum(reading.lines for reading in readings.values())
    records = sum(len(reading.records) for reading in readings.values())
    malformed = sum(len(reading.malformed) for reading in readings.values())
    try:
        _expect_limits(expected.failing, options, (left_out, records), (malformed, lines))
    except RefusedValue as refused:  # an error of the combiner or partitioner may come first
        raise RefusedValue(*refused.slugs, *(("user-code", "bad-job") if expected.folds else ())) from None
    expected.rejects = [row for name in names for row in readings[name].malformed]
    expected.figures |= {
        "records": records - left_out,
        "lines": lines,
        "malformed": malformed,
        "quarantined": left_out,
    }
    expected.figures |= {"bytes_in": sum(r.bytes_in for r in readings.values())}
    expected.figures |= _of_readers(list(readings.values()), options)
    rows = _reduced(job.steps[0], sides, expected, options)
    for step in job.steps[1:]:
        if step.top:
            rows = best(rows, *step.top)
        else:
            pairs = mapped_all(step, rows)
            rows = _reduced(step, [pairs], expected, options)
    expected.rows = rows
    expected.figures["rows"] = len(rows)


def _reduced(
    step: StubJob, sides: Sequence[list[Pair]], expected: Expected, options: Mapping[str, Any]
) -> list[Pair]:
    """Return the rows of a step. Errors of its combiner and partitioner are accepted, as far as they run."""
    for token, (key, values) in grouped(sides[0]).items() if len(sides) == 1 else ():
        try:
            if step.combine:
                made = guarded(lambda: checked(step.combine(key, iter(values))))  # noqa: B023  (called here)
                expected.slugs |= {"bad-job", "user-code"} if any(identity(k) != token for k, _ in made) else set()
        except RefusedValue as refused:
            expected.slugs |= refused.slugs
    if step.partition:
        count = options.get("partitions") or step.partitions or 1
        for key, _ in (pair for side in sides for pair in side):
            index = guarded(lambda: step.partition(as_key(key), count))  # noqa: B023  (called here)
            if type(index) is not int or not 0 <= index < count:
                raise RefusedValue("user-code")
    return reduce_step(step, sides, expected)


def _pairs(view: StubJob, records: list[Record], expected: Expected, counters: Counter[str]) -> Iterator[Pair]:
    """Return the pairs of all records that the job's code can handle, and note where it fails."""
    for record in records:
        before = Counter(counters)
        try:
            yield from mapped(view, record.fields)
        except RefusedValue as refused:
            expected.failing |= refused.slugs
            if view.map_batch:  # of a batch it is not always known which record is to be left out
                expected.slugs |= refused.slugs
            expected.failing_records.add((record.source, record.line, record.number))
            counters.clear()
            counters.update(before)


def _expect_limits(
    failing: set[str], options: Mapping[str, Any], left_out: tuple[int, int], malformed: tuple[int, int]
) -> None:
    """Raise RefusedValue if more records fail, or lines are malformed, than allowed. Each: (number, total)."""
    slugs = set(failing) if _exceeds(options.get("max_failed", "0"), *left_out) else set()
    if slugs:
        slugs.add("too-many-failed")
    if _exceeds(options.get("max_bad", "10%"), *malformed):
        slugs.add("too-many-malformed")
    if slugs:
        raise RefusedValue(*slugs)


def _exceeds(limit: str, number: int, of: int) -> bool:
    return number > (Fraction(limit[:-1]) / 100 * of if limit.endswith("%") else int(limit))


def _of(part: Any, name: str) -> Any:
    return part.get(name) if name and isinstance(part, Mapping) else part


def _of_readers(readings: list[Reading], options: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that only some runs have."""
    if options.get("since") or options.get("until"):
        return {name: sum(getattr(r, name) for r in readings) for name in ("outside_time", "without_time")}
    bad: Counter[str] = Counter()
    for reading in readings:
        bad.update(reading.bad_fields)
    return {"bad_fields": dict(bad)}
