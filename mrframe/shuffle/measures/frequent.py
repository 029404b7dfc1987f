"""`heavy_hitters(n)`: the most frequent values of a key, with their counts.

It is exact. The small summaries of frequent values, Misra-Gries and SpaceSaving, drop what is rare when they are
full, so their answer depends on the order of the values and on where splits end, and mrframe promises the same bytes
for any. The reasons are in docs/decisions/0020-measures.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nsmallest
from typing import Any

from mrframe.errors import JobError
from mrframe.shuffle.keys import from_canonical, order
from mrframe.shuffle.measures.counted import Counted, CountingFold
from mrframe.shuffle.reducers import tokens_of


class HeavyHitters(CountingFold):
    """The n most frequent values: a list of (value, count), the most frequent first, ties in the order of keys."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.name = f"top{n}"

    def __repr__(self) -> str:
        return f"heavy_hitters({self.n})"

    def tokens(self, values: Sequence[Any]) -> Sequence[Any]:
        """As the base class says. Raises KeyRefused for values that have no order (NaN, sets, objects)."""
        return [token for token in tokens_of(values) if token is not None]

    def result(self, counted: Counted) -> Any:
        """As the base class says."""
        best = nsmallest(
            self.n,
            ((-count, token) for token, count in counted.items()),
            key=lambda found: (found[0], order(_value(found[1]))),
        )
        return [(_value(token), -count) for count, token in best]


def _value(token: Any) -> Any:
    return from_canonical(token) if type(token) is bytes else token


def heavy_hitters(n: int) -> HeavyHitters:
    """Return the ready reducer of the `n` most frequent values, with their exact counts.

    Raises JobError if n is not a positive whole number.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise JobError(f"heavy_hitters({n!r}): the number of values must be a whole number of at least 1")
    return HeavyHitters(n)
