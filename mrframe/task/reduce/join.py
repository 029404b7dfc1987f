"""The reduce side of a sort-merge join: walks sources that are each sorted by key in step, key by key.

Each source is merged on its own, so its values keep the order of its inputs and need no tag. For each key the values
of the last source are a stream, of which at most one block is held, and those of all others are lists. A source
without the key gives an empty list or stream, and the user's function decides between an inner and an outer join.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

from mrframe.shuffle.group import group
from mrframe.shuffle.keys import order
from mrframe.shuffle.run_file.pair_blocks import Block

_END = (8,)  # sorts after the `order` of every key


class _Source:
    """One source: its next key, the rank by which that sorts, and its values."""

    key: Any
    values: Iterator[Any]
    rank: Any

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._groups = group(blocks)
        self.advance()

    def advance(self) -> None:
        """Move to the next key. Skips values of the current one that were not read."""
        found = next(self._groups, None)
        self.key, self.values = found or (None, iter(()))
        self.rank = _END if found is None else order(self.key)


def joined(streams: Sequence[Iterator[Block]]) -> Iterator[tuple[Any, list[Any]]]:
    """Yield (key, its values per source) for every key of any of the sorted streams, in order.

    The first half of a sort-merge join: it collects the values and leaves pairing them to the caller. The values are
    valid until the next key is requested.
    """
    *early, last = map(_Source, streams)
    sources = [*early, last]
    while (rank := min(source.rank for source in sources)) != _END:
        here = [source for source in sources if source.rank == rank]
        columns: list[Any] = [list(source.values) if source.rank == rank else [] for source in early]
        columns.append(last.values if last.rank == rank else iter(()))
        yield here[0].key, columns
        for source in here:
            source.advance()


def spread(function: Callable[..., Any]) -> Callable[[Any, list[Any]], Any]:
    """Wrap a user's function of (key, hits, users) as one of (key, [hits, users])."""

    @wraps(function)
    def called(key: Any, columns: list[Any]) -> Any:
        return function(key, *columns)

    return called
