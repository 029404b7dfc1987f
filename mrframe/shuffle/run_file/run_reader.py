"""Reads run files: the blocks of a slot run by run, and the part of a file that a partition needs.

Not here: writing (`run_writer.py`), merging runs (`merge.py`). Nothing is returned before its checksum is verified,
and every fault of the bytes is `CorruptData` with the file's name and the position.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import BinaryIO, NamedTuple

from mrframe.core.model.shuffle_checksum import EMPTY_CHECKSUM, add_checksums
from mrframe.errors import CorruptData
from mrframe.shuffle.run_file.pair_blocks import HEAD, Block, StoredBlock, decode_block, open_block, rest_bytes
from mrframe.shuffle.run_file.run_layout import HEADER_BYTES, Section, corrupt, ending, header, read_at, read_layout

CHUNK_BYTES = 1 << 20  # longest chunk of `extract`

EncodedBlock = tuple[int, memoryview, memoryview]
"""(pairs, keys, values), the columns encoded."""


class PlacedBlock(NamedTuple):
    """A block of a file, and its offset in bytes."""

    stored: StoredBlock
    offset: int
    reader: RunReader

    def decoded(self) -> Block:
        """Return its pairs. Raises CorruptData."""
        return self.reader.decoded(self)


class RunReader:
    """One run file. `name` is for messages. `unpickle` allows pickled values (in executors only).

    The caller owns the file and closes it. Streams of one reader share its position, so they are for one thread.
    `slots`, `seed` (of the hash), `by_value`, `runs` and `records` are those that the file states.
    """

    def __init__(self, file: BinaryIO, name: str, *, unpickle: bool) -> None:
        layout = read_layout(file, name)
        self.slots = layout.slots
        self.seed = layout.seed
        self.by_value = layout.by_value
        self.runs = layout.runs
        self._layout = layout
        self._file = file
        self._name = name
        self._unpickle = unpickle
        self._by_slot: dict[int, list[Section]] = {}
        self._listed: set[int] = set()  # the pages that `sections` covers
        self._covered = range(0)  # slots whose sections are all in it
        self.taken = EMPTY_CHECKSUM  # of the blocks read as streams or encoded. Reset it to read again

    @property
    def records(self) -> int:
        """Return the number of pairs in the file."""
        self.find_sections(range(self.slots))
        return sum(section.records for sections in self._by_slot.values() for section in sections)

    def find_sections(self, wanted: range) -> None:
        """Find the sections of these slots now, all at once. Others are found when they are asked for."""
        if wanted.start >= self._covered.start and wanted.stop <= self._covered.stop:
            return
        numbers = [number for number in self._layout.overlapping(wanted) if number not in self._listed]
        for number in numbers:
            for section in self._layout.sections(self._file, self._name, number):
                self._by_slot.setdefault(section.slot, []).append(section)
        if numbers and self._listed:
            for sections in self._by_slot.values():
                sections.sort(key=_offset)  # pages may have been read in another order
        self._listed.update(numbers)
        if wanted.start <= self._covered.stop and wanted.stop >= self._covered.start:
            wanted = range(min(wanted.start, self._covered.start), max(wanted.stop, self._covered.stop))
        self._covered = wanted

    def _sections(self, slot: int) -> list[Section]:
        self.find_sections(range(slot, slot + 1))
        return self._by_slot.get(slot, [])

    def slots_present(self, wanted: range | None = None) -> list[int]:
        """Return the slots that have pairs, ascending, and within `wanted` if given."""
        wanted = range(self.slots) if wanted is None else wanted
        self.find_sections(wanted)
        return sorted(slot for slot in self._by_slot if slot in wanted)

    def streams(self, slot: int, source: int | None = None) -> list[Iterator[Block]]:
        """Return one stream of blocks per run that has the slot, in their order. With `source`, only of that one."""
        return [map(self.decoded, stream) for stream in self.placed_streams(slot, source)]

    def some_blocks(self, slot: int, wanted: int) -> list[Block]:
        """Return at most `count` of the blocks of a slot, evenly spread, the first and the last among them."""
        positions = [position for section in self._sections(slot) for position in self._block_positions(section)]
        if len(positions) > wanted:
            positions = [positions[i * (len(positions) - 1) // max(1, wanted - 1)] for i in range(wanted)]
        return [self.decoded(self._open(at, end)[0]) for at, end in positions]

    def _block_positions(self, section: Section) -> Iterator[tuple[int, int]]:
        """Return the offset of each block of a section, and its end. Only the heads of the blocks are read."""
        at, end = section.offset, section.offset + section.length
        for _ in range(section.blocks):
            if at + HEAD.size > end:
                raise corrupt(self._name, at, "a section ends within the head of a block")
            yield at, end
            at += HEAD.size + rest_bytes(read_at(self._file, self._name, at, HEAD.size))

    def placed_streams(self, slot: int, source: int | None = None) -> list[Iterator[PlacedBlock]]:
        """Return the same streams with the columns of their blocks encoded. `decoded` decodes a block."""
        sections = self._sections(slot)
        return [self._blocks(section) for section in sections if source is None or section.source == source]

    def _blocks(self, section: Section) -> Iterator[PlacedBlock]:
        at, end, records = section.offset, section.offset + section.length, 0
        for _ in range(section.blocks):
            block, digest, length = self._open(at, end)
            self.taken = add_checksums(self.taken, (block.stored.records, digest))
            yield block
            at += length
            records += block.stored.records
        if at != end or records != section.records:
            raise corrupt(self._name, at, f"a section of slot {section.slot} does not hold what is stated")

    def decoded(self, block: PlacedBlock) -> Block:
        """Return the pairs of a block of this file."""
        try:
            return decode_block(block.stored, unpickle=self._unpickle)
        except CorruptData as error:
            raise corrupt(self._name, block.offset, str(error)) from error

    def records_in(self, slot: int) -> int:
        """Return the number of pairs in a slot."""
        return sum(section.records for section in self._sections(slot))

    def sizes(self) -> dict[int, tuple[int, int]]:
        """Return {slot: (pairs, bytes)} of all slots that have pairs."""
        self.find_sections(range(self.slots))
        return {
            slot: (sum(s.records for s in sections), sum(s.length for s in sections))
            for slot, sections in sorted(self._by_slot.items())
        }

    def encoded(self, slot: int) -> Iterator[EncodedBlock]:
        """Yield the blocks of a slot, run by run, with their columns encoded."""
        for stream in self.encoded_streams(slot):
            yield from stream

    def encoded_streams(self, slot: int) -> list[Iterator[EncodedBlock]]:
        """Return one stream of such blocks per run that has the slot, in their order."""
        return [((b.stored.records, b.stored.keys, b.stored.values) for b in s) for s in self.placed_streams(slot)]

    def _open(self, at: int, end: int) -> tuple[PlacedBlock, int, int]:
        """Return the block at this offset, its digest, and its length in bytes."""
        head, data = self._stored(at, end)
        try:
            block, digest = open_block(head, data)
        except CorruptData as error:
            raise corrupt(self._name, at, str(error)) from error
        return PlacedBlock(block, at, self), digest, HEAD.size + len(data)

    def _stored(self, at: int, end: int) -> tuple[bytes, bytes]:
        """Return head and rest of the block at this offset."""
        if at + HEAD.size > end:
            raise corrupt(self._name, at, "a section ends within the head of a block")
        head = read_at(self._file, self._name, at, HEAD.size)
        rest = rest_bytes(head)
        if at + HEAD.size + rest > end:
            raise corrupt(self._name, at, "a block states to be longer than its section")
        return head, read_at(self._file, self._name, at + HEAD.size, rest)


_offset = attrgetter("offset")


def check(file: BinaryIO, name: str) -> None:
    """Read a whole run file and verify all its checksums. Raises CorruptData when anything is damaged."""
    reader = RunReader(file, name, unpickle=False)
    for slot in reader.slots_present():
        for _ in reader.encoded(slot):
            pass
    if reader.taken[0] != reader.records:
        raise corrupt(name, 0, f"it holds {reader.taken[0]} pairs where {reader.records} are stated")


def extract(file: BinaryIO, name: str, wanted: range) -> Iterator[bytes]:
    """Yield a complete run file with only the slots in `wanted`, in chunks of at most 1 MiB.

    Blocks are copied as they are, neither decoded nor checked: the reader of the copy checks them. Raises CorruptData
    when header or footer of the file are damaged.
    """
    layout = read_layout(file, name)
    yield header(layout.slots, layout.seed, by_value=layout.by_value)
    offset = HEADER_BYTES
    old = [s for page in layout.overlapping(wanted) for s in layout.sections(file, name, page) if s.slot in wanted]
    sections = []
    for section in old:
        sections.append(section._replace(offset=offset))
        offset += section.length
    for start, length in _pieces(old):
        for at in range(start, start + length, CHUNK_BYTES):
            yield read_at(file, name, at, min(CHUNK_BYTES, start + length - at))
    tail = ending(offset, layout.runs, sections)
    for at in range(0, len(tail), CHUNK_BYTES):
        yield tail[at : at + CHUNK_BYTES]


def _pieces(sections: list[Section]) -> list[tuple[int, int]]:
    """Return (offset, length) of the bytes that sections cover, neighbours joined."""
    pieces: list[tuple[int, int]] = []
    for section in sections:
        if pieces and sum(pieces[-1]) == section.offset:
            pieces[-1] = (pieces[-1][0], pieces[-1][1] + section.length)
        else:
            pieces.append((section.offset, section.length))
    return pieces
