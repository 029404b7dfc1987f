"""A buffer of a ready reducer that also takes whole Arrow tables of pairs (`arrow_groupby.py`).

A module of its own, since it is loaded for any `map_batch` and NumPy only when a table comes.
"""

from __future__ import annotations

from typing import Any

from mrframe.shuffle.buffers import FoldBuffer


class TableFoldBuffer(FoldBuffer):
    """States of a ready reducer by key, from columns of pairs or from Arrow tables."""

    def add_table(self, table: Any) -> bool:
        """See `Buffer`. False when the table's states cannot be made without Python."""
        from mrframe.task.columnar.arrow_groupby import states_of

        found = states_of(self.fold, table)
        if found is None:
            return False
        self.add_states(*found)
        return True
