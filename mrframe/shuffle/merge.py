"""Merges several sorted streams of blocks into one, stable and in bounded memory.

Not here: the source of the streams (`run_reader.py`), and grouping the values by key (`group.py`).

Each round takes from every stream's current block all pairs that nothing unread can precede: those up to the
smallest of the blocks' last keys. The pieces are concatenated in stream order and sorted stably. Timsort finds the
sorted pieces and merges them at C speed (T. Peters, `Objects/listsort.txt` in CPython).

The delicate part is the bound itself. The first stream whose block ends with it may go on with the same key in its
next block. Streams before it have no more of that key, and streams after it must wait. So streams up to that one give
pairs <= the bound, and those after it only pairs < the bound. A key that fills many blocks thus passes block by
block, stream after stream, and is never collected.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from sys import getsizeof
from typing import Any, BinaryIO

from mrframe.shuffle.run_file.pair_blocks import Block
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter
from mrframe.shuffle.sort_keys import PairKind, is_native, pair_kind, ranks, sorted_pairs

AT_ONCE_BYTES = 32 << 20  # memory that is sorted in one piece. Above it, block by block
FAN_IN = 64  # streams that are merged at once
_WEIGHED = 8  # pairs of a block that are measured to estimate its size

_Ranked = tuple[PairKind, list[Any], list[Any], list[Any]]  # (kinds, keys, values, ranks): the ranks sorted


def merge(
    streams: Sequence[Iterator[Block]],
    *,
    fan_in: int = FAN_IN,
    make_file: Callable[[], BinaryIO],
    by_value: bool = False,
    at_once_bytes: int = AT_ONCE_BYTES,
) -> Iterator[Block]:
    """Merge streams of blocks by key. Equal keys keep the order of the streams, then that within each stream.

    Each stream must be sorted, with `by_value` by key and value, and then so is the result. What fits into about
    `at_once_bytes` of memory is sorted in one piece. At most `fan_in` (at least 2) streams are merged at once. If
    there are more, neighbours are merged first into files that `make_file` opens (new, binary, for writing and
    reading) and that are closed here when read. Blocks of the result are as large as the rounds make them, at most
    `fan_in` blocks of the streams, or `at_once_bytes`. Raises the errors of the streams.
    """
    if fan_in < 2:
        raise ValueError(f"fan_in={fan_in}: a merge takes at least two streams")
    files: list[BinaryIO] = []
    try:
        whole, level = _taken_whole(streams, at_once_bytes)
        if whole is not None:
            if whole:
                yield _sorted_together(_ranked(whole, by_value=by_value))
            return
        while len(level) > fan_in:
            level = _merge_neighbours(level, fan_in, make_file, files, by_value=by_value)
        yield from _merge_all(level, by_value=by_value)
    finally:
        for file in files:
            file.close()


def _taken_whole(
    streams: Sequence[Iterator[Block]], limit_bytes: int
) -> tuple[list[Block] | None, list[Iterator[Block]]]:
    """Return (all blocks in order if they take little memory, else None, and the streams from their start)."""
    if limit_bytes <= 0 or len(streams) < 2:
        return None, list(streams)
    taken: list[list[Block]] = [[] for _ in streams]
    left = limit_bytes
    for blocks, stream in zip(taken, streams, strict=True):
        for block in stream:
            if block[1]:
                blocks.append(block)
                left -= _about_bytes(block)
            if left < 0:
                return None, [chain(some, rest) for some, rest in zip(taken, streams, strict=True)]
    return list(chain.from_iterable(taken)), []


def _about_bytes(block: Block) -> int:
    """Estimate the memory of a block from a few of its pairs."""
    _, keys, values = block
    step = max(1, len(keys) // _WEIGHED)
    some = [*keys[::step], *values[::step]]
    return 2 * len(keys) * (8 + sum(map(_weight, some)) // len(some))


def _weight(item: Any) -> int:
    """Estimate the bytes of an object. Assumes that all items of a container are like the first."""
    size = getsizeof(item)
    if isinstance(item, (tuple, list, dict, set, frozenset)) and item:
        size += len(item) * _weight(next(iter(item)))
    return size


def _merge_neighbours(
    streams: list[Iterator[Block]],
    fan_in: int,
    make_file: Callable[[], BinaryIO],
    files: list[BinaryIO],
    *,
    by_value: bool,
) -> list[Iterator[Block]]:
    """Return fewer streams with the same content: groups of neighbours merged to files, no more than needed."""
    excess = len(streams) - fan_in
    fewer: list[Iterator[Block]] = []
    at = 0
    while at < len(streams):
        width = min(fan_in, excess + 1, len(streams) - at)
        group = streams[at : at + width]
        if width == 1:
            fewer += group
        else:
            files.append(make_file())
            fewer.append(_through_file(_merge_all(group, by_value=by_value), files[-1]))
        excess -= width - 1
        at += width
    return fewer


def _through_file(blocks: Iterator[Block], file: BinaryIO) -> Iterator[Block]:
    """Write the blocks out now. Read them back, and close the file, later."""
    writer = RunWriter(file, slots=1)
    writer.add_merged(0, blocks)
    writer.close()
    return _from_file(file)


def _from_file(file: BinaryIO) -> Iterator[Block]:
    # Pickled values in there were unpickled by this process's own streams, which checked that they may be.
    reader = RunReader(file, "of a merge pass", unpickle=True)
    yield from chain.from_iterable(reader.streams(0))
    file.close()


class _Head:
    """The current block of a stream, and the position reached in it."""

    __slots__ = ("_by_value", "_stream", "at", "keys", "kinds", "native", "ranks", "values")

    def __init__(self, stream: Iterator[Block], *, by_value: bool) -> None:
        self._stream = stream
        self._by_value = by_value
        self.at = 0
        self.kinds: PairKind = ("", None)
        self.keys: list[Any] = []
        self.values: list[Any] = []
        self.ranks: list[Any] = []
        self.native = False

    def advance(self) -> bool:
        """Go to the stream's next block that has pairs. Returns False at its end."""
        for kind, keys, values in self._stream:
            if keys:
                self.at = 0
                self.keys, self.values = keys, values
                self.kinds = pair_kind(kind, values, by_value=self._by_value)
                self.native = is_native(self.kinds)
                self.ranks = ranks(self.kinds, keys, values, by_order=not self.native)
                return True
        return False

    def rank_by_order(self) -> None:
        """Compare by `order` from now on: blocks of different kinds have met."""
        if self.native:
            self.native = False
            self.ranks = ranks(self.kinds, self.keys, self.values, by_order=True)

    def take(self, end: int) -> _Ranked:
        """Return the pairs from the current position up to `end`."""
        start, self.at = self.at, end
        if start == 0 and end == len(self.keys):
            return self.kinds, self.keys, self.values, self.ranks
        keys = self.keys[start:end]
        own = self.ranks is self.keys
        return self.kinds, keys, self.values[start:end], keys if own else self.ranks[start:end]


def _merge_all(streams: Sequence[Iterator[Block]], *, by_value: bool) -> Iterator[Block]:
    heads = [head for head in (_Head(stream, by_value=by_value) for stream in streams) if head.advance()]
    while len(heads) > 1:
        yield _round(heads)
        # exhausted streams load their next block or drop out
        heads = [head for head in heads if head.at < len(head.keys) or head.advance()]
    if heads:
        (head,) = heads
        yield _block(head.take(len(head.keys)))
        while head.advance():
            yield _block(head.take(len(head.keys)))


def _round(heads: list[_Head]) -> Block:
    """Take the pairs that are certain to come next from all heads, as one sorted block."""
    if len({head.kinds for head in heads}) > 1 or not all(head.native for head in heads):
        for head in heads:
            head.rank_by_order()
    ends = [head.ranks[-1] for head in heads]
    bound = min(ends)
    first = ends.index(bound)
    pieces = []
    for index, head in enumerate(heads):
        cut = bisect_right if index <= first else bisect_left
        end = cut(head.ranks, bound, head.at)
        if end > head.at:
            pieces.append(head.take(end))
    return _sorted_together(pieces)


def _ranked(blocks: Sequence[Block], *, by_value: bool) -> list[_Ranked]:
    """Return the blocks with ranks that are comparable with one another."""
    kinds = [pair_kind(kind, values, by_value=by_value) for kind, _, values in blocks]
    by_order = len(set(kinds)) > 1 or not is_native(kinds[0])
    return [
        (one, keys, values, ranks(one, keys, values, by_order=by_order))
        for one, (_, keys, values) in zip(kinds, blocks, strict=True)
    ]


def _sorted_together(pieces: Sequence[_Ranked]) -> Block:
    if len(pieces) == 1:
        return _block(pieces[0])
    found = {kinds for kinds, _, _, _ in pieces}
    kinds = found.pop() if len(found) == 1 else ("", pieces[0][0][1])
    keys = list(chain.from_iterable(piece[1] for piece in pieces))
    values = list(chain.from_iterable(piece[2] for piece in pieces))
    native = all(piece[3] is piece[1] for piece in pieces)
    of_pairs = keys if native else list(chain.from_iterable(piece[3] for piece in pieces))
    return kinds[0], *sorted_pairs(kinds, keys, values, of_pairs)


def _block(piece: _Ranked) -> Block:
    return piece[0][0], piece[1], piece[2]
