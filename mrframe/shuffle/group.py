"""Groups sorted blocks by key, with the values of each key as a stream.

Not here: merging (`merge.py`) and reducing the values.

The values of a key are a stream even if they fill many blocks: at most one block is held. As with
`itertools.groupby`, asking for the next key skips the values that were not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import compress, islice, pairwise
from operator import ne
from typing import Any

from mrframe.shuffle.keys import canonical, sorts_natively
from mrframe.shuffle.run_file.pair_blocks import Block

Groups = tuple[list[Any], list[Iterable[Any]]]


def runs_of_equal(kind: str, keys: list[Any]) -> list[int]:
    """Return the starts of the runs of equal keys in a sorted column, and its length at the end.

    The i-th run is `keys[starts[i]:starts[i + 1]]`. Returns [0] for no keys. `kind` is that of the block.
    """
    if not keys:
        return [0]
    if kind == "n":
        return [0, len(keys)]
    same_by = keys if kind else list(map(canonical, keys))
    count = len(keys)
    return [0, *compress(range(1, count), map(ne, same_by, islice(same_by, 1, None))), count]


def same_key(kind: str, key: Any, other_kind: str, other: Any) -> bool:
    """Return whether two keys, each of a block of this kind, are the same key."""
    if kind == other_kind and sorts_natively(kind):
        return bool(key == other)
    return canonical(key) == canonical(other)


def group(blocks: Iterator[Block]) -> Iterator[tuple[Any, Iterator[Any]]]:
    """Yield (key, iterator of its values) for each key of sorted blocks, in order.

    The values come in the order of the blocks. An iterator is valid until the next key is asked for.
    """
    for keys, values in groups_of(blocks):
        yield from zip(keys, map(iter, values), strict=True)


def groups_of(blocks: Iterator[Block]) -> Iterator[Groups]:
    """Yield the same groups, many at once: a column of keys, and one of the values of each, to be iterated over."""
    blocks = (block for block in blocks if block[1])
    kind, keys, values = next(blocks, ("", [], []))
    while keys:
        starts = runs_of_equal(kind, keys)
        last = starts[-2]
        if len(starts) == len(keys) + 1:  # each key once: usual after a combiner
            yield keys[:last], list(zip(values[:last]))
        else:
            yield [keys[i] for i in starts[:-2]], [values[start:end] for start, end in pairwise(starts[:-1])]
        tail = _Tail((kind, keys[last:], values[last:]), blocks)
        yield [keys[last]], [tail.values]
        kind, keys, values = tail.finish()


class _Tail:
    """The values of the last key of a block, continued in the blocks that follow."""

    def __init__(self, last: Block, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self._following: Block = ("", [], [])
        self.values = self._stream(last)

    def finish(self) -> Block:
        """Skip the unread values. Returns the block that starts with the next key, which is empty at the end."""
        for _ in self.values:
            pass
        return self._following

    def _stream(self, last: Block) -> Iterator[Any]:
        kind, keys, values = last
        key = keys[0]
        yield from values
        for next_kind, next_keys, next_values in self._blocks:
            if not same_key(kind, key, next_kind, next_keys[0]):
                self._following = next_kind, next_keys, next_values
                return
            end = runs_of_equal(next_kind, next_keys)[1]
            yield from next_values[:end]
            if end < len(next_keys):
                self._following = next_kind, next_keys[end:], next_values[end:]
                return
