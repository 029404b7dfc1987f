"""Counted values: the state of measures that need every value of a key, in bounded memory.

A state is how often each value occurred. So it depends on the values alone, never on their order or on where splits
end, and repeated values, common in logs, take no more room. Counts that outgrow memory are spilled as sorted runs and
merged when they are read. Not here: the results computed from the counts (`quantiles.py`, `frequent.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, Self

from mrframe.shuffle.fold import Fold, State, by_key
from mrframe.shuffle.group import group
from mrframe.shuffle.keys import kind_of, sort_order
from mrframe.shuffle.merge import merge
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter

MakeFile = Callable[[], BinaryIO]
HELD_VALUES_MAX = 1 << 18  # different values of a key in memory, about 40 MB
_BLOCK_VALUES = 4_096


class Counted:
    """How often each value of one key occurred. With `make_file`, counts that exceed memory are spilled to a file."""

    def __init__(self, make_file: MakeFile | None = None) -> None:
        self._make_file = make_file
        self._held: dict[Any, int] = {}
        self._file: BinaryIO | None = None
        self._writer: RunWriter | None = None
        self.total = 0

    def add(self, values: Iterable[Any], counts: Iterable[int]) -> None:
        """Add values, each as often as its count says."""
        held = self._held
        for value, count in zip(values, counts, strict=True):
            held[value] = held.get(value, 0) + count
            self.total += count
        if self._make_file is not None and len(held) > HELD_VALUES_MAX:
            self._spill(self._make_file)

    def blocks(self) -> Iterator[tuple[list[Any], list[int]]]:
        """Yield columns of values, ascending, and their counts. A value may come several times, in a row."""
        if self._writer is None:
            yield from _sorted_blocks(self._held)
            return
        assert self._make_file is not None
        assert self._file is not None
        self._spill(self._make_file)
        self._writer.close()
        streams = RunReader(self._file, "counted values", unpickle=False).streams(0)
        for _, values, counts in merge(streams, make_file=self._make_file):
            yield values, counts
        self._file.close()

    def items(self) -> Iterator[tuple[Any, int]]:
        """Yield each value once, ascending, with its count."""
        for value, counts in group((kind_of(values), values, counts) for values, counts in self.blocks()):
            yield value, sum(counts)

    def _spill(self, make_file: MakeFile) -> None:
        if self._writer is None:
            self._file = make_file()
            self._writer = RunWriter(self._file, slots=1)
        self._writer.add_sorted(0, _sorted_blocks(self._held))
        self._held = {}


def _sorted_blocks(counts: dict[Any, int]) -> Iterator[tuple[list[Any], list[int]]]:
    values = list(counts)
    ordered = iter([values[at] for at in sort_order(values, kind_of(values))])
    while some := list(islice(ordered, _BLOCK_VALUES)):
        yield some, [counts[value] for value in some]


class CountingFold(Fold):
    """Abstract base of the measures made of counted values. A subclass defines at least `tokens` and `result`.

    States are {value: count}. They travel as (values, counts), and merged ones are `Counted`.
    """

    divisible = True
    _make_file: MakeFile | None = None

    def tokens(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return the values to count, without None. Abstract. Raises TypeError for a value of the wrong type."""
        raise NotImplementedError

    def outgoing(self, counts: dict[Any, int]) -> list[Any]:
        """Return the values of the counts as they are sealed."""
        return list(counts)

    def start(self, values: Sequence[Any]) -> State:
        """As the base class says."""
        return Counter(self.tokens(values))

    def merge(self, states: Sequence[State]) -> State:
        """As the base class says. The first state may be changed."""
        first, *others = states
        merged = first if type(first) is Counted else Counted(self._make_file)
        for state in others if merged is first else states:
            if type(state) is Counted:
                for values, counts in state.blocks():
                    merged.add(values, counts)
            elif isinstance(state, dict):
                merged.add(self.outgoing(state), state.values())
            else:
                merged.add(*state)
        return merged

    def result(self, counted: Counted) -> Any:
        """Return the result of all values of a key. Abstract."""
        raise NotImplementedError

    def finish(self, state: State) -> Any:
        """As the base class says."""
        return self.result(self.merge([state]))

    def sealed(self, states: list[State]) -> list[State]:
        """As the base class says: (values, counts) of each."""
        return [(self.outgoing(state), list(state.values())) for state in states]

    def pieces(self, state: State, items_max: int) -> list[State]:
        """As the base class says."""
        values, counts = state
        ends = range(0, max(1, len(values)), items_max)
        return [(values[at : at + items_max], counts[at : at + items_max]) for at in ends]

    def new_table(self) -> Any:
        """Return a dict in which a new key has an empty state."""
        return defaultdict(Counter)

    def fold(self, table: Any, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """Count in place, by groups."""
        for key, some in by_key(keys, values):
            table[key].update(self.tokens(some))

    def absorb(self, table: Any, keys: Iterable[Any], states: Iterable[State]) -> None:
        """As the base class says, in place."""
        for key, state in zip(keys, states, strict=True):
            table[key].update(state)

    def spilling_to(self, make_file: MakeFile) -> Self:
        """As the base class says."""
        bound = type(self).__new__(type(self))
        vars(bound).update(vars(self))
        bound._make_file = make_file  # noqa: SLF001  (of its own class)
        return bound
