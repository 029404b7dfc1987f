"""The interface of the compiled kernel. Data never raises: only wrong arguments do, and memory that ends."""

from typing import Any, final

VECTORS: str
"""The vector instructions that it was compiled for: `SSE2` or `none`."""

def count_lines(block: bytes, /) -> int:
    """Return the number of newlines."""

def count_words(block: bytes, /) -> int:
    """Return the number of words between ASCII whitespace."""

@final
class Program:
    """A format as steps of a line (`formats/grammar/kernel_program.py`). Raises ValueError for other steps."""

    def __new__(cls, steps: tuple[Any, ...], columns: int, /) -> Program: ...
    def scan(self, block: bytes, /) -> Block:
        """Cut the lines of a block, each of which ends with a newline."""

@final
class Block:
    """A block of lines and the places of their values, by column and record."""

    records: int
    lines: int
    refused: list[tuple[int, int, int]]
    """(number of the line, its offset and its length in bytes) of each line that the program does not take."""

    def joined(self, column: int, separator: bytes, /) -> bytes | None:
        """Return the values with a byte between them, or None if one is absent."""

    def values(self, column: int, /) -> list[bytes | None]:
        """Return each value."""
