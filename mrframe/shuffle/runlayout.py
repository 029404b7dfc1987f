"""The frame of a run file: header, footer and trailer; docs/formats.md shows them byte by byte.

Not here: the blocks between them (`blocks.py`), reading and writing (`runfile.py`, `runread.py`).

    header | sections | footer | trailer

A section is the blocks of one slot in one run; sections lie one after the other without gaps, so that every
byte of the file is under some checksum. The footer lists them; the trailer, at the very end, says where the
footer is. Fields that are reserved are written as 0, and a file in which they are not is refused.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import msgpack

from mrframe.errors import CorruptData
from mrframe.shuffle.partition import SLOTS_MANY

VERSION = 1
HEADER_MAGIC = b"mrframe-run\n"
TRAILER_MAGIC = b"\nrun-end"

# magic, version, order of the values of a key (0 of the input, 1 of the values), reserved, slots, seed, crc32
_HEADER = struct.Struct("<12sHBBIQI")
# offset of the footer, its length, crc32 of the footer and of what precedes here, magic
_TRAILER = struct.Struct("<QII8s")
HEADER_BYTES = _HEADER.size
TRAILER_BYTES = _TRAILER.size

BY_KEY, AS_GIVEN = 0, 1  # order of the pairs in a section


class Section(NamedTuple):
    """The blocks of one slot in one run, as the footer lists them."""

    run: int
    slot: int
    source: int  # which of the job's sources the pairs come from; 0 for a job that is no join
    order: int  # BY_KEY or AS_GIVEN
    offset: int  # in bytes, from the start of the file
    length: int  # in bytes
    records: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What header and footer say: slots and seed of the hash, number of runs, sections in file order.

    `by_value` says that the values of a key are sorted, too.
    """

    slots: int
    seed: int
    by_value: bool
    runs: int
    sections: list[Section]


def header(slots: int, seed: int, *, by_value: bool = False) -> bytes:
    """The first bytes of a run file."""
    start = _HEADER.pack(HEADER_MAGIC, VERSION, by_value, 0, slots, seed, 0)[:-4]
    return start + zlib.crc32(start).to_bytes(4, "little")


def ending(offset: int, runs: int, sections: list[Section]) -> bytes:
    """Footer and trailer, for a file whose sections end at `offset`."""
    footer: bytes = msgpack.packb([runs, sections])
    place = struct.pack("<QI", offset, len(footer))
    crc = zlib.crc32(place, zlib.crc32(footer))
    return footer + place + crc.to_bytes(4, "little") + TRAILER_MAGIC


def read_layout(file: BinaryIO, name: str) -> Layout:
    """Header, footer and trailer of a file, checked. Raises CorruptData, which names the file and the place."""
    size = file.seek(0, 2)
    if size < HEADER_BYTES + TRAILER_BYTES:
        raise corrupt(name, 0, f"it has {size} bytes, too few for a run file: it was cut off or never finished")
    slots, seed, by_value = _read_header(read_at(file, name, 0, HEADER_BYTES), name)
    at = size - TRAILER_BYTES
    offset, length, crc, magic = _TRAILER.unpack(read_at(file, name, at, TRAILER_BYTES))
    if magic != TRAILER_MAGIC or offset < HEADER_BYTES or offset + length != at:
        raise corrupt(name, at, "its last bytes are not the end of a run file: it was cut off or never finished")
    footer = read_at(file, name, offset, length)
    if zlib.crc32(struct.pack("<QI", offset, length), zlib.crc32(footer)) != crc:
        raise corrupt(name, offset, "the checksum of its footer does not match")
    runs, sections = _read_footer(footer, name, offset)
    _check_tiling(sections, runs, slots, name, offset)
    return Layout(slots, seed, by_value, runs, sections)


def read_at(file: BinaryIO, name: str, offset: int, length: int) -> bytes:
    """Exactly `length` bytes from `offset`; CorruptData when the file ends before."""
    file.seek(offset)
    data = file.read(length)
    while len(data) < length:  # an unbuffered file may give less than was asked for
        more = file.read(length - len(data))
        if not more:
            raise corrupt(name, offset + len(data), f"it ends {length - len(data)} bytes too early")
        data += more
    return data


def corrupt(name: str, offset: int, what: str) -> CorruptData:
    """The error for a damaged run file, to be raised."""
    return CorruptData(
        f"run file {name} is damaged at byte {offset}: {what}; the attempt that made it must run again"
    )


def _read_header(data: bytes, name: str) -> tuple[int, int, bool]:
    magic, version, value_order, reserved, slots, seed, crc = _HEADER.unpack(data)
    if magic != HEADER_MAGIC:
        raise corrupt(name, 0, "it does not start as a run file does")
    if zlib.crc32(data[:-4]) != crc:
        raise corrupt(name, 0, "the checksum of its header does not match")
    if version != VERSION or value_order > 1 or reserved:
        raise corrupt(
            name, 0, f"it is of version {version}.{value_order}.{reserved}, this mrframe reads {VERSION}.0.0"
        )
    if not 1 <= slots <= SLOTS_MANY or slots & (slots - 1):
        raise corrupt(name, 0, f"it states {slots} slots")
    return slots, seed, value_order == 1


def _read_footer(footer: bytes, name: str, offset: int) -> tuple[int, list[Section]]:
    try:
        runs, rows = msgpack.unpackb(footer)
        sections = [Section(*map(_whole, row)) for row in rows]
        return _whole(runs), sections
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise corrupt(name, offset, f"its footer is not in the format ({error})") from error


def _whole(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} is no count")
    return number


def _check_tiling(sections: list[Section], runs: int, slots: int, name: str, end: int) -> None:
    """Sections must fill the file from header to footer, so that no byte is without a checksum."""
    at = HEADER_BYTES
    for section in sections:
        known = section.order <= AS_GIVEN and section.run < runs and section.slot < slots
        if not known or section.offset != at or not section.length or not section.blocks:
            raise corrupt(name, end, f"its footer lists an impossible section {tuple(section)}")
        at += section.length
    if at != end:
        raise corrupt(name, end, f"its sections end at byte {at}")
