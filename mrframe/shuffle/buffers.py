"""Where map output waits before it is written as a run: pairs, folded as far as the job allows.

Three kinds: `FoldBuffer` for ready reducers, `CombineBuffer` for the user's combiner, `PairBuffer` for
neither. Each takes columns of pairs, says how many bytes it holds (an estimate by sampling) and gives
columns back. They do not write, sort or decide when to spill.

Delicate: a dict takes 1, 1.0 and True for one key, and mrframe does not. A table is keyed by the keys
themselves only while their types, over all blocks together, cannot be confused; then by canonical bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import chain, islice
from sys import getsizeof
from typing import Any, Protocol

from mrframe.errors import JobError
from mrframe.shuffle.keys import canonical
from mrframe.shuffle.reducers import Fold

Columns = tuple[list[Any], list[Any]]
Combine = Callable[[Any, Any], Iterable[tuple[Any, Any]]]

_SAFE = {str, bytes, type(None), date, int, bool, tuple}
_SAMPLE = 16  # objects whose size is looked at, per block
_PENDING_BYTES_MAX = 48 << 20  # of uncombined values; combining pays when keys repeat within it


class Buffer(Protocol):
    """What the map side needs of a buffer."""

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """Take columns of pairs; KeyRefused or TypeError for what cannot be taken."""

    def size_bytes(self) -> int:
        """About how much memory the buffer holds."""

    def drain(self) -> Columns:
        """All that was added, folded, in the order of first arrival; the buffer is empty afterwards."""


class KeyGuard:
    """Decides whether keys may be used as dict keys as they are, over the life of a table."""

    def __init__(self) -> None:
        self.types: set[type] = set()

    def allows(self, keys: Sequence[Any]) -> bool:
        """Whether these keys and all before them can be told apart by a dict."""
        types = set(map(type, keys))
        if tuple in types:
            inner = set(map(type, chain.from_iterable(key for key in keys if type(key) is tuple)))
            if tuple in inner:
                return False
            types |= inner
        self.types |= types
        return self.types <= _SAFE and not {int, bool} <= self.types


class _Table:
    """Keys as dict keys: natively while that is safe, by canonical bytes from then on."""

    def __init__(self) -> None:
        self._guard = KeyGuard()
        self._keys: dict[bytes, Any] | None = None  # canonical bytes -> key, once in use

    def tokens(self, keys: Sequence[Any], rekey: Callable[[Callable[[Any], bytes]], None]) -> Sequence[Any]:
        """What to use in place of `keys`; `rekey` is called once, when the table must change its keys."""
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
        for token, key in zip(tokens, keys, strict=True):
            self._keys.setdefault(token, key)
        return tokens

    def keys_of(self, tokens: Iterable[Any]) -> list[Any]:
        """The keys behind tokens."""
        return list(tokens) if self._keys is None else [self._keys[token] for token in tokens]

    @property
    def extra_bytes(self) -> int:
        return 0 if self._keys is None else getsizeof(self._keys) + 200 * len(self._keys)


class FoldBuffer:
    """States of a ready reducer by key."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._states = fold.new_table()
        self._table = _Table()

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """See `Buffer`."""
        self._fold.fold(self._states, self._table.tokens(keys, self._rekey), values)

    def _rekey(self, token_of: Callable[[Any], bytes]) -> None:
        self._fold.rekey(self._states, token_of)

    def size_bytes(self) -> int:
        """See `Buffer`."""
        keys, states = self._fold.entries(self._states)
        return 100 * len(keys) + _weight(keys, len(keys)) + _weight(states, len(keys))

    def drain(self) -> Columns:
        """See `Buffer`."""
        tokens, states = self._fold.entries(self._states)
        columns = self._table.keys_of(tokens), self._fold.sealed(list(states))
        self._states, self._table = self._fold.new_table(), _Table()
        return columns


class CombineBuffer:
    """Values by key, folded by the user's combiner whenever enough of them wait."""

    def __init__(self, combine: Combine, name: str) -> None:
        self._combine = combine
        self._name = name
        self._values: defaultdict[Any, list[Any]] = defaultdict(list)
        self._table = _Table()
        self._pending_bytes = 0

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """See `Buffer`; combines when many values wait."""
        table = self._values
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
                self._values[token] = combined(self._combine, self._name, key, values)
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


def combined(combine: Combine, name: str, key: Any, values: list[Any]) -> list[Any]:
    """What the user's combiner makes of the values of a key; JobError when it yields another key."""
    result = []
    for pair in combine(key, iter(values)):
        if type(pair) is not tuple or len(pair) != 2:
            raise JobError(f"combine={name} yielded {pair!r}; it must yield (key, value) pairs")
        if pair[0] is not key and canonical(pair[0]) != canonical(key):
            raise JobError(
                f"combine={name} was given the key {key!r} and yielded {pair[0]!r}; "
                "a combiner must yield the key that it was given"
            )
        result.append(pair[1])
    return result


class PairBuffer:
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
    """About the bytes of `count` objects, judged by the first and, of a sequence, evenly spread ones."""
    if not count:
        return 0
    if isinstance(objects, (list, tuple)):
        sample = objects[:: max(1, count // _SAMPLE)]
    else:
        sample = list(islice(objects, _SAMPLE * 32))
    return sum(map(_deep, sample)) * count // len(sample)


def _deep(value: Any) -> int:
    size = getsizeof(value)
    if isinstance(value, (tuple, list, set)) and value:
        size += sum(map(getsizeof, islice(value, 8))) * len(value) // min(8, len(value))
    return size


def buffer_for(fold: Fold | None, combine: Combine | None, combine_name: str) -> Buffer:
    """The buffer that suits a job."""
    if fold is not None:
        return FoldBuffer(fold)
    return CombineBuffer(combine, combine_name) if combine is not None else PairBuffer()
