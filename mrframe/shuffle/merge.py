"""Several sorted streams of blocks to one, stable and in bounded memory.

Not here: what makes the streams (`runread.py`), who gives out values by key (`group.py`).

Each round takes from every stream's current block what cannot be preceded by anything not yet read: all up
to the smallest of the blocks' last keys. The pieces are concatenated in stream order and sorted stably;
Timsort finds the sorted pieces and merges them at C speed (T. Peters, `Objects/listsort.txt` in CPython).

The delicate part is the bound itself. The first stream whose block ends with it may go on with the same
key in its next block; streams before it have no more of that key, streams after it must wait. So streams up
to that one give what is <= the bound, those after it only what is < the bound. A key that fills many blocks
thus passes block by block, stream after stream, and is never collected.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO

from mrframe.shuffle.blocks import Block
from mrframe.shuffle.keys import order, sort_keys, sort_order, sorts_natively
from mrframe.shuffle.runfile import RunReader, RunWriter


def merge(
    streams: Sequence[Iterator[Block]], *, fan_in: int = 64, make_file: Callable[[], BinaryIO]
) -> Iterator[Block]:
    """One stream of blocks, sorted by key; equal keys in the order of the streams, then as each has them.

    Each stream must be sorted. At most `fan_in` (at least 2) are merged at once; where there are more,
    neighbours are merged first into files that `make_file` opens (new, binary, for writing and reading) and
    that are closed here when read. Blocks of the result are as large as the rounds make them, at most
    `fan_in` blocks of the streams. Raises whatever the streams raise.
    """
    if fan_in < 2:
        raise ValueError(f"fan_in={fan_in}: a merge takes at least two streams")
    files: list[BinaryIO] = []
    try:
        level = list(streams)
        while len(level) > fan_in:
            level = _merge_neighbours(level, fan_in, make_file, files)
        yield from _merge_all(level)
    finally:
        for file in files:
            file.close()


def _merge_neighbours(
    streams: list[Iterator[Block]], fan_in: int, make_file: Callable[[], BinaryIO], files: list[BinaryIO]
) -> list[Iterator[Block]]:
    """Fewer streams with the same content: groups of neighbours merged to files, no more than are needed."""
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
            fewer.append(_through_file(_merge_all(group), files[-1]))
        excess -= width - 1
        at += width
    return fewer


def _through_file(blocks: Iterator[Block], file: BinaryIO) -> Iterator[Block]:
    """Write the blocks out now; give them back, and close the file, later."""
    writer = RunWriter(file, slots=1)
    writer.add_sorted(0, ((keys, values) for _, keys, values in blocks))
    writer.close()
    return _from_file(file)


def _from_file(file: BinaryIO) -> Iterator[Block]:
    # What may be pickled in there was unpickled by this process's own streams, which judged whether it may be.
    reader = RunReader(file, "of a merge pass", unpickle=True)
    yield from chain.from_iterable(reader.streams(0))
    file.close()


class _Head:
    """The current block of a stream, and how far it has been taken."""

    __slots__ = ("_stream", "at", "keys", "kind", "ranks", "ranks_native", "values")

    def __init__(self, stream: Iterator[Block]) -> None:
        self._stream = stream
        self.at = 0
        self.kind = ""
        self.keys: list[Any] = []
        self.values: list[Any] = []
        self.ranks: list[Any] = []
        self.ranks_native = False

    def advance(self) -> bool:
        """Go to the stream's next block that has pairs; False at its end."""
        for kind, keys, values in self._stream:
            if keys:
                self.at = 0
                self.kind, self.keys, self.values = kind, keys, values
                self.ranks_native = sorts_natively(kind)
                self.ranks = sort_keys(keys, kind)
                return True
        return False

    def rank_by_order(self) -> None:
        """Compare by `order` from now on: blocks of another kind are in play."""
        if self.ranks_native:
            self.ranks_native = False
            self.ranks = list(map(order, self.keys))


def _merge_all(streams: Sequence[Iterator[Block]]) -> Iterator[Block]:
    heads = [head for head in map(_Head, streams) if head.advance()]
    while len(heads) > 1:
        yield _round(heads)
        # whoever is used up goes on, or out
        heads = [head for head in heads if head.at < len(head.keys) or head.advance()]
    if heads:
        (head,) = heads
        yield _rest(head)
        while head.advance():
            yield _rest(head)


def _rest(head: _Head) -> Block:
    if head.at == 0:
        return head.kind, head.keys, head.values
    return head.kind, head.keys[head.at :], head.values[head.at :]


def _round(heads: list[_Head]) -> Block:
    """Take what is certain to come next from all heads, as one sorted block."""
    if len({head.kind for head in heads}) > 1 or not all(head.ranks_native for head in heads):
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
            pieces.append((head.kind, head.keys[head.at : end], head.values[head.at : end]))
            head.at = end
    if len(pieces) == 1:
        return pieces[0]
    return _sorted_together(pieces)


def _sorted_together(pieces: list[Block]) -> Block:
    kinds = {kind for kind, _, _ in pieces}
    kind = kinds.pop() if len(kinds) == 1 else ""
    keys = list(chain.from_iterable(keys for _, keys, _ in pieces))
    values = list(chain.from_iterable(values for _, _, values in pieces))
    indexes = sort_order(keys, kind)
    return kind, [keys[i] for i in indexes], [values[i] for i in indexes]
