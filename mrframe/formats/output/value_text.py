"""Plain values as text: as JSON, as cells of a table, and fit for a terminal.

JSON: a tuple is an array, a set an array in order (see `_in_order`), and bytes are `{"bytes": "<hex>"}`. A
date, a datetime and a Decimal are their text. NaN and the infinities are the texts "NaN", "Infinity" and
"-Infinity" (JSON has no such numbers, and null would make them None). Names of a dict are text. Cells: None
is empty, a bool is true or false, bytes and text are themselves, containers are JSON. Not here: rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from mrframe.core.safe_text import escaped_line
from mrframe.errors import ValueRefused

Text = Literal["escape", "replace", "bytes"]
"""How to write bytes of a log that are not UTF-8, and lone surrogates of JSON: as `\\xe9` in four characters
(`\\ud800` in six), as U+FFFD, or as themselves, which other programs may refuse to read."""

DEPTH_MAX = 64
"""Levels of containers within containers in a value that can be written."""

_NUMBERS = frozenset({bool, int, float, Decimal})
_SIMPLE = frozenset({str, int, float, bool, type(None)})  # the scalars of JSON
_ORDERED = (_NUMBERS, {str}, {bytes}, {date}, {datetime})
_ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
_COLUMN = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=("\n", ":")).encode

_LONE = re.compile("[\ud800-\udfff]")
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def json_column(values: Sequence[Any]) -> list[str]:
    """Return the JSON text of each value. A column of one shape is encoded at C speed. Raises ValueRefused."""
    types = set(map(type, values))
    try:
        if types <= _SIMPLE:
            return _COLUMN(values)[1:-1].split("\n") if values else []
        if types == {tuple} and values[0] and len(set(map(len, values))) == 1:
            items = [json_column(column) for column in zip(*values, strict=True)]
            return [f"[{', '.join(row)}]" for row in zip(*items, strict=True)]
    except ValueError:  # a number that is none, or an int with too many digits
        pass
    return [json_text(value) for value in values]


def json_text(value: Any) -> str:
    """Return the JSON text of one plain value. Raises ValueRefused for any other."""
    try:
        return _ENCODE(_as_json(value, 0))
    except ValueError as error:
        raise ValueRefused(f"a value cannot be written: {error}; let the job yield it as text") from None


def _as_json(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is float:
        return value if value - value == 0 else _number_text(value)
    if kind in _SIMPLE:
        return value
    if kind is bytes:
        return {"bytes": value.hex()}
    if kind in (date, datetime):
        return value.isoformat()
    if kind is Decimal:
        return str(value)
    if depth >= DEPTH_MAX:
        raise ValueRefused(f"a value is nested more than {DEPTH_MAX} levels deep; let the job yield a flatter one")
    if kind in (list, tuple):
        return [_as_json(item, depth + 1) for item in value]
    if kind in (set, frozenset):
        return _in_order([(item, _as_json(item, depth + 1)) for item in value])
    if kind is dict:
        return _object(value, depth)
    raise ValueRefused(
        f"a value of type {kind.__module__}.{kind.__qualname__} is not plain data and cannot be written; let the job "
        "yield text, bytes, numbers, dates, None, or tuples, lists, sets and dicts of them"
    )


def _object(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    named = {dict_name(name): _as_json(item, depth + 1) for name, item in value.items()}
    if len(named) < len(value):
        raise ValueRefused(
            f"a dict has names that are the same as text ({', '.join(map(repr, value))}); make them all text"
        )
    return named


def _in_order(items: list[tuple[Any, Any]]) -> list[Any]:
    """The JSON forms of a set's items: by value where all are numbers, text, bytes or dates, else by JSON text."""
    types = {type(item) for item, _ in items}
    if any(types <= kinds for kinds in _ORDERED) and all(item == item for item, _ in items):  # noqa: PLR0124 (NaN)
        try:
            return [form for _, form in sorted(items, key=lambda pair: pair[0])]
        except TypeError:  # times with and without a zone
            pass
    return sorted((form for _, form in items), key=_ENCODE)


def dict_name(name: Any) -> str:
    """The text that stands for a name in a dict: itself, or its cell text."""
    return name if type(name) is str else cell_texts([name])[0]


def _number_text(value: float) -> str:
    """Return `1.5` as it is, and "NaN", "Infinity" or "-Infinity" as text."""
    if value - value == 0:
        return repr(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 (NaN)


def cell_texts(column: Sequence[Any], how: Text = "bytes") -> list[str]:
    """Return the text of each value in a cell. `how` applies to the JSON of containers only. Raises ValueRefused."""
    types = set(map(type, column))
    if types == {str}:
        return list(column)
    try:
        if types == {int}:
            return list(map(str, column))
        return [_cell(value, how) for value in column]
    except ValueError as error:
        raise ValueRefused(f"a value cannot be written: {error}; let the job yield it as text") from None


def _cell(value: Any, how: Text) -> str:
    kind = type(value)
    if kind is str:
        return str(value)
    if value is None:
        return ""
    if kind is float:
        return _number_text(value)
    if kind is bool:
        return "true" if value else "false"
    if kind in (int, Decimal):
        return str(value)
    if kind is bytes:
        return str(value, "utf-8", "surrogateescape")
    if kind in (date, datetime):
        return str(value.isoformat())
    return json_as_utf8(json_text(value), how)


def to_bytes(text: str, how: Text = "bytes") -> bytes:
    """Encode as UTF-8, other bytes as `how` says (see `Text`). With "bytes", other lone surrogates are `\\udXXX`."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        if how != "bytes":
            return as_utf8(text, how).encode()
        spelled = _NO_BYTE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
        return spelled.encode("utf-8", "surrogateescape")


def json_to_bytes(text: str, how: Text = "bytes") -> bytes:
    """Encode JSON text as UTF-8, other bytes as `how` says. With "bytes" they are `\\udcXX` escapes."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json_as_utf8(text, how).encode("utf-8", "backslashreplace")


def as_utf8(text: str, how: Text) -> str:
    """Return text in which other bytes than UTF-8 are written as `how` says."""
    if how == "bytes" or text.isascii():
        return text
    return _LONE.sub("\ufffd" if how == "replace" else _spelled, text)


def _spelled(lone: re.Match[str]) -> str:
    return escaped_line(lone.group())


def json_as_utf8(text: str, how: Text) -> str:
    """The same for JSON text, in which a backslash is two, as in tsv."""
    if how == "bytes" or text.isascii():
        return text
    return _LONE.sub("\ufffd" if how == "replace" else lambda match: "\\" + _spelled(match), text)


def plain_as_utf8(value: Any, how: Text) -> Any:
    """The same for all text in a value for `json.dumps`: the names and items of dicts, and lists."""
    if isinstance(value, str):
        return as_utf8(value, how)
    if isinstance(value, dict):
        return {plain_as_utf8(name, how): plain_as_utf8(item, how) for name, item in value.items()}
    return [plain_as_utf8(item, how) for item in value] if isinstance(value, (list, tuple)) else value
