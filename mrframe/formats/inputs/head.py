"""The first bytes of an input, decoded, to detect formats and check fields.

A hole before the first line (NUL bytes that a writer left behind when the file was truncated under it) is passed
over, however long it is. Not here: detection (`detect.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from mrframe.errors import InputChanged, InputError
from mrframe.formats.inputs.compression import compression_of, decoded_chunks, decompress
from mrframe.formats.inputs.file_identity import State, check_opened
from mrframe.formats.inputs.files import InputFile
from mrframe.formats.inputs.magic import HEAD_BYTES as MAGIC_BYTES
from mrframe.formats.readers.base import BOM

HEAD_BYTES = 1 << 20
_STEP_BYTES = 64 << 10


def head_of(file: InputFile, limit_bytes: int = HEAD_BYTES) -> bytes:
    """Return at most `limit_bytes` from the beginning of a file's first line, b"" for standard input and for a file
    that is not here.

    Raises InputChanged if the file is gone or another one since it was found, InputError if it cannot be read, or is
    compressed and damaged.
    """
    if file.is_stdin or not file.bytes:
        return b""
    if file.is_stored:
        return _stored_head(file, limit_bytes)
    if file.compression:
        return decoded_head(file.path, file.name, limit_bytes, file.state[:4])
    return _plain_head(file, limit_bytes)


def stream_head(stream: BinaryIO, name: str, limit_bytes: int = HEAD_BYTES) -> bytes:
    """The same of a stream, of which no more is read than that."""
    chunks: Iterator[bytes] = iter(lambda: stream.read(_STEP_BYTES), b"")
    begin = b""
    while len(begin) < MAGIC_BYTES and (chunk := next(chunks, b"")):
        begin += chunk
    chunks = chain([begin], chunks)
    compression = compression_of(begin, name)
    return _first(decompress(chunks, compression, name) if compression else chunks, limit_bytes)


def decoded_head(path: str, name: str, limit_bytes: int = HEAD_BYTES, state: State = ()) -> bytes:
    """The same of a compressed file."""
    return _first(decoded_chunks(path, name, state), limit_bytes)


def _plain_head(file: InputFile, limit_bytes: int) -> bytes:
    try:
        with open(file.path, "rb", buffering=0) as stream:
            check_opened(stream.fileno(), file.state, file.name)
            _to_data(stream.fileno())
            return _first(iter(lambda: stream.read(_STEP_BYTES), b""), limit_bytes)
    except FileNotFoundError:
        raise InputChanged(
            f"{file.name} is gone since it was found a moment ago; where logs are rotated, run the job again"
        ) from None
    except OSError as error:
        raise InputError(f"{file.name} cannot be read: {error.strerror}; check the path and the disk") from None


def _to_data(fd: int) -> None:
    """Go to where a sparse file begins to have data, if the file system knows. There are only NUL bytes before it."""
    try:
        os.lseek(fd, 0, os.SEEK_DATA)
    except (OSError, AttributeError):  # no data at all, or the file system does not know
        os.lseek(fd, 0, os.SEEK_SET)


def _stored_head(file: InputFile, limit_bytes: int) -> bytes:
    from mrframe.formats.inputs.block_file import BlockFile

    path = file.blocks[0].path
    if not path:
        return b""
    with BlockFile(path) as block:
        return _first(block.chunks(), limit_bytes)


def _first(chunks: Iterator[bytes], limit_bytes: int) -> bytes:
    """The first bytes behind a hole and a mark."""
    head = b""
    for chunk in chunks:
        head = text_of(head + chunk)
        if len(head) >= limit_bytes:
            break
    return head[:limit_bytes]


def text_of(head: bytes) -> bytes:
    """The first bytes of an input from its first line on."""
    return head.lstrip(b"\0").removeprefix(BOM)
