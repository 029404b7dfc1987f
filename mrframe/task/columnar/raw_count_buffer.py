"""Counts keys in C: counts the raw bytes of the key's fields, and converts each distinct text once.

For `key=…, reduce=count` without `where`, and for an equivalent map (`yield status, 1` with `total`), the reader
leaves the key's fields as bytes and a Counter takes a block at a time. Each distinct text is converted once, at the
spill. Not here: which jobs take this path (`map/path.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from sys import getsizeof
from typing import Any

from mrframe.formats.factory import BlockReader
from mrframe.formats.readers.base import raw_of
from mrframe.shuffle.buffers import DrainedBuffer


class RawCountBuffer(DrainedBuffer):
    """A `shuffle.buffers.Buffer` that counts raw columns, the fields `names` of the key.

    Draining counts the fields that cannot be converted in `bad_fields`, by name.
    """

    def __init__(self, reader: BlockReader, names: Sequence[str], bad_fields: dict[str, int]) -> None:
        self._reader = reader
        self._names = names
        self._counts: Counter[Any] = Counter()
        self._bad_fields = bad_fields

    def add_block(self, columns: Sequence[Any], records: int) -> None:  # noqa: ARG002
        """See `Buffer`."""
        texts = [raw_of(column) for column in columns]
        self._counts.update(texts[0] if len(texts) == 1 else zip(*texts, strict=True))

    def size_bytes(self) -> int:
        """See `Buffer`. A key is a short text, or a tuple of short texts."""
        return getsizeof(self._counts) + len(self._counts) * 110 * len(self._names)

    def drain(self) -> tuple[list[Any], list[int]]:
        """Return the converted keys and their counts. Different texts of one value give several pairs."""
        raw, counts = list(self._counts), list(self._counts.values())
        self._counts = Counter()
        if not raw:
            return [], []
        if len(self._names) == 1:
            return self._converted(0, raw, counts), counts
        columns = [
            self._converted(index, list(column), counts) for index, column in enumerate(zip(*raw, strict=True))
        ]
        return list(zip(*columns, strict=True)), counts

    def _converted(self, index: int, raw: list[Any], counts: list[int]) -> list[Any]:
        values, bad = self._reader.convert(index, raw)
        if bad:
            name = self._names[index]
            wrong = sum(
                count
                for text, value, count in zip(raw, values, counts, strict=True)
                if value is None and self._reader.convert(index, [text])[1]
            )
            self._bad_fields[name] = self._bad_fields.get(name, 0) + wrong
        return values
