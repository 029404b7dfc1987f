"""Cutting bytes into pieces of whole lines, by one rule for files, decoded streams and standard input.

The rule: from the start of the source, each multiple of `split_bytes` is moved to the next record start, which is the
byte just after the next `\\n`: a piece is the lines whose first byte lies between two multiples. Where records have
several lines, it is the next line that begins one (`readers/record_starts.py`). A cut therefore depends only on the
bytes before it and a few behind it, so that a file that has grown, or has been compressed, or comes through a pipe,
keeps all its earlier pieces. A line is never cut, however long. Not here: records within the lines, decompression.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import BinaryIO
from zlib import crc32

from mrframe.core.fast_dataclass import dataclass
from mrframe.formats.readers.record_starts import RECORD_BYTES_MAX, RecordStarts

Crc = Callable[[bytes, int], int]
"""CRC-32 of more bytes, from that of the ones before."""
STEP_BYTES = 64 << 10
"""Bytes read at a time to find the next newline."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a stream, written to a file of its own.

    index        counts from 0. The file is the one from `open_block(index)`
    offset       where the piece begins in the (decoded) stream, in bytes
    length       its bytes
    lines_before newlines of the stream before it, -1 if they were not counted
    crc32        of its bytes, as they were given to be written
    """

    index: int
    offset: int
    length: int
    lines_before: int
    crc32: int


def next_multiple(offset: int, split_bytes: int) -> int:
    """The first multiple of `split_bytes` behind `offset`."""
    return (offset // split_bytes + 1) * split_bytes


ReadAt = Callable[[int, int], bytes]
"""`read_at(offset, count)` gives `count` bytes from `offset`, fewer only at the end."""


def pieces(
    read_at: ReadAt, size: int, split_bytes: int, starts: RecordStarts | None = None
) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of each piece of `size` bytes, in order. `starts` says where records begin."""
    if starts is not None:
        yield from _pieces_of_records(read_at, size, split_bytes, starts)
        return
    start = 0
    window_at, window = 0, b""
    while start < size:
        position = next_multiple(start, split_bytes) - 1  # a newline here leaves the cut where it is
        cut = size
        while position < size:
            if not window_at <= position < window_at + len(window):
                window_at, window = position, read_at(position, min(STEP_BYTES, size - position))
            found = window.find(b"\n", position - window_at)
            if found >= 0:
                cut = window_at + found + 1
                break
            position = window_at + len(window)
        yield start, cut - start
        start = cut


def _pieces_of_records(
    read_at: ReadAt, size: int, split_bytes: int, starts: RecordStarts
) -> Iterator[tuple[int, int]]:
    start = 0
    while start < size:
        position = next_multiple(start, split_bytes) - 1
        cut = record_cut(read_at, size, position, position + RECORD_BYTES_MAX, starts)
        yield start, cut - start
        start = cut


def record_cut(read_at: ReadAt, size: int, search: int, limit: int, starts: RecordStarts) -> int:
    """Return where the first record begins behind a newline at or behind `search`, `size` if none does.

    Behind `limit` any line counts as one.
    """
    while search < size:
        data = read_at(search, min(STEP_BYTES, size - search))
        cut, search = starts.next_cut(data, search, search, limit, is_end=search + len(data) == size)
        if cut:
            return cut
    return size


def cut_stream(
    chunks: Iterable[bytes], block_bytes: int, starts: RecordStarts | None = None
) -> Iterator[tuple[bytes, bool]]:
    """Yield the bytes of a stream, and whether a piece ends behind them. Perhaps it does not behind the last ones."""
    if starts is not None:
        yield from _cut_records(chunks, block_bytes, starts)
        return
    start = offset = 0
    for chunk in chunks:
        position = 0
        while position < len(chunk):
            search_from = max(position, position + next_multiple(start, block_bytes) - 1 - offset)
            cut = chunk.find(b"\n", search_from) + 1
            data = chunk[position:cut] if cut else chunk[position:]
            position += len(data)
            offset += len(data)
            if cut:
                start = offset
            yield data, bool(cut)


def _cut_records(chunks: Iterable[bytes], block_bytes: int, starts: RecordStarts) -> Iterator[tuple[bytes, bool]]:
    """Cut a stream between records. Holds a chunk, and the end of the one before that does not tell enough."""
    held, base = b"", 0  # `held` stands at `base` of the stream
    search = first = next_multiple(0, block_bytes) - 1
    for chunk in chain(chunks, (None,)):
        held += chunk or b""
        while True:
            cut, go_on = starts.next_cut(held, base, search, first + RECORD_BYTES_MAX, is_end=chunk is None)
            if not cut:
                break
            yield held[: cut - base], True
            held, base = held[cut - base :], cut
            search = first = next_multiple(cut, block_bytes) - 1
        search = max(search, go_on)
        ready = max(min(search, base + len(held)) - base, 0) if chunk is not None else len(held)
        if ready:
            yield held[:ready], False
            held, base = held[ready:], base + ready


def write_blocks(
    chunks: Iterable[bytes],
    block_bytes: int,
    open_block: Callable[[int], BinaryIO],
    crc: Crc = crc32,
    *,
    counts_lines: bool = True,
    starts: RecordStarts | None = None,
) -> Iterator[Block]:
    """Write a stream of chunks to files of whole lines, and yield each block when its file is closed.

    `crc` is some implementation of CRC-32, `starts` says where records begin.
    Holds one chunk at a time. Nothing is opened for an empty stream. Only the
    last block may lack a final newline. If this raises (a chunk's error, or OSError), the caller deletes the files.
    """
    writer = _Writer(open_block, crc, counts_lines=counts_lines)
    try:
        for data, ends in cut_stream(chunks, block_bytes, starts):
            writer.write(data)
            if ends:
                yield writer.finish()
        if writer.offset > writer.start:
            yield writer.finish()
    finally:
        writer.close()


class _Writer:
    """The block that is being written: from `start` in the stream to `offset`."""

    def __init__(self, open_block: Callable[[int], BinaryIO], crc: Crc, *, counts_lines: bool) -> None:
        self._open_block = open_block
        self._crc = crc
        self._counts_lines = counts_lines
        self._file: BinaryIO | None = None
        self._index = 0
        self._lines = 0
        self._lines_before = 0 if counts_lines else -1
        self._crc32 = 0
        self.start = 0
        self.offset = 0

    def write(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._open_block(self._index)
        with _named(self._file):
            self._file.write(data)
        self._crc32 = self._crc(data, self._crc32)
        if self._counts_lines:
            self._lines += data.count(b"\n")
        self.offset += len(data)

    def finish(self) -> Block:
        self.close()
        block = Block(self._index, self.start, self.offset - self.start, self._lines_before, self._crc32)
        self._index += 1
        self._crc32 = 0
        self.start = self.offset
        self._lines_before = self._lines if self._counts_lines else -1
        return block

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with _named(file):
                file.close()


@contextlib.contextmanager
def _named(file: BinaryIO) -> Iterator[None]:
    """Give an error of writing the path of its file, which the system leaves out."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or file.name
        raise
