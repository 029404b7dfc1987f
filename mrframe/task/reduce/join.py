"""The reduce side of a join: sources that are each sorted by key, side by side, key by key.

Every source comes merged on its own, so its values are in the order of its inputs and need no tag. The
values of all sources but the last are lists, made for the key that is being reduced. Those of the last are a
stream, of which at most a block is held. A source without the key gives an empty list or stream: whether that
leaves the key out (inner join) or not (outer) is for the user's function to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

from mrframe.shuffle.group import group
from mrframe.shuffle.keys import order
from mrframe.shuffle.run_file.pair_blocks import Block

_END = (8,)  # behind the `order` of every key


class _Source:
    """One source: the next key, its sort key, and its values."""

    key: Any
    values: Iterator[Any]
    rank: Any

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._groups = group(blocks)
        self.advance()

    def advance(self) -> None:
        """On to the next key. Values of this one that were not read are passed over."""
        found = next(self._groups, None)
        self.key, self.values = found or (None, iter(()))
        self.rank = _END if found is None else order(self.key)


def joined(streams: Sequence[Iterator[Block]]) -> Iterator[tuple[Any, list[Any]]]:
    """(key, its values of each source) for every key that any of the sorted streams has, in order.

    A sort-merge join in its first half: it brings together and leaves the pairing to others. The values are
    good until the next key is asked for.
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
    """The user's function (key, hits, users) as one of (key, [hits, users])."""

    @wraps(function)
    def called(key: Any, columns: list[Any]) -> Any:
        return function(key, *columns)

    return called
