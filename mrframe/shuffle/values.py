"""Single values as msgpack, with extensions for types that msgpack lacks: the last resort of `columns.py`.

Not here: columns of one type, which have faster encodings of their own (`columns.py`).

Rules.
- The values that come out equal those that went in, types included: a tuple differs from a list, True from 1,
  bytes from str.
- A value is *plain* when it and everything in it are exactly of the types in `PLAIN`, at most `DEPTH_MAX` levels
  deep. Any other value travels pickled by value (cloudpickle), alone, and is opened only where `unpickle` allows it:
  in executors. Reading anywhere else refuses pickles.
- A datetime keeps its reading and its offset from UTC, not the name of its zone. Python compares two datetimes of one
  zone by their readings and those of fixed offsets by instant. So code that compares values, or gives them to code
  that may, passes them through `as_travelled` first: the result is the same before and after they have travelled.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import Any

import msgpack

from mrframe.core.safe_text import safe_str
from mrframe.errors import CannotTravel, CorruptData

DEPTH_MAX = 64  # levels of nested containers in a plain value

TUPLE, SET, FROZENSET, DATE, DATETIME, DECIMAL, BIGINT, PICKLE = range(1, 9)  # extension codes, never reused

_CONTAINERS = frozenset({list, tuple, set, frozenset, dict})
_SCALARS = frozenset({type(None), bool, int, float, bytes, str, date, datetime, Decimal})
PLAIN = _CONTAINERS | _SCALARS
FIXED = _SCALARS | {list, tuple}  # types in which equal values look the same in every process, in bytes and in memory
# msgpack takes these for bytes or for our extensions, so they must not reach it
_DISGUISED = frozenset({bytearray, memoryview, msgpack.ExtType, msgpack.Timestamp})

_STEADY = _SCALARS - {datetime}  # types that Python treats the same before and after travelling
_ZONED = frozenset({datetime, object})  # `object` stands for values that are nested too deep

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (readings of a wall clock are counted from it)
_MICROSECOND = timedelta(microseconds=1)


# ---- plain or not ---------------------------------------------------------------------------------


def is_plain(value: Any) -> bool:
    """Return whether the value needs no pickle, as everything must that a job finally yields."""
    return type(value) in _SCALARS or (type(value) in _CONTAINERS and all_plain([value]))


def all_plain(values: Iterable[Any]) -> bool:
    """Return whether all of the values are plain."""
    return types_within(values) <= PLAIN


def types_within(values: Iterable[Any]) -> set[type]:
    """Return the types of the values and of everything in them, with `object` for values too deep."""
    level = list(values)
    seen: set[type] = set()
    for _ in range(DEPTH_MAX + 1):
        types = set(map(type, level))
        seen |= types
        if types.isdisjoint(_CONTAINERS):
            return seen
        inner = list({id(value): value for value in level if type(value) in _CONTAINERS}.values())
        level = list(chain.from_iterable(inner))  # of a dict, its keys
        level += chain.from_iterable(value.values() for value in inner if type(value) is dict)
    return seen | {object}


# ---- before and after travelling -------------------------------------------------------------------


def as_travelled(values: Sequence[Any]) -> Sequence[Any]:
    """Return the values as they are after travelling, or the same sequence when no datetime will lose its zone."""
    if len(tzinfo.__subclasses__()) == 1:  # no zones are loaded: only `timezone` is left, which no zone is made of
        return values
    types = set(map(type, values))
    if types <= _STEADY:
        return values
    if types == {tuple} and set(map(type, chain.from_iterable(values))) <= _STEADY:
        return values  # the usual case
    within = types if types.isdisjoint(_CONTAINERS) else types_within(values)
    return values if within.isdisjoint(_ZONED) else list(map(_settled, values))


def _settled(value: Any) -> Any:
    """Return the value with the zones of all its datetimes as fixed offsets.

    Values nested too deep stay as they are.
    """
    within = types_within((value,))
    return value if datetime not in within or object in within else _with_offsets(value, {})


def _with_offsets(value: Any, known: dict[int, Any]) -> Any:
    """`known` are the containers that were met already, by `id`: a value may hold one of them many times."""
    one = type(value)
    if one is datetime and value.tzinfo is not None and type(value.tzinfo) is not timezone:
        return datetime_from(*datetime_numbers(value))
    if one not in _CONTAINERS:
        return value
    if id(value) not in known:
        if one is dict:
            items = ((_with_offsets(key, known), _with_offsets(item, known)) for key, item in value.items())
            known[id(value)] = dict(items)
        else:
            known[id(value)] = one(_with_offsets(item, known) for item in value)
    return known[id(value)]


# ---- to bytes -------------------------------------------------------------------------------------


def pack_values(values: list[Any]) -> bytes:
    """Return the values as one msgpack array. Raises CannotTravel for a value that cannot be pickled either."""
    types = types_within(values)
    if object in types or not types.isdisjoint(_DISGUISED):
        return _pack([value if _packs(value) else _pickled(_settled(value)) for value in values])
    return _pack(values)


def _packs(value: Any) -> bool:
    types = types_within((value,))
    return object not in types and types.isdisjoint(_DISGUISED)


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(
        value, default=_extension, strict_types=True, unicode_errors="surrogatepass", buf_size=1024
    )
    return packed


def _extension(value: Any) -> Any:
    """Return the msgpack form of a value that msgpack does not know."""
    make = _TO_EXTENSION.get(type(value))
    return make(value) if make is not None else _pickled(value)


def _set_items(value: Iterable[Any]) -> bytes:
    """Return the items in the order of their bytes: the same for every hash seed."""
    items = sorted(map(_pack, value))
    return bytes(msgpack.Packer(buf_size=64).pack_array_header(len(items))) + b"".join(items)


def datetime_numbers(value: datetime) -> tuple[int, int, int]:
    """Return (flags: 1 aware + 2 fold, microseconds of its reading since 1970, offset from UTC in microseconds)."""
    offset = value.utcoffset()
    reading = (value.replace(tzinfo=None) - _EPOCH) // _MICROSECOND
    if offset is None:
        return 2 * value.fold, reading, 0
    return 1 + 2 * value.fold, reading, offset // _MICROSECOND


def _pickled(value: Any) -> Any:
    import cloudpickle  # imported lazily: most jobs never need it

    try:
        data = cloudpickle.dumps(value)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the value's own code runs here: the boundary to user code
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        raise CannotTravel(
            f"a value of type {name} cannot be sent from map to reduce ({type(error).__name__}: {safe_str(error)}); "
            "yield plain data instead, such as a tuple of its fields"
        ) from error
    return msgpack.ExtType(PICKLE, data)


_TO_EXTENSION: dict[type, Callable[[Any], Any]] = {
    tuple: lambda value: msgpack.ExtType(TUPLE, _pack(list(value))),
    set: lambda value: msgpack.ExtType(SET, _set_items(value)),
    frozenset: lambda value: msgpack.ExtType(FROZENSET, _set_items(value)),
    date: lambda value: msgpack.ExtType(DATE, _pack(value.toordinal())),
    datetime: lambda value: msgpack.ExtType(DATETIME, _pack(list(datetime_numbers(value)))),
    Decimal: lambda value: msgpack.ExtType(DECIMAL, str(value).encode("ascii")),
    int: lambda value: msgpack.ExtType(BIGINT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)),
}


# ---- from bytes -----------------------------------------------------------------------------------


def unpack_values(data: bytes | memoryview, *, unpickle: bool) -> list[Any]:
    """Undo `pack_values`. `unpickle=False` refuses pickles. Raises CorruptData for bytes of another form."""
    values = _Opener(unpickle=unpickle).open(data)
    if type(values) is not list:
        raise CorruptData("a column of values is not an array")
    return values


def datetime_from(flags: int, reading: int, offset: int) -> datetime:
    """Undo `datetime_numbers`."""
    if flags not in {0, 1, 2, 3}:
        raise CorruptData(f"a datetime with flags {flags}")
    value = _EPOCH + timedelta(microseconds=reading)
    if flags:
        value = value.replace(tzinfo=_zone(offset) if flags & 1 else None, fold=flags >> 1)
    return value


@lru_cache(maxsize=64)
def _zone(offset: int) -> timezone:
    return timezone(timedelta(microseconds=offset))


class _Opener:
    """Unpacks one array of values and counts how deep its extensions are nested, to limit it."""

    def __init__(self, *, unpickle: bool) -> None:
        self._unpickle = unpickle
        self._depth = 0

    def open(self, data: bytes | memoryview) -> Any:
        try:
            return msgpack.unpackb(
                data, ext_hook=self._hook, strict_map_key=False, unicode_errors="surrogatepass", raw=False
            )
        except (ValueError, TypeError, OverflowError, ArithmeticError, msgpack.UnpackException) as error:
            raise CorruptData(f"a value is not in the format ({type(error).__name__}: {error})") from error

    def _hook(self, code: int, data: bytes) -> Any:
        if self._depth > DEPTH_MAX:
            raise CorruptData(f"values are nested more than {DEPTH_MAX} levels deep")
        self._depth += 1
        try:
            return self._value(code, data)
        finally:
            self._depth -= 1

    def _value(self, code: int, data: bytes) -> Any:
        if code in _FROM_LIST:
            items = self.open(data)
            if type(items) is not list:
                raise CorruptData("a tuple or set is not an array")
            return _FROM_LIST[code](items)
        if code == DATE:
            return date.fromordinal(self.open(data))
        if code == DECIMAL:
            return Decimal(data.decode("ascii"))
        if code == BIGINT:
            return int.from_bytes(data, "big", signed=True)
        if code == PICKLE:
            return self._unpickled(data)
        raise CorruptData(f"a value has the unknown extension code {code}")

    def _unpickled(self, data: bytes) -> Any:
        if not self._unpickle:
            raise CorruptData("a pickled value lies where only plain data may be; it was not opened")
        try:
            return pickle.loads(data)  # noqa: S301  (only where `unpickle` allows it: in executors)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the value's own code runs here: the boundary to user code
            raise CannotTravel(
                f"a value that was pickled for its way to reduce cannot be opened ({type(error).__name__}: "
                f"{safe_str(error)}); yield plain data instead, such as a tuple of its fields"
            ) from error


_FROM_LIST: dict[int, Callable[[list[Any]], Any]] = {
    TUPLE: tuple,
    SET: set,
    FROZENSET: frozenset,
    DATETIME: lambda numbers: datetime_from(*numbers),
}
