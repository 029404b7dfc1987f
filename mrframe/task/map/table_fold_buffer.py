"""A buffer of a ready reducer that folds the tables of `map_batch` in the compiled kernel.

For keys of text, and values that are ints or, for `distinct`, text. All other tables, and rows with an int of more
than 18 digits, come pair by pair to the buffer that this one extends. The merge joins both. Not here: blocks of Arrow
columns (`columnar/arrow.py`), and columns of logs (`kernel_fold.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mrframe.kernel import compiled
from mrframe.shuffle.buffers import FoldBuffer, RunTarget
from mrframe.shuffle.fold import Fold
from mrframe.shuffle.partition import slots_bits
from mrframe.shuffle.reducers import Measures
from mrframe.task.columnar.arrow import pairs_as_block, pairs_of
from mrframe.task.map.kernel_fold import COLUMNS_MAX, NAMES, opened


def aggregates_of(fold: Fold) -> tuple[str, ...] | None:
    """Return the kernel's name of each reducer of a fold, None if it lacks one or would need two kinds of values."""
    parts = tuple(fold.parts.values()) if isinstance(fold, Measures) else (fold,)
    names = tuple(NAMES.get(type(part), "") for part in parts)
    kinds = {name == "distinct" for name in names if name != "count"}
    return names if all(names) and len(kinds) < 2 and len(names) <= COLUMNS_MAX else None


class TableFoldBuffer(FoldBuffer):
    """States of a ready reducer by key: from tables in the kernel, from columns of pairs in Python.

    `may_encode` says that keys may be written by their usual hash, without Python.
    """

    def __init__(self, fold: Fold, aggregates: Sequence[str], *, may_encode: bool) -> None:
        super().__init__(fold)
        self._aggregates = tuple(aggregates)
        self._wrapped = isinstance(fold, Measures)
        self._may_encode = may_encode
        self._kernel = compiled()
        self._kept = self._kernel.Table(self._aggregates, self._wrapped)
        self._values = tuple(-1 if name == "count" else 1 for name in aggregates)
        others = set(aggregates) - {"count"}
        self._wanted = "none" if not others else "text" if others == {"distinct"} else "int"

    def add_table(self, table: Any) -> bool:
        """See `Buffer`."""
        block = pairs_as_block(self._kernel, table, self._wanted)
        if block is None:
            return False
        left_out = self._kept.add(block, (0,), self._values, (0,) * len(self._values))
        if left_out:
            keys, values = pairs_of(table)
            self.add([keys[row] for row in left_out], [values[row] for row in left_out])
        return True

    def size_bytes(self) -> int:
        """See `Buffer`."""
        return super().size_bytes() + int(self._kept.size_bytes)

    def write_runs(self, target: RunTarget) -> None:
        """See `Buffer`. The encoded keys come first."""
        sections, others = self._kept.drain(slots_bits(target.slots), self._may_encode, ())
        if sections:
            target.add_encoded(sections)
        if others:
            keys = [None if key is None else key.decode() for (key,), _, _ in others]
            self.add_states(keys, [opened(state, self._aggregates, wrapped=self._wrapped) for _, _, state in others])
        super().write_runs(target)
