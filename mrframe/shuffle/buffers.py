"""Buffers of map output: hold pairs, folded as far as the job allows, until they are written as a run.

Three kinds: `FoldBuffer` for ready reducers, `CombineBuffer` for the user's combiner, `PairBuffer` for neither. Each
takes columns of pairs, estimates the bytes it holds by sampling, and writes them as one run. Other buffers take other
columns (`task/columnar/`); `task/map/path.py` chooses. Not here: sorting and encoding (`run_file/run_writer.py`),
when to spill (`task/map/map_output.py`).

Delicate: a dict takes 1, 1.0 and True for one key, and mrframe does not. A table uses the keys themselves as dict
keys only while their types, over all blocks together, cannot be confused. After that it uses their canonical bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import chain, islice
from sys import getsizeof
from typing import Any, Protocol

from mrframe.shuffle.fold import Fold
from mrframe.shuffle.keys import canonical
from mrframe.shuffle.values import as_travelled

Columns = tuple[list[Any], list[Any]]
Combine = Callable[[Any, list[Any]], list[Any]]
"""(key, values) -> values: the user's combiner, guarded (`task/isolation/hook_guard.py`)."""

_SAFE = {str, bytes, type(None), date, int, bool, tuple}
STATE_ITEMS_MAX = 16_384  # values in one state of `distinct` or `collect` as it travels
_SAMPLE = 16  # objects measured per block
_DEPTH = 3  # levels of nested containers that are measured
_CONTAINERS = (dict, list, set)
_ENTRY_BYTES = 70  # of a dict, at the worst size that it has between two growths
_PENDING_BYTES_MAX = 24 << 20  # of uncombined values. Combining pays when keys repeat within it


class RunTarget(Protocol):
    """Takes the runs of a buffer: the run file of a map attempt, which is made when the first run comes."""

    slots: int  # of its hash
    seed: int  # of its hash

    def add_run(self, keys: list[Any], values: list[Any]) -> None:
        """Sort pairs and append them as one run. See `RunWriter.add_run`."""

    def add_encoded(self, sections: Iterable[tuple[int, str, Sequence[tuple[int, bytes, bytes]]]]) -> None:
        """Append a run that is sorted and encoded already. See `RunWriter.add_encoded`."""

    def add_texts(self, columns: Iterable[Any]) -> None:
        """Sort columns of text and append them as one run. See `RunWriter.add_texts`."""


class Buffer(Protocol):
    """Holds the output of a map until it is written. Which columns it takes depends on the path of the map."""

    def add_block(self, columns: Sequence[Any], records: int) -> None:
        """Take columns of `records` items each: keys and values, or the raw fields of keys that are counted.

        Raises KeyRefused or TypeError for values that cannot be taken.
        """

    def add_table(self, table: Any) -> bool:
        """Take a `pyarrow.Table` of keys and values. False, with nothing taken, if it must come pair by pair."""

    def size_bytes(self) -> int:
        """About the bytes of memory that the buffer holds."""

    def write_runs(self, target: RunTarget) -> None:
        """Write all that was added, as any number of runs. The buffer is empty afterwards."""


class DrainedBuffer:
    """A buffer that drains to Python values, for one run."""

    def drain(self) -> Columns:
        """Keys and values of all that was added, in the order of first arrival. The buffer is empty afterwards."""
        raise NotImplementedError

    def add_table(self, table: Any) -> bool:  # noqa: ARG002
        """See `Buffer`. Tables come pair by pair."""
        return False

    def write_runs(self, target: RunTarget) -> None:
        """See `Buffer`."""
        keys, values = self.drain()
        if keys:
            target.add_run(keys, values)


class PairsBuffer(DrainedBuffer):
    """A buffer of keys and values."""

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """Take columns of pairs. Raises KeyRefused or TypeError for pairs that cannot be taken."""
        raise NotImplementedError

    def add_pairs(self, pairs: list[Any], columns_of: Callable[[list[Any]], Columns]) -> None:
        """Take the items that a map has yielded. `columns_of` makes columns of pairs, and raises for other items."""
        self.add(*columns_of(pairs))

    def add_block(self, columns: Sequence[Any], records: int) -> None:  # noqa: ARG002
        """See `Buffer`."""
        keys, values = columns
        self.add(keys, values)

    def size_bytes(self) -> int:
        """See `Buffer`."""
        raise NotImplementedError


class KeyGuard:
    """Decides whether keys may be used as dict keys as they are, over the life of a table."""

    def __init__(self) -> None:
        self.types: set[type] = set()

    def allows(self, keys: Sequence[Any]) -> bool:
        """Return whether a dict can tell these keys and all before them apart."""
        types = set(map(type, keys))
        if tuple in types:
            inner = set(map(type, chain.from_iterable(key for key in keys if type(key) is tuple)))
            if tuple in inner:
                return False
            types |= inner
        self.types |= types
        return self.types <= _SAFE and not {int, bool} <= self.types


class _Table:
    """Keys as dict keys: the keys themselves while that is safe, then their canonical bytes."""

    def __init__(self) -> None:
        self._guard = KeyGuard()
        self._keys: dict[bytes, Any] | None = None  # canonical bytes -> key, once in use

    def tokens(self, keys: Sequence[Any], rekey: Callable[[Callable[[Any], bytes]], None]) -> Sequence[Any]:
        """Return the dict keys for `keys`. `rekey` is called once, when the table must change its keys."""
        if self._keys is None:
            if self._guard.allows(keys):
                return keys
            known: dict[bytes, Any] = {}

            def token_of(key: Any) -> bytes:
                token = canonical(key)
                known[token] = key
                return token

            rekey(token_of)
            self._keys = known
        tokens = list(map(canonical, keys))
        for token, key in zip(tokens, as_travelled(keys), strict=True):
            self._keys.setdefault(token, key)
        return tokens

    def keys_of(self, tokens: Iterable[Any]) -> list[Any]:
        """Return the keys behind dict keys."""
        return list(tokens) if self._keys is None else [self._keys[token] for token in tokens]

    @property
    def extra_bytes(self) -> int:
        return 0 if self._keys is None else getsizeof(self._keys) + 40 * len(self._keys)


class FoldBuffer(PairsBuffer):
    """States of a ready reducer by key."""

    def __init__(self, fold: Fold) -> None:
        self.fold = fold
        self._states = fold.new_table()
        self._table = _Table()

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """See `Buffer`."""
        self.fold.fold(self._states, self._table.tokens(keys, self._rekey), values)

    def add_states(self, keys: Sequence[Any], states: Sequence[Any]) -> None:
        """Add columns of keys and their states, as the reducer's `start` makes them."""
        self.fold.absorb(self._states, self._table.tokens(keys, self._rekey), states)

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self.fold.tables(self._states)[0])

    def some_keys(self, count: int) -> list[Any]:
        """Return at most `count` of the keys."""
        return self._table.keys_of(islice(self.fold.tables(self._states)[0], count))

    def _rekey(self, token_of: Callable[[Any], bytes]) -> None:
        self.fold.rekey(self._states, token_of)

    def size_bytes(self) -> int:
        """See `Buffer`."""
        tables = self.fold.tables(self._states)
        keys = len(tables[0])
        states = sum(_ENTRY_BYTES * keys + _weight(list(table.values()), keys) for table in tables)
        return _weight(list(tables[0]), keys) + states + self._table.extra_bytes

    def drain(self) -> Columns:
        """See `Buffer`."""
        tokens, states = self.fold.entries(self._states)
        keys, sealed = self._table.keys_of(tokens), self.fold.sealed(list(states))
        self._states, self._table = self.fold.new_table(), _Table()
        return _in_pieces(self.fold, keys, sealed) if self.fold.divisible else (keys, sealed)


def _in_pieces(fold: Fold, keys: list[Any], states: list[Any]) -> Columns:
    """Return the same columns with long states cut into several of the same key: a block is held in memory whole."""
    cut = [fold.pieces(state, STATE_ITEMS_MAX) for state in states]
    if max(map(len, cut), default=1) == 1:
        return keys, states
    long = [key for key, pieces in zip(keys, cut, strict=True) for _ in pieces]
    return long, list(chain.from_iterable(cut))


class CombineBuffer(PairsBuffer):
    """Values by key, folded by the user's combiner whenever enough of them wait."""

    def __init__(self, combine: Combine) -> None:
        self._combine = combine
        self._values: defaultdict[Any, list[Any]] = defaultdict(list)
        self._table = _Table()
        self._pending_bytes = 0

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """See `PairsBuffer`. Combines when many values wait.

        The combiner sees values as they are after they travelled.
        """
        table, values = self._values, as_travelled(values)
        for token, value in zip(self._table.tokens(keys, self._rekey), values, strict=True):
            table[token].append(value)
        self._pending_bytes += 16 * len(values) + _weight(values, len(values))
        if self._pending_bytes > _PENDING_BYTES_MAX:
            self._combine_all()

    def _rekey(self, token_of: Callable[[Any], bytes]) -> None:
        for key in list(self._values):
            self._values[token_of(key)] = self._values.pop(key)

    def _combine_all(self) -> None:
        for token, key in zip(self._values, self._table.keys_of(self._values), strict=True):
            values = self._values[token]
            if len(values) > 1:
                self._values[token] = self._combine(key, values)
        self._pending_bytes = 0

    def size_bytes(self) -> int:
        """See `Buffer`."""
        count = len(self._values)
        return getsizeof(self._values) + _weight(self._values, count) + 120 * count + self._pending_bytes

    def drain(self) -> Columns:
        """See `Buffer`."""
        self._combine_all()
        keys, lists = self._table.keys_of(self._values), list(self._values.values())
        self._values, self._table = defaultdict(list), _Table()
        values = list(chain.from_iterable(lists))
        if len(values) == len(keys) and all(lists):
            return keys, values  # each key has one value, as a combiner usually leaves it
        return [key for key, some in zip(keys, lists, strict=True) for _ in some], values


class PairBuffer(PairsBuffer):
    """Pairs as they come."""

    def __init__(self) -> None:
        self._keys: list[Any] = []
        self._values: list[Any] = []
        self._bytes = 0

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """See `Buffer`."""
        self._keys.extend(keys)
        self._values.extend(values)
        self._bytes += 16 * len(keys) + _weight(keys, len(keys)) + _weight(values, len(values))

    def size_bytes(self) -> int:
        """See `Buffer`."""
        return self._bytes

    def drain(self) -> Columns:
        """See `Buffer`."""
        columns = (self._keys, self._values)
        self._keys, self._values, self._bytes = [], [], 0
        return columns


def _weight(objects: Iterable[Any], count: int) -> int:
    """Estimate the bytes of `count` objects from the first one and, for a sequence, from evenly spread ones.

    In a sequence of containers each is measured, since one may hold nearly everything.
    """
    if not count:
        return 0
    if isinstance(objects, (list, tuple)):
        sample = objects[:: max(1, count // _SAMPLE)]
        if isinstance(sample[0], _CONTAINERS) and len(set(map(type, objects))) == 1:
            return _contained(objects, sample)
    else:
        sample = list(islice(objects, _SAMPLE * 32))
    return sum([_deep(one) for one in sample]) * count // len(sample)  # `map` would end at a StopIteration


def _contained(containers: Sequence[Any], sample: Sequence[Any]) -> int:
    """Return the bytes of containers of one type:

    their own exactly, those of their items from the fullest and some others.
    """
    some = [item for one in (max(containers, key=len), *sample) for item in _items(one, _SAMPLE * 4)]
    each = sum([_deep(one) for one in some]) / max(1, len(some))
    items = sum(map(len, containers)) * (2 if isinstance(sample[0], dict) else 1)
    return sum(map(getsizeof, containers)) + int(items * each)


def _deep(value: Any, depth: int = 0) -> int:
    """Estimate the bytes of a value and its content, down to a few levels."""
    if value is None or (type(value) is int and -5 <= value <= 256):  # they exist once, in Python
        return 0
    size = getsizeof(value)
    if isinstance(value, (tuple, *_CONTAINERS)) and value and depth < _DEPTH:
        some = _items(value, 8)
        items = len(value) * (2 if isinstance(value, dict) else 1)
        size += sum(_deep(item, depth + 1) for item in some) * items // len(some)
    return size


def _items(container: Any, count: int) -> list[Any]:
    """Return about `count` of a container's items (keys and values of a dict)."""
    if isinstance(container, dict):
        return list(chain.from_iterable(islice(container.items(), count // 2)))
    return list(islice(container, count))


def buffer_for(fold: Fold | None, combine: Combine | None = None) -> PairsBuffer:
    """The buffer of pairs for a ready reducer, a combiner, or neither."""
    if fold is not None:
        return FoldBuffer(fold)
    return CombineBuffer(combine) if combine is not None else PairBuffer()
