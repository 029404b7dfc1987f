"""The frame of a run file: header, footer and trailer. docs/formats.md shows them byte by byte.

Not here: the blocks between them (`pair_blocks.py`), writing and reading (`run_writer.py`, `run_reader.py`).

    header | sections | pages | footer | trailer

A section is the blocks of one slot in one run. Sections follow each other without gaps, so that every byte of the
file is under some checksum. The pages list them, some hundred each. The footer lists the pages, and the trailer, at
the very end, locates the footer. With 10,000 partitions a file can have 65,536 sections for each run, and every
reduce task needs a few of them: it reads the pages that list those. Reserved fields are written as 0, and a file in
which they are not is refused.
"""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple

import msgpack

from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import CorruptData
from mrframe.shuffle.partition import SLOTS_MANY

VERSION = 1
HEADER_MAGIC = b"mrframe-run\n"
TRAILER_MAGIC = b"\nrun-end"

# magic, version, order of the values of a key (0 of the input, 1 of the values), reserved, slots, seed, crc32
_HEADER = struct.Struct("<12sHBBIQI")
# offset of the footer, its length, crc32 of the footer and of the preceding trailer fields, magic
_TRAILER = struct.Struct("<QII8s")
HEADER_BYTES = _HEADER.size
TRAILER_BYTES = _TRAILER.size

PAGE_SECTIONS = 128
BY_KEY, AS_GIVEN = 0, 1  # order of the pairs in a section


class Section(NamedTuple):
    """The blocks of one slot in one run, as a page lists them."""

    run: int
    slot: int
    source: int  # number of the pairs' source in a join, otherwise 0
    order: int  # BY_KEY or AS_GIVEN
    offset: int  # in bytes, from the start of the file
    length: int  # in bytes
    records: int
    blocks: int


class Page(NamedTuple):
    """Some consecutive sections of the file, as the footer lists them."""

    first_slot: int  # the lowest of its sections' slots
    last_slot: int  # and the highest
    start: int  # where its first section starts, in bytes from the start of the file
    length: int  # of the page itself, in bytes. Pages follow one another up to the footer
    crc: int  # CRC-32 of the page


@dataclass(frozen=True, slots=True)
class Layout:
    """The content of header and footer: slots and seed of the hash, number of runs, pages, end of the sections.

    `by_value` says that the values of a key are sorted, too.
    """

    slots: int
    seed: int
    by_value: bool
    runs: int
    pages: list[Page]
    end: int

    def overlapping(self, wanted: range | None) -> list[int]:
        """Return the numbers of the pages that can have sections of these slots (None: of any)."""
        if wanted is None:
            return list(range(len(self.pages)))
        low, high = wanted.start, wanted.stop
        return [i for i, page in enumerate(self.pages) if page.first_slot < high and page.last_slot >= low]

    def sections(self, file: BinaryIO, name: str, number: int) -> list[Section]:
        """Read the sections of one page from the file. Raises CorruptData when they are not valid."""
        page = self.pages[number]
        at = self.end + sum(earlier.length for earlier in self.pages[:number])
        data = read_at(file, name, at, page.length)
        if zlib.crc32(data) != page.crc:
            raise corrupt(name, at, "the checksum of a list of sections does not match")
        sections = [Section(*row) for row in _rows(data, len(Section._fields), name, at)]
        last = number + 1 == len(self.pages)
        self._check(sections, page, self.end if last else self.pages[number + 1].start, name, at)
        return sections

    def _check(self, sections: list[Section], page: Page, end: int, name: str, page_offset: int) -> None:
        """Check that sections fill the file up to the next page's, so that no byte is without a checksum."""
        at = page.start
        for section in sections:
            known = section.order <= AS_GIVEN and section.run < self.runs
            listed = page.first_slot <= section.slot <= page.last_slot
            if not (known and listed) or section.offset != at or not section.length or not section.blocks:
                raise corrupt(name, page_offset, f"it lists an impossible section {tuple(section)}")
            at += section.length
        if at != end:
            raise corrupt(name, page_offset, f"the sections of a page end at byte {at} and not at {end}")


def header(slots: int, seed: int, *, by_value: bool = False) -> bytes:
    """Return the first bytes of a run file."""
    start = _HEADER.pack(HEADER_MAGIC, VERSION, by_value, 0, slots, seed, 0)[:-4]
    return start + zlib.crc32(start).to_bytes(4, "little")


def ending(offset: int, runs: int, sections: list[Section]) -> bytes:
    """Return pages, footer and trailer for a file with sections up to `offset`."""
    pages: list[Page] = []
    data = b""
    for first in range(0, len(sections), PAGE_SECTIONS):
        some = sections[first : first + PAGE_SECTIONS]
        page: bytes = msgpack.packb(some)
        slots = [section.slot for section in some]
        pages.append(Page(min(slots), max(slots), some[0].offset, len(page), zlib.crc32(page)))
        data += page
    footer: bytes = msgpack.packb([runs, pages])
    position = struct.pack("<QI", offset + len(data), len(footer))
    crc = zlib.crc32(position, zlib.crc32(footer))
    return data + footer + position + crc.to_bytes(4, "little") + TRAILER_MAGIC


def read_layout(file: BinaryIO, name: str) -> Layout:
    """Read and check header, footer and trailer of a file.

    Raises CorruptData, which names the file and the position.
    """
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
    runs, pages = _read_footer(footer, name, offset)
    layout = Layout(slots, seed, by_value, runs, pages, offset - sum(page.length for page in pages))
    _check_pages(layout, name, offset)
    return layout


def read_at(file: BinaryIO, name: str, offset: int, length: int) -> bytes:
    """Read exactly `length` bytes from `offset`. Raises CorruptData when the file ends before."""
    file.seek(offset)
    data = file.read(length)
    while len(data) < length:  # an unbuffered file may return fewer than asked for
        more = file.read(length - len(data))
        if not more:
            raise corrupt(name, offset + len(data), f"it ends {length - len(data)} bytes too early")
        data += more
    return data


def corrupt(name: str, offset: int, what: str) -> CorruptData:
    """Return the error for a damaged run file."""
    return CorruptData(
        f"run file {name} is damaged at byte {offset}: {what}; the attempt that made it must run again", file=name
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


def _read_footer(footer: bytes, name: str, offset: int) -> tuple[int, list[Page]]:
    try:
        runs, rows = msgpack.unpackb(footer)
        ((runs,),) = _whole_rows([[runs]], 1)
        return runs, [Page(*row) for row in _whole_rows(rows, len(Page._fields))]
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise corrupt(name, offset, f"its footer is not in the format ({error})") from error


def _rows(data: bytes, width: int, name: str, offset: int) -> list[list[int]]:
    try:
        return _whole_rows(msgpack.unpackb(data), width)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise corrupt(name, offset, f"a list of sections is not in the format ({error})") from error


def _whole_rows(rows: Any, width: int) -> list[list[int]]:
    """Return rows of `width` counts each. Raises TypeError or ValueError when they are something else."""
    for row in rows:
        if type(row) is not list or len(row) != width or set(map(type, row)) != {int} or min(row) < 0:
            raise ValueError(f"{row!r} is no row of {width} counts")
    return list(rows)


def _check_pages(layout: Layout, name: str, offset: int) -> None:
    """Check that pages cover everything between header and pages, in order."""
    starts = [*(page.start for page in layout.pages), layout.end]
    ascending = all(before < after for before, after in pairwise(starts))
    slots = all(page.first_slot <= page.last_slot < layout.slots for page in layout.pages)
    if starts[0] != HEADER_BYTES or not ascending or not slots:
        raise corrupt(name, offset, "its footer lists impossible pages")
