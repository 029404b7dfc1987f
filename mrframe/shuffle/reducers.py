"""The basic ready reducers, `total count smallest largest mean distinct collect`, and a dict of ready reducers.

Each is its own combiner: values of a key fold into a *state*, states merge, and only `finish` makes the result. So
the answer is the same however the input is cut. All but `count` and `collect` ignore None. States travel in run files
like any value. This file also folds a block of pairs fast (`fold`). The tables of states, and when they spill, are in
`buffers.py`, and the other reducers in `measures/`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, BinaryIO

from mrframe.core.job.job import Reducer
from mrframe.core.safe_text import safe_repr
from mrframe.shuffle import exact_sum
from mrframe.shuffle.fold import Fold, State, by_key
from mrframe.shuffle.keys import canonical, extreme, kind_of

_INT: set[type] = {int}
_INT_OR_NONE = {int, type(None)}
_ONE_FORM = frozenset("isbod")  # kinds in which equal values are the same
_CACHED_ITEMS = 32_768  # size of a dict that fits the processor's cache


class Total(Fold):
    """The sum, exact: ints as int, floats rounded once at the end, Decimals without rounding."""

    name = "total"

    def start(self, values: Sequence[Any]) -> State:
        """As the base class says."""
        return exact_sum.add(values)

    def merge(self, states: Sequence[State]) -> State:
        """As the base class says."""
        return exact_sum.merge(states)

    def finish(self, state: State) -> Any:
        """Return the sum, or 0 when there was nothing to add."""
        return exact_sum.finish(state)

    def new_table(self) -> Any:
        """Return a Counter: it counts ones in a C loop, and knows whether all its states are ints."""
        return _Sums()

    def fold(self, table: Any, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """Count ones and add ints directly. Groups everything else."""
        kinds = set(map(type, values))
        if kinds == _INT_OR_NONE:
            values, kinds = [0 if value is None else value for value in values], _INT
        if not table.all_ints or kinds != _INT:
            table.all_ints = False
            super().fold(table, keys, values)
        elif values.count(1) == len(values):
            table.update(keys)
        else:
            _add_ints(table, keys, values)

    def absorb(self, table: Any, keys: Iterable[Any], states: Iterable[State]) -> None:
        """As the base class says."""
        states = list(states)
        if table.all_ints and set(map(type, states)) == _INT:
            _add_ints(table, keys, states)
        else:
            table.all_ints = False
            super().absorb(table, keys, states)


def _add_ints(table: dict[Any, int], keys: Iterable[Any], values: Iterable[int]) -> None:
    get = table.get
    for key, value in zip(keys, values, strict=True):
        table[key] = get(key, 0) + value


class _Sums(Counter[Any]):
    all_ints = True


class Count(Fold):
    """The number of values, None included."""

    name = "count"
    needs_value = False

    def start(self, values: Sequence[Any]) -> State:
        """As the base class says."""
        return len(values)

    def merge(self, states: Sequence[State]) -> State:
        """As the base class says."""
        return sum(states)

    def new_table(self) -> Any:
        """Return a Counter: counting is its own loop in C."""
        return Counter()

    def fold(self, table: Any, keys: Sequence[Any], values: Sequence[Any]) -> None:  # noqa: ARG002
        """Count the keys alone."""
        table.update(keys)

    def absorb(self, table: Any, keys: Iterable[Any], states: Iterable[State]) -> None:
        """As the base class says."""
        _add_ints(table, keys, states)


class Smallest(Fold):
    """The smallest value in the order of keys, one order for all types, or None without values."""

    name = "smallest"
    _pick: Callable[..., Any] = staticmethod(min)

    def start(self, values: Sequence[Any]) -> State:
        """As the base class says. Raises KeyRefused for values that have no order (NaN, sets, objects)."""
        some = [value for value in values if value is not None]
        if not some:
            return None
        kind = kind_of(some)
        if kind == "f":
            return self._pick(some) + 0.0  # -0.0 is 0.0
        return self._pick(some) if kind in _ONE_FORM else extreme(some, kind, self._pick)

    def merge(self, states: Sequence[State]) -> State:
        """As the base class says."""
        return self.start(states)


class Largest(Smallest):
    """The largest value in the order of keys, or None without values."""

    name = "largest"
    _pick: Callable[..., Any] = staticmethod(max)


class Mean(Fold):
    """The arithmetic mean, exact until it is rounded once, or None without values."""

    name = "mean"

    def start(self, values: Sequence[Any]) -> State:
        """As the base class says: (state of the sum, number of values)."""
        some = [value for value in values if value is not None]
        return (exact_sum.add(some), len(some))

    def merge(self, states: Sequence[State]) -> State:
        """As the base class says."""
        return (exact_sum.merge([state[0] for state in states]), sum(state[1] for state in states))

    def finish(self, state: State) -> Any:
        """Return the mean."""
        return exact_sum.mean(*state) if state[1] else None


class Distinct(Fold):
    """The exact number of different values. Equal means equal as keys (`1`, `1.0` and `True` differ).

    A state is a dict used as a set, or the list of its keys: str as they are, everything else as canonical bytes. A
    dict keeps the order of arrival, so that map output has the same bytes under any PYTHONHASHSEED. Merged states no
    longer travel, so they are sets: those take less memory, and fewer look-ups wait for it.
    """

    name = "distinct"
    divisible = True

    def start(self, values: Sequence[Any]) -> State:
        """As the base class says."""
        state = dict.fromkeys(tokens_of(values))
        state.pop(None, None)
        return state

    def merge(self, states: Sequence[State]) -> State:
        """As the base class says."""
        return set().union(*states)

    def finish(self, state: State) -> Any:
        """Return the number of different values."""
        return len(state)

    def new_table(self) -> Any:
        """Return a dict in which a new key has an empty state."""
        return defaultdict(dict)

    def sealed(self, states: list[State]) -> list[State]:
        """Return each state as a list."""
        return list(map(list, states))

    def fold(self, table: Any, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """Add to the states in place, by groups."""
        for key, some in by_key(keys, tokens_of(values)):
            state = table[key]
            if len(state) < _CACHED_ITEMS:
                for token in some:
                    state[token] = None
            else:  # look-ups that wait for memory wait together here, which pays for a dict of the new ones
                state.update(dict.fromkeys(some))
            state.pop(None, None)

    def absorb(self, table: Any, keys: Iterable[Any], states: Iterable[State]) -> None:
        """As the base class says, in place."""
        for key, state in zip(keys, states, strict=True):
            if key in table:
                table[key].update(state)
            else:
                table[key] = state


def tokens_of(values: Sequence[Any]) -> Sequence[Any]:
    """Return the form of each value in a state, or None for None, which is not counted."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return values
    if kinds == _INT:
        known = {value: canonical(value) for value in dict.fromkeys(values)}
        return [known[value] for value in values]
    return [value if value is None or type(value) is str else canonical(value) for value in values]


class Collect(Fold):
    """All values as a list, in input order, None included."""

    name = "collect"
    ordered = True
    divisible = True

    def start(self, values: Sequence[Any]) -> State:
        """As the base class says."""
        return list(values)

    def merge(self, states: Sequence[State]) -> State:
        """As the base class says."""
        return [value for state in states for value in state]

    def fold(self, table: Any, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """Append in place."""
        for key, value in zip(keys, values, strict=True):
            if key in table:
                table[key].append(value)
            else:
                table[key] = [value]


class Measures(Fold):
    """Several reducers at once: a dict of results by name.

    A value that is a dict gives each reducer its item of the same name. Any other value goes to all.
    """

    name = "measures"

    def __init__(self, parts: Mapping[str, Reducer]) -> None:
        self.parts = {name: part for name, part in parts.items() if isinstance(part, Fold)}
        self.ordered = any(part.ordered for part in self.parts.values())
        # The kernel leaves `distinct` beside other measures whole, and its bytes are the same as those made here.
        self.divisible = any(part.divisible and type(part) is not Distinct for part in self.parts.values())

    def start(self, values: Sequence[Any]) -> State:
        """As the base class says: a tuple of the parts' states."""
        return tuple(part.start(_items(name, values)) for name, part in self.parts.items())

    def new_table(self) -> Any:
        """Return {name: table of the part}, with the same keys in the same order."""
        return {name: part.new_table() for name, part in self.parts.items()}

    def entries(self, table: Any) -> tuple[Collection[Any], Iterable[State]]:
        """As the base class says."""
        parts = [part.entries(table[name]) for name, part in self.parts.items()]
        return parts[0][0], zip(*(states for _, states in parts), strict=True)

    def tables(self, table: Any) -> list[dict[Any, Any]]:
        """As the base class says: those of the parts."""
        return [inner for name, part in self.parts.items() for inner in part.tables(table[name])]

    def rekey(self, table: Any, new_key: Callable[[Any], Any]) -> None:
        """As the base class says."""
        for name, part in self.parts.items():
            part.rekey(table[name], new_key)

    def fold(self, table: Any, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """Fold each part's own column into its own table."""
        for name, part in self.parts.items():
            part.fold(table[name], keys, _items(name, values))

    def absorb(self, table: Any, keys: Iterable[Any], states: Iterable[State]) -> None:
        """As the base class says: each part its own."""
        keys = list(keys)
        for (name, part), column in zip(self.parts.items(), zip(*states, strict=True), strict=True):
            part.absorb(table[name], keys, column)

    def sealed(self, states: list[State]) -> list[State]:
        """Return each state as a tuple of the sealed states of its parts."""
        if not states:
            return []
        columns = [
            part.sealed(list(column))
            for part, column in zip(self.parts.values(), zip(*states, strict=True), strict=True)
        ]
        return list(zip(*columns, strict=True))

    def pieces(self, state: State, items_max: int) -> list[State]:
        """As the base class says: the pieces of the parts side by side, the rest of each row empty."""
        cut = [
            part.pieces(one, items_max) if part.divisible else [one]
            for part, one in zip(self.parts.values(), state, strict=True)
        ]
        if max(map(len, cut)) == 1:
            return [state]
        empty = [part.sealed([part.start(())])[0] for part in self.parts.values()]
        columns = [
            pieces + [nothing] * (max(map(len, cut)) - len(pieces))
            for pieces, nothing in zip(cut, empty, strict=True)
        ]
        return list(zip(*columns, strict=True))

    def spilling_to(self, make_file: Callable[[], BinaryIO]) -> Fold:
        """As the base class says: each part."""
        return Measures({name: part.spilling_to(make_file) for name, part in self.parts.items()})

    def merge(self, states: Sequence[State]) -> State:
        """As the base class says."""
        return tuple(
            part.merge(column) for part, column in zip(self.parts.values(), zip(*states, strict=True), strict=True)
        )

    def finish(self, state: State) -> Any:
        """Return {name: result}."""
        return {name: part.finish(one) for (name, part), one in zip(self.parts.items(), state, strict=True)}


def _items(name: str, values: Sequence[Any]) -> Sequence[Any]:
    if dict not in set(map(type, values)):
        return values
    missing = [value for value in values if type(value) is dict and name not in value]
    if missing:
        raise TypeError(f"{safe_repr(missing[0])} has no item {name!r}, which reduce={{…}} asks for")
    return [value[name] if type(value) is dict else value for value in values]


def as_fold(reduce: Any) -> Fold | None:
    """Return the reducer behind a job's `reduce`: itself, one made of a dict of them, or None for a function."""
    if isinstance(reduce, Fold):
        return reduce
    return Measures(reduce) if isinstance(reduce, Mapping) else None


total = Total()
count = Count()
smallest = Smallest()
largest = Largest()
mean = Mean()
distinct = Distinct()
collect = Collect()
