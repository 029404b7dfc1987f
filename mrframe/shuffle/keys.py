"""Keys: which are legal, when two are the same key, and which comes first.

Not here: the slot of a key (`partition.py`), and the bytes of a column of keys (`columns.py`).

Rules.
- A key is None, bool, int, float (not NaN), bytes, str, date, datetime, or a tuple of keys. It is of exactly these
  types, so that a subclass cannot change equality or order. Everything else is `KeyRefused`.
- Two keys are the same when their canonical bytes are equal, and then their `order` is equal too. `1`, `1.0` and
  `True` are three keys, `-0.0` is `0.0`. Python's `==` must not be used between keys of different types. Within one
  native kind (see `kind_of`) it agrees with the canonical bytes.
- None < bool < numbers by value, int before float when equal < bytes < str by code point < date < datetime < tuple,
  item by item. This is the order of every run file, merge and output.
- An aware datetime is identified and ordered by its instant (UTC), whatever its zone. A naive one is a key of its
  own, ordered as if it were UTC, before an aware one of the same reading.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, NoReturn

from mrframe.errors import KeyRefused

DEPTH_MAX = 32  # levels of nested tuples in a key

_ATOMS: dict[type, str] = {int: "i", str: "s", bytes: "b", float: "f", type(None): "n", bool: "o", date: "d"}
_FORMED = frozenset("fmw")  # kinds in which equal keys may look different
_LEGAL = "None, bool, int, float, bytes, str, date, datetime, or a tuple of these"
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (naive on purpose: readings of a wall clock are counted from it)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_I64 = struct.Struct(">q")
_F64 = struct.Struct(">d")


# ---- kinds ----------------------------------------------------------------------------------------


def kind_of(keys: list[Any]) -> str:
    """Return the native kind of a column of keys, "" when it has none.

    A kind means that `normal(keys, kind)` may be sorted and compared natively, with the order and identity of `order`
    and `canonical`: "i" int, "s" str, "b" bytes, "f" float, "n" None (all equal: they compare with `==` only), "o"
    bool, "d" date, "m" aware datetime, "w" naive datetime, "t(…)" tuples of one length with a native kind at each
    position. Raises KeyRefused if any key is not legal.
    """
    return _kind(keys, 0)


def sorts_natively(kind: str) -> bool:
    """Return whether keys of this kind can be compared with `<`. None cannot, and mixed keys must not."""
    return kind not in {"", "n"}


def _kind(keys: list[Any], depth: int) -> str:
    types = set(map(type, keys))
    if len(types) == 1:
        return _kind_of_type(types.pop(), keys, depth)
    for one in sorted(types, key=lambda t: t.__qualname__):
        _kind_of_type(one, [key for key in keys if type(key) is one], depth)
    return ""


def _kind_of_type(one: type, keys: list[Any], depth: int) -> str:
    kind = _ATOMS.get(one)
    if kind is not None:
        if kind == "f" and any(map(math.isnan, keys)):
            _refuse(math.nan)
        return kind
    if one is tuple:
        return _kind_of_tuples(keys, depth)
    if one is datetime:
        aware = {key.utcoffset() is not None for key in keys}
        return "" if len(aware) == 2 else "m" if True in aware else "w"
    return _refuse(keys[0])


def _kind_of_tuples(keys: list[Any], depth: int) -> str:
    if depth >= DEPTH_MAX:
        raise KeyRefused(f"a key has more than {DEPTH_MAX} levels of tuples; flatten it", key="<tuple>")
    lengths = set(map(len, keys))
    if len(lengths) > 1:
        for length in lengths:
            _kind_of_tuples([key for key in keys if len(key) == length], depth)
        return ""
    kinds = [_kind(list(map(itemgetter(i), keys)), depth + 1) for i in range(lengths.pop())]
    return f"t({''.join(kinds)})" if all(kinds) else ""


@lru_cache(maxsize=256)
def item_kinds(kind: str) -> tuple[str, ...]:
    """Return the kinds of the items of a tuple kind: ("s", "t(ii)") for "t(st(ii))"."""
    kinds: list[str] = []
    depth, start = 0, 2
    for at in range(2, len(kind) - 1):
        depth += {"(": 1, ")": -1}.get(kind[at], 0)
        if depth == 0 and kind[at] != "t":
            kinds.append(kind[start : at + 1])
            start = at + 1
    return tuple(kinds)


# ---- one form for equal keys -----------------------------------------------------------------------


def normal(keys: list[Any], kind: str) -> list[Any]:
    """Return the column with each key in its one native form, or the same list when nothing changes.

    -0.0 becomes 0.0. The zone of a datetime becomes its fixed offset, so that two of one zone compare by instant,
    which Python does not do across a change of clocks. `fold` means nothing beside an offset, so it is dropped.
    `kind` is `kind_of(keys)`.
    """
    if kind == "f":
        return [key + 0.0 for key in keys] if 0.0 in keys else keys
    if kind == "m":
        formed = {(type(key.tzinfo), key.fold) for key in keys} == {(timezone, 0)}
        return keys if formed else list(map(_normal_key, keys))
    if kind == "w":
        formed = {(key.tzinfo, key.fold) for key in keys} == {(None, 0)}
        return keys if formed else list(map(_normal_key, keys))
    if kind == "":
        return list(map(_normal_key, keys))
    if kind[0] != "t" or _FORMED.isdisjoint(kind):
        return keys
    columns = [list(map(itemgetter(i), keys)) for i in range(len(keys[0]))]
    normals = [normal(column, k) for column, k in zip(columns, item_kinds(kind), strict=True)]
    same = all(new is old for new, old in zip(normals, columns, strict=True))
    return keys if same else list(zip(*normals, strict=True))


def _normal_key(key: Any) -> Any:
    if type(key) is float:
        return key + 0.0
    if type(key) is tuple:
        return tuple(map(_normal_key, key))
    if type(key) is datetime and (key.tzinfo is not None or key.fold):
        offset = key.utcoffset()
        return key.replace(tzinfo=None if offset is None else timezone(offset), fold=0)
    return key


def identity_forms(keys: list[Any]) -> list[Any]:
    """Return the keys in the form that all equal keys share: datetimes in UTC, 0.0 for -0.0."""
    kind = kind_of(keys)
    return keys if kind and _FORMED.isdisjoint(kind) else list(map(_identity_form, keys))


def _identity_form(key: Any) -> Any:
    if type(key) is datetime:
        return _normal_key(key) if key.utcoffset() is None else key.astimezone(UTC)
    return tuple(map(_identity_form, key)) if type(key) is tuple else _normal_key(key)


def extreme(values: list[Any], kind: str, pick: Callable[..., Any]) -> Any:
    """Return the smallest or largest (`pick` is `min` or `max`) of at least one value by `order`.

    `kind` is `kind_of(values)`. Among equal values with different offsets from UTC the offset decides, so that the
    order of arrival never does.
    """
    if kind and _FORMED.isdisjoint(kind):
        return pick(values)
    return _normal_key(pick(values, key=_order_and_offsets))


def _order_and_offsets(key: Any) -> tuple[Any, Any]:
    return order(key), _offsets(key)


def _offsets(key: Any) -> Any:
    if type(key) is datetime:
        return key.utcoffset() or timedelta(0)
    return tuple(map(_offsets, key)) if type(key) is tuple else None


def canonical(key: Any) -> bytes:
    """Return the identity of a key as bytes, equal exactly when the keys are the same. Raises KeyRefused.

    A tag and a body that runs to the end. The items of a tuple carry their lengths. docs/formats.md has the table.
    These bytes are hashed, so they never change.
    """
    make = _CANONICAL.get(type(key))
    if make is None:
        _refuse(key)
    return make(key)


def canonical_bodies(keys: list[Any], kind: str) -> tuple[bytes, Iterable[bytes]]:
    """Return (tag, bodies) with `tag + body` the canonical bytes of each key, lazily and mostly at C speed."""
    if kind == "s":
        return b"s", chain.from_iterable(_utf8(keys))
    if kind == "b":
        return b"b", keys
    if kind in {"i", "f"}:
        try:
            packed = struct.pack(f">{len(keys)}{'q' if kind == 'i' else 'd'}", *normal(keys, kind))
        except struct.error:  # an int of more than 64 bits among them
            return b"", map(canonical, keys)
        return kind.encode(), chain.from_iterable(struct.iter_unpack("8s", packed))
    if kind[:2] == "t(" and keys:
        columns = []
        for i, item_kind in enumerate(item_kinds(kind)):
            tag, bodies = canonical_bodies(list(map(itemgetter(i), keys)), item_kind)
            columns.append([_item(tag + body) for body in bodies])
        return b"t", map(b"".join, zip(*columns, strict=True)) if columns else repeat(b"", len(keys))
    return b"", map(canonical, keys)


def _utf8(keys: list[str]) -> Iterator[list[bytes]]:
    """Yield the keys as UTF-8, many at a time: joining, encoding and splitting is twice as fast as one by one."""
    for at in range(0, len(keys), 4096):
        some = keys[at : at + 4096]
        encoded = "\0".join(some).encode("utf-8", "surrogatepass").split(b"\0")
        if len(encoded) != len(some):  # a key holds the separator
            encoded = [key.encode("utf-8", "surrogatepass") for key in some]
        yield encoded


def _canonical_int(key: int) -> bytes:
    if -(1 << 63) <= key < 1 << 63:
        return b"i" + _I64.pack(key)
    return b"I" + key.to_bytes(key.bit_length() // 8 + 1, "big", signed=True)


def _canonical_float(key: float) -> bytes:
    if math.isnan(key):
        _refuse(key)
    return b"f" + _F64.pack(key + 0.0)


def _canonical_datetime(key: datetime) -> bytes:
    aware, micros = _instant(key)
    return (b"m" if aware else b"w") + _I64.pack(micros)


def _item(encoded: bytes) -> bytes:
    return len(encoded).to_bytes(4, "big") + encoded


_CANONICAL: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"n",
    bool: lambda key: b"o\x01" if key else b"o\x00",
    int: _canonical_int,
    float: _canonical_float,
    bytes: lambda key: b"b" + bytes(key),
    str: lambda key: b"s" + str.encode(key, "utf-8", "surrogatepass"),
    date: lambda key: b"d" + _I64.pack(key.toordinal()),
    datetime: _canonical_datetime,
    tuple: lambda key: b"t" + b"".join(_item(canonical(item)) for item in key),
}


def from_canonical(data: bytes) -> Any:
    """Return the key of these canonical bytes: a datetime in UTC."""
    tag, body = data[:1], data[1:]
    if tag != b"t":
        return _FROM_CANONICAL[tag](body)
    items, at = [], 0
    while at < len(body):
        end = at + 4 + int.from_bytes(body[at : at + 4], "big")
        items.append(from_canonical(body[at + 4 : end]))
        at = end
    return tuple(items)


_FROM_CANONICAL: dict[bytes, Callable[[bytes], Any]] = {
    b"n": lambda _: None,
    b"o": lambda body: body == b"\x01",
    b"i": lambda body: int.from_bytes(body, "big", signed=True),
    b"I": lambda body: int.from_bytes(body, "big", signed=True),
    b"f": lambda body: _F64.unpack(body)[0],
    b"b": bytes,
    b"s": lambda body: body.decode("utf-8", "surrogatepass"),
    b"d": lambda body: date.fromordinal(_I64.unpack(body)[0]),
    b"m": lambda body: _EPOCH_UTC + _I64.unpack(body)[0] * _MICROSECOND,
    b"w": lambda body: _EPOCH + _I64.unpack(body)[0] * _MICROSECOND,
}


# ---- order ----------------------------------------------------------------------------------------


def order(key: Any) -> Any:
    """Return a value that sorts as the key does among all legal keys, equal exactly for the same keys."""
    make = _ORDER.get(type(key))
    if make is None:
        _refuse(key)
    return make(key)


def sort_keys(keys: list[Any], kind: str) -> list[Any]:
    """Return the column to sort and compare in place of the keys: the keys themselves if their kind allows it."""
    return keys if sorts_natively(kind) else list(map(order, keys))


def sort_order(keys: list[Any], kind: str) -> list[int]:
    """Return the indexes of the keys in sorted order, stably."""
    return sorted(range(len(keys)), key=sort_keys(keys, kind).__getitem__)


def _order_float(key: float) -> Any:
    if math.isnan(key):
        _refuse(key)
    return (2, key, 1)


def _order_datetime(key: datetime) -> Any:
    aware, micros = _instant(key)
    return (6, micros, aware)


_ORDER: dict[type, Callable[[Any], Any]] = {
    type(None): lambda _: (0,),
    bool: lambda key: (1, key),
    int: lambda key: (2, key, 0),
    float: _order_float,
    bytes: lambda key: (3, key),
    str: lambda key: (4, key),
    date: lambda key: (5, key),
    datetime: _order_datetime,
    tuple: lambda key: (7, tuple(map(order, key))),
}


def _instant(key: datetime) -> tuple[bool, int]:
    """Return (aware?, microseconds since 1970 in UTC, or of its reading if naive)."""
    if key.utcoffset() is not None:
        return True, (key - _EPOCH_UTC) // _MICROSECOND
    return False, (key.replace(tzinfo=None) - _EPOCH) // _MICROSECOND


# ---- refusal --------------------------------------------------------------------------------------

_REMEDY: dict[type, str] = {
    list: "yield tuple(key)",
    set: "yield tuple(sorted(key))",
    frozenset: "yield tuple(sorted(key))",
    dict: "yield tuple(sorted(key.items()))",
    bytearray: "yield bytes(key)",
}


def _refuse(key: Any) -> NoReturn:
    """Raise KeyRefused for a key that is not legal. The message names its type and a remedy."""
    one = type(key)
    if one is float:
        raise KeyRefused("NaN was yielded as a key: it equals no key, itself included; yield None instead", key="nan")
    name = one.__qualname__ if one.__module__ == "builtins" else f"{one.__module__}.{one.__qualname__}"
    remedy = _REMEDY.get(one)
    base = next((legal for legal in _CANONICAL if issubclass(one, legal)), None)
    if remedy is None and base is not None:
        remedy = f"it is a kind of {base.__name__}, so yield a plain {base.__name__}"
    remedy = remedy or "yield what identifies it, as a tuple of such"
    raise KeyRefused(f"a key of type {name} was yielded; a key is {_LEGAL}: {remedy}", key=f"<{name}>")
