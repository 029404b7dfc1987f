"""Keys, values and ready reducers of the reference, as docs/jobs.md says. Imports nothing of mrframe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from math import inf, isfinite, isnan
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017  (the reference is plain on purpose)
NUMBERS = (int, bool, float)


class RefusedValue(Exception):
    """The job is wrong. `slugs` are the errors that may report it."""

    def __init__(self, *slugs: str) -> None:
        super().__init__(*slugs)
        self.slugs = set(slugs)


def identity(key: Any) -> Any:
    """Return a tuple that is equal for equal keys, and sorts as keys do. Raises RefusedValue for an invalid key."""
    kind = type(key)
    if kind is float and not isnan(key):
        return (2, key + 0.0, 1)
    if kind is datetime:
        aware = key.utcoffset() is not None
        reading = key if aware else key.replace(tzinfo=EPOCH.tzinfo)
        return (6, (reading - EPOCH) // timedelta(microseconds=1), aware)
    if kind is tuple:
        return (7, tuple(map(identity, key)))
    if kind is int:
        return (2, key, 0)
    ranks = {type(None): 0, bool: 1, bytes: 3, str: 4, date: 5}
    if kind not in ranks:
        raise RefusedValue("key-refused")
    return (ranks[kind], key) if key is not None else (0,)


def as_key(key: Any) -> Any:
    """A key as it comes out: no negative zero, a zone as its offset."""
    if type(key) is float:
        return key + 0.0
    if type(key) is tuple:
        return tuple(map(as_key, key))
    if type(key) is datetime and key.tzinfo is not None:
        return travelled(key).replace(fold=0)
    return key


def travelled(value: Any) -> Any:
    """A value as it reaches reduce, or leaves it: a zone as its offset, all else as it was."""
    kind = type(value)
    if kind is datetime and value.tzinfo is not None:
        offset = value.utcoffset()
        return value.replace(tzinfo=None if offset is None else timezone(offset))
    if kind in (list, tuple, set, frozenset):
        return kind(map(travelled, value))
    return {travelled(k): travelled(v) for k, v in value.items()} if kind is dict else value


# ---- ready reducers ------------------------------------------------------------------------------------


def offsets(value: Any) -> Any:
    """The offsets from UTC of all times in a value."""
    if type(value) is tuple:
        return tuple(map(offsets, value))
    return value.utcoffset() or timedelta(0) if type(value) is datetime else timedelta(0)


def rounded(value: Fraction) -> float:
    """The nearest float."""
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def added(values: Sequence[Any]) -> Fraction | float:
    """Return the exact sum of numbers, as a float if infinities or NaN are among them."""
    odd = [v for v in values if type(v) is float and not isfinite(v)]
    return sum(odd) if odd else sum(map(Fraction, values), Fraction(0))


def reduced(name: Any, values: list[Any]) -> Any:
    """Reduce the values of a key by a ready reducer, or a dict of them. Raises RefusedValue if that fails."""
    if isinstance(name, Mapping):
        if any(type(v) is dict and part not in v for part in name for v in values):
            raise RefusedValue("user-code")
        return {part: reduced(of, [v[part] if type(v) is dict else v for v in values]) for part, of in name.items()}
    if name == "collect":
        return list(values)
    if name == "count":
        return len(values)
    some = [v for v in values if v is not None]
    if name in ("total", "mean"):
        if any(type(v) not in NUMBERS for v in some):
            raise RefusedValue("user-code")
        whole = added(some)
        if name == "mean":
            return None if not some else rounded(whole / len(some)) if isinstance(whole, Fraction) else whole
        if not isinstance(whole, Fraction):
            return whole
        return rounded(whole) if float in map(type, some) else int(whole)
    ranked = [identity(v) for v in some]
    if name == "distinct":
        return len(set(ranked))
    pick = min if name == "smallest" else max  # of one instant with several offsets, the offset counts
    return as_key(pick(some, key=lambda value: (identity(value), offsets(value)))) if some else None


def plain(value: Any) -> bool:
    """Return whether a value may be in an answer."""
    if type(value) in (list, tuple, set, frozenset):
        return all(map(plain, value))
    if type(value) is dict:
        return all(map(plain, (*value, *value.values())))
    return type(value) in (type(None), bool, int, float, bytes, str, date, datetime)


def as_tuple(value: Any) -> Any:
    """Lists as tuples, all the way down: how a value is ranked."""
    return tuple(map(as_tuple, value)) if type(value) in (list, tuple) else value
