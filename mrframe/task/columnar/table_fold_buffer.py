"""A buffer of a ready reducer that also takes whole Arrow tables of pairs (`arrow_groupby.py`).

A module of its own, since every `map_batch` loads it but NumPy is needed only once a table arrives.
"""

from __future__ import annotations

from typing import Any

from mrframe.shuffle.buffers import FoldBuffer


class TableFoldBuffer(FoldBuffer):
    """States of a ready reducer by key, from columns of pairs or from Arrow tables."""

    def add_table(self, table: Any) -> bool:
        """See `Buffer`. Returns False if the table must be folded in Python."""
        from mrframe.task.columnar.arrow_groupby import states_of

        found = states_of(self.fold, table)
        if found is None:
            return False
        self.add_states(*found)
        return True
