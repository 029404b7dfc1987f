"""Emits the pairs of a block: filters it by `where`, then calls the user's map or picks the declared columns.

An emitter turns the columns of a block into columns of keys and values. Its loops run in C (`calls.py`). Not here:
reading, buffering and reporting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain, repeat
from operator import itemgetter
from typing import Any

from mrframe.core.job.job import Job
from mrframe.core.job.signature import describe
from mrframe.task.columnar.declared_map import Constant, Pick, declared_picks
from mrframe.task.isolation.hook_guard import is_used_up, no_pair, no_pairs
from mrframe.task.map.calls import EmitFailed, Where, arguments_of, last_taken, stop_iteration_of

Columns = tuple[list[Any], list[Any]]


class Emitter:
    """Emits the pairs of blocks whose columns are the job's projected fields, in order.

    `mapped` counts the records passed to the map.
    """

    def __init__(self, job: Job) -> None:
        projection = job.projection()
        names = {name: index for index, name in enumerate(projection)}
        self.where = Where(job)
        self._map = job.map
        self._map_columns = [names[name] for name in job.map_fields()]
        self._picks = declared_picks(job)
        self.mapped = 0

    def taken(self) -> int:
        """Return the number of records mapped or filtered since the last call, and reset it."""
        taken, self.mapped, self.where.filtered = self.mapped + self.where.filtered, 0, 0
        return taken

    def emit(self, columns: list[list[Any]], records: int) -> Columns:
        """Return the keys and values of a block. Raises EmitFailed."""
        found: list[Columns] = []
        self.emit_into(columns, records, lambda *both: found.append(both), lambda some, of: found.append(of(some)))
        return found[0]

    def emit_into(
        self,
        columns: list[list[Any]],
        records: int,
        add: Callable[[list[Any], list[Any]], None],
        add_pairs: Callable[[list[Any], Callable[[list[Any]], Columns]], None],
    ) -> None:
        """Pass on the pairs of a block: as columns, or as the map yielded them, with a function that checks them.

        Raises EmitFailed, and what the functions raise.
        """
        columns, records, kept = self.where.select(columns, records)
        columns = [columns[i] for i in self._map_columns]
        if self._picks is not None:
            add(*self._picked(columns, records))
            return
        try:
            found = self._run(columns, records, chain.from_iterable)
            add_pairs(found, partial(self._checked, columns=columns, records=records))
        except EmitFailed as failed:
            raise EmitFailed(kept[failed.record] if kept else failed.record) from failed.__cause__

    def emit_from(self, columns: list[list[Any]], records: int) -> tuple[Sequence[Any], Sequence[Any], Sequence[int]]:
        """Return the keys and values of a block, and for each pair the index of its record. Raises EmitFailed."""
        columns, records, kept = self.where.select(columns, records)
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

    def _picked(self, columns: list[list[Any]], records: int) -> Columns:
        assert self._picks is not None
        key, value = self._picks
        picked = _picked(key, columns, records), _picked(value, columns, records)
        self.mapped += len(picked[0])
        return picked

    def _run(self, columns: list[list[Any]], records: int, gather: Callable[[Iterable[Any]], Iterable[Any]]) -> Any:
        """Call the map on each record and gather its pairs in a list. `gather` must be a function in C."""
        assert self._map is not None
        position, arguments = arguments_of(columns, records)
        try:
            found = list(gather(map(self._map, *arguments)))
        except BaseException as error:  # the user's function runs here
            raise EmitFailed(last_taken(position, records)) from no_pairs(error, "map", self._map)
        if not is_used_up(position):
            index = last_taken(position, records)
            raise EmitFailed(index) from stop_iteration_of(list, self._map, columns, index, "map")
        self.mapped += len(columns[0]) if columns else records
        return found

    def _checked(self, pairs: list[Any], columns: list[list[Any]], records: int) -> Columns:
        """Return the pairs as columns. Raises EmitFailed if one is not a pair."""
        if not pairs:
            return [], []
        found = as_columns(pairs)
        if found is None:
            raise self._find_no_pair(columns, records)
        return found

    def _find_no_pair(self, columns: list[list[Any]], records: int) -> EmitFailed:
        """Run the map again, record by record, to find the one that yields something other than a pair."""
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
    """Return the keys and values of one or more pairs, or None unless every item is a tuple of two."""
    if set(map(type, pairs)) != {tuple}:
        return None
    try:
        return [key for key, _ in pairs], list(map(itemgetter(1), pairs))
    except ValueError:
        return None


def pairs_as_columns(pairs: Sequence[Any], who: str) -> Columns:
    """Return the keys and values of pairs. Raises UserCodeError, naming `who`, for the first item that is not one."""
    columns = as_columns(pairs)
    if columns is None:
        raise no_pair(who, next(item for item in pairs if not is_pair(item)))
    return columns


def is_pair(item: Any) -> bool:
    """Return whether this is a tuple of two."""
    return type(item) is tuple and len(item) == 2


def _picked(pick: Pick, columns: Sequence[list[Any]], records: int) -> list[Any]:
    if isinstance(pick, tuple):
        return list(zip(*(_picked(one, columns, records) for one in pick), strict=True))
    return [pick.value] * records if isinstance(pick, Constant) else columns[pick]
