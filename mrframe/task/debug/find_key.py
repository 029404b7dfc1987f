"""Finds the records of a block that yield a key, for `mrframe why`.

The job's code runs over a block as in a map task, so call this only where it may run. A record that a map task leaves
out, because the code fails on it or its pairs are refused, yields nothing here either. Not here: reading blocks,
turning a record into a line (`provenance.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from itertools import compress
from typing import Any

from mrframe.core.job.job import Job
from mrframe.errors import ExtraMissing, KeyRefused, UsageError
from mrframe.shuffle.buffers import buffer_for
from mrframe.shuffle.keys import canonical, kind_of
from mrframe.shuffle.values import as_travelled
from mrframe.task.isolation.hook_guard import is_interrupt, is_refusal
from mrframe.task.map.calls import EmitFailed, cause_of
from mrframe.task.map.emit import Emitter
from mrframe.task.map.pair_buffer import map_fold

Columns = list[list[Any]]


class Key:
    """A key as a person has written it: matches as text, as JSON, or as a date or time."""

    def __init__(self, text: str) -> None:
        forms: list[Any] = [text]
        try:
            forms.append(_tuples(json.loads(text)))
        except (ValueError, RecursionError):
            pass
        for kind in (date, datetime):
            try:
                forms.append(kind.fromisoformat(text))
            except ValueError:
                continue
        self.forms = [form for form in forms if _is_key(form)]
        self._canonical = {canonical(form) for form in self.forms}
        self._quick = set(self.forms)

    def indexes(self, keys: Sequence[Any]) -> list[int]:
        """Return the indexes of this key among `keys`. Raises TypeError if one of them is not a valid key."""
        keys = as_travelled(keys)  # times hash like their instants
        maybe = compress(range(len(keys)), map(self._quick.__contains__, keys))  # 1, 1.0 and True are equal here
        return [at for at in maybe if canonical(keys[at]) in self._canonical]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _is_key(value: Any) -> bool:
    try:
        canonical(value)
    except KeyRefused:
        return False
    return True


class Finder:
    """Finds the records that yield a key, in blocks given as columns of the job's projection."""

    def __init__(self, view: Job, key: Key) -> None:
        if view.map_split is not None:
            raise UsageError("the job maps a split as a whole (map_split), so its lines cannot be told apart")
        self._key = key
        self._emitter = Emitter(view)
        self._new_buffer = partial(buffer_for, map_fold(view))
        self._batches = None
        if view.map_batch is not None:
            from mrframe.task.map.map_batch import Batches

            self._batches = Batches(view)

    def records(self, columns: Columns, records: int) -> list[int]:
        """Return the indexes of the records that yield the key."""
        if self._batches is not None:
            found: list[int] = []
            self._halve(columns, 0, records, found)
            return found
        together = self._together(columns, records)
        if together is not None:
            return together
        return [index for index in range(records) if self._together(_cut(columns, index, index + 1), 1)]

    def _together(self, columns: Columns, records: int) -> list[int] | None:
        """Return the records that yield the key, or None if a map task leaves out one of all the records."""
        try:
            keys, values, origins = self._emitter.emit_from(columns, records)
            indexes = self._key.indexes(keys)
            if indexes:
                kind_of(list(keys))
                self._new_buffer().add(keys, values)
        except BaseException as error:  # the user's function runs here
            if not isinstance(error, EmitFailed) and not is_refusal(error):
                raise
            if _is_fatal(cause_of(error)):
                raise cause_of(error) from None
            return None
        return list(dict.fromkeys(origins[index] for index in indexes))

    def _halve(self, columns: Columns, start: int, stop: int, found: list[int]) -> None:
        """Add the records from `start` to `stop` that yield the key, skipping batches without it."""
        if start < stop and self._may_hold(_cut(columns, start, stop), single=stop - start == 1):
            if stop - start == 1:
                found.append(start)
                return
            middle = (start + stop) // 2
            self._halve(columns, start, middle, found)
            self._halve(columns, middle, stop, found)

    def _may_hold(self, columns: Columns, *, single: bool) -> bool:
        """Return whether the function yields the key for this batch. If it fails, whether a record of it may."""
        assert self._batches is not None
        try:
            pairs, _ = self._batches.emit(columns, len(columns[0]))
            return any(self._key.indexes(keys) for keys, _ in pairs)
        except BaseException as error:  # the user's function runs here
            if _is_fatal(cause_of(error)):
                raise cause_of(error) from None
            return not single


def _is_fatal(error: BaseException) -> bool:
    """Return whether this is more than the failure of one record."""
    return isinstance(error, (MemoryError, ExtraMissing)) or is_interrupt(error)


def _cut(columns: Columns, start: int, stop: int) -> Columns:
    return [column[start:stop] for column in columns]
