"""Encodes dataclasses as bytes and back: a version byte, then msgpack of the class's name and its fields in order.

The schema is the dataclass's own type hints. A message has no second description. Decoding checks everything against
it: names, number of fields, types at every level, sizes. Bytes from a peer lead to a message of the vocabulary or to
`BadMessage`, never to anything else.

This is not the encoding of keys and values of a job (`shuffle/columns.py`): the only user data here are names, counts
and sampled lines.

Rules.
- A vocabulary lists the messages allowed over one channel in one direction. Others are not decoded.
- Text may hold lone surrogates (log bytes decoded with surrogateescape): both ways use "surrogatepass".
- `True` is not an int here, and an int is accepted where a float is declared.
- Ints beyond 64 bits travel as decimal text in extension type 1.
- A field that is marked as added later (`core/fast_dataclass.py`, ADDED) may be missing at the end. Then it has its
  default.
- In a union of dataclasses a value is (name, fields); elsewhere the fields alone.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Any, Literal

import msgpack

from mrframe.core.fast_dataclass import field_types
from mrframe.errors import CorruptData

VERSION = 1
MESSAGE_BYTES_MAX = 16 << 20
_BIG_INT = 1
_BIG_INT_DIGITS_MAX = 4000  # Python's own limit on int <-> text is 4300 digits

Convert = Callable[[Any], Any]
Coder = tuple[Convert, Convert]  # (to msgpack, from msgpack with checks)


class BadMessage(CorruptData):
    """Bytes that are no message of the vocabulary: wrong version, name, number or type of fields, or size."""

    slug = "bad-message"


class Vocabulary:
    """The messages allowed in one direction over one channel."""

    def __init__(self, *classes: type, bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self._classes = {cls.__name__: cls for cls in classes}
        self._names = {cls: cls.__name__ for cls in classes}
        assert len(self._classes) == len(classes), "two messages of a vocabulary have the same name"

    def encode(self, message: Any) -> bytes:
        """Return the message as bytes.

        Raises BadMessage for a foreign class, wrong types of fields, or too large a message.
        """
        name = self._names.get(type(message))
        if name is None:
            raise BadMessage(f"{type(message).__name__} is no message of this channel")
        try:
            plain = [name, coder(type(message))[0](message)]
            body: bytes = msgpack.packb(plain, unicode_errors="surrogatepass", default=_pack_big_int)
        except (TypeError, ValueError, OverflowError, AttributeError, KeyError) as error:
            raise BadMessage(f"{name} holds something that cannot be sent: {error}") from None
        if len(body) >= self.bytes_max:
            raise BadMessage(f"{name} of {len(body):,} bytes is larger than the {self.bytes_max:,} of a message")
        return bytes((VERSION,)) + body

    def decode(self, data: bytes | memoryview) -> Any:
        """Return the message in these bytes. Raises BadMessage when there is none."""
        if not 0 < len(data) <= self.bytes_max:
            raise BadMessage(f"a message of {len(data):,} bytes; 1 to {self.bytes_max:,} are allowed")
        if data[0] != VERSION:
            raise BadMessage(f"a message of protocol version {data[0]}; this is version {VERSION}")
        plain = _unpack(data[1:])
        if type(plain) is not tuple or len(plain) != 2 or type(plain[0]) is not str:
            raise BadMessage("a message is (name, fields); these bytes are something else")
        cls = self._classes.get(plain[0])
        if cls is None:
            raise BadMessage(f"{plain[0][:40]!r} is no message of this channel")
        return coder(cls)[1](plain[1])


def _unpack(data: bytes | memoryview) -> Any:
    try:
        return msgpack.unpackb(
            data, use_list=False, strict_map_key=False, unicode_errors="surrogatepass", ext_hook=_extension
        )
    except BadMessage:
        raise
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        # TypeError: an unhashable key of a map; ValueError covers wrong UTF-8, depth and trailing bytes
        raise BadMessage(f"not msgpack: {type(error).__name__}") from None


def _extension(code: int, data: bytes) -> int:
    digits = data.removeprefix(b"-")
    if code != _BIG_INT or not digits.isdigit() or len(digits) > _BIG_INT_DIGITS_MAX:
        raise BadMessage(f"unknown extension type {code}")
    return int(data)


# ---- one type -------------------------------------------------------------------------------------

_coders: dict[Any, Coder] = {}


def coder(hint: Any) -> Coder:
    """Return the two conversions of a type hint, made once.

    Raises TypeError for a hint without a form on the wire.
    """
    made = _coders.get(hint)
    if made is None:
        made = _coders[hint] = _make(hint)
    return made


def _make(hint: Any) -> Coder:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _dataclass(typing.cast("type", hint))
    if origin is Literal:
        return _literal(args)
    if origin in (types.UnionType, typing.Union):
        return _union(args)
    if origin is tuple:
        return _sequence(args[0]) if args[1:] == (...,) else _fixed(args)
    if origin is list:
        pack, unpack = _sequence(args[0])
        return pack, lambda value: list(unpack(value))
    if origin is dict:
        return _mapping(*args)
    if hint in _PRIMITIVES:
        return _PRIMITIVES[hint]
    raise TypeError(f"{hint!r} cannot be part of a message")


def _exactly(*allowed: type) -> Convert:
    def check(value: Any) -> Any:
        if type(value) not in allowed:
            raise BadMessage(f"a {type(value).__name__} where {allowed[0].__name__} is declared")
        return value

    return check


def _pack_big_int(value: Any) -> msgpack.ExtType:
    """Convert values that msgpack does not know: ints that are too large for it. Raises TypeError for others."""
    if type(value) is not int:
        raise TypeError(f"a {type(value).__name__}")
    return msgpack.ExtType(_BIG_INT, str(value).encode())


_PRIMITIVES: dict[Any, Coder] = {
    str: (_exactly(str), _exactly(str)),
    bytes: (_exactly(bytes), _exactly(bytes)),
    bool: (_exactly(bool), _exactly(bool)),
    float: (_exactly(float, int), _exactly(float, int)),
    int: (_exactly(int), _exactly(int)),
    type(None): (_exactly(type(None)), _exactly(type(None))),
}
_ONE_TYPE = (str, bytes, bool, int)  # as fields of a dataclass they are checked without a call


def _default_of(field: dataclasses.Field[Any]) -> Callable[[], Any]:
    """Return a factory of the default of a field, so that values of a class do not share a mutable one."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory
    return lambda: field.default


def _dataclass(cls: type) -> Coder:
    hints = field_types(cls)
    names = list(hints)
    by_name = any(field.kw_only for field in dataclasses.fields(cls))
    count = len(names)
    values = _values_of(names)
    plain = [i for i, name in enumerate(names) if hints[name] in _ONE_TYPE]
    types_ = tuple([hints[names[i]] for i in plain])
    plain_of = _items_of(plain)
    added = [_default_of(field) for field in dataclasses.fields(cls) if "added" in field.metadata]
    packers: list[_FieldCoder] = []  # of the fields that need more than a check of one type. Both are filled …
    unpackers: list[_FieldCoder] = []  # … at first use, since a class may hold another of its own kind.

    def checked(items: Sequence[Any]) -> list[Any]:
        if not packers and len(plain) < count:
            _add_coders(hints, packers, unpackers)
        given = plain_of(items)
        if tuple(map(type, given)) != types_:
            item, wanted = next(pair for pair in zip(given, types_, strict=True) if type(pair[0]) is not pair[1])
            raise BadMessage(f"a {type(item).__name__} where {wanted.__name__} is declared")
        return list(items)

    def pack(value: Any) -> list[Any]:
        items = checked(values(value))
        for i, to, blank in packers:
            item = items[i]
            if item or type(item) not in blank:
                items[i] = to(item)
        return items

    def unpack(value: Any) -> Any:
        if added and type(value) is tuple and count - len(added) <= len(value) < count:  # of an older journal
            value += tuple(make() for make in added[len(value) - count :])
        if type(value) is not tuple or len(value) != count:
            raise BadMessage(f"{cls.__name__} has {count} fields; these bytes hold something else")
        items = checked(value)
        for i, back, blank in unpackers:
            item = items[i]
            if item or type(item) not in blank:
                items[i] = back(item)
        return cls(**dict(zip(names, items, strict=True))) if by_name else cls(*items)

    return pack, unpack


_FieldCoder = tuple[int, Convert, frozenset[type]]  # index, conversion, and the types whose empty value needs none


def _add_coders(hints: dict[str, Any], packers: list[_FieldCoder], unpackers: list[_FieldCoder]) -> None:
    """Add the conversions of the fields that need more than a check of one type."""
    for i, hint in enumerate(hints.values()):
        if hint not in _ONE_TYPE:
            (pack, unpack), blank = coder(hint), _blank_types(hint)
            packers.append((i, pack, blank))
            unpackers.append((i, unpack, blank - {list}))


def _blank_types(hint: Any) -> frozenset[type]:
    """Return the types of which the empty value is itself on the wire: most fields of most messages are empty."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return frozenset({type(None)} & set(typing.get_args(hint)))
    if origin is tuple:
        return frozenset({tuple} if typing.get_args(hint)[1:] == (...,) else ())
    if origin in (list, dict):
        return frozenset({origin})
    return frozenset({float, int} if hint is float else ())


def _values_of(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple([getattr(value, name) for name in names])


def _items_of(indexes: list[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return lambda items: tuple([items[i] for i in indexes])


def _literal(allowed: tuple[Any, ...]) -> Coder:
    kinds, pairs = frozenset(map(type, allowed)), frozenset((type(one), one) for one in allowed)

    def check(value: Any) -> Any:
        if type(value) not in kinds or (type(value), value) not in pairs:
            raise BadMessage(f"a value that is none of {allowed}")
        return value

    return check, check


def _union(options: tuple[Any, ...]) -> Coder:
    plain = {option: coder(option) for option in options if option in _PRIMITIVES}
    if float in plain:
        plain.setdefault(int, plain[float])
    mappings = [coder(option) for option in options if typing.get_origin(option) is dict]
    if len(mappings) == 1:  # told from anything else by the form of the value
        plain[dict] = mappings[0]
    classes = {
        option.__name__: coder(option)
        for option in options
        if isinstance(option, type) and option not in plain and dataclasses.is_dataclass(option)
    }
    others = [option for option in options if not _is_one_of(option, plain) and not dataclasses.is_dataclass(option)]
    if len(others) + min(len(classes), 1) > 1:
        raise TypeError(f"a union of {options} has no form on the wire")
    named = len(classes) > 1
    only = coder(others[0]) if others else next(iter(classes.values()), None)

    def pack(value: Any) -> Any:
        if type(value) in plain:
            return plain[type(value)][0](value)
        if named:
            name = type(value).__name__
            return [name, classes[name][0](value)]
        assert only is not None, f"{value!r} is none of {options}"
        return only[0](value)

    def unpack(value: Any) -> Any:
        if type(value) in plain:
            return value if type(value) is not dict else plain[dict][1](value)
        if named and type(value) is tuple and len(value) == 2 and type(value[0]) is str and value[0] in classes:
            return classes[value[0]][1](value[1])
        if only is None or named:
            raise BadMessage(f"a {type(value).__name__} that is none of the declared types")
        return only[1](value)

    return pack, unpack


def _is_one_of(option: Any, plain: dict[Any, Coder]) -> bool:
    return option in plain or typing.get_origin(option) in plain


def _sequence(item: Any) -> Coder:
    to, back = coder(item)
    one_type = {item} if item in _ONE_TYPE else None  # a check of the types is enough, and needs no call for each

    def unpack(value: Any) -> tuple[Any, ...]:
        if type(value) is not tuple:
            raise BadMessage(f"a {type(value).__name__} where a sequence is declared")
        if one_type is not None and set(map(type, value)) == one_type:
            return value
        return tuple([back(one) for one in value])

    return (lambda value: [to(one) for one in value]), unpack


def _fixed(items: tuple[Any, ...]) -> Coder:
    coders = [coder(item) for item in items]
    one_type = set(items) if set(items) <= set(_ONE_TYPE) and len(set(items)) == 1 else None

    def pack(value: Any) -> Sequence[Any]:
        if type(value) is tuple and len(value) == len(coders) and set(map(type, value)) == one_type:
            return value
        return [to(one) for one, (to, _) in zip(value, coders, strict=True)]

    def unpack(value: Any) -> tuple[Any, ...]:
        if type(value) is not tuple or len(value) != len(coders):
            raise BadMessage(f"something else where {len(coders)} values are declared")
        if set(map(type, value)) == one_type:
            return value
        return tuple([back(one) for one, (_, back) in zip(value, coders, strict=True)])

    return pack, unpack


def _mapping(key: Any, item: Any) -> Coder:
    to_key, back_key = coder(key)
    to_item, back_item = coder(item)

    def unpack(value: Any) -> dict[Any, Any]:
        if type(value) is not dict:
            raise BadMessage(f"a {type(value).__name__} where a mapping is declared")
        return {back_key(k): back_item(v) for k, v in value.items()}

    return (lambda value: {to_key(k): to_item(v) for k, v in value.items()}), unpack
