"""One block: a few thousand pairs of one slot as bytes, compressed where that pays, with a checksum.

Not here: files of blocks (`run_writer.py`), and the form of a column (`columns.py`).

Rules.
- The checksum covers all of a block but itself, and is verified before anything is decompressed or decoded.
- A block inflates to exactly the length it states, never to more. Columns hold exactly the pairs it states.
- Compression depends on the data and the job alone, so that the same pairs give the same bytes.
- The digest of a block is the same for the same columns, compressed or not. It is the checksum of the uncompressed
  block, and the state of that checksum after the keys, 32 bits each. So it costs nothing where nothing is compressed.
  Digests are added up (`core/model/shuffle_checksum.py`) and not stored with the blocks.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple

from mrframe.errors import CorruptData, ValueRefused
from mrframe.shuffle.columns import decode, encode, encode_text

Block = tuple[str, list[Any], list[Any]]  # (kind, keys, values): the keys sorted, kind as kind_of(keys)


class StoredBlock(NamedTuple):
    """A block with its columns encoded: kind of its keys, number of pairs, columns."""

    kind: str
    records: int
    keys: memoryview
    values: memoryview


BLOCK_RECORDS_MAX = 4_096  # pairs in a block
BLOCK_BYTES = 256 * 1024  # target size of a block before compression. A single pair may be larger
BLOCK_BYTES_MAX = (1 << 31) - 1  # before compression, of a single pair

# crc32, stored bytes, bytes before compression, of them the keys', pairs, flags, length of the kind
HEAD = struct.Struct("<IIIIIBB")
_CRC_BYTES = 4
_COMPRESSED = 1  # flag
_RAW_DEFLATE = -15  # zlib's wbits: no header, no checksum of its own
_COMPRESS_BYTES_MIN = 16 << 10  # smaller ones cost more than they save: run files are read once, soon
_COMPRESS_GAIN = 0.4  # deflating takes ten times as long as writing, so it has to save most of the bytes
_COMPRESS_PAUSE = 15  # blocks stored untried after one that did not shrink
_COMPRESS_SAMPLE = 16 << 10  # bytes of a large block that are tried first
_COMPRESS_SAMPLE_GAIN = 0.5  # a part shrinks a little less than the whole


class Compressor:
    """Compresses blocks that shrink, and stops trying for a while after one that does not."""

    def __init__(self, *, tries: bool = True) -> None:
        self._tries = tries
        self._pause = 0

    def shrink(self, raw: bytes) -> bytes | None:
        """Return the bytes compressed, or None when they are better stored as they are."""
        if not self._tries or len(raw) < _COMPRESS_BYTES_MIN:
            return None
        if self._pause:
            self._pause -= 1
            return None
        if _may_shrink(raw):
            packed = zlib.compress(raw, 1, wbits=_RAW_DEFLATE)
            if len(packed) <= len(raw) * _COMPRESS_GAIN:
                return packed
        self._pause = _COMPRESS_PAUSE
        return None


def _may_shrink(raw: bytes) -> bool:
    """Return whether compressing all of it may pay, judging by a part in the middle, where the values are."""
    if len(raw) < 4 * _COMPRESS_SAMPLE:
        return True
    middle = len(raw) // 2
    part = zlib.compress(memoryview(raw)[middle : middle + _COMPRESS_SAMPLE], 1, wbits=_RAW_DEFLATE)
    return len(part) <= _COMPRESS_SAMPLE * _COMPRESS_SAMPLE_GAIN


def encode_pairs(kind: str, keys: list[Any], values: list[Any]) -> tuple[bytes, bytes]:
    """Return the two columns as bytes. `kind` is that of the keys.

    Raises ValueRefused when they are larger than a block can ever be.
    """
    try:
        key_bytes, value_bytes = encode_text(keys) if kind == "s" else encode(keys), encode(values)
    except (ValueError, struct.error) as error:  # a length of more than 32 bits
        raise ValueRefused(
            f"a value is too large to be sent from map to reduce ({error}); yield less at once"
        ) from error
    total = len(key_bytes) + len(value_bytes)
    if len(keys) == 1 and total > BLOCK_BYTES_MAX:
        raise ValueRefused(f"one pair takes {total} bytes, more than {BLOCK_BYTES_MAX}; yield less at once")
    return key_bytes, value_bytes


def pack_block(kind: str, records: int, columns: tuple[bytes, bytes], compressor: Compressor) -> tuple[bytes, int]:
    """Return one block as it is stored, and its digest."""
    keys, values = columns
    raw = b"".join(columns)
    packed = compressor.shrink(raw)
    name = (
        kind.encode("ascii") if len(kind) < 256 else b""
    )  # a longer kind is not worth its bytes: "" is always right
    head = HEAD.pack(0, len(raw), len(raw), len(keys), records, 0, len(name))[_CRC_BYTES:] + name
    middle, crc = _checksums(head, keys, values)
    digest = middle << 32 | crc
    if packed is None:
        return b"".join((crc.to_bytes(_CRC_BYTES, "little"), head, raw)), digest
    head = HEAD.pack(0, len(packed), len(raw), len(keys), records, _COMPRESSED, len(name))[_CRC_BYTES:] + name
    crc = zlib.crc32(packed, zlib.crc32(head))
    return b"".join((crc.to_bytes(_CRC_BYTES, "little"), head, packed)), digest


def _checksums(head: bytes, keys: bytes | memoryview, values: bytes | memoryview) -> tuple[int, int]:
    """Return the CRC-32 of head and keys, and that of all three."""
    middle = zlib.crc32(keys, zlib.crc32(head))
    return middle, zlib.crc32(values, middle)


def rest_bytes(head: bytes) -> int:
    """Return how many bytes follow the head of a block."""
    _, stored, _, _, _, _, name = HEAD.unpack(head)
    return int(stored + name)


def unpack_block(head: bytes, rest: bytes, *, unpickle: bool) -> tuple[Block, int]:
    """Return the block with this head and the bytes that follow it, and its digest. Raises CorruptData."""
    block, digest = open_block(head, rest)
    return decode_block(block, unpickle=unpickle), digest


def decode_block(block: StoredBlock, *, unpickle: bool) -> Block:
    """Return the block with its columns as values. Raises CorruptData."""
    keys = decode(block.keys, unpickle=False)  # a key is never pickled
    values = decode(block.values, unpickle=unpickle)
    if len(keys) != block.records or len(values) != block.records:
        found = f"{len(keys)} keys and {len(values)} values"
        raise CorruptData(f"a block holds {found} where {block.records} are stated")
    return block.kind, keys, values


def open_block(head: bytes, rest: bytes) -> tuple[StoredBlock, int]:
    """Return a block with its columns encoded, and its digest. Raises CorruptData."""
    crc, _, raw_bytes, key_bytes, records, flags, name = HEAD.unpack(head)
    raw = memoryview(rest)[name:]
    middle, found = _checksums(head[_CRC_BYTES:] + rest[:name], raw[:key_bytes], raw[key_bytes:])
    if found != crc:
        raise CorruptData("the checksum of a block does not match its bytes")
    if flags > _COMPRESSED or key_bytes > raw_bytes or not 1 <= records <= BLOCK_RECORDS_MAX:
        raise CorruptData("the head of a block contradicts itself")
    if flags == _COMPRESSED:
        raw = memoryview(_inflate(raw, raw_bytes))
    if len(raw) != raw_bytes:
        raise CorruptData(f"a block holds {len(raw)} bytes where {raw_bytes} are stated")
    keys, values = raw[:key_bytes], raw[key_bytes:]
    if flags == _COMPRESSED:
        plain = HEAD.pack(0, raw_bytes, raw_bytes, key_bytes, records, 0, name)[_CRC_BYTES:]
        middle, found = _checksums(plain + rest[:name], keys, values)
    return StoredBlock(rest[:name].decode("ascii", "replace"), records, keys, values), middle << 32 | found


def _inflate(stored: memoryview, raw_bytes: int) -> bytes:
    inflater = zlib.decompressobj(_RAW_DEFLATE)
    try:
        raw = inflater.decompress(stored, raw_bytes + 1)
    except zlib.error as error:
        raise CorruptData(f"a block cannot be decompressed ({error})") from error
    if not inflater.eof or inflater.unused_data:
        raise CorruptData("the compressed bytes of a block do not end where it does")
    return raw
