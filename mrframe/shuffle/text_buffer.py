"""Buffers of texts without values, which the compiled kernel sorts: lines as they were read, and pairs of a function.

Both give the run that a `PairBuffer` gives, in the same bytes. Not here: the sort (`kernel/sort.c`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mrframe.kernel import compiled
from mrframe.shuffle.buffers import Columns, PairBuffer, RunTarget
from mrframe.shuffle.columns import decode, encode_text


class LineBuffer:
    """A `shuffle.buffers.Buffer` of lines, each of which ends with a newline, as keys."""

    def __init__(self) -> None:
        self._columns: list[Any] = []
        self._bytes = 0

    def add_block(self, columns: Sequence[Any], records: int) -> None:  # noqa: ARG002
        """See `Buffer`."""
        (lines,) = columns
        self._columns.append(compiled().texts_of_lines(lines.text))
        self._bytes += self._columns[-1].size_bytes

    def add_table(self, table: Any) -> bool:  # noqa: ARG002
        """See `Buffer`."""
        return False

    def size_bytes(self) -> int:
        """See `Buffer`."""
        return self._bytes

    def write_runs(self, target: RunTarget) -> None:
        """See `Buffer`."""
        if self._columns:
            target.add_texts(self._columns)
        self._columns, self._bytes = [], 0


class TextPairBuffer(PairBuffer):
    """Pairs as they come, encoded as long as all are text with None. For the usual hash, or ranges."""

    def __init__(self) -> None:
        super().__init__()
        self._encoded: list[tuple[bytes, Any]] = []  # columns of keys, and the same for the kernel
        self._encoded_bytes = 0

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """See `Buffer`."""
        if not self._keys and keys and _are_texts(keys, values):
            column = encode_text(list(keys))
            texts = compiled().texts_of_column(column)
            if texts is not None:
                self._encoded.append((column, texts))
                self._encoded_bytes += texts.size_bytes
                return
        self._decode()
        super().add(keys, values)

    def _decode(self) -> None:
        """Hold values from now on."""
        encoded, self._encoded, self._encoded_bytes = self._encoded, [], 0
        for column, _ in encoded:
            keys = decode(column, unpickle=False)
            super().add(keys, [None] * len(keys))

    def size_bytes(self) -> int:
        """See `Buffer`."""
        return super().size_bytes() + self._encoded_bytes

    def drain(self) -> Columns:
        """See `DrainedBuffer`."""
        self._decode()
        return super().drain()

    def write_runs(self, target: RunTarget) -> None:
        """See `Buffer`."""
        if self._encoded:
            target.add_texts([texts for _, texts in self._encoded])
            self._encoded, self._encoded_bytes = [], 0
        else:
            super().write_runs(target)


def _are_texts(keys: Sequence[Any], values: Sequence[Any]) -> bool:
    return values.count(None) == len(values) == len(keys) and set(map(type, keys)) == {str}


def pair_buffer(*, usual_slots: bool = True) -> PairBuffer:
    """Return the buffer of pairs that are only sorted. `usual_slots` says that no other hash parts them."""
    return TextPairBuffer() if usual_slots and compiled() is not None else PairBuffer()
