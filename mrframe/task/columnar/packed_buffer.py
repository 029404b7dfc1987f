"""Counts and sums by key for maps that have many keys: the short ones as numbers (`packed_keys.py`), all others as
ever.

It begins as a `FoldBuffer`. A table of few keys lies in the processor's cache, where nothing is faster than a
dict; when there are many, each look-up waits for memory, and sorting numbers does not. Tables of Arrow columns
are taken as they are from the start. Not here: the arrays (`packedtask.PackedTable`), when it is used
(`map_task.py`).

Rules:
- Only text is packed, with ints that are small; every other column of pairs goes to the `FoldBuffer`, which also
  judges it. So a key may be on both sides: they are written as different runs, and the merge makes them one.
- Only for `count` and `total`, whose states of ints are ints and merge in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from mrframe.core.job.job import Job
from mrframe.core.model.spec import Split
from mrframe.shuffle.buffers import FoldBuffer, buffer_for
from mrframe.shuffle.reducers import Fold
from mrframe.shuffle.run_file.run_writer import RunWriter
from mrframe.task.code.settings import TaskSettings
from mrframe.task.columnar.packed_sums import PackedTable, sums_packed
from mrframe.task.isolation.hook_guard import combiner

MANY_KEYS = 50_000  # in a dict that no longer fits the cache
_SAMPLE = 1_000  # keys that are looked at to see whether it is worth it
_WIDTH = 8  # as `packed.WIDTH`, whose module is not loaded for this


class PackedFold:
    """A buffer for `count` and `total`; it writes its runs itself."""

    def __init__(self, fold: Fold) -> None:
        self._counts = not fold.needs_value
        self.others = FoldBuffer(fold)
        self._table = PackedTable()
        self._packs: bool | None = None  # None: not yet decided

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """See `shuffle.buffers.Buffer`."""
        if not self._packs or not self._pack(keys, values):
            self.others.add(keys, values)
            if self._packs is None and len(self.others) > MANY_KEYS:
                self._packs = _are_short(self.others.some_keys(_SAMPLE))

    def _pack(self, keys: Sequence[Any], values: Sequence[Any]) -> bool:
        from mrframe.task.columnar.packed_keys import pack_keys, small_ints, split

        if set(map(type, keys)) != {str} or not (self._counts or set(map(type, values)) == {int}):
            return False
        ones = self._counts or values.count(1) == len(values)
        ints = None if ones else small_ints(values)
        found = pack_keys(keys) if ones or ints is not None else None
        if found is None:
            return False
        packed, (good, others) = found[0], split(found[1])
        if others:
            self.others.add([keys[i] for i in others], [values[i] for i in others])
        self._table.add(packed[good], None if ints is None else ints[good])
        return True

    def add_table(self, table: Any) -> bool:
        """Take a `pyarrow.Table` of keys and values as it is; False, and nothing is taken, where that cannot be."""
        from mrframe.task.columnar.arrow import are_carried, ints_of, pairs_of, text_of

        text = text_of(table.column("key"))
        if "value" not in table.column_names:
            suits = self._counts
        else:
            suits = not self._counts or are_carried(table.column("value"))
        if text is None or not suits:
            return False
        from mrframe.task.columnar.packed_keys import pack_offsets, small_ints, split

        ints = None if self._counts else ints_of(table.column("value"))
        values = None if ints is None else small_ints(ints)
        found = pack_offsets(*text) if self._counts or values is not None else None
        if found is None:
            return False
        packed, (good, others) = found[0], split(found[1])
        if others:
            self.others.add(*pairs_of(table.take(others)))
        self._table.add(packed[good], None if values is None else values[good])
        return True

    def size_bytes(self) -> int:
        """See `shuffle.buffers.Buffer`."""
        return self._table.size_bytes() + self.others.size_bytes()

    def write_to(self, writer: RunWriter, slots: int) -> None:
        """Write all that is held as runs, the packed keys first; the buffer is empty afterwards."""
        self._table.write_to(writer, slots)
        keys, states = self.others.drain()
        if keys:
            writer.add_run(keys, states)


def buffer_of(job: Job, fold: Fold | None, split: Split, settings: TaskSettings) -> Any:
    """The buffer that suits a map of lines, unless it is fed with raw columns."""
    if fold is not None and sums_packed(job, split, settings):
        return PackedFold(fold)
    return buffer_for(fold, combiner(job))


def _are_short(keys: Iterable[Any]) -> bool:
    """Whether most of the keys would be packed."""
    fit = [type(key) is str and 0 < len(key) <= _WIDTH and key.isascii() for key in islice(keys, _SAMPLE)]
    return 2 * sum(fit) > len(fit)
