"""The file of a stored block: content in compressed frames that are verified one by one, readable at any offset.

    frame, frame, …          FRAME_BYTES of content each, the last one fewer; stored as they are if they do not shrink
    index                    for each frame: bytes in the file, CRC-32 of them
    end                      codec, bytes of content, frames, SHA-256 of the content, CRC-32 of index and end, magic

So a reader of a part reads no more than the frames it lies in, and never gives a byte of a frame that was damaged.
The name of a block is the SHA-256 of its content in hex, which also identifies a split in saved results. Only
`check` verifies it, when the block is stored and when the store is scrubbed.

Not here: where such files are kept (`store/blocks.py`), and which blocks a log has (`line_blocks.py` cuts it).
"""

from __future__ import annotations

import importlib
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Literal, Self

from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import CorruptData, ExtraMissing

Codec = Literal["zlib", "lz4"]
FRAME_BYTES = 256 << 10
ZLIB_LEVEL = 1
"""Higher ones take several times as long for logs that are hardly smaller."""

_MAGIC = b"mrframe-block 2\n"
_FRAME = struct.Struct("<II")  # bytes in the file, CRC-32
_END = struct.Struct("<BQQ32s")  # codec, bytes of content, frames, SHA-256 (then CRC-32 and magic)
_CRC = struct.Struct("<I")
_TAIL_BYTES = _END.size + _CRC.size + len(_MAGIC)
_CODECS: tuple[Codec, ...] = ("zlib", "lz4")


@dataclass(frozen=True, slots=True)
class Written:
    """A block that was written: its name, the bytes of its content and of its file."""

    name: str
    length: int
    file_bytes: int


def best_codec() -> Codec:
    """Return lz4, which is read five times as fast, if the extra `mrframe[fast]` is installed, else zlib."""
    try:
        importlib.import_module("lz4.block")
    except ImportError:
        return "zlib"
    return "lz4"


def write_block(file: BinaryIO, chunks: Iterable[bytes], codec: Codec) -> Written:
    """Write a block with the content of these chunks. The caller makes it durable. Raises OSError."""
    from hashlib import sha256  # it loads OpenSSL, which no other reading needs

    encode, _ = _functions(codec, "")
    digest, index, length = sha256(), [], 0
    for frame in _frames(chunks):
        digest.update(frame)
        length += len(frame)
        encoded = encode(frame)
        data = encoded if len(encoded) < len(frame) else frame
        index.append(_FRAME.pack(len(data), zlib.crc32(data)))
        file.write(data)
    end = b"".join(index) + _END.pack(_CODECS.index(codec), length, len(index), digest.digest())
    file.write(end + _CRC.pack(zlib.crc32(end)) + _MAGIC)
    return Written(digest.hexdigest(), length, file.tell())


def _frames(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= FRAME_BYTES:
            yield bytes(held[:FRAME_BYTES])
            del held[:FRAME_BYTES]
    if held:
        yield bytes(held)


class BlockFile:
    """A block's file, open for reading.

    Raises CorruptData, with the path as its `file`, if it is damaged or gone: the caller then looks for another
    replica. Raises ExtraMissing if it was written with a codec that is not installed here. `name` is the block's name
    as its file has it, which only `check` verifies.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise self._damaged(error.strerror or "it cannot be opened") from None
        try:
            self._frames, self.length, self.name, codec = self._read_end()
            _, self._decode = _functions(codec, path)
        except BaseException:
            os.close(self._fd)
            raise
        self._last: tuple[int, bytes] = (-1, b"")

    def _read_end(self) -> tuple[list[tuple[int, int, int]], int, str, Codec]:
        """(offset, bytes, CRC-32) of each frame, bytes of content, name and codec."""
        size = os.fstat(self._fd).st_size
        tail = self._pread(max(0, size - _TAIL_BYTES), _TAIL_BYTES)
        if size < _TAIL_BYTES or not tail.endswith(_MAGIC):
            raise self._damaged("it is not a whole block")
        codec, length, count, digest = _END.unpack(tail[: _END.size])
        index_bytes = count * _FRAME.size
        if index_bytes > size or codec >= len(_CODECS) or count != -(-length // FRAME_BYTES):
            raise self._damaged("its end does not fit it")
        index = self._pread(size - _TAIL_BYTES - index_bytes, index_bytes)
        (stated,) = _CRC.unpack(tail[_END.size : _END.size + _CRC.size])
        if zlib.crc32(tail[: _END.size], zlib.crc32(index)) != stated:
            raise self._damaged("its index does not match its checksum")
        frames, at = [], 0
        for encoded_bytes, crc in _FRAME.iter_unpack(index):
            frames.append((at, encoded_bytes, crc))
            at += encoded_bytes
        if at + index_bytes + _TAIL_BYTES != size:
            raise self._damaged("its frames do not fill it")
        return frames, length, digest.hex(), _CODECS[codec]

    def _pread(self, offset: int, count: int) -> bytes:
        try:
            data = os.pread(self._fd, count, offset)
            while len(data) < count and (more := os.pread(self._fd, count - len(data), offset + len(data))):
                data += more
        except OSError as error:
            raise self._damaged(f"{error.strerror} at byte {offset:,}") from None
        return data

    def _damaged(self, reason: str) -> CorruptData:
        return CorruptData(
            f"the stored block {self.path} cannot be used: {reason}; `mrframe fs fsck` says what becomes of it",
            file=self.path,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def read_at(self, offset: int, count: int) -> bytes:
        """The content from `offset`, `count` bytes of it or fewer where it ends."""
        end = min(offset + count, self.length)
        parts = []
        while offset < end:
            number, begin = divmod(offset, FRAME_BYTES)
            part = self._frame(number)[begin : begin + end - offset]
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _frame(self, number: int) -> bytes:
        if self._last[0] == number:
            return self._last[1]
        at, encoded_bytes, crc = self._frames[number]
        data = self._pread(at, encoded_bytes)
        if len(data) != encoded_bytes or zlib.crc32(data) != crc:
            raise self._damaged(f"the frame at byte {at:,} does not match its checksum")
        wanted = min(FRAME_BYTES, self.length - number * FRAME_BYTES)
        content = data if encoded_bytes == wanted else self._decoded(data, wanted, at)
        self._last = number, content
        return content

    def _decoded(self, data: bytes, wanted: int, at: int) -> bytes:
        try:
            content = self._decode(data, wanted)
        except (ValueError, zlib.error) as error:
            raise self._damaged(f"the frame at byte {at:,} cannot be decoded ({error})") from None
        if len(content) != wanted:
            raise self._damaged(f"the frame at byte {at:,} has {len(content):,} bytes of content, not {wanted:,}")
        return content

    def chunks(self) -> Iterator[bytes]:
        """All of the content, in order."""
        for number in range(len(self._frames)):
            yield self._frame(number)

    def check(self, name: str) -> None:
        """Read all of it: CorruptData when it is not, from the first to the last byte, the block of this name."""
        from hashlib import sha256

        digest = sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        if digest.hexdigest() != name or self.name != name:
            raise self._damaged("its content is not that of its name")


def _functions(codec: Codec, path: str) -> tuple[Callable[[bytes], bytes], Callable[[bytes, int], bytes]]:
    """Return (encode a frame, decode one to at most so many bytes). Decoding raises ValueError or zlib.error."""
    if codec == "zlib":
        return lambda data: zlib.compress(data, ZLIB_LEVEL), _inflate
    try:
        lz4: Any = importlib.import_module("lz4.block")
    except ImportError:
        raise ExtraMissing(
            f"the stored block {path} is compressed with lz4, which this Python has not; "
            "install the extra: pip install 'mrframe[fast]'"
        ) from None

    def decode(data: bytes, wanted: int) -> bytes:
        try:
            content: bytes = lz4.decompress(data, uncompressed_size=wanted)
        except lz4.LZ4BlockError as error:
            raise ValueError(str(error)) from None
        return content

    return lambda data: lz4.compress(data, store_size=False), decode


def _inflate(data: bytes, wanted: int) -> bytes:
    inflater = zlib.decompressobj()
    return inflater.decompress(data, wanted + 1)  # never more than a frame, whatever the data says
