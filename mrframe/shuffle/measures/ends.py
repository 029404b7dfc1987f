"""`first` and `last` of the values of a key in the order of the input, or by a time that comes with each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mrframe.core.safe_text import safe_repr
from mrframe.shuffle.fold import Fold, State
from mrframe.shuffle.keys import kind_of, sort_keys


class End(Fold):
    """The first or the last value that is not None, in the order of the input, or None without values.

    With `by`, values are pairs (time, value), and the times decide, or anything else that keys can be. Of equal times
    the first in the order of the input is `first`, and the last is `last`. Pairs without a time, or without a value,
    are left out.
    """

    ordered = True

    def __init__(self, name: str, *, by: bool = False) -> None:
        self.name = name
        self._by = by
        self._is_last = name.startswith("last")

    def start(self, values: Sequence[Any]) -> State:
        """As the base class says: the state is the value, or the pair."""
        if self._by:
            values = [pair for pair in map(self._pair, values) if None not in pair]
        else:
            values = [value for value in values if value is not None]
        return self._end(values)

    def merge(self, states: Sequence[State]) -> State:
        """As the base class says."""
        return self._end([state for state in states if state is not None])

    def finish(self, state: State) -> Any:
        """Return the value."""
        return state[1] if self._by and state is not None else state

    def _pair(self, value: Any) -> Any:
        if value is None:
            return (None, None)
        if type(value) not in {tuple, list} or len(value) != 2:
            raise TypeError(f"{safe_repr(value)} is not a pair (time, value), which {self.name} needs")
        return tuple(value)

    def _end(self, values: list[Any]) -> State:
        if not values:
            return None
        if not self._by:
            return values[-1 if self._is_last else 0]
        times = [time for time, _ in values]
        ranks = sort_keys(times, kind_of(times))
        numbers = range(len(values))
        if self._is_last:
            return values[max(reversed(numbers), key=ranks.__getitem__)]
        return values[min(numbers, key=ranks.__getitem__)]


first = End("first")
last = End("last")
first_by = End("first_by", by=True)
last_by = End("last_by", by=True)
