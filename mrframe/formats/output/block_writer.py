"""`BlockWriter`: what makes the bytes of a result in one form, and the options that every form takes.

Not here: the forms (`named_outputs.py`) and their writers (`writers.py`, `table_writer.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from mrframe.core.display_width import Terminal
from mrframe.core.fast_dataclass import dataclass
from mrframe.formats.output.value_text import Text


class BlockWriter(Protocol):
    """Makes the bytes of an answer, a block of rows at a time."""

    def block(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        """The bytes of the next rows. An answer without rows is one call without any.

        The first block has at least 1,000 rows, unless there are fewer: columns and widths may be taken from it.
        Raises ValueRefused for a value that the form cannot hold.
        """
        ...


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """What a form leaves open.

    terminal  where it is written to, None for a file or a pipe. A writer writes nothing that a terminal would obey
    text      how to write bytes that are not UTF-8: see `value_text.Text`
    columns   names that the job gives to the columns of its result, () for none: see `table_columns.Grid`
    """

    terminal: Terminal | None = None
    text: Text = "bytes"
    columns: tuple[str, ...] = ()


MakeWriter = Callable[[WriterOptions], BlockWriter]
