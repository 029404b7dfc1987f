"""The reader of lines by a regular expression of the user with named groups (`regex:…`, `logs.regex(…)`).

The whole line must match. Each group is a field: text, an int or a float where its name ends in `__int` or `__float`,
None where it takes no part in the match. A group `time` gives `day`, `hour` and `minute`. Not here: the readers of
servers' format strings, which are several times as fast (`access.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from mrframe.errors import FormatError
from mrframe.formats.readers.convert import decode
from mrframe.formats.readers.kind import LINE_FIELDS, Field, ReaderKind, TimeFields, ValueKind
from mrframe.formats.readers.line_reader import BAD, MISSING, LineReader
from mrframe.formats.readers.record_times import DERIVED, with_times

_TYPES: dict[str, tuple[ValueKind, Callable[[str], Any]]] = {"int": ("int", int), "float": ("float", float)}


@lru_cache(maxsize=16)
def _compiled(form: str) -> tuple[re.Pattern[str], dict[str, tuple[str, str]]]:
    """Return the expression, and {field: (its group, its type or "")}. Raises FormatError."""
    try:
        pattern = re.compile(form)
    except re.error as error:
        raise FormatError(f"the expression {form!r} cannot be read: {error}") from None
    fields: dict[str, tuple[str, str]] = {}
    for group in pattern.groupindex:
        name, _, kind = group.rpartition("__")
        name, kind = (name, kind) if name and kind in _TYPES else (group, "")
        if name in LINE_FIELDS or name in fields or (name == "time" and kind):
            raise FormatError(
                f"the group {group} of the expression {form!r} needs another name: {_why_not(name, kind)}"
            )
        fields[name] = (group, kind)
    if not fields:
        raise FormatError(f"the expression {form!r} has no named group, such as (?P<status__int>[0-9]+)")
    return pattern, fields


def _why_not(name: str, kind: str) -> str:
    if name == "time" and kind:
        return "a time is called time, in any of its forms"
    return f"every reader has a field {name}" if name in LINE_FIELDS else f"another one gives the field {name}, too"


class Regex(ReaderKind):
    """Lines by an expression. The named groups are the fields."""

    name = "regex"

    def make(self, form: str, names: Sequence[str], paths: Mapping[str, str]) -> LineReader:
        """Make the reader of blocks. See `ReaderKind`."""
        pattern, fields = _compiled(form)

        def read(line: bytes) -> dict[str, Any] | str:
            found = pattern.fullmatch(decode(line))
            return found.groupdict() if found else "the expression does not match" if line else "empty line"

        def getter(field: str) -> Callable[[dict[str, Any]], Any]:
            group, kind = fields.get(field, ("", ""))
            if field == "time" or not group:
                return with_times(field, lambda _: MISSING)
            return lambda record: _value(record[group], kind)

        return LineReader(read, names, paths, getter)

    def fields(self, form: str) -> Mapping[str, Field]:
        """Return the fields: the groups, and those that are made from a time."""
        _, fields = _compiled(form)
        found = {
            name: Field(f"the group {group}", _TYPES[kind][0] if kind else "text")
            for name, (group, kind) in fields.items()
        }
        if "time" in fields:
            made = {name: Field(f"as {name}, of the group time", "text") for name in DERIVED}
            found = {**made, **found, "time": Field("the group time, a datetime", "time")}
        return found | LINE_FIELDS

    def times(self, form: str) -> TimeFields | None:
        """Return the field of the time, if a group is called so."""
        return TimeFields(("time",)) if "time" in _compiled(form)[1] else None

    def title(self, form: str) -> str:
        """Name the expression in messages."""
        return f"the expression {form!r}"


def _value(text: str | None, kind: str) -> Any:
    if text is None or not kind:
        return text
    try:
        return _TYPES[kind][1](text)
    except ValueError:
        return BAD


KIND = Regex()
