"""Columns of text that the compiled kernel sorts: what a block, a run or a round of a merge is made of.

Their pairs have None for each value, as those of jobs that pass whole lines on. Nothing becomes a Python value here
unless it is asked for. Not here: the sort (`kernel/sort.c`), and which texts come next in a merge (`text_merge.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.kernel import compiled
from mrframe.shuffle.columns import decode
from mrframe.shuffle.run_file.pair_blocks import BLOCK_RECORDS_MAX, Block, StoredBlock

Sections = list[tuple[int, str, list[tuple[int, bytes, bytes]]]]  # as `RunWriter.add_encoded` takes them


@dataclass(frozen=True, slots=True)
class TextRanges:
    """Ranges of columns of text (`kernel/_kernel.pyi`), to be sorted together: (column, start, end)."""

    ranges: list[tuple[Any, int, int]]

    @property
    def records(self) -> int:
        """The number of texts."""
        return sum(end - start for _, start, end in self.ranges)

    def sorted(self, guess: int, slots: int | tuple[bytes, ...] = 0) -> tuple[Sections, int]:
        """Return the texts as encoded blocks by slot, and the number of texts that the block after them should hold.

        `guess` is that of the first block. `slots` is the number of bits of the hash in a slot, or the cuts between
        ranges of keys, which are numbered.
        """
        sections, guess = compiled().sort_texts(self.ranges, slots, guess)
        return sections, guess

    def columns(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the texts sorted, as encoded columns of keys and values, a few thousand at a time."""
        sections, _ = self.sorted(BLOCK_RECORDS_MAX)
        for _, _, blocks in sections:
            for _, keys, values in blocks:
                yield keys, values

    def blocks(self) -> Iterator[Block]:
        """Yield the texts as sorted keys, a few thousand at a time."""
        for keys, values in self.columns():
            yield "s", decode(keys, unpickle=False), decode(values, unpickle=False)


def texts_in(block: StoredBlock) -> Any | None:
    """Return the keys of a block for the kernel, or None unless they are text and all values None."""
    tag = bytes(block.values[:1])
    if tag != b"n" or block.kind != "s" or bytes(block.values) != tag + bytes(block.records):
        return None
    texts = compiled().texts_of_column(block.keys)
    return texts if texts is not None and len(texts) == block.records else None
