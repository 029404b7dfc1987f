"""Group-by for many distinct keys: short text keys are packed into integers and sorted, all others use a dict.

Not here: packing itself (`packed_keys.py`).

How it works. A dict of few keys stays in the processor's cache, where nothing is faster. With many keys each look-up
waits for memory, which sorting an array of integers does not. So packed keys are gathered in a `PackedTable`, and all
others go to an ordinary buffer beside it. Arrow tables are packed from the start. Pairs are packed once the dict has
outgrown the cache and most of its keys are short.

Rules.
- Only text keys with small ints are packed. Other columns of pairs go to the ordinary buffer, which also refuses
  illegal ones. A key may thus be on both sides. The sides are written as separate runs and the merge joins them.
- Only for `count` and `total`, whose states of ints are ints and merge in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from mrframe.shuffle.buffers import FoldBuffer, RunTarget
from mrframe.shuffle.partition import slots_bits

PENDING_WORDS_MAX = 4 << 20  # words of 8 bytes each that wait to be sorted
MANY_KEYS = 50_000  # in a dict that no longer fits the cache
_SAMPLE = 1_000  # keys examined to decide whether packing pays
_WIDTH = 8  # equal to `packed_keys.WIDTH`, repeated to avoid loading NumPy


class PackedTable:
    """Sums by packed key. Arrays of keys are collected and sorted many at a time."""

    def __init__(self) -> None:
        self._ones: list[Any] = []
        self._ints: list[tuple[Any, Any]] = []
        self._pending_bytes = 0
        self._counted: list[tuple[Any, Any]] = []

    def add(self, packed: Any, values: Any = None) -> None:
        """Add to each packed key its value (from `packed_keys.small_ints`), or 1 without `values`."""
        if values is None:
            self._ones.append(packed)
            self._pending_bytes += 8 * len(packed)
        else:
            self._ints.append((packed, values))
            self._pending_bytes += 40 * len(packed)  # including the memory for sorting by key
        if self._pending_bytes >= 8 * PENDING_WORDS_MAX:
            self._count()

    def _count(self) -> None:
        from mrframe.task.columnar.packed_keys import counted, joined, summed

        if self._ones:
            self._counted.append(counted(joined(self._ones)))
        if self._ints:
            sums = summed(*(joined(column) for column in zip(*self._ints, strict=True)))
            assert sums is not None  # the ints are small
            self._counted.append(sums)
        self._ones, self._ints, self._pending_bytes = [], [], 0

    def size_bytes(self) -> int:
        """Return the approximate number of bytes held."""
        return self._pending_bytes + 16 * sum(len(packed) for packed, _ in self._counted)

    def write_runs(self, target: RunTarget) -> None:
        """Write everything as one run, or as several if a sum might need over 64 bits, and empty the table."""
        from mrframe.task.columnar.packed_keys import encoded, joined, summed

        self._count()
        runs = self._counted
        if len(runs) > 1:
            merged = summed(*(joined(column) for column in zip(*runs, strict=True)))
            runs = runs if merged is None else [merged]
        for packed, sums in runs:
            if len(packed):
                target.add_encoded(encoded(packed, sums, slots_bits(target.slots), target.seed))
        self._counted = []


class PackedSums:
    """A buffer of pairs for `count` and `total`: a table of packed keys, and a buffer for all others."""

    def __init__(self, others: FoldBuffer) -> None:
        self.others = others
        self.table = PackedTable()
        self._counts = not others.fold.needs_value
        self._packs: bool | None = None  # None: not yet decided

    def add_block(self, columns: Sequence[Any], records: int) -> None:  # noqa: ARG002
        """See `Buffer`."""
        keys, values = columns
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
        self.table.add(packed[good], None if ints is None else ints[good])
        return True

    def add_table(self, table: Any) -> bool:
        """See `Buffer`. Packs text keys. All others go to the other buffer, as a table if it takes one."""
        from mrframe.task.columnar.arrow import are_carried, ints_of, pairs_of, text_of

        text = text_of(table.column("key"))
        if "value" not in table.column_names:
            suits = self._counts
        else:
            suits = not self._counts or are_carried(table.column("value"))
        if text is None or not suits:
            return self.others.add_table(table)
        from mrframe.task.columnar.packed_keys import pack_offsets, small_ints, split

        ints = None if self._counts else ints_of(table.column("value"))
        values = None if ints is None else small_ints(ints)
        found = pack_offsets(*text) if self._counts or values is not None else None
        if found is None:
            return self.others.add_table(table)
        packed, (good, others) = found[0], split(found[1])
        if others:
            self.others.add(*pairs_of(table.take(others)))
        self.table.add(packed[good], None if values is None else values[good])
        return True

    def size_bytes(self) -> int:
        """See `Buffer`."""
        return self.table.size_bytes() + self.others.size_bytes()

    def write_runs(self, target: RunTarget) -> None:
        """See `Buffer`. The packed keys come first."""
        self.table.write_runs(target)
        self.others.write_runs(target)


def _are_short(keys: Iterable[Any]) -> bool:
    """Return whether most of the keys would be packed."""
    fit = [type(key) is str and 0 < len(key) <= _WIDTH and key.isascii() for key in islice(keys, _SAMPLE)]
    return 2 * sum(fit) > len(fit)
