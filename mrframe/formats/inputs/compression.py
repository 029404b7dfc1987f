"""Compressed inputs: recognised by their first bytes, and decoded once, as a stream, into blocks.

gzip, bzip2 and xz are read with the standard library (gzip with `isal` if the extra `mrframe[fast]` is installed).
Others are refused with the command that pipes them in. Rules:
- The magic bytes decide, never the name.
- Memory is bounded (1 MiB in, 1 MiB out) whatever the ratio, and the ratio is bounded too.
- All members are read. Zero padding behind the last is ignored, anything else there is an error.
- A fault names the file, the compressed offset, and the number of bytes decoded before it. Those bytes have been
  handed on by then, so a caller that goes on after a fault must not count them.
"""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, BinaryIO, Literal, Protocol

from mrframe.errors import InputChanged, InputError
from mrframe.formats.inputs.file_identity import State, check_opened, check_read
from mrframe.formats.inputs.line_blocks import Block, write_blocks
from mrframe.formats.inputs.magic import HEAD_BYTES, check_is_text
from mrframe.formats.readers.record_starts import record_starts

Compression = Literal["", "gzip", "bzip2", "xz"]

READ_BYTES = 1 << 20
FEED_BYTES = 64 << 10
"""The input of a decompressor at a time. It copies the rest of it at each end of a member."""
OUTPUT_BYTES = 1 << 20
RATIO_MAX = 200
"""The largest accepted ratio of decoded to compressed bytes, beyond the first `RATIO_FREE_BYTES`. Logs compress to a
tenth or a fiftieth, and a file made to fill a disk to a thousandth (gzip) or far less (bzip2, xz)."""
RATIO_FREE_BYTES = 16 << 20
XZ_MEMORY_BYTES_MAX = 128 << 20
"""`xz -9` asks its reader for 65 MiB. A file that asks for more is refused."""

_BZIP2_BLOCK = (b"1AY&SY", b"\x17rE8P\x90")  # a block of data, or the end of an empty stream


def compression_of(head: bytes, name: str) -> Compression:
    """Return the compression of an input from its first `HEAD_BYTES`, "" for plain data.

    Raises ExtraMissing for compression that mrframe cannot read, InputError for a file that is no log (`magic.py`).
    """
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"BZh") and head[4:10] in _BZIP2_BLOCK:
        return "bzip2"
    if head.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    check_is_text(head, name)
    return ""


def decode_file(
    path: str,
    name: str,
    block_bytes: int,
    open_block: Callable[[int], BinaryIO],
    state: State = (),
    *,
    record_start: str = "",
) -> Iterator[Block]:
    """Decode the compressed file `path` into blocks of whole lines. Raises the errors of `decoded_chunks`.

    Lines before a block are not counted: that would take as long as half of the decoding.
    """
    chunks, crc = decoded_chunks(path, name, state), gzip_library().crc32
    starts = record_starts(record_start)
    yield from write_blocks(chunks, block_bytes, open_block, crc, counts_lines=False, starts=starts)


def decoded_chunks(path: str, name: str, state: State = ()) -> Iterator[bytes]:
    """Yield the content of the compressed file `path` in chunks of at most 1 MiB. `name` is for messages.

    With the planned `state` (`file_identity.py`) no more of the file is read than it had then. Raises InputError if
    it is truncated, damaged, or no log inside, InputChanged if it is gone or another file.
    """
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 (closed below; a generator may be left half-way)
    except FileNotFoundError:
        raise InputChanged(f"{name} is gone since the job was planned; run the job again") from None
    with file:
        check_opened(file.fileno(), state, name)
        compression = compression_of(file.read(HEAD_BYTES), name)
        if not compression:
            raise InputChanged(f"{name} is not compressed any more since the job was planned; run the job again")
        file.seek(0)
        try:
            yield from decompress(_chunks(file, state, name), compression, name)
        except InputError:
            check_read(file.fileno(), state, state[2] if state else 0, name)
            raise


def _chunks(file: io.FileIO, state: State, name: str) -> Iterator[bytes]:
    """The file as it was planned, and at its end the judgement that it was that."""
    left = state[2] if state else sys.maxsize
    while chunk := file.read(min(READ_BYTES, left)):
        left -= len(chunk)
        yield chunk
    check_read(file.fileno(), state, state[2] if state else 0, name)


def decompress(chunks: Iterable[bytes], compression: Compression, name: str) -> Iterator[bytes]:
    """Yield the decoded bytes of a stream in chunks of at most 1 MiB. Raises InputError if it is damaged."""
    stream = _Stream(compression, name)
    for chunk in chunks:
        for start in range(0, len(chunk), FEED_BYTES):
            yield from stream.feed(chunk[start : start + FEED_BYTES])
    stream.end()


class _Decompressor(Protocol):
    """A decompressor of bz2 or lzma, for one member of a stream."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """One gzip member, with the interface of bz2 and lzma."""

    def __init__(self) -> None:
        self._inner: Any = gzip_library().decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    @property
    def needs_input(self) -> bool:
        return not self._inner.eof and not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        tail = self._inner.unconsumed_tail
        decoded: bytes = self._inner.decompress(tail + data if tail else data, max_length)
        return decoded


@lru_cache(maxsize=1)
def gzip_library() -> Any:
    """`isal.isal_zlib` if it is installed, else `zlib`: the same interface, errors, bytes and checksums."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


def _new_member(compression: Compression) -> tuple[_Decompressor, tuple[type[Exception], ...]]:
    """A decompressor, and the errors it raises for damaged data."""
    if compression == "bzip2":
        import bz2

        return bz2.BZ2Decompressor(), (OSError, EOFError, ValueError)
    if compression == "xz":
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES_MAX), (lzma.LZMAError, EOFError)
    return _Gzip(), (zlib.error, gzip_library().error)


class _Stream:
    """The members of one compressed stream, one after the other."""

    def __init__(self, compression: Compression, name: str) -> None:
        self._compression: Compression = compression
        self._name = name
        self._member, self._faults = _new_member(compression)
        self._between = False  # behind a member: zero padding, a new member, or the end
        self._chunk_at = 0
        self._taken = 0  # compressed bytes given so far
        self._decoded = 0
        self._head = b""  # of the decoded bytes, until it was examined
        self._behind = b""  # bytes behind a member, too few to tell whether they begin another

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._chunk_at = self._taken
        self._taken += len(data)
        while data or not (self._between or self._member.needs_input):
            if self._between:
                data = (self._behind + data).lstrip(b"\x00")
                self._behind = b""
                if not data:
                    return
                if not data.startswith(_MAGICS[self._compression]):
                    self._check_follows(data)
                    return
                self._member, self._faults = _new_member(self._compression)
                self._between = False
            out = self._decode(data)
            self._decoded += len(out)
            if self._decoded > max(RATIO_FREE_BYTES, RATIO_MAX * self._taken):
                raise self._bomb()
            if out:
                self._check_is_log(out)
                yield out
            data = b""
            if self._member.eof:
                data, self._between = self._member.unused_data, True

    def _check_follows(self, data: bytes) -> None:
        """Wait for more bytes that may begin a member. Raises InputError if these begin none."""
        if not _MAGICS[self._compression].startswith(data):
            raise self._garbage(len(data))
        self._behind = data

    def _decode(self, data: bytes) -> bytes:
        try:
            return self._member.decompress(data, OUTPUT_BYTES)
        except self._faults as error:
            where = f"between compressed bytes {self._chunk_at:,} and {self._taken:,} ({error})"
            raise self._fault(f"damaged {where}") from None

    def _check_is_log(self, out: bytes) -> None:
        """Refuse content that is no log. Only a few bytes go out before enough of it is known."""
        if len(self._head) < HEAD_BYTES:
            self._head += out[:HEAD_BYTES]
            check_is_text(self._head, self._name, _TOOLS[self._compression])

    def end(self) -> None:
        """End the stream. Raises InputError if the last member is not complete, or something else follows it."""
        if self._behind:
            raise self._garbage(len(self._behind))
        if not self._between and self._taken:
            raise self._fault(f"truncated: it ends at compressed byte {self._taken:,}, within its data")

    def _garbage(self, length: int) -> InputError:
        tool = f"{_TOOLS[self._compression]} {self._name}"
        return InputError(
            f"{self._name} has bytes that are not {self._compression} from compressed byte {self._taken - length:,} "
            f"on, after data that is whole ({self._decoded:,} bytes decoded). If they are of no use: "
            f"{tool} | mrframe run JOB -"
        )

    def _bomb(self) -> InputError:
        return InputError(
            f"{self._name} is refused: its first {self._taken:,} bytes decode to {self._decoded:,} or more, over "
            f"{RATIO_MAX} times as many, as in a file made to fill a disk. If it is a log all the same, pipe it in: "
            f"{_TOOLS[self._compression]} {self._name} | mrframe run JOB -"
        )

    def _fault(self, state: str) -> InputError:
        return InputError(
            f"{self._name} is {state}; {self._decoded:,} bytes could be decoded before. Get a whole copy, "
            f"or decode what there is with {_TOOLS[self._compression]} and pipe it in: … | mrframe run JOB -"
        )


_TOOLS: dict[Compression, str] = {"gzip": "gzip -dc", "bzip2": "bzip2 -dc", "xz": "xz -dc", "": "cat"}
_MAGICS: dict[Compression, bytes] = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\x00", "": b""}
