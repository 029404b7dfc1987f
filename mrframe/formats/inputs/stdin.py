"""Standard input: copied once, decoded if it is compressed, to block files that splits can name.

A pipe can be read only once and by one process, while map tasks are many and may be tried again. Blocks
are cut by the rule of `line_blocks.py`, so a pipe gives the same splits as the file that is piped into it.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

from mrframe.core.model.spec import SPLIT_BYTES, Split
from mrframe.errors import TimedOut
from mrframe.formats.inputs.compression import READ_BYTES, compression_of, decompress
from mrframe.formats.inputs.line_blocks import write_blocks
from mrframe.formats.inputs.magic import HEAD_BYTES
from mrframe.formats.readers.record_starts import record_starts

STDIN_NAME = "-"


class InTime:
    """A stream with a descriptor that is read until a deadline. Raises TimedOut then, also while it waits."""

    def __init__(self, stream: BinaryIO, timeout_s: float) -> None:
        self._stream: Any = stream
        self._timeout_s = timeout_s
        self._until_s = time.monotonic() + timeout_s

    def read(self, size: int) -> bytes:
        """Return some bytes, at most `size`, as soon as there are any, b"" at the end."""
        left_s = self._until_s - time.monotonic()
        if left_s <= 0 or not select.select([self._stream], [], [], left_s)[0]:
            raise TimedOut(f"standard input did not end within {self._timeout_s:g} s; give it more with --timeout-s")
        return bytes(self._stream.read1(size))


class Stream(NamedTuple):
    """A stream whose first bytes were read: the decoded chunks, those bytes among them, and a copy of them."""

    chunks: Iterator[bytes]
    head: bytes


def open_stream(stream: BinaryIO | InTime, head_bytes: int) -> Stream:
    """Read the first bytes of a stream, decoded, and see to its compression.

    Raises InputError if the stream is compressed and damaged, ExtraMissing if its compression cannot be read.
    """
    chunks: Iterator[bytes] = iter(lambda: stream.read(READ_BYTES), b"")
    begin = b""
    while len(begin) < HEAD_BYTES and (chunk := next(chunks, b"")):
        begin += chunk
    chunks = chain([begin], chunks)
    compression = compression_of(begin, STDIN_NAME)
    if compression:
        chunks = decompress(chunks, compression, "standard input")
    first: list[bytes] = []
    while sum(map(len, first)) < head_bytes and (chunk := next(chunks, b"")):
        first.append(chunk)
    return Stream(chain(first, chunks), b"".join(first)[:head_bytes])


def spool(
    stream: BinaryIO | InTime | Stream,
    directory: str,
    *,
    block_bytes: int = SPLIT_BYTES,
    index: int = 0,
    input_name: str = "",
    record_start: str = "",
) -> Iterator[Split]:
    """Copy a stream to files `stdin-00000`… of whole records in `directory`, and yield a split as each is complete.

    `record_start` is the pattern of `readers/record_starts.py`. `index` is the input index of `-`. A split's `offset`
    is 0, the offset in its own file. Its offset in the stream is `order[1]`. An empty stream gives no split. Raises
    the errors of `open_stream`, OSError if the disk does not take it.
    """

    def path(block: int) -> str:
        return os.path.join(os.path.abspath(directory), f"stdin-{block:05d}")

    opened = stream if isinstance(stream, Stream) else open_stream(stream, 0)
    starts = record_starts(record_start)
    for block in write_blocks(opened.chunks, block_bytes, lambda i: open(path(i), "xb"), starts=starts):  # noqa: SIM115
        yield Split(
            "file",
            STDIN_NAME,
            path(block.index),
            0,
            block.length,
            (index, block.offset),
            lines_before=block.lines_before,
            input_name=input_name,
            crc32=block.crc32,
            record_start=record_start,
        )
