"""`ResultSink`, the protocol of destinations, and `deliver`, which writes a result to one, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from mrframe.core.fast_dataclass import dataclass

if TYPE_CHECKING:
    from mrframe.formats.output.value_text import Text
    from mrframe.formats.output.writing import Stream


class ResultRows(Protocol):
    """The part of a `Result` that a sink needs. It may read the rows as often as it likes, in either way."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns, those of the key first, () where the job gives none."""
        ...

    def rows(self) -> Iterator[tuple[Any, Any]]:
        """(key, value) of each row, in order."""
        ...

    def blocks(self) -> Iterator[tuple[list[Any], list[Any]]]:
        """The same as columns: the keys and the values of some rows at a time."""
        ...

    def write(self, stream: Stream, form: str, *, text: Text | None = None) -> None:
        """Write all rows to a stream in this form."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """The form and manner in which a result is wanted.

    form       the name of an output format, for a sink that writes one
    text       the spelling of bytes that are not UTF-8, None for the one that is usual for the form
    overwrite  replace what is there already
    """

    form: str = "jsonl"
    text: Text | None = None
    overwrite: bool = False


class ResultSink(Protocol):
    """A destination of results, made of a target (`-o TARGET`) and a `Delivery`.

    `check` comes before the job runs, `begin` when its result is there. Then comes `write`, once, and `commit`, after
    which the result is visible, whole; or `abort`, after which nothing of it is. Its faults are OutputError,
    and every one names the target.
    """

    def check(self) -> None:
        """Raise OutputError when the target may not or cannot be written. Changes nothing that stays."""
        ...

    def begin(self, about: Mapping[str, Any]) -> None:
        """Prepare a private target. `about` is plain values about the run (job, hash_seed), for a sink to keep."""
        ...

    def write(self, result: ResultRows) -> None:
        """Write all rows to the private target. Raises ValueRefused for a row that the sink cannot hold."""
        ...

    def commit(self) -> None:
        """Make the result visible in one step. When that fails it leaves nothing, as `abort` does."""
        ...

    def abort(self) -> None:
        """Remove all that `begin` and `write` have made. Called once, when `write` has failed. Does not raise."""
        ...


def deliver(result: ResultRows, sink: ResultSink, about: Mapping[str, Any]) -> None:
    """Write a result to a sink, whole or not at all. Raises the errors of the sink."""
    sink.begin(about)
    try:
        sink.write(result)
    except BaseException:  # also an interrupt leaves nothing
        sink.abort()
        raise
    sink.commit()
