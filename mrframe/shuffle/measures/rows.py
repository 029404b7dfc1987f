"""`Rows`: a few records of a key, whole: the first ones, those with the largest measure, or a sample.

Which ones depends on the records and their places alone, so it is the same for any splits. A sample takes the records
whose places have the smallest hashes ("bottom-k"), which is uniform and needs no random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from heapq import nsmallest
from typing import Any

from mrframe.shuffle.fold import Fold, State
from mrframe.shuffle.keys import kind_of, sort_keys


class Rows(Fold):
    """At most n records as (file, offset, measure, row). `chosen`: "first", "largest" or "sample".

    Of the largest, those without a measure are left out, and ties are in the order of their places.
    """

    name = "rows"

    def __init__(self, n: int, chosen: str) -> None:
        self.n = n
        self.chosen = chosen

    def __repr__(self) -> str:
        return f"Rows({self.n}, {self.chosen!r})"

    def start(self, values: Sequence[Any]) -> State:
        """As the base class says: the records chosen from these."""
        if self.chosen == "first":
            return nsmallest(self.n, values, key=_position)
        if self.chosen == "sample":
            return nsmallest(self.n, values, key=_hash)
        some = sorted((value for value in values if value[2] is not None), key=_position)
        measures = [value[2] for value in some]
        ranks = sort_keys(measures, kind_of(measures))
        best = sorted(range(len(some)), key=ranks.__getitem__, reverse=True)
        return [some[at] for at in best[: self.n]]

    def merge(self, states: Sequence[State]) -> State:
        """As the base class says."""
        return self.start([value for state in states for value in state])

    def finish(self, state: State) -> Any:
        """Return the rows, in the order of their places or measures."""
        return [row for *_, row in (sorted(state, key=_position) if self.chosen == "sample" else state)]


def _position(value: Any) -> tuple[str, int]:
    return value[0], value[1]


def _hash(value: Any) -> tuple[bytes, str, int]:
    text = f"{value[0]}\0{value[1]}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=8).digest(), value[0], value[1]
