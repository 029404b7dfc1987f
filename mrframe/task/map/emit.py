"""From the columns of a block to pairs: the user's map or declaration, with `where` before it.

An emitter takes the columns of a block and gives columns of keys and values. The loops run in C as far as
Python allows (`chain`, `map`, `compress`); which record failed is found afterwards, from how far the
iterators had come. A loop in C takes a StopIteration of the user's for its own end, so each checks afterwards
that all records were taken (`guard.is_used_up`). It does not read, buffer or report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, compress, count, repeat
from operator import itemgetter, length_hint
from typing import Any

from mrframe.core.job.job import Job
from mrframe.core.job.signature import describe
from mrframe.errors import UserCodeError
from mrframe.task.columnar.declared_map import Constant, Pick, declared_picks
from mrframe.task.isolation.hook_guard import is_interrupt, is_used_up, no_pair, no_pairs

Columns = tuple[list[Any], list[Any]]


class EmitFailed(Exception):
    """The hook ("map" or "where") failed (`__cause__`) on the record with this index in the block."""

    def __init__(self, record: int, hook: str = "map") -> None:
        super().__init__()
        self.record = record
        self.hook = hook


def cause_of(error: BaseException) -> BaseException:
    """What the user's code raised, also where an EmitFailed tells of it."""
    return error.__cause__ or error if isinstance(error, EmitFailed) else error


class Emitter:
    """Pairs of one block; `fields` are the projected fields, in the order of the columns.

    `mapped` and `filtered` count the records that were given to the map, and those that `where` left out.
    """

    def __init__(self, job: Job) -> None:
        projection = job.projection()
        names = {name: index for index, name in enumerate(projection)}
        self._where = job.where
        self._where_columns = [names[name] for name in job.where_fields()]
        self._map = job.map
        self._map_columns = [names[name] for name in job.map_fields()]
        self._picks = declared_picks(job)
        self.mapped = 0
        self.filtered = 0

    def taken(self) -> int:
        """How many records were mapped or filtered since this was asked last."""
        taken, self.mapped, self.filtered = self.mapped + self.filtered, 0, 0
        return taken

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
        judged = [columns[i] for i in self._where_columns]
        mask = self._mask(judged, records)
        kept = None if _all_true(mask) else self._kept(mask, judged)
        self.filtered += len(mask) - (len(mask) if kept is None else len(kept))
        if kept is None:
            return columns, records, None
        if len(kept) < 2:
            return [[column[i] for i in kept] for column in columns], len(kept), kept
        pick = itemgetter(*kept)
        return [list(pick(column)) for column in columns], len(kept), kept

    def _mask(self, columns: list[list[Any]], records: int) -> list[Any]:
        """What `where` gives for each record."""
        assert self._where is not None
        place, arguments = _arguments(columns, records)
        try:
            mask = list(map(self._where, *arguments))
        except BaseException as error:  # the user's function runs here
            raise EmitFailed(_index(place, records), "where") from error
        if not is_used_up(place):
            index = _index(place, records)
            raise EmitFailed(index, "where") from self._stopped(bool, self._where, columns, index, "where")
        return mask

    def _kept(self, mask: list[Any], columns: list[list[Any]]) -> list[int]:
        """The indexes of what is true, each of which is asked once: it may be an object that says otherwise then."""
        assert self._where is not None
        place = iter(mask)
        try:
            kept = list(compress(count(), place))
        except BaseException as error:  # a method of the user's runs here
            raise EmitFailed(_index(place, len(mask)), "where") from error
        if not is_used_up(place):
            index = _index(place, len(mask))
            raise EmitFailed(index, "where") from self._stopped(bool, self._where, columns, index, "where")
        return kept

    def _picked(self, columns: list[list[Any]], records: int) -> Columns:
        assert self._picks is not None
        key, value = self._picks
        picked = _picked(key, columns, records), _picked(value, columns, records)
        self.mapped += len(picked[0])
        return picked

    def _mapped(self, columns: list[list[Any]], records: int) -> Columns:
        return self._checked(self._run(columns, records, chain.from_iterable), columns, records)

    def _run(self, columns: list[list[Any]], records: int, gather: Callable[[Iterable[Any]], Iterable[Any]]) -> Any:
        """What `gather`, which must be C's, makes of what the map gives for each record, as a list."""
        assert self._map is not None
        place, arguments = _arguments(columns, records)
        try:
            found = list(gather(map(self._map, *arguments)))
        except BaseException as error:  # the user's function runs here
            raise EmitFailed(_index(place, records)) from no_pairs(error, "map", self._map)
        if not is_used_up(place):
            index = _index(place, records)
            raise EmitFailed(index) from self._stopped(list, self._map, columns, index, "map")
        self.mapped += len(columns[0]) if columns else records
        return found

    def _stopped(
        self, use: Callable[[Any], Any], function: Callable[..., Any], columns: list[list[Any]], index: int, hook: str
    ) -> BaseException:
        """What a function raises on a record at which a loop in C has ended: StopIteration, which it has lost."""
        try:
            use(function(*[column[index] for column in columns]))
        except BaseException as error:  # the user's function runs here
            return error
        return UserCodeError(
            f"{hook}={describe(function)} raised StopIteration, and did not when it was called again"
        )

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
        who = f"map={describe(self._map)}"
        failed = EmitFailed(0)
        failed.__cause__ = no_pair(who, "something else the second time")
        for index in range(records):
            try:
                wrong = [item for item in self._map(*[column[index] for column in columns]) if not is_pair(item)]
            except BaseException as error:  # the user's function runs here
                failed = EmitFailed(index)
                failed.__cause__ = error
                break
            if wrong:
                failed = EmitFailed(index)
                failed.__cause__ = no_pair(who, wrong[0])
                break
        return failed


def as_columns(pairs: Sequence[Any]) -> Columns | None:
    """The keys and the values of at least one pair; None when not every item is a tuple of two."""
    if set(map(type, pairs)) != {tuple}:
        return None
    try:
        return [key for key, _ in pairs], list(map(itemgetter(1), pairs))
    except ValueError:
        return None


def is_pair(item: Any) -> bool:
    """Whether this is a tuple of two."""
    return type(item) is tuple and len(item) == 2


def _arguments(columns: list[list[Any]], records: int) -> tuple[Iterator[Any], list[Iterable[Any]]]:
    """Iterators over the columns, the first also on its own: how much is left in it says where we are.

    A function without parameters is not called: `check` refuses it, since it would say nothing of the data.
    """
    first = iter(columns[0] if columns else [None] * records)
    return first, [first, *columns[1:]]


def _all_true(mask: list[Any]) -> bool:
    """Whether all are true, as far as that is quickly seen."""
    try:
        return mask.count(True) == len(mask) and all(mask)
    except BaseException as error:  # methods of the user's may run here; which one fails is found one by one
        if is_interrupt(error):
            raise
        return False


def _index(place: Iterator[Any], records: int) -> int:
    """The record that was taken last."""
    return max(0, records - length_hint(place) - 1)


def _picked(pick: Pick, columns: Sequence[list[Any]], records: int) -> list[Any]:
    if isinstance(pick, tuple):
        return list(zip(*(_picked(one, columns, records) for one in pick), strict=True))
    return [pick.value] * records if isinstance(pick, Constant) else columns[pick]
