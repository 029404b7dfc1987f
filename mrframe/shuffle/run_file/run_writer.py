"""Writes run files: the one container for the content of a sealed attempt, sorted by slot and key.

Not here: reading (`run_reader.py`, re-exported here), the bytes (`run_layout.py`, `pair_blocks.py`). Callers
open, sync and rename files. This takes binary file objects and writes them from start to end.

Rules.
- A run is one batch of pairs sorted by (slot, key), equal keys in the order given (or of their values). A file holds
  any number of runs, in the order they were added. A reader merges the runs of a slot.
- The same calls with the same pairs give the same bytes.
- A writer whose `add_…` raised is spoilt: it cannot be closed into a file that looks complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from itertools import islice
from operator import le
from typing import TYPE_CHECKING, Any, BinaryIO

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.shuffle_checksum import DIGEST_MASK
from mrframe.shuffle.deterministic import is_deterministic
from mrframe.shuffle.keys import kind_of, normal, order, sort_keys
from mrframe.shuffle.partition import slot_column, slots_bits
from mrframe.shuffle.run_file.pair_blocks import (
    BLOCK_BYTES,
    BLOCK_RECORDS_MAX,
    Block,
    Compressor,
    encode_pairs,
    pack_block,
)
from mrframe.shuffle.run_file.run_layout import AS_GIVEN, BY_KEY, HEADER_BYTES, Section, ending, header
from mrframe.shuffle.run_file.run_reader import RunReader, extract
from mrframe.shuffle.run_file.text_ranges import TextRanges
from mrframe.shuffle.sort_keys import PairKind, pair_kind, ranks, sorted_pairs

if TYPE_CHECKING:
    from mrframe.shuffle.range_partition import Ranges

__all__ = ["Block", "RunReader", "RunTotals", "RunWriter", "extract"]

_FIRST_GUESS = 512  # pairs in the first large block, before the size of pairs is known


@dataclass(slots=True)
class RunTotals:
    """Totals of a finished run file: pairs, bytes of the file, runs, and {slot: (pairs, bytes)}.

    `digests` has for each slot the sum of the digests of its blocks. `fixed` says that equal pairs in the same order
    would have given the same digests in any other process.
    """

    records: int = 0
    bytes: int = 0
    runs: int = 0
    by_slot: dict[int, tuple[int, int]] = field(default_factory=dict)
    digests: dict[int, int] = field(default_factory=dict)
    fixed: bool = True


class RunWriter:
    """Writes one run file.

    slots     number of slots of the hash: a power of two up to 65,536, or 1 for output that is not partitioned
    seed      seed of the hash
    source    the source of a join that all the pairs come from
    ranges    use these ranges of keys as slots in place of the hash
    by_value  sort the values of a key, too
    compress  False for files that are read once, soon, and are not folded: compressing costs more than writing

    The file is written from its current position, which must be its start.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        slots: int,
        seed: int = 0,
        source: int = 0,
        ranges: Ranges | None = None,
        by_value: bool = False,
        compress: bool = True,
    ) -> None:
        slots_bits(slots)
        self._file = file
        self.slots = slots
        self.seed = seed
        self._source = source
        self._ranges = ranges
        self._by_value = by_value
        self._sections: list[Section] = []
        self._runs = 0
        self._offset = HEADER_BYTES
        self._compressor = Compressor(tries=compress)
        self._guess = _FIRST_GUESS
        self._whole = True
        self._digests: dict[int, int] = {}
        self._deterministic = True
        file.write(header(slots, seed, by_value=by_value))

    @property
    def size_bytes(self) -> int:
        """Return the number of bytes written so far."""
        return self._offset

    def add_run(self, keys: list[Any], values: list[Any], slot_of: list[int] | None = None) -> None:
        """Sort the pairs by (slot, key), equal keys as given, and append them as one run.

        `slot_of` gives each pair's slot in place of the hash (a user's partitioner). Without pairs, writes nothing.
        Raises KeyRefused (and with `by_value` ValueRefused) before anything is written, CannotTravel and ValueRefused
        later.
        """
        if not len(keys) == len(values) == (len(keys) if slot_of is None else len(slot_of)):
            raise ValueError(f"{len(keys)} keys and {len(values)} values do not make pairs")
        if not keys:
            return
        self._guess = _FIRST_GUESS  # so that the blocks of a run depend on the run alone
        kind = kind_of(keys)
        keys = normal(keys, kind)
        kinds = pair_kind(kind, values, by_value=self._by_value)
        if self._ranges is not None and slot_of is None:
            self._add_ranges(self._ranges, kinds, keys, values)
        elif self.slots == 1 and slot_of is None:
            self._add_section(0, [sorted_pairs(kinds, keys, values, ranks(kinds, keys, values))], kind, BY_KEY)
        else:
            if slot_of is None:
                slot_of = slot_column(keys, kind, self.slots, self.seed)
            sort_key = ranks(kinds, keys, values).__getitem__
            for slot, indexes in _by_slot(slot_of, self.slots):
                if len(indexes) > 1 and kinds != ("n", None):
                    indexes.sort(key=sort_key)
                pairs = [keys[i] for i in indexes], [values[i] for i in indexes]
                self._add_section(slot, [pairs], kind, BY_KEY)
        self._runs += 1

    def _add_ranges(self, ranges: Ranges, kinds: PairKind, keys: list[Any], values: list[Any]) -> None:
        """Sort all pairs, then cut: each range is a slice."""
        keys, values = sorted_pairs(kinds, keys, values, ranks(kinds, keys, values))
        for slot, start, end in ranges.pieces(keys, kinds[0]):
            self._add_section(slot, [(keys[start:end], values[start:end])], kinds[0], BY_KEY)

    def add_texts(self, columns: Iterable[Any]) -> None:
        """Sort columns of text of the compiled kernel together and append them as one run, with None for each value.

        Gives the same bytes as `add_run`. For the usual hash, or ranges.
        """
        found = TextRanges([(column, 0, len(column)) for column in columns])
        slots = slots_bits(self.slots) if self._ranges is None else self._ranges.text_cuts()
        sections, _ = found.sorted(_FIRST_GUESS, slots)
        if self._ranges is not None:
            sections = [(self._ranges.slots[number], kind, blocks) for number, kind, blocks in sections]
        self.add_encoded(sections)

    def add_sorted(self, slot: int, blocks: Iterable[tuple[list[Any], list[Any]]], *, in_order: bool = False) -> None:
        """Append blocks of (keys, values) of one slot, already sorted across all of them, as one run.

        They are consumed one by one. `in_order=True` keeps them as given and requires no order by key. Raises
        ValueError when the keys are not sorted, and the errors of `add_run`.
        """
        if not 0 <= slot < self.slots:
            raise ValueError(f"slot {slot} of {self.slots}")
        if self._add_section(slot, blocks, None, AS_GIVEN if in_order else BY_KEY):
            self._runs += 1

    def add_merged(self, slot: int, blocks: Iterable[Block | TextRanges]) -> None:
        """Append the blocks of a merge without checking their kinds and order again."""
        pairs, count = self._offset, 0
        self._whole = False
        records = 0
        for block in blocks:
            if isinstance(block, TextRanges):
                records += block.records
                count += self._write_texts(slot, block)
            else:
                kind, keys, values = block
                records += len(keys)
                count += self._write_pairs(slot, kind, keys, values)
        if count:
            self._sections.append(
                Section(self._runs, slot, self._source, BY_KEY, pairs, self._offset - pairs, records, count)
            )
            self._runs += 1
        self._whole = True

    def add_encoded(self, sections: Iterable[tuple[int, str, Sequence[tuple[int, bytes, bytes]]]]) -> None:
        """Append a run of blocks that were encoded elsewhere: (slot, kind, [(pairs, keys, values)]), at least one.

        Slots must ascend, and so must keys within each slot. This is not checked. Without sections, writes nothing.
        """
        before = len(self._sections)
        for slot, kind, blocks in sections:
            start = self._offset
            for records, keys, values in blocks:
                self._write_block(slot, kind, records, (keys, values))
            pairs = sum(records for records, _, _ in blocks)
            length = self._offset - start
            self._sections.append(Section(self._runs, slot, self._source, BY_KEY, start, length, pairs, len(blocks)))
        self._runs += len(self._sections) > before

    def close(self) -> RunTotals:
        """Write the footer and return the file's totals. The file itself is left open, at its end."""
        if not self._whole:
            raise ValueError("a section was left unfinished; the run file is to be thrown away")
        end = ending(self._offset, self._runs, self._sections)
        self._file.write(end)
        totals = RunTotals(
            bytes=self._offset + len(end), runs=self._runs, digests=self._digests, fixed=self._deterministic
        )
        for section in self._sections:
            totals.records += section.records
            records, length = totals.by_slot.get(section.slot, (0, 0))
            totals.by_slot[section.slot] = (records + section.records, length + section.length)
        return totals

    def _add_section(
        self, slot: int, blocks: Iterable[tuple[list[Any], list[Any]]], kind: str | None, key_order: int
    ) -> bool:
        """Write one section. Returns False without pairs. With `kind` None each block's kind is found."""
        self._whole = False
        start, records, count = self._offset, 0, 0
        last: list[Any] = []
        for given, values in blocks:
            if len(given) != len(values):
                raise ValueError(f"{len(given)} keys and {len(values)} values do not make pairs")
            keys, own_kind = given, kind
            if own_kind is None:
                own_kind = kind_of(given)
                keys = normal(given, own_kind)
                if key_order == BY_KEY:
                    last = _check_sorted(last, keys, own_kind)
            records += len(keys)
            count += self._write_pairs(slot, own_kind, keys, values)
        if count:
            length = self._offset - start
            self._sections.append(Section(self._runs, slot, self._source, key_order, start, length, records, count))
        self._whole = True
        return count > 0

    def _write_pairs(self, slot: int, kind: str, keys: list[Any], values: list[Any]) -> int:
        """Cut pairs into blocks of about BLOCK_BYTES and write them. Returns the number of blocks.

        A pair that is larger is found when a block comes out too long, and has a block of its own. Else it would be
        encoded again for each block that comes before it.
        """
        at = count = 0
        large = -1  # the next such pair, as far as is known
        while at < len(keys):
            end = min(at + self._guess, len(keys))
            if at <= large < end:
                end = max(large, at + 1)
            columns = encode_pairs(kind, keys[at:end], values[at:end])
            size = len(columns[0]) + len(columns[1])
            if size > 2 * BLOCK_BYTES and end - at > 1 and large < at:
                large = _first_large(keys, values, at, end)
                if large >= 0:
                    continue
            while size > 2 * BLOCK_BYTES and end - at > 1:
                end = at + max(1, min((end - at) // 2, BLOCK_BYTES * (end - at) // size))
                columns = encode_pairs(kind, keys[at:end], values[at:end])
                size = len(columns[0]) + len(columns[1])
            # by the size of these pairs, but never much more at once than before
            self._guess = max(1, min(BLOCK_RECORDS_MAX, BLOCK_BYTES * (end - at) // size, 8 * self._guess))
            self._deterministic = self._deterministic and is_deterministic(columns[1], values[at:end])
            self._write_block(slot, kind or kind_of(keys[at:end]), end - at, columns)
            at = end
            count += 1
        return count

    def _write_texts(self, slot: int, texts: TextRanges) -> int:
        """Cut texts into the same blocks. Returns their number."""
        sections, self._guess = texts.sorted(self._guess)
        blocks = [block for _, _, some in sections for block in some]
        for records, keys, values in blocks:
            self._write_block(slot, "s", records, (keys, values))
        return len(blocks)

    def _write_block(self, slot: int, kind: str, records: int, columns: tuple[bytes, bytes]) -> None:
        block, digest = pack_block(kind, records, columns, self._compressor)
        self._file.write(block)
        self._offset += len(block)
        self._digests[slot] = (self._digests.get(slot, 0) + digest) & DIGEST_MASK


def _first_large(keys: list[Any], values: list[Any], at: int, end: int) -> int:
    """Return the index of the first pair that fills a block alone, -1 if there is none."""
    for index in range(at, end):
        if _size_of(keys[index]) + _size_of(values[index]) > BLOCK_BYTES:
            return index
    return -1


def _size_of(item: Any, depth: int = 3) -> int:
    """Return about how many bytes an item takes when it is encoded, without what is nested more deeply."""
    kind = type(item)
    if kind in (str, bytes):
        return len(item)
    if not depth or kind not in (tuple, list, dict, set, frozenset):
        return 8
    size = sum(_size_of(part, depth - 1) for part in item)
    return size + (sum(_size_of(part, depth - 1) for part in item.values()) if kind is dict else 0)


def _by_slot(slot_of: list[int], slots: int) -> Iterable[tuple[int, list[int]]]:
    """Yield (slot, indexes of its pairs, ascending), by slot. Raises ValueError for a slot that does not exist."""
    present = sorted(set(slot_of))
    if present[0] < 0 or present[-1] >= slots:
        raise ValueError(f"slots from {present[0]} to {present[-1]}, in a file of {slots}")
    indexes: dict[int, list[int]] = {slot: [] for slot in present}
    for index, slot in enumerate(slot_of):
        indexes[slot].append(index)
    return indexes.items()


def _check_sorted(last: list[Any], keys: list[Any], kind: str) -> list[Any]:
    """Raise ValueError when the keys, or the step from `last` to them, are out of order.

    Returns [order of the last key].
    """
    if not keys:
        return last
    ranks = sort_keys(keys, kind)
    first = [order(keys[0])]
    if (last and last > first) or not all(map(le, ranks, islice(ranks, 1, None))):
        raise ValueError("keys that were to be sorted already are not")
    return [order(keys[-1])]
