"""Call the job's `map` and `where` over the columns of a block, and find the record at which one of them failed.

How it works. The loops run in C (`map`, `chain`, `compress`), so no Python code runs between two records and nothing
counts them. The failing record is found afterwards, from the number of items that the iterator over the first column
has left (`length_hint`).

A loop in C ends quietly if the user's function raises StopIteration, which would silently drop the rest of the block.
So each loop checks that its input is used up (`hook_guard.is_used_up`). If not, the function is called once more on
the record at which the loop stopped, to obtain the exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress, count
from operator import itemgetter, length_hint
from typing import Any, NamedTuple

from mrframe.core.job.job import Job
from mrframe.core.job.signature import describe
from mrframe.errors import UserCodeError
from mrframe.task.isolation.hook_guard import is_interrupt, is_used_up


class EmitFailed(Exception):
    """A hook ("map" or "where") failed, with `__cause__`, on the record with this index in the block."""

    def __init__(self, record: int, hook: str = "map") -> None:
        super().__init__()
        self.record = record
        self.hook = hook


def cause_of(error: BaseException) -> BaseException:
    """Return the exception of the user's code: the cause of an EmitFailed, any other error itself."""
    return error.__cause__ or error if isinstance(error, EmitFailed) else error


def arguments_of(columns: list[list[Any]], records: int) -> tuple[Iterator[Any], list[Iterable[Any]]]:
    """Return (iterator over the first column, arguments for `map`). `last_taken` reads the position off the iterator.

    The function always has a parameter: `check` refuses one without, since it would ignore the data.
    """
    first = iter(columns[0] if columns else [None] * records)
    return first, [first, *columns[1:]]


def last_taken(position: Iterator[Any], records: int) -> int:
    """Return the index of the record that was taken last."""
    return max(0, records - length_hint(position) - 1)


def stop_iteration_of(
    use: Callable[[Any], Any], function: Callable[..., Any], columns: list[list[Any]], index: int, hook: str
) -> BaseException:
    """Call the function again to obtain the StopIteration that the loop in C swallowed on a record.

    `use` consumes the result of the function as the loop did.
    """
    try:
        use(function(*[column[index] for column in columns]))
    except BaseException as error:  # the user's function runs here
        return error
    return UserCodeError(f"{hook}={describe(function)} raised StopIteration, and did not when it was called again")


class Selected(NamedTuple):
    """The records that `where` keeps: columns, number, and indexes in the block (None: all records)."""

    columns: list[list[Any]]
    records: int
    indexes: Sequence[int] | None


class Where:
    """Evaluates a job's `where=` for every kind of map. No other code calls the function.

    `filtered` counts the records that were filtered out.
    """

    def __init__(self, job: Job) -> None:
        names = job.projection()
        self._function = job.where
        self._wanted = [names.index(name) for name in job.where_fields()]
        self.filtered = 0

    def select(self, columns: list[list[Any]], records: int) -> Selected:
        """Return the records of a block that `where` keeps, or all of them without a `where`. Raises EmitFailed."""
        kept = self.kept(columns, records)
        if kept is None:
            return Selected(columns, records, None)
        if len(kept) < 2:
            return Selected([[column[i] for i in kept] for column in columns], len(kept), kept)
        pick = itemgetter(*kept)
        return Selected([list(pick(column)) for column in columns], len(kept), kept)

    def kept(self, columns: Sequence[Any], records: int) -> Sequence[int] | None:
        """Return the indexes of the records that `where` keeps, None for all. Raises EmitFailed.

        Only columns of the fields that `where` takes need be values.
        """
        if self._function is None:
            return None
        given = [columns[i] for i in self._wanted]
        mask = self._mask(self._function, given, records)
        if _all_true(mask):
            return None
        kept = self._kept(self._function, mask, given)
        self.filtered += len(mask) - len(kept)
        return kept

    def _mask(self, function: Callable[..., Any], columns: list[list[Any]], records: int) -> list[Any]:
        """Return the result of `where` for each record."""
        position, arguments = arguments_of(columns, records)
        try:
            mask = list(map(function, *arguments))
        except BaseException as error:  # the user's function runs here
            raise EmitFailed(last_taken(position, records), "where") from error
        self._check_end(function, position, columns, records)
        return mask

    def _kept(self, function: Callable[..., Any], mask: list[Any], columns: list[list[Any]]) -> list[int]:
        """Return the indexes of true items. Tests each once: a user's object may answer differently later."""
        position = iter(mask)
        try:
            kept = list(compress(count(), position))
        except BaseException as error:  # a method of the user's runs here
            raise EmitFailed(last_taken(position, len(mask)), "where") from error
        self._check_end(function, position, columns, len(mask))
        return kept

    @staticmethod
    def _check_end(
        function: Callable[..., Any], position: Iterator[Any], columns: list[list[Any]], records: int
    ) -> None:
        if not is_used_up(position):
            index = last_taken(position, records)
            raise EmitFailed(index, "where") from stop_iteration_of(bool, function, columns, index, "where")


def _all_true(mask: list[Any]) -> bool:
    """Return whether all items are true. A quick check: it may miss some cases."""
    try:
        return mask.count(True) == len(mask) and all(mask)
    except BaseException as error:  # a user's methods may run here, and `_kept` finds the failing one
        if is_interrupt(error):
            raise
        return False
