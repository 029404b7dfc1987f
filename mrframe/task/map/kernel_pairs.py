"""Folds pairs in the compiled kernel: those of a map that is called, columns of a declared one, and Arrow tables.

The kernel's table takes keys of text and ints with the values that the reducers want: ints, or text for `distinct`.
All other pairs are left to the buffer beside the table, and the merge joins both. Not here: columns that the kernel
has scanned itself (`kernel_fold.py`), blocks of Arrow columns (`columnar/arrow.py`), and when to use it (`path.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mrframe.kernel import compiled
from mrframe.shuffle.buffers import Columns, FoldBuffer, PairsBuffer, RunTarget
from mrframe.shuffle.fold import Fold
from mrframe.shuffle.partition import slots_bits
from mrframe.shuffle.reducers import Measures
from mrframe.task.map.kernel_fold import COLUMNS_MAX, NAMES, opened

FEW_PAIRS = 1_000  # a block of this many, none of which the table takes, is the last that it is asked about
_INT = b"\0"  # begins the key of an int, as the table holds it


def aggregates_of(fold: Fold) -> tuple[str, ...] | None:
    """Return the kernel's name of each reducer of a fold, None if it lacks one or would need two kinds of values."""
    parts = tuple(fold.parts.values()) if isinstance(fold, Measures) else (fold,)
    names = tuple(NAMES.get(type(part), "") for part in parts)
    kinds = {name == "distinct" for name in names if name != "count"}
    return names if all(names) and len(kinds) < 2 and len(names) <= COLUMNS_MAX else None


class KernelPairsBuffer(PairsBuffer):
    """A `shuffle.buffers.Buffer` of pairs. `may_encode` says that keys may be written by their usual hash."""

    def __init__(self, fold: Fold, *, may_encode: bool = True) -> None:
        aggregates = aggregates_of(fold)
        assert aggregates is not None
        self._aggregates = aggregates
        self._wrapped = isinstance(fold, Measures)
        self._may_encode = may_encode
        self._table = compiled().Table(aggregates, self._wrapped)
        self._others = FoldBuffer(fold)
        self._is_asked = True

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """See `PairsBuffer`."""
        if not self._is_asked:
            self._others.add(keys, values)
            return
        texts = list(keys)
        left_out = self._table.add_values(texts, list(values) if self._others.fold.needs_value else texts)
        if left_out:
            self._leave_out(left_out, len(keys))
            self._others.add([keys[i] for i in left_out], [values[i] for i in left_out])

    def add_pairs(self, pairs: list[Any], columns_of: Callable[[list[Any]], Columns]) -> None:
        """See `PairsBuffer`."""
        if not self._is_asked:
            self._others.add(*columns_of(pairs))
            return
        left_out = self._table.add_values(pairs)
        if left_out:
            self._leave_out(left_out, len(pairs))
            self._others.add(*columns_of([pairs[i] for i in left_out]))

    def _leave_out(self, left_out: Sequence[int], pairs: int) -> None:
        self._is_asked = len(left_out) < pairs or pairs < FEW_PAIRS

    def add_table(self, table: Any) -> bool:
        """See `Buffer`. A row with an int of more than 18 digits is left out."""
        from mrframe.task.columnar.arrow import pairs_as_block, pairs_of

        others = set(self._aggregates) - {"count"}
        block = pairs_as_block(
            compiled(), table, "none" if not others else "text" if others == {"distinct"} else "int"
        )
        if block is None:
            return False
        values = tuple(-1 if name == "count" else 1 for name in self._aggregates)
        left_out = self._table.add(block, (0,), values, (0,) * len(values))
        if left_out:
            keys, rows = pairs_of(table)
            self._others.add([keys[row] for row in left_out], [rows[row] for row in left_out])
        return True

    def size_bytes(self) -> int:
        """See `Buffer`."""
        return int(self._table.size_bytes) + self._others.size_bytes()

    def write_runs(self, target: RunTarget) -> None:
        """See `Buffer`. The encoded keys come first."""
        sections, others = self._table.drain(slots_bits(target.slots), self._may_encode, ())
        if sections:
            target.add_encoded(sections)
        if others:
            states = [opened(state, self._aggregates, wrapped=self._wrapped) for *_, state in others]
            self._others.add_states([_key(text) for (text,), _, _ in others], states)
        self._others.write_runs(target)
        self._is_asked = True


def _key(text: bytes | None) -> Any:
    if text is None:
        return None
    return int.from_bytes(text[1:], "little", signed=True) if text[:1] == _INT else text.decode()
