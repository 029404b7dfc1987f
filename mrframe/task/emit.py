"""From the columns of a block to pairs: the user's map or declaration, with `where` before it.

An emitter takes the columns of a block and gives columns of keys and values. The loops run in C as far as
Python allows (`chain`, `map`, `compress`); which record failed is found afterwards, from how far the
iterators had come. It does not read, buffer or report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, compress, repeat
from operator import itemgetter, length_hint
from typing import Any

from mrframe.core.job import Job
from mrframe.core.signature import describe
from mrframe.errors import UserCodeError
from mrframe.task.picks import Constant, Pick, declared_picks

Columns = tuple[list[Any], list[Any]]


class EmitFailed(Exception):
    """The user's code failed (`__cause__`) on the record with this index in the block."""

    def __init__(self, record: int) -> None:
        super().__init__()
        self.record = record


class Emitter:
    """Pairs of one block; `fields` are the projected fields, in the order of the columns."""

    def __init__(self, job: Job) -> None:
        projection = job.projection()
        names = {name: index for index, name in enumerate(projection)}
        self._where = job.where
        self._where_columns = [names[name] for name in job.where_fields()]
        self._map = job.map
        self._map_columns = [names[name] for name in job.map_fields()]
        self._picks = declared_picks(job)

    def emit(self, columns: list[list[Any]], records: int) -> Columns:
        """Keys and values of a block; raises EmitFailed."""
        columns, records, kept = self.passing(columns, records)
        columns = [columns[i] for i in self._map_columns]
        if self._picks is not None:
            return self._picked(columns, records)
        try:
            return self._mapped(columns, records)
        except EmitFailed as failed:
            raise EmitFailed(kept[failed.record] if kept else failed.record) from failed.__cause__

    def emit_from(self, columns: list[list[Any]], records: int) -> tuple[Sequence[Any], Sequence[Any], Sequence[int]]:
        """The same, and of each pair the index of its record, in order; raises EmitFailed."""
        columns, records, kept = self.passing(columns, records)
        indexes = range(records) if kept is None else kept
        columns = [columns[i] for i in self._map_columns]
        if self._picks is not None:
            return *self._picked(columns, records), indexes
        try:
            parts = self._run(columns, records, partial(map, list))
            pairs = list(chain.from_iterable(parts))
            keys, values = self._checked(pairs, columns, records)
        except EmitFailed as failed:
            raise EmitFailed(indexes[failed.record]) from failed.__cause__
        sizes = list(map(len, parts))
        if sizes.count(1) == records:
            return keys, values, indexes
        return keys, values, list(chain.from_iterable(map(repeat, indexes, sizes)))

    def passing(self, columns: list[list[Any]], records: int) -> tuple[list[list[Any]], int, Sequence[int] | None]:
        """The records that `where` lets pass, their number, and which they are (None: all); raises EmitFailed."""
        if self._where is None:
            return columns, records, None
        mask = self._mask(columns, records)
        if all(mask):
            return columns, records, None
        kept = list(compress(range(records), mask))
        return [list(compress(column, mask)) for column in columns], len(kept), kept

    def _mask(self, columns: list[list[Any]], records: int) -> list[bool]:
        assert self._where is not None
        place, arguments = _arguments([columns[i] for i in self._where_columns], records)
        try:
            return list(map(self._where, *arguments))
        except BaseException as error:
            raise EmitFailed(records - length_hint(place) - 1) from error

    def _picked(self, columns: list[list[Any]], records: int) -> Columns:
        assert self._picks is not None
        key, value = self._picks
        return _picked(key, columns, records), _picked(value, columns, records)

    def _mapped(self, columns: list[list[Any]], records: int) -> Columns:
        return self._checked(self._run(columns, records, chain.from_iterable), columns, records)

    def _run(self, columns: list[list[Any]], records: int, gather: Callable[[Iterable[Any]], Iterable[Any]]) -> Any:
        """What `gather`, which must be C's, makes of what the map gives for each record, as a list."""
        assert self._map is not None
        place, arguments = _arguments(columns, records)
        try:
            return list(gather(map(self._map, *arguments)))
        except BaseException as error:
            raise EmitFailed(records - length_hint(place) - 1) from _clearer(error, self._map)

    def _checked(self, pairs: list[Any], columns: list[list[Any]], records: int) -> Columns:
        """The pairs as columns; EmitFailed when one is no pair."""
        if not pairs:
            return [], []
        found = as_columns(pairs)
        if found is None:
            raise self._find_no_pair(columns, records)
        return found

    def _find_no_pair(self, columns: list[list[Any]], records: int) -> EmitFailed:
        """Run the map again, record by record, to find the one that yields no pair."""
        assert self._map is not None
        _, arguments = _arguments(columns, records)
        for index, results in enumerate(map(self._map, *arguments)):
            for item in results:
                if as_columns([item]) is None:
                    failed = EmitFailed(index)
                    failed.__cause__ = no_pair(f"map={describe(self._map)}", item)
                    return failed
        failed = EmitFailed(0)
        failed.__cause__ = no_pair(f"map={describe(self._map)}", "something else the second time")
        return failed


def as_columns(pairs: Sequence[Any]) -> Columns | None:
    """The keys and the values of at least one pair; None when not every item is a tuple of two."""
    if set(map(type, pairs)) != {tuple}:
        return None
    try:
        return [key for key, _ in pairs], list(map(itemgetter(1), pairs))
    except ValueError:
        return None


def no_pair(who: str, item: Any) -> UserCodeError:
    """The error for a function that yields something other than a pair."""
    shown = repr(item)
    shown = shown if len(shown) <= 200 else shown[:200] + "…"
    return UserCodeError(f"{who} yielded {shown}, which is not a (key, value) pair; write: yield key, value")


def _arguments(columns: list[list[Any]], records: int) -> tuple[Iterator[Any], list[Iterable[Any]]]:
    """Iterators over the columns, the first also on its own: how much is left in it says where we are.

    A function without parameters is not called: `check` refuses it, since it would say nothing of the data.
    """
    first: Iterator[Any] = iter(columns[0]) if columns else iter(repeat(None, records))
    return first, [first, *columns[1:]]


def _clearer(error: BaseException, function: Callable[..., Any]) -> BaseException:
    """A map that forgot to yield gives a TypeError without a line of the user's; say it in their terms."""
    if isinstance(error, TypeError) and "is not iterable" in str(error) and _raised_by_caller(error):
        what = str(error).partition(" object")[0].strip("'")
        return UserCodeError(
            f"map={describe(function)} returned {what.replace('NoneType', 'None')}; it must yield (key, value) pairs"
        )
    return error


def _raised_by_caller(error: BaseException) -> bool:
    return error.__traceback__ is not None and error.__traceback__.tb_next is None


def _picked(pick: Pick, columns: Sequence[list[Any]], records: int) -> list[Any]:
    if isinstance(pick, tuple):
        return list(zip(*(_picked(one, columns, records) for one in pick), strict=True))
    return [pick.value] * records if isinstance(pick, Constant) else columns[pick]
