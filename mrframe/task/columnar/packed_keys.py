"""Packs short text keys into 64-bit integers, so that NumPy counts and sums by key at the speed of sorting integers.

A *packed* key is a text of 1 to 8 ASCII characters other than NUL, held as the 8 bytes of an unsigned integer: first
character first, padded with zeros. Packed keys sort like the text. All other keys are left to Python. Whether a key
fits depends on the key alone, so all tasks agree about it.

How it works. The separators of a text are found in one pass. A strided view gives the 8 bytes from each offset as an
integer (`windows_of`), so one gather fetches the first bytes of every part, and a mask by length clears the bytes
after it. Equal keys are counted by sorting and measuring runs, which beats a hash table that no longer fits the
processor's cache. The slot of a key is the CRC-32 of its canonical bytes, computed for all keys together, byte by
byte from a table (D. Sarwate, "Computation of cyclic redundancy checks via table look-up", 1988).

Not here: when keys are packed (`packed_buffer.py`). Only this module and those for Arrow columns
import NumPy, and they are imported only where it is installed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mrframe.shuffle.partition import slot_column
from mrframe.shuffle.run_file.pair_blocks import BLOCK_RECORDS_MAX

WIDTH = 8  # characters of a packed key
SMALL = 1 << 31  # bound of an int: as many as fit into memory still have a sum of 64 bits
_HIGH_BITS = np.uint64(0x8080808080808080)
_HEADS = np.array(
    [(1 << 64) - (1 << (64 - 8 * i)) for i in range(WIDTH + 1)], np.uint64
)  # masks of the first i bytes
_INT_BYTES = (1, 2, 4, 8)

Encoded = tuple[int, str, list[tuple[int, bytes, bytes]]]


def _crc_table() -> Any:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0xEDB88320), table >> 1).astype(np.uint32)
    return table


_CRC = _crc_table()


def windows_of(padded: Any) -> Any:
    """Return the 8 bytes from each offset of a text as big-endian integers: a strided view, without a copy.

    `padded` is the text followed by WIDTH zeros, as bytes or as an array of bytes.
    """
    return np.ndarray((len(padded) - WIDTH + 1,), ">u8", padded, 0, (1,))


def first_bytes(windows: Any, starts: Any, lengths: Any) -> Any:
    """Return the first 8 bytes of each part of a text as uint64, padded with zeros."""
    packed = windows[starts].astype(np.uint64)
    packed &= _HEADS[np.minimum(lengths, WIDTH)]
    return packed


def pack(text: bytes, separator: int) -> tuple[Any, Any, Any]:
    """Return (packed, starts, lengths) of all parts of the text. Parts that do not pass `fits` are packed wrongly.

    Every part ends with the separator, including the last one. Empty parts are left out.
    """
    data = np.frombuffer(text + bytes(WIDTH), np.uint8)
    ends = np.flatnonzero(data[: len(text)] == separator)
    starts = np.empty_like(ends)
    starts[:1], starts[1:] = 0, ends[:-1] + 1
    lengths = ends - starts
    if len(lengths) and not lengths.all():
        some = lengths > 0
        starts, lengths = starts[some], lengths[some]
    return first_bytes(windows_of(data), starts, lengths), starts, lengths


def fits(packed: Any, lengths: Any) -> Any:
    """Return a mask of the parts that are packed correctly. The text must hold no NUL except as the separator."""
    return (lengths <= WIDTH) & ((packed & _HIGH_BITS) == 0)


def pack_keys(keys: Sequence[str]) -> tuple[Any, Any] | None:
    """Return (packed, mask of those that fit) of a text column, or None if a key is empty or holds a NUL."""
    data = "\0".join(keys).encode("utf-8", "surrogatepass") + b"\0"
    if data.count(0) != len(keys):
        return None
    packed, _, lengths = pack(data, 0)
    return (packed, fits(packed, lengths)) if len(packed) == len(keys) else None


def pack_offsets(offsets: Any, item_bytes: int, data: Any) -> tuple[Any, Any] | None:
    """Do the same for text in Arrow's form: offsets of `item_bytes` each into the bytes of all keys.

    Empty keys count as not fitting.
    """
    at = np.frombuffer(offsets, f"<i{item_bytes}").astype(np.int64)
    text = bytes(memoryview(data)[int(at[0]) : int(at[-1])])
    if 0 in text:
        return None
    lengths = np.diff(at)
    packed = first_bytes(windows_of(text + bytes(WIDTH)), at[:-1] - at[0], lengths)
    return packed, fits(packed, lengths) & (lengths > 0)


def small_ints(values: Sequence[int]) -> Any:
    """Return the values as an array, or None if one reaches `SMALL`, so that sums of many might overflow."""
    try:
        array = np.asarray(values, np.int64)
    except OverflowError:
        return None
    return array if not len(array) or -SMALL < int(array.min()) <= int(array.max()) < SMALL else None


def split(good: Any) -> tuple[Any, list[int]]:
    """Return an index that selects the items that fit, and the list of indexes of the others."""
    return (slice(None), []) if good.all() else (good, np.flatnonzero(~good).tolist())


def joined(arrays: Sequence[Any]) -> Any:
    """Concatenate the arrays. There must be at least one."""
    return np.concatenate(arrays)


def counted(packed: Any) -> tuple[Any, Any]:
    """Return the distinct items of an array, sorted, and the count of each. Sorts the array in place."""
    packed.sort()
    starts = _starts(packed)
    return packed[starts], np.diff(starts, append=len(packed))


def summed(packed: Any, values: Any) -> tuple[Any, Any] | None:
    """Return the distinct keys, sorted, and the sum of the values of each, or None if one might need over 64 bits."""
    if not len(packed):
        return packed, values
    if int(np.abs(values).max()) * len(values) >= 1 << 62 or int(values.min()) == -(1 << 63):
        return None
    order = np.argsort(packed)
    packed = packed[order]
    starts = _starts(packed)
    return packed[starts], np.add.reduceat(values[order], starts)


def _starts(packed: Any) -> Any:
    """Return the start of each run of equal items of a sorted array."""
    if not len(packed):
        return np.empty(0, np.int64)
    return np.concatenate((np.zeros(1, np.int64), np.flatnonzero(packed[1:] != packed[:-1]) + 1))


def slots_of(packed: Any, bits: int, seed: int = 0) -> Any:
    """Return the slot of each key, as `shuffle.partition.slot_column` does: the CRC-32 of its canonical bytes.

    With a seed the hash is a different one without an array form, so it is computed key by key from the text.
    """
    if seed and bits and len(packed):
        keys = _text(packed)[0][:-1].decode("ascii").split("\0")
        return np.array(slot_column(keys, "s", 1 << bits, seed), np.uint16)
    crc = np.full(len(packed), zlib.crc32(b"s") ^ 0xFFFFFFFF, np.uint32)
    for shift in range(8 * WIDTH - 8, -8, -8):
        byte = ((packed >> np.uint64(shift)) & np.uint64(255)).astype(np.uint32)
        crc = np.where(byte != 0, _CRC[(crc ^ byte) & np.uint32(255)] ^ (crc >> np.uint32(8)), crc)
    return ((crc ^ np.uint32(0xFFFFFFFF)) >> np.uint32(32 - bits)).astype(np.uint16) if bits else None


def encoded(packed: Any, values: Any, bits: int, seed: int = 0) -> Iterator[Encoded]:
    """Yield sorted keys and their ints as encoded blocks of 2**bits slots, for `RunWriter.add_encoded`."""
    slots = slots_of(packed, bits, seed)
    edges = np.array([0, len(packed)])
    if slots is not None:
        order = np.argsort(slots, kind="stable")
        packed, values, slots = packed[order], values[order], slots[order]
        edges = np.append(_starts(slots), len(packed))
    text, ends = _text(packed)
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        blocks = []
        for at in range(start, end, BLOCK_RECORDS_MAX):
            stop = min(at + BLOCK_RECORDS_MAX, end)
            keys = text[int(ends[at - 1]) if at else 0 : int(ends[stop - 1]) - 1]
            blocks.append((stop - at, b"s" + keys, _ints(values[at:stop])))
        if blocks:
            yield int(slots[start]) if slots is not None else 0, "s", blocks


def _text(packed: Any) -> tuple[bytes, Any]:
    """Return all keys as text, a NUL after each, and the end of each key including its NUL."""
    cells = np.zeros((len(packed), WIDTH + 1), np.uint8)
    cells[:, :WIDTH] = packed.astype(">u8").view(np.uint8).reshape(-1, WIDTH)
    keep = cells != 0
    keep[:, WIDTH] = True
    return cells[keep].tobytes(), np.cumsum(keep.sum(axis=1, dtype=np.int64))


def _ints(values: Any) -> bytes:
    largest = max(int(values.max()), ~int(values.min()))
    width = next(width for width in _INT_BYTES if largest < 1 << (8 * width - 1))
    data: bytes = values.astype(f"<i{width}").tobytes()
    return b"i" + bytes((width,)) + data
