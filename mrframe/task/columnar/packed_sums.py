"""When words are counted as numbers (`packed_keys.py`): the reader and the buffer of such a map, and its reduce.

Both sides leave what does not suit them to Python, and the answer has the same bytes with and without. A map is
fast when it counts the words of its split by declaration; a reduce when its states are ints and its keys text.
Not here: NumPy itself, which is the extra `mrframe[fast]` and loaded only for work that is worth it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from mrframe.core.job.job import WORDS, Job
from mrframe.core.model.spec import MIB, Split
from mrframe.formats.readers.base import (
    ALL_VALUES,
    Column,
    Forms,
    Packed,
    Parsed,
    RawBytes,
    all_good,
    plain_lines,
)
from mrframe.formats.readers.text import WordsReader
from mrframe.shuffle.partition import slots_bits
from mrframe.shuffle.reducers import Count, Total, as_fold
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter
from mrframe.task.code.settings import TaskSettings
from mrframe.task.columnar.raw_count_buffer import RawCountBuffer, counts_raw

WORTH_BYTES = 4 * MIB  # of input: below it, loading NumPy costs more than it saves
WORTH_RECORDS = 200_000  # of map output, the same
PENDING_WORDS_MAX = 4 << 20  # that wait to be sorted, of 8 bytes each
OTHERS_MAX = 500_000  # keys that are not packed, in a reduce; when there are more, it is Python's
RECORD_BYTES = 64  # of memory that a state takes on its way through a reduce


def maps_packed(job: Job, split: Split, settings: TaskSettings) -> bool:
    """Whether a map of this job over this split is fast: it counts words, by the usual hash."""
    return (
        job.read == WORDS
        and job.projection() == ("word",)
        and bool(counts_raw(job))
        and _may_pack(job, split, settings)
    )


def sums_packed(job: Job, split: Split, settings: TaskSettings) -> bool:
    """Whether a map of this job over this split may sum by packed keys once it has many: `packedfold.PackedFold`."""
    return type(as_fold(job.reduce)) in (Count, Total) and not job.sort_values and _may_pack(job, split, settings)


def _may_pack(job: Job, split: Split, settings: TaskSettings) -> bool:
    return (
        settings.fast
        and job.partition is None
        and job.key_order == "hash"
        and split.length >= WORTH_BYTES
        and find_spec("numpy") is not None
    )


class PackedWordsReader(WordsReader):
    """Reads words; gives a packed column where that is asked for."""

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:
        """The block as columns; see `BlockReader`."""
        if forms.get(0) is not Packed:
            return super().parse(block, source, offset, forms=forms)
        from mrframe.task.columnar.packed_keys import words

        lines = plain_lines(block)
        packed, others, records = words(lines.body)
        return all_good(lines, records, [Packed(packed, others)])


class PackedTable:
    """Sums by packed key: arrays wait until they are many, and are sorted together then."""

    def __init__(self) -> None:
        self._ones: list[Any] = []
        self._ints: list[tuple[Any, Any]] = []
        self._pending_bytes = 0
        self._counted: list[tuple[Any, Any]] = []

    def add(self, packed: Any, values: Any = None) -> None:
        """Add to each key its value, of `packed.small_ints`, or 1."""
        if values is None:
            self._ones.append(packed)
            self._pending_bytes += 8 * len(packed)
        else:
            self._ints.append((packed, values))
            self._pending_bytes += 40 * len(packed)  # what it takes to sort them by their keys
        if self._pending_bytes >= 8 * PENDING_WORDS_MAX:
            self._count()

    def _count(self) -> None:
        from mrframe.task.columnar.packed_keys import counted, joined, summed

        if self._ones:
            self._counted.append(counted(joined(self._ones)))
        if self._ints:
            sums = summed(*(joined(column) for column in zip(*self._ints, strict=True)))
            assert sums is not None  # the ints are small
            self._counted.append(sums)
        self._ones, self._ints, self._pending_bytes = [], [], 0

    def size_bytes(self) -> int:
        """About the bytes held."""
        return self._pending_bytes + 16 * sum(len(packed) for packed, _ in self._counted)

    def write_to(self, writer: RunWriter, slots: int) -> None:
        """Write all as a run, or as several where a sum might need over 64 bits; the table is empty afterwards."""
        from mrframe.task.columnar.packed_keys import encoded, joined, summed

        self._count()
        runs = self._counted
        if len(runs) > 1:
            sums = summed(*(joined(column) for column in zip(*runs, strict=True)))
            runs = runs if sums is None else [sums]
        for run in runs:
            writer.add_encoded(encoded(*run, slots_bits(slots), writer.seed))
        self._counted = []


class PackedCounts:
    """A buffer for what `PackedWordsReader` gives; it writes its run itself."""

    def __init__(self, reader: PackedWordsReader) -> None:
        self._others = RawCountBuffer(reader, ("word",))
        self._table = PackedTable()
        self.bad_fields = self._others.bad_fields

    def add_columns(self, columns: Sequence[Column]) -> int:
        """Count the words of a block; how many there were."""
        (column,) = columns
        assert isinstance(column, Packed)
        if column.others:
            self._others.add_columns([RawBytes(column.others)])
        self._table.add(column.keys)
        return len(column.keys) + len(column.others)

    def size_bytes(self) -> int:
        """About the bytes held."""
        return self._table.size_bytes() + self._others.size_bytes()

    def write_to(self, writer: RunWriter, slots: int) -> None:
        """Write all that was counted as runs, the packed words first; the buffer is empty afterwards."""
        self._table.write_to(writer, slots)
        keys, counts = self._others.drain()
        if keys:
            writer.add_run(keys, counts)


Reduced = tuple[Any, Any, list[str], list[int]]  # packed keys, their sums; other keys in order, their sums


def packed_groups(
    job: Job, readers: Sequence[RunReader], wanted: range, settings: TaskSettings
) -> list[tuple[range, bool]]:
    """The slots of a partition in groups, and whether `reduce_packed` may be tried on each.

    A group takes at most half of the budget. Slots are disjoint, so each group is reduced on its own.
    """
    suits = settings.fast and type(as_fold(job.reduce)) in (Count, Total) and not job.sort_values
    if not suits or find_spec("numpy") is None:
        return [(wanted, False)]
    per_slot = [(slot, sum(reader.records_in(slot) for reader in readers)) for slot in wanted]
    if sum(records for _, records in per_slot) < WORTH_RECORDS:
        return [(wanted, False)]
    limit = settings.memory_bytes // 2 // RECORD_BYTES
    groups = []
    start, held = wanted.start, 0
    for slot, records in per_slot:
        if held and held + records > limit:
            groups.append((range(start, slot), held <= limit))
            start, held = slot, 0
        held += records
    return [*groups, (range(start, wanted.stop), held <= limit)]


def reduce_packed(readers: Sequence[RunReader], group: range, beat: Callable[[int], None]) -> Reduced | None:
    """The sums of the states in these slots; None when they are no ints or the keys no text, or too few are packed.

    `beat` is told the number of states as they are read. Raises CorruptData.
    """
    from mrframe.task.columnar.packed_keys import decoded, joined, summed

    columns: list[tuple[Any, Any]] = []
    others: Counter[str] = Counter()
    read = 0
    for slot in group:
        for reader in readers:
            for records, keys, values in reader.encoded(slot):
                block = decoded(keys, values)
                if block is None:
                    return None
                columns.append(block[:2])
                for key, value in zip(block[2], block[3], strict=True):
                    others[key] += value
                read += records
        beat(read)
        if len(others) > OTHERS_MAX:
            return None
    if not columns:
        return None
    sums = summed(*(joined(column) for column in zip(*columns, strict=True)))
    if sums is None:
        return None
    in_order = sorted(others)
    return *sums, in_order, [others[key] for key in in_order]
