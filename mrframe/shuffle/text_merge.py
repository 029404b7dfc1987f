"""Merges sorted streams of encoded blocks, in the compiled kernel while their keys are text and their values None.

The rounds are those of `merge.py`, which takes over where a block holds anything else, there is no kernel, or there
are more streams than are merged at once: so the rows, and their order, are always those of `merge.py`. Not here:
sorting the texts of a round (`run_file/text_ranges.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain
from math import inf
from typing import Any, BinaryIO

from mrframe.kernel import compiled
from mrframe.shuffle.merge import AT_ONCE_BYTES, FAN_IN, merge
from mrframe.shuffle.run_file.pair_blocks import Block
from mrframe.shuffle.run_file.run_reader import PlacedBlock
from mrframe.shuffle.run_file.text_ranges import TextRanges, texts_in

Merged = Block | TextRanges


def merge_texts(
    streams: Sequence[Iterator[PlacedBlock]],
    *,
    make_file: Callable[[], BinaryIO],
    by_value: bool = False,
    at_once_bytes: int = AT_ONCE_BYTES,
) -> Iterator[Merged]:
    """Merge streams of blocks by key, as `merge` does. Texts come as ranges that are to be sorted together."""
    heads = [_Head(stream) for stream in streams]
    if compiled() is not None and (yield from _texts(heads, at_once_bytes)):
        return
    rest = [head.rest() for head in heads]
    yield from (
        rest[0]
        if len(rest) == 1
        else merge(rest, make_file=make_file, by_value=by_value, at_once_bytes=at_once_bytes)
    )


def as_blocks(merged: Iterable[Merged]) -> Iterator[Block]:
    """Yield all of them as blocks of values."""
    for block in merged:
        if isinstance(block, TextRanges):
            yield from block.blocks()
        else:
            yield block


class _Head:
    """A stream: its current texts, how many of them are taken, and the blocks that were read ahead."""

    def __init__(self, stream: Iterator[PlacedBlock]) -> None:
        self._stream = stream
        self._ahead: list[tuple[PlacedBlock, Any]] = []  # with their texts, the current one first
        self.at = 0

    def read_ahead(self) -> bool:
        """Read one more block. Returns False at the end of the stream."""
        block = next(self._stream, None)
        if block is not None:
            self._ahead.append((block, texts_in(block.stored)))
        return block is not None

    @property
    def texts(self) -> Any:
        """The current texts, None if the block is no text."""
        return self._ahead[0][1]

    def whole(self) -> list[tuple[Any, int, int]]:
        """Return all texts that were read."""
        return [(texts, 0, len(texts)) for _, texts in self._ahead]

    def take(self, end: int) -> tuple[Any, int, int]:
        """Return the current texts up to an index, and drop them if there are no more."""
        texts, start = self.texts, self.at
        self.at = end
        if end == len(texts):
            del self._ahead[0]
            self.at = 0
        return texts, start, end

    @property
    def is_read(self) -> bool:
        """Whether there is a current block."""
        return bool(self._ahead)

    @property
    def last_bytes(self) -> float:
        """The memory of the last block that was read, with what sorting it needs. Endless if it is no text."""
        texts = self._ahead[-1][1]
        return inf if texts is None else int(texts.size_bytes)

    def rest(self) -> Iterator[Block]:
        """Yield what was not taken."""
        for block in chain((block for block, _ in self._ahead), self._stream):
            kind, keys, values = block.decoded()
            yield kind, keys[self.at :], values[self.at :]
            self.at = 0


def _texts(heads: list[_Head], at_once_bytes: int) -> Generator[TextRanges, None, bool]:
    """Merge the streams as long as they hold texts. The generator returns whether that was all."""
    if len(heads) > 1:
        whole = _taken_whole(heads, at_once_bytes)
        if whole is not None:
            if whole.ranges:
                yield whole
            return True
    while len(heads) <= FAN_IN:
        heads = [head for head in heads if head.is_read or head.read_ahead()]
        if not heads:
            return True
        if any(head.texts is None for head in heads):
            return False
        yield _round(heads)
    return False


def _taken_whole(heads: list[_Head], limit_bytes: float) -> TextRanges | None:
    """Return all texts if they take little memory, else None."""
    for head in heads:
        while head.read_ahead():
            limit_bytes -= head.last_bytes
            if limit_bytes < 0:
                return None
    return TextRanges([one for head in heads for one in head.whole()])


def _round(heads: list[_Head]) -> TextRanges:
    """Take the texts that are certain to come next. `merge.py` says why these are."""
    ends = [head.texts.last for head in heads]
    bound = min(ends)
    first = ends.index(bound)
    ranges = []
    for index, head in enumerate(heads):
        end = head.texts.end(head.at, bound, index <= first)
        if end > head.at:
            ranges.append(head.take(end))
    return TextRanges(ranges)
