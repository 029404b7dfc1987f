"""Converts one column of keys or values to bytes and back.

Not here: single values of other types (`values.py`), and the blocks that hold columns (`pair_blocks.py`).

A column is a tag byte and a body that runs to its end. docs/formats.md shows every form byte by byte. Columns of one
exact type have a form of their own that is made and read at C speed. All others are msgpack. Every count follows from
the length of the body, so no column can claim more than its bytes hold.
"""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections.abc import Callable, Iterable
from datetime import date, datetime
from itertools import accumulate, chain, pairwise, starmap
from operator import itemgetter
from typing import Any

from mrframe.errors import CorruptData
from mrframe.kernel import compiled
from mrframe.shuffle.values import all_plain, datetime_from, datetime_numbers, is_plain, pack_values, unpack_values

__all__ = ["all_plain", "decode", "encode", "is_plain"]

TUPLE_ITEMS_MAX = 255  # longer tuples are packed one by one
TUPLE_LEVELS_MAX = 32  # of nested tuples. Deeper ones are packed one by one
_LENGTH = struct.Struct("<I")
_WIDTHS = ((1, "b"), (2, "h"), (4, "i"), (8, "q"))  # bytes of an int -> its type code in `array`
_CODES = dict(_WIDTHS)
_LISTED = {str, bytes, float}  # item types of lists with a column form of their own. Ints may be too large for one
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf]")  # a lone surrogate, as surrogatepass writes it
_SWAP = sys.byteorder == "big"  # numbers lie little-endian


def encode(column: list[Any]) -> bytes:
    """Return the column as bytes. `decode` gives equal values of the same types.

    Raises CannotTravel for a value that is neither plain nor can be pickled.
    """
    return _encode(column, 0)


def encode_text(column: list[str]) -> bytes:
    """Return a column that is known to be str as bytes."""
    return _encode_str(column)


def decode(data: bytes | memoryview, *, unpickle: bool) -> list[Any]:
    """Return the column that `encode` made into these bytes.

    Raises CorruptData for other bytes, and for pickled values when `unpickle` is false.
    """
    return _decode(memoryview(data), unpickle=unpickle, level=0)


def lines_of(keys: bytes | memoryview, values: bytes | memoryview) -> bytes | None:
    """Return encoded columns of text and None as lines of UTF-8, without decoding them, or None for other columns.

    Text that was no UTF-8 in a log gets its own bytes back only when it is decoded, so columns with such text count
    as others.
    """
    if bytes(keys[:1]) != b"s" or bytes(values[:1]) != b"n":
        return None
    kernel = compiled()
    if kernel is not None:
        found: bytes | None = kernel.lines_of(keys)
        return found
    text = bytes(keys[1:])
    if b"\xed" in text and _SURROGATE.search(text):
        return None
    return text.replace(b"\0", b"\n") + b"\n"


def _encode(column: list[Any], level: int) -> bytes:
    if column and column[0] is None and column.count(None) == len(column):
        return _encode_none(column)
    types = set(map(type, column))
    if len(types) == 1:
        one = types.pop()
        make = _ENCODERS.get(one)
        data = _encode_tuple(column, level) if one is tuple else make(column) if make is not None else None
        if data is not None:
            return data
    return b"n" if not column else b"v" + pack_values(column)


def _decode(view: memoryview, *, unpickle: bool, level: int) -> list[Any]:
    tag = bytes(view[:1])
    try:
        if tag == b"t":
            return _decode_tuple(view[1:], unpickle=unpickle, level=level)
        if tag == b"v":
            return unpack_values(view[1:], unpickle=unpickle)
        return _DECODERS[tag](view[1:])
    except KeyError:
        raise CorruptData(f"a column has the unknown tag {tag!r}") from None
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise CorruptData(f"a column is not in the format ({type(error).__name__}: {error})") from error


# ---- None, bool, numbers --------------------------------------------------------------------------


def _encode_none(column: list[None]) -> bytes:
    return b"n" + bytes(len(column))


def _decode_none(body: memoryview) -> list[None]:
    if bytes(body).count(0) < len(body):
        raise CorruptData("a column of None holds something else")
    return [None] * len(body)


def _encode_bool(column: list[bool]) -> bytes:
    return b"o" + bytes(column)


def _decode_bool(body: memoryview) -> list[bool]:
    if len(body) and max(body) > 1:
        raise CorruptData("a column of bool holds something else")
    return list(map(bool, body))


def _encode_int(column: list[int]) -> bytes | None:
    low, high = min(column), max(column)
    largest = max(high, ~low)
    for width, code in _WIDTHS:
        if largest < 1 << (8 * width - 1):
            return b"i" + bytes((width,)) + _numbers(code, column)
    return None  # an int of more than 64 bits: msgpack with an extension


def _decode_int(body: memoryview) -> list[int]:
    code = _CODES.get(body[0] if len(body) else 0)
    if code is None:
        raise CorruptData("a column of int has no known width")
    return _from_numbers(code, body[1:])


def _numbers(code: str, column: Iterable[Any]) -> bytes:
    numbers = array(code, column)
    if _SWAP:
        numbers.byteswap()
    return numbers.tobytes()


def _from_numbers(code: str, body: memoryview) -> list[Any]:
    numbers = array(code)
    numbers.frombytes(body)
    if _SWAP:
        numbers.byteswap()
    return numbers.tolist()


# ---- text and bytes -------------------------------------------------------------------------------


def _encode_str(column: list[str]) -> bytes:
    joined = "\0".join(column)
    if joined.count("\0") == len(column) - 1:
        return b"s" + joined.encode("utf-8", "surrogatepass")
    return b"S" + _encode_bytes([item.encode("utf-8", "surrogatepass") for item in column])


def _decode_joined_str(body: memoryview) -> list[str]:
    return str(body, "utf-8", "surrogatepass").split("\0")


def _decode_measured_str(body: memoryview) -> list[str]:
    return [str(item, "utf-8", "surrogatepass") for item in _decode_some_bytes(body)]


def _encode_bytes(column: list[bytes]) -> bytes:
    joined = b"\0".join(column)
    if joined.count(0) == len(column) - 1:
        return b"b" + joined
    lengths = _encode_int(list(map(len, column))) or b""
    return b"".join((b"B", _LENGTH.pack(len(lengths)), lengths, *column))


def _decode_joined_bytes(body: memoryview) -> list[bytes]:
    return bytes(body).split(b"\0")


def _decode_measured_bytes(body: memoryview) -> list[bytes]:
    (length,) = _LENGTH.unpack_from(body)
    if bytes(body[4:5]) != b"i" or 4 + length > len(body):
        raise CorruptData("a column of bytes has no lengths")
    lengths = _decode_int(body[5 : 4 + length])
    data = bytes(body[4 + length :])
    if min(lengths, default=0) < 0 or sum(lengths) != len(data):
        raise CorruptData("the lengths of a column of bytes do not add up to it")
    return [data[start:end] for start, end in pairwise(accumulate(lengths, initial=0))]


def _decode_some_bytes(body: memoryview) -> list[bytes]:
    read = {b"b": _decode_joined_bytes, b"B": _decode_measured_bytes}.get(bytes(body[:1]))
    if read is None:
        raise CorruptData("a column of str holds no column of bytes")
    return read(body[1:])


# ---- tuples, dates, everything else ---------------------------------------------------------------


def _encode_tuple(column: list[tuple[Any, ...]], level: int) -> bytes | None:
    lengths = set(map(len, column))
    width = lengths.pop()
    if lengths or not 1 <= width <= TUPLE_ITEMS_MAX or level == TUPLE_LEVELS_MAX:
        return None
    parts = [b"t", bytes((width,))]
    for i in range(width):
        items = _encode(list(map(itemgetter(i), column)), level + 1)
        parts += (_LENGTH.pack(len(items)), items)
    return b"".join(parts)


def _decode_tuple(body: memoryview, *, unpickle: bool, level: int) -> list[tuple[Any, ...]]:
    if level == TUPLE_LEVELS_MAX:
        raise CorruptData(f"tuples are nested more than {level} levels deep")
    columns = []
    at = 1
    for _ in range(body[0] if len(body) else 0):
        (length,) = _LENGTH.unpack_from(body, at)
        at += 4 + length
        columns.append(_decode(body[at - length : at], unpickle=unpickle, level=level + 1))
    if at != len(body) or not columns:
        raise CorruptData("a column of tuples does not end where its items do")
    return list(zip(*columns, strict=True))


def _encode_list(column: list[list[Any]]) -> bytes | None:
    """Encode lists of single values of one type: their lengths, and the items of all as one column."""
    items = list(chain.from_iterable(column))
    types = set(map(type, items))
    if len(types) != 1 or not types < _LISTED:
        return None
    lengths = _encode_int(list(map(len, column))) or b""
    return b"".join((b"l", _LENGTH.pack(len(lengths)), lengths, _encode(items, 1)))


def _decode_list(body: memoryview) -> list[list[Any]]:
    (length,) = _LENGTH.unpack_from(body)
    if bytes(body[4:5]) != b"i" or 4 + length > len(body):
        raise CorruptData("a column of lists has no lengths")
    lengths = _decode_int(body[5 : 4 + length])
    if bytes(body[4 + length : 5 + length]) in {b"l", b"t", b"v"}:
        raise CorruptData("a column of lists holds no column of single values")
    items = _decode(body[4 + length :], unpickle=False, level=1)
    if min(lengths, default=0) < 0 or sum(lengths) != len(items):
        raise CorruptData("the lengths of a column of lists do not add up to its items")
    return [items[start:end] for start, end in pairwise(accumulate(lengths, initial=0))]


def _encode_date(column: list[date]) -> bytes | None:
    numbers = _encode_int(list(map(date.toordinal, column)))
    return b"d" + numbers if numbers is not None else None


def _decode_date(body: memoryview) -> list[date]:
    if bytes(body[:1]) != b"i":
        raise CorruptData("a column of dates holds no column of int")
    return list(map(date.fromordinal, _decode_int(body[1:])))


def _encode_datetime(column: list[datetime]) -> bytes | None:
    numbers = _encode_tuple(list(map(datetime_numbers, column)), 0)
    return b"m" + numbers if numbers is not None else None


def _decode_datetime(body: memoryview) -> list[datetime]:
    if bytes(body[:1]) != b"t":
        raise CorruptData("a column of datetimes holds no column of tuples")
    return list(starmap(datetime_from, _decode_tuple(body[1:], unpickle=False, level=0)))


_ENCODERS: dict[type, Callable[[list[Any]], bytes | None]] = {
    type(None): _encode_none,
    bool: _encode_bool,
    int: _encode_int,
    float: lambda column: b"f" + _numbers("d", column),
    str: _encode_str,
    bytes: _encode_bytes,
    list: _encode_list,
    date: _encode_date,
    datetime: _encode_datetime,
}
_DECODERS: dict[bytes, Callable[[memoryview], list[Any]]] = {
    b"n": _decode_none,
    b"o": _decode_bool,
    b"i": _decode_int,
    b"f": lambda body: _from_numbers("d", body),
    b"s": _decode_joined_str,
    b"S": _decode_measured_str,
    b"b": _decode_joined_bytes,
    b"B": _decode_measured_bytes,
    b"l": _decode_list,
    b"d": _decode_date,
    b"m": _decode_datetime,
}
