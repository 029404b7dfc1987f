"""A job of several named sources: the rules of its parts, and its views, one ordinary job for each source.

`read={"hits": logs.combined, "users": json_lines}` makes a job a join. The parts that process a record (`map`, `key`,
`where`, …) are then {source: part}, or one part for all sources. A view is the job over one source alone. It is
checked like any job, and the code that maps it knows nothing of joins. Not here: how values of several
sources meet in the reduce (`task/reduce/join.py`).
"""

from __future__ import annotations

import dataclasses
import inspect
import keyword
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from mrframe.core.job.signature import describe
from mrframe.errors import JobError, did_you_mean

PER_SOURCE = ("read", "map", "map_split", "map_batch", "key", "value", "where", "fields")
"""The parts of a job that each source may define for itself."""


class JobParts(Protocol):
    """The parts of a `Job` that the rules of joins read."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of the sources, in the order of `read`."""

    @property
    def combine(self) -> Any:
        """The combiner, or None."""

    @property
    def reduce(self) -> Any:
        """The reducer, or None."""

    @property
    def key_order(self) -> str:
        """The order of the keys, "hash" or "total"."""


J = TypeVar("J", bound=JobParts)


def view(job: J, source: str) -> J:
    """Return the join `job` as an ordinary job over one of its sources, without the steps that follow it.

    Raises JobError, which names the source, if the parts of that source are not a valid job.
    """
    parts = {name: getattr(job, name) for name in PER_SOURCE}
    own: dict[str, Any] = {
        name: part.get(source) if isinstance(part, Mapping) else part for name, part in parts.items()
    }
    try:
        return dataclasses.replace(job, next=None, **own)
    except JobError as error:
        raise JobError(f"source {source!r}: {error}") from None


def check_join(job: JobParts) -> None:
    """Raise JobError if the parts of a join contradict each other. The message names the remedy."""
    names = job.source_names
    _check_names(names)
    for part in PER_SOURCE:
        declared = getattr(job, part)
        if isinstance(declared, Mapping):
            _check_known(part, declared, names)
    if job.combine is not None:
        raise JobError("a join has no combiner: the values of its sources must stay apart; leave combine= out")
    if job.key_order == "total":
        raise JobError(
            'key_order="total" cuts the keys of one source into ranges; leave it out of a join, and order what it '
            'yields in a step of its own: .then(Job(key="key", value="value", reduce=each, key_order="total"))'
        )
    shape = f"(key, {', '.join(names)})"
    if not callable(job.reduce):
        given = "" if job.reduce is None else f"; reduce={job.reduce!r} was given"
        raise JobError(f"a job that reads several sources needs as its reduce= a function {shape}{given}")
    _check_reduce(job.reduce, names, shape)
    for name in names:
        view(job, name)


def _check_names(names: Sequence[Any]) -> None:
    if len(names) < 2:
        raise JobError("read={…} is for a join of two sources or more; for one, give its reader itself")
    for name in names:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise JobError(f"read={{…}}: the source {name!r} needs a name such as hits: it is a parameter of reduce=")


def _check_known(part: str, declared: Mapping[Any, Any], names: Sequence[str]) -> None:
    for name in declared:
        if name not in names:
            raise JobError(
                f"{part}={{…}} speaks of {name!r}, which is no source of the job"
                f"{did_you_mean(str(name), names)} (its sources are {', '.join(names)})"
            )


def _check_reduce(reduce: Callable[..., Any], names: Sequence[str], shape: str) -> None:
    try:
        signature = inspect.signature(reduce)
    except (TypeError, ValueError):
        return  # a C function without a signature
    try:
        signature.bind(None, *names)
    except TypeError:
        raise JobError(f"reduce={describe(reduce)} takes {signature}; it is called as {shape}") from None
    given = list(signature.parameters)[1:]
    if given != list(names) and sorted(given) == sorted(names):
        raise JobError(
            f"reduce={describe(reduce)} takes {', '.join(given)}, but read= has them in another order; it is called "
            f"as {shape}, the last as a stream: let the two agree"
        )
