"""Converts columns of Python values to Arrow columns and back. The only module that imports pyarrow, and only on use.

Not here: which maps get Arrow columns (`map/map_batch.py`). pyarrow is the extra `mrframe[fast]`.

How it works. Arrow strings must be UTF-8, but a log may hold any bytes. Python decodes such bytes to lone surrogates
(surrogateescape: U+DC80 to U+DCFF), which UTF-8 cannot encode. So each lone surrogate, U+D800 to U+DFFF, travels as a
*stand-in*, the code point 0x102000 above it (U+10F800 to U+10FFFF), and is mapped back on return. Text that already
holds one of those code points travels byte by byte, as if it were not UTF-8, so the mapping is unambiguous.

Rules.
- A field of a reader with a schema has one type in every block: `string`, `int64`, `double`, or for a time
  `timestamp[us, UTC]`. None is null. Fields of JSON and pairs have the type of the block's own values.
- On return a struct becomes a tuple, a list a list, a dictionary (categorical) its values, and a time is in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

from mrframe.errors import ExtraMissing, UserCodeError
from mrframe.formats.readers.base import RawValue, Scanned

_ABOVE = 0x102000  # from a surrogate to its stand-in
_UNFIT = re.compile("[\ud800-\udfff\U0010f800-\U0010ffff]")
MAYBE_STAND_IN = b"\xf4\x8f"  # the first bytes of U+10F000 and above in UTF-8, so of every stand-in
_STAND_INS = re.compile("[\U0010f800-\U0010ffff]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_NAIVE = datetime(1970, 1, 1)  # noqa: DTZ001  (a wall clock's reading stays one)
_TEXT = "string large_string string_view"
_CARRIED = "string large_string binary large_binary boolean integer floating null"  # no value of these is refused
_INT64 = range(-(1 << 63), 1 << 63)


def check_extra() -> None:
    """Raise ExtraMissing if pyarrow is not installed. Looks for it without loading it."""
    if find_spec("pyarrow") is None:
        raise ExtraMissing(
            "map_batch= is given Arrow columns, which needs pyarrow; install it with `pip install 'mrframe[fast]'`, "
            "or write the job with map="
        )


def need_arrow() -> Any:
    """Import and return pyarrow. Raises ExtraMissing if it is not installed."""
    check_extra()
    import pyarrow
    import pyarrow.compute  # an attribute of pyarrow from here on

    return pyarrow


# ---- to Arrow -------------------------------------------------------------------------------------


def to_array(name: str, kind: str, column: list[Any]) -> tuple[Any, int]:
    """Return the Arrow array of a field's values, and the number of ints beyond 64 bits, which became null.

    `kind` comes from `formats.schema.kinds_of`. Raises UserCodeError for a field of JSON or of a pair whose values
    have no common Arrow type.
    """
    pa = need_arrow()
    if kind == "int":
        return _int_array(pa, column)
    if kind == "text":
        return _text_array(pa, column), 0
    if kind == "time":
        return pa.array(column, pa.timestamp("us", "UTC")), 0
    if kind == "float":
        return pa.array(column, pa.float64()), 0
    return _any_array(pa, name, column), 0


def of_scanned(column: Scanned, spelt: RawValue) -> Any:
    """Return the array of text or ints that the kernel has cut, None for values that Python must convert.

    Those are text that is not UTF-8 or may hold a stand-in, and ints that Arrow cannot parse.
    """
    pa = need_arrow()
    buffers = column.block.arrow(column.index, spelt.none_flags)
    if buffers is None or MAYBE_STAND_IN in buffers[2]:
        return None
    array = pa.Array.from_buffers(pa.binary(), column.block.records, list(map(pa.py_buffer, buffers)))
    if column.strict:
        array = _with_strict(pa, array, column, spelt)
    if column.kept is not None:
        array = array.filter(pa.array(column.kept))
    try:
        text = array.cast(pa.string())
        if spelt.kind == "int":
            return text.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return None if any(value and MAYBE_STAND_IN in value for value in column.strict) else text


def _with_strict(pa: Any, array: Any, column: Scanned, spelt: RawValue) -> Any:
    """Return an array with the records in their places that only the strict pattern accepts."""
    strict = pa.array([None if raw in spelt.nones else raw for raw in column.strict], pa.binary())
    parts, at = [], 0
    for before, number in enumerate(column.numbers):
        parts += [array.slice(at, number - before - at), strict.slice(before, 1)]
        at = number - before
    return pa.concat_arrays([*parts, array.slice(at)])


def _int_array(pa: Any, column: list[Any]) -> tuple[Any, int]:
    try:
        return pa.array(column, pa.int64()), 0
    except (OverflowError, pa.ArrowInvalid):
        fit = [value if value is not None and value in _INT64 else None for value in column]
        return pa.array(fit, pa.int64()), fit.count(None) - column.count(None)


def _text_array(pa: Any, column: list[Any]) -> Any:
    text = "\0".join(value for value in column if value is not None) if None in column else "\0".join(column)
    if not text.isascii() and _UNFIT.search(text):
        column = [value if value is None else _fit(value) for value in column]
    return pa.array(column, pa.string())


def _fit(text: str) -> str:
    return _UNFIT.sub(_stand_ins, text)


def _stand_ins(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < _ABOVE:
        return chr(code + _ABOVE)
    return "".join(chr(0xDC00 + byte + _ABOVE) for byte in found[0].encode())


def _any_array(pa: Any, name: str, column: list[Any]) -> Any:
    """Return an array of the values' common type. Ints among floats become floats where that is exact."""
    types = set(map(type, column)) - {type(None)}
    lengths = {len(value) for value in column} if types == {tuple} and None not in column else set()
    try:
        if types == {str}:
            return _text_array(pa, column)
        if types == {int, float} and all(value is None or float(value) == value for value in column):
            return pa.array(column, pa.float64())
        if len(lengths) == 1 and 0 not in lengths:
            items = [_any_array(pa, name, list(items)) for items in zip(*column, strict=True)]
            return pa.StructArray.from_arrays(items, names=[str(index) for index in range(len(items))])
        if len(types) <= 1:
            return pa.array(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeEncodeError, OverflowError) as no:
        reason = str(no)
    else:
        reason = f"they are of the types {', '.join(sorted(one.__name__ for one in types))}"
    raise UserCodeError(
        f"the values of the field {name!r} in one block make no Arrow column ({reason}); write the job with map="
    )


# ---- from Arrow -----------------------------------------------------------------------------------


def tables_of(result: Any, who: str) -> Iterator[Any]:
    """Yield the tables that a user's function returned: one table or an iterable of them, from any library.

    Raises UserCodeError for any other result, and for columns other than `key` and `value`.
    """
    pa = need_arrow()
    if isinstance(result, pa.Table | pa.RecordBatch) or hasattr(result, "__arrow_c_stream__"):
        yield _checked(pa, result, who)
        return
    if result is None or isinstance(result, str | bytes | dict) or not hasattr(result, "__iter__"):
        raise _no_table(who, result)
    for one in result:
        if not isinstance(one, pa.Table | pa.RecordBatch) and not hasattr(one, "__arrow_c_stream__"):
            raise _no_table(who, one)
        yield _checked(pa, one, who)


def _no_table(who: str, wrong: Any) -> UserCodeError:
    return UserCodeError(
        f"{who} returned {type(wrong).__name__}; it must return, or yield, tables with the columns key and value "
        "(pyarrow, Polars or anything else with the Arrow PyCapsule interface)"
    )


def _checked(pa: Any, one: Any, who: str) -> Any:
    if isinstance(one, pa.RecordBatch):
        one = pa.Table.from_batches([one])
    elif not isinstance(one, pa.Table):
        one = pa.RecordBatchReader.from_stream(one).read_all()
    names = one.column_names
    if sorted(names) not in (["key"], ["key", "value"]):
        raise UserCodeError(
            f"{who} returned a table with the columns {', '.join(names) or '(none)'}; it must have the columns key "
            "and value (a key of several parts is a struct)"
        )
    return one


def pairs_of(table: Any) -> tuple[list[Any], list[Any]]:
    """Return the columns `key` and `value` as Python values. Without a `value` column, every value is None."""
    keys = values_of(table.column("key"))
    return keys, values_of(table.column("value")) if "value" in table.column_names else [None] * len(keys)


def pairs_as_block(kernel: Any, table: Any, wanted: str) -> Any:
    """Return a block of the compiled kernel with the keys and values of a table of pairs, both as text.

    `wanted` is the kind of the values: `text`, `int`, or `none` where they do not matter. Returns None for keys that
    are no text or have a NUL, for values of another kind, and for text that may hold stand-ins.
    """
    columns = [_as_text(table.column("key"), _TEXT)]
    value = table.column("value") if "value" in table.column_names else None
    if wanted != "none":
        columns.append(None if value is None else _as_text(value, _TEXT if wanted == "text" else "integer"))
    elif value is not None and not is_any(value.type, _CARRIED):
        return None
    parts: list[bytes] = []
    buffers, used = [], 0
    for array in columns:
        if array is None:
            return None
        validity, offsets, data = array.buffers()
        ends = memoryview(offsets).cast("i")
        first, last = ends[array.offset], ends[array.offset + len(array)]
        part = memoryview(data)[first:last].tobytes() if data is not None else b""
        if MAYBE_STAND_IN in part or (not parts and b"\0" in part):
            return None
        buffers.append((validity, offsets, array.offset, used - first))
        parts.append(part)
        used += len(part)
    return kernel.Block(b"".join(parts), len(table), tuple(buffers))


def _as_text(column: Any, type_names: str) -> Any:
    """Return a column as one `string` array.

    None if its values are of none of these types, are too long together, or are dictionaries with nulls.
    """
    pa = need_arrow()
    try:
        array = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
        if is_any(array.type, "dictionary"):
            array = array.dictionary_decode()
        return array.cast(pa.string()) if is_any(array.type, type_names) else None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def is_any(one: Any, names: str) -> bool:
    """Return whether an Arrow type is one of `names`, separated by blanks and named as in `pyarrow.types`."""
    types = need_arrow().types
    return any(getattr(types, f"is_{name}")(one) for name in names.split())


def values_of(column: Any) -> list[Any]:
    """Return the values of an Arrow array or chunked array. Raises UserCodeError for unsupported types."""
    pa = need_arrow()
    if isinstance(column, pa.ChunkedArray):
        return [value for chunk in column.chunks for value in values_of(chunk)]
    one = column.type
    for type_names, convert in _CONVERSIONS:
        if is_any(one, type_names):
            return convert(pa, column)
    raise UserCodeError(
        f"a column of the Arrow type {one} has no values that mrframe can carry; cast it to a number, text, bytes, "
        "date or timestamp"
    )


def _strings(pa: Any, array: Any) -> list[Any]:  # noqa: ARG001
    values: list[Any] = array.to_pylist()
    text = "".join(value for value in values if value is not None) if array.null_count else "".join(values)
    if text.isascii() or not _STAND_INS.search(text):
        return values
    return [value if value is None else _STAND_INS.sub(_surrogates, value) for value in values]


def _surrogates(found: re.Match[str]) -> str:
    text = "".join(chr(ord(one) - _ABOVE) for one in found[0])
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # it came from JSON escapes, not from bytes
        return text


def _timestamps(pa: Any, array: Any) -> list[Any]:
    epoch = _EPOCH if array.type.tz else _EPOCH_NAIVE
    try:
        micros = array.cast(pa.timestamp("us", array.type.tz)).cast(pa.int64()).to_pylist()
    except pa.ArrowInvalid as error:
        raise UserCodeError(f"a time does not fit in microseconds ({error}); round it") from None
    return [None if value is None else epoch + timedelta(microseconds=value) for value in micros]


def _structs(pa: Any, array: Any) -> list[Any]:  # noqa: ARG001
    rows: list[Any] = list(zip(*map(values_of, array.flatten()), strict=True))
    if not array.type.num_fields:
        rows = [()] * len(array)
    if array.null_count:
        return [row if there else None for row, there in zip(rows, array.is_valid().to_pylist(), strict=True)]
    return rows


def _lists(pa: Any, array: Any) -> list[Any]:
    items = iter(values_of(array.flatten()))
    lengths = pa.compute.list_value_length(array).to_pylist()
    return [None if length is None else [next(items) for _ in range(length)] for length in lengths]


def _as_they_are(pa: Any, array: Any) -> list[Any]:  # noqa: ARG001
    return list(array.to_pylist())


_CONVERSIONS: list[tuple[str, Callable[[Any, Any], list[Any]]]] = [
    ("string large_string string_view", _strings),
    ("boolean integer floating null binary large_binary binary_view fixed_size_binary date32 decimal", _as_they_are),
    ("dictionary", lambda _, array: values_of(array.dictionary_decode())),
    ("timestamp", _timestamps),
    ("struct", _structs),
    ("list large_list fixed_size_list", _lists),
    ("date64", lambda pa, array: values_of(array.cast(pa.date32()))),
]
