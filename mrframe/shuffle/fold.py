"""`Fold`: the base class of ready reducers, and the interface that buffers, merges and reduce tasks use.

Not here: the reducers (`reducers.py`, `measures/`), the tables of states and when they spill (`buffers.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, BinaryIO

from mrframe.core.job.job import Reducer

State = Any


class Fold(Reducer):
    """Abstract base of the ready reducers. The methods take the values, or states, of one key, in order.

    A subclass defines at least `start` and `merge`. `divisible`: sealed states can be long, and travel in `pieces`.
    """

    divisible = False

    def start(self, values: Sequence[Any]) -> State:
        """Return the state of some values. Abstract. Raises TypeError that names the wrong value and the reason."""
        raise NotImplementedError

    def merge(self, states: Sequence[State]) -> State:
        """Return the state of all the values in these states. Abstract."""
        raise NotImplementedError

    def finish(self, state: State) -> Any:
        """Return the result."""
        return state

    def sealed(self, states: list[State]) -> list[State]:
        """Return the states of a table in the form in which they travel. `merge` and `finish` take both forms."""
        return states

    def pieces(self, state: State, items_max: int) -> list[State]:
        """Return a sealed state as states of at most so many items, which merge to it. At least one."""
        return [state[at : at + items_max] for at in range(0, max(1, len(state)), items_max)]

    def spilling_to(self, make_file: Callable[[], BinaryIO]) -> Fold:  # noqa: ARG002
        """Return the same reducer, able to spill to files that `make_file` opens for writing and reading."""
        return self

    def new_table(self) -> Any:
        """Return an empty table of states by key."""
        return {}

    def entries(self, table: Any) -> tuple[Collection[Any], Iterable[State]]:
        """Return the keys of a table and their states, in the same order."""
        return table.keys(), table.values()

    def tables(self, table: Any) -> list[dict[Any, Any]]:
        """Return the dicts by key that a table consists of."""
        return [table]

    def rekey(self, table: Any, new_key: Callable[[Any], Any]) -> None:
        """Replace each key of a table by `new_key` of it."""
        for key in list(table):
            table[new_key(key)] = table.pop(key)

    def fold(self, table: Any, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """Fold columns of pairs into a table made by `new_table`."""
        grouped = by_key(keys, values)
        self.absorb(table, [key for key, _ in grouped], [self.start(some) for _, some in grouped])

    def absorb(self, table: Any, keys: Iterable[Any], states: Iterable[State]) -> None:
        """Merge columns of keys and states, as `start` makes them, into a table. A key may come again."""
        for key, state in zip(keys, states, strict=True):
            table[key] = self.merge((table[key], state)) if key in table else state


def by_key(keys: Sequence[Any], values: Sequence[Any]) -> Iterable[tuple[Any, Sequence[Any]]]:
    """Yield each key with its values. Logs are in order, so a block often has one key, such as the hour."""
    if keys and keys[0] == keys[-1] and keys.count(keys[0]) == len(keys) == len(values):
        return ((keys[0], values),)
    groups: defaultdict[Any, list[Any]] = defaultdict(list)
    for key, value in zip(keys, values, strict=True):
        groups[key].append(value)
    return groups.items()
