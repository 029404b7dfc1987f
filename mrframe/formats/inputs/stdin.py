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
from typing import Any, BinaryIO

from mrframe.core.model.spec import SPLIT_BYTES, Split
from mrframe.errors import TimedOut
from mrframe.formats.inputs.compression import READ_BYTES, compression_of, decompress
from mrframe.formats.inputs.line_blocks import write_blocks
from mrframe.formats.inputs.magic import HEAD_BYTES

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


def spool(
    stream: BinaryIO | InTime, directory: str, *, block_bytes: int = SPLIT_BYTES, index: int = 0, input_name: str = ""
) -> Iterator[Split]:
    """Copy `stream` to files `stdin-00000`… of whole lines in `directory`, and yield a split as each is complete.

    `index` is the input index of `-`. A split's `offset` is 0, the offset in its own file. Its offset in the stream
    is `order[1]`. An empty stream gives no split. Raises InputError if the stream is compressed and damaged,
    ExtraMissing if its compression cannot be read, OSError if the disk does not take it.
    """
    chunks: Iterator[bytes] = iter(lambda: stream.read(READ_BYTES), b"")
    head = b""
    while len(head) < HEAD_BYTES and (chunk := next(chunks, b"")):
        head += chunk
    chunks = chain([head], chunks)
    compression = compression_of(head, STDIN_NAME)
    if compression:
        chunks = decompress(chunks, compression, "standard input")

    def path(block: int) -> str:
        return os.path.join(os.path.abspath(directory), f"stdin-{block:05d}")

    for block in write_blocks(chunks, block_bytes, lambda i: open(path(i), "xb")):  # noqa: SIM115
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
        )
