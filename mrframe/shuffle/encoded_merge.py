"""Merges sorted output whose columns stay encoded: text keys with ints or None, in the compiled kernel.

Not here: the merge of any other columns (`merge.py`), which takes over where a column is of another form, and the
merge in C (`kernel/merge.h`).

How it works. Each stream has a head: its current block, and how far that is taken. The kernel merges the heads until
one is used up, which is then replaced by the next block of its stream. The kernel also writes the rows of an answer,
where a spelling says how. It stops before a key that the spelling cannot write, and then a few rows come as columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from mrframe.core.row_spelling import RowSpelling
from mrframe.errors import CorruptData
from mrframe.kernel import compiled
from mrframe.shuffle.columns import decode
from mrframe.shuffle.keys import kind_of
from mrframe.shuffle.merge import merge
from mrframe.shuffle.run_file.run_reader import EncodedBlock
from mrframe.shuffle.run_file.run_writer import Block

HEADS_MAX = 256  # blocks in memory. More streams are merged in several passes, by Python
ROWS_SPELT_MAX = 1 << 30  # more than the heads ever hold
ROWS_AS_COLUMNS = 4096
ROWS_AFTER_SPECIAL = 64

Columns = tuple[list[Any], list[Any]]


class _Head:
    """The current block of a stream. `at` is the place of the next key in its column, `record` its number."""

    __slots__ = ("_stream", "at", "keys", "record", "records", "values")

    def __init__(self, stream: Iterator[EncodedBlock]) -> None:
        self._stream = stream
        self.records = self.record = self.at = 0
        self.keys = self.values = memoryview(b"")

    def is_there(self) -> bool:
        """Go to the next block if this one is used up. Returns False at the end of the stream."""
        if self.record == self.records:
            self.records, self.keys, self.values = next(self._stream, (0, self.keys, self.values))
            self.at, self.record = 1, 0
        return self.records > 0

    def rest(self) -> Iterator[Block]:
        """Yield what is left of the stream, decoded."""
        while self.is_there():
            keys, values = decode(self.keys, unpickle=False), decode(self.values, unpickle=False)
            if not len(keys) == len(values) == self.records:
                raise CorruptData(f"a block holds {len(keys)} keys and {len(values)} values, not {self.records}")
            start, self.record = self.record, self.records
            yield kind_of(keys[start:]), keys[start:], values[start:]


def merge_encoded(
    streams: Sequence[Iterator[EncodedBlock]],
    spelling: Callable[[], RowSpelling | None],
    make_file: Callable[[], BinaryIO],
) -> Iterator[bytes | Columns]:
    """Merge as `merge` does, and yield columns, or rows as bytes where the spelling allows.

    `spelling` is asked again for each piece. Raises the errors of the streams, and CorruptData.
    """
    kernel = compiled() if len(streams) <= HEADS_MAX else None
    heads = [_Head(stream) for stream in streams]
    while heads := [head for head in heads if head.is_there()]:
        spelt = spelling()
        if spelt is not None and not spelt.takes_none and any(bytes(head.values[:1]) == b"n" for head in heads):
            spelt = None
        piece = kernel and _merged(kernel, heads, spelt)
        if piece is None:
            rest = [head.rest() for head in heads]
            for _, keys, values in rest[0] if len(rest) == 1 else merge(rest, make_file=make_file):
                yield keys, values
            return
        yield piece


def _merged(kernel: Any, heads: list[_Head], spelt: RowSpelling | None) -> bytes | Columns | None:
    """Return the next rows, None for columns of another form."""
    given = tuple((head.keys, head.values, head.records, head.at, head.record) for head in heads)
    found = kernel.merge(given, ROWS_SPELT_MAX if spelt else ROWS_AS_COLUMNS, spelt and spelt[:4])
    if found and not found[0]:
        found = kernel.merge(given, ROWS_AFTER_SPECIAL, None)
        spelt = None
    if not found:
        return None
    data: bytes = found[0]
    for head, (at, record) in zip(heads, found[2], strict=True):
        head.at, head.record = at, record
    if spelt is not None:
        return data
    keys = decode(data, unpickle=False)
    return keys, decode(found[1], unpickle=False) if found[1] != b"n" else [None] * len(keys)
