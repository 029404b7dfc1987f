"""The reader of JSON lines: one object on each line, any field by its name or its dotted path.

A line is malformed when it is not exactly one JSON object as Python's json reads it: NaN and Infinity are
numbers, and of a repeated name the last one counts. A field that an object does not have is None, counted as
`missing.<name>`; a null is None and not counted. A path walks through objects and, by number, through lists
(`request.headers.User-Agent.0`); a name that contains dots itself is found first.

Each line is read on its own: the scanner is told where a line begins and says where the object ended, which
proves that no object ran over a line. Joining lines into one array would save a call for each and would need a
proof of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mrframe.core.model.reports import Malformed
from mrframe.formats.readers.base import (
    ALL_VALUES,
    Forms,
    Lines,
    Parsed,
    Values,
    good_lines,
    line_offsets,
    plain_lines,
)
from mrframe.formats.readers.convert import Text, decode

_MISSING = object()
_BLANKS = " \t\r"


class JsonReader:
    """Reads JSON lines; `fields` are the names, `paths` where they are found when that is not the name."""

    def __init__(self, fields: Sequence[str], paths: dict[str, str]) -> None:
        self._fields = tuple(fields)
        self._finders = [
            None if name in ("file", "offset", "line") and name not in paths else finder(paths.get(name, name))
            for name in self._fields
        ]

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:  # noqa: ARG002
        """Parse a block; values of JSON have no raw form, so `forms` changes nothing. See `BlockReader`."""
        lines = plain_lines(block)
        texts = lines.split()
        objects: list[Any] = []
        malformed: list[Malformed] = []
        offsets: list[int] = []
        for number, line in enumerate(texts):
            value = read_object(line)
            if isinstance(value, dict):
                objects.append(value)
                continue
            offsets = offsets or line_offsets(block)
            malformed.append(Malformed(number, offsets[number], line, value))
        wrong = {m.line for m in malformed}
        malformed_bytes = sum(len(m.data) for m in malformed)
        parsed = Parsed(
            columns=[],
            records=len(objects),
            lines=lines.count,
            parsed_bytes=lines.text_bytes - malformed_bytes,
            malformed_bytes=malformed_bytes,
            delimiter_bytes=lines.delimiter_bytes,
            malformed=malformed,
            nul_bytes=lines.nul_bytes,
            bom_bytes=lines.bom_bytes,
        )
        for name, find in zip(self._fields, self._finders, strict=True):
            if find is None:
                column = _line_column(name, block, lines, source, offset)
                parsed.columns.append(
                    Values([v for at, v in enumerate(column) if at not in wrong] if wrong else column)
                )
                continue
            column = [find(value) for value in objects]
            missing = sum(value is _MISSING for value in column)
            if missing:
                parsed.bad_fields[f"missing.{name}"] = missing
                column = [None if value is _MISSING else value for value in column]
            parsed.columns.append(Values(column))
        return parsed

    def convert(self, index: int, column: Sequence[bytes | None]) -> tuple[list[Any], int]:  # noqa: ARG002
        """The column as it is; see `BlockReader`."""
        return list(column), 0

    def lines_of_records(self, block: bytes, parsed: Parsed) -> Sequence[int]:  # noqa: ARG002
        """A record is a line; see `BlockReader`."""
        return good_lines(parsed)

    def locate(self, block: bytes, record: int) -> tuple[int, bytes]:
        """Where the line of the n-th record begins, and the line; see `BlockReader`."""
        seen = -1
        for at, line in enumerate(plain_lines(block).split()):
            seen += isinstance(read_object(line), dict)
            if seen == record:
                return line_offsets(block)[at], line
        raise IndexError(f"the block has {seen + 1} records, so none has the index {record}")


_decoder = json.JSONDecoder()


def read_object(line: bytes) -> dict[str, Any] | str:
    """The object that the line is, or the reason why it is none."""
    text = decode(line)
    try:
        value, end = _decoder.raw_decode(text, len(text) - len(text.lstrip(_BLANKS)))
    except json.JSONDecodeError as error:
        return f"{error.msg} at character {error.pos + 1}" if text.strip(_BLANKS) else "empty line"
    except RecursionError:
        return "nested too deeply"
    except ValueError as error:  # a number of more digits than Python reads
        return str(error)
    if end != len(text) and text[end:].strip(_BLANKS):
        return f"more than one value: expected the end of the line at character {end + 1}"
    return value if isinstance(value, dict) else f"not an object but {type(value).__name__}"


def finder(path: str) -> Callable[[dict[str, Any]], Any]:
    """What takes the value at a path out of an object (`_MISSING` when it is not there)."""
    steps = path.split(".")
    if len(steps) == 1:
        return lambda value: value.get(path, _MISSING)

    def find(value: Any) -> Any:
        if path in value:
            return value[path]
        for step in steps:
            if isinstance(value, dict):
                value = value.get(step, _MISSING)
            elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                return _MISSING
        return value

    return find


def has(record: dict[str, Any], path: str) -> bool:
    """Whether a record has this field; of a list that is there, any item."""
    if finder(path)(record) is not _MISSING:
        return True
    above, _, item = path.rpartition(".")
    return item.isdecimal() and isinstance(finder(above)(record), list)


def paths_of(value: dict[str, Any], depth: int, above: str = "") -> Iterator[str]:
    """The paths of a record's fields, down to so many levels of objects."""
    for name, inner in value.items():
        if isinstance(inner, dict) and inner and depth > 1:
            yield from paths_of(inner, depth - 1, f"{above}{name}.")
        else:
            yield above + name


def _line_column(name: str, block: bytes, lines: Lines, source: str, offset: int) -> list[Any]:
    if name == "file":
        return [source] * lines.count
    if name == "line":
        return Text(dash=False)(list(lines.split()))[0]
    return [offset + at for at in line_offsets(block)]
