"""The reader of JSON lines: one object on each line, any field by its name or its dotted path.

A line is malformed when it is not exactly one JSON object as Python's json reads it: NaN and Infinity are
numbers, and of a repeated name the last one counts. A field that an object does not have is None, counted as
`missing.<name>`. A null is None and not counted. A path walks through objects and, by number, through lists
(`request.headers.User-Agent.0`). A name that contains dots itself takes precedence.

Each line is read on its own: the scanner starts at the line and returns the end of the object, which
proves that no object ran over a line. Joining lines into one array would save a call for each and would need a
proof of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mrframe.formats.named_formats import NamedFormat
from mrframe.formats.readers.convert import decode
from mrframe.formats.readers.kind import Matches, ReaderKind, TimeFields
from mrframe.formats.readers.line_reader import MISSING, LineReader
from mrframe.formats.readers.record_times import DERIVED, TIME_NAMES, has_time, with_times

_BLANKS = " \t\r"


class JsonLines(ReaderKind):
    """One JSON object on each line. Any name or dotted path is a field."""

    name = "json"
    formats = (
        NamedFormat(
            "json",
            "",
            '{"status": 200, "request": {"method": "GET"}}',
            "one JSON object on each line (Caddy, Traefik, …)",
        ),
    )
    nested = True
    sample = (
        '{"time": "2026-05-17T10:05:03Z", "service": "web", "level": "info", "ms": 20}\n'
        '{"time": "2026-05-17T10:05:09Z", "service": "web", "level": "error", "ms": 40}\n'
        '{"time": "2026-05-17T11:00:00Z", "service": "mail", "level": "info", "ms": 5}\n'
    )

    def make(self, form: str, names: Sequence[str], paths: Mapping[str, str]) -> LineReader:  # noqa: ARG002
        """Make the reader of blocks. See `ReaderKind`."""
        return LineReader(read_object, names, paths, _getter, any_name=True)

    def times(self, form: str) -> TimeFields:  # noqa: ARG002
        """Return the names under which a time is looked for."""
        return TimeFields(TIME_NAMES)

    def matches(self, form: str) -> Matches:  # noqa: ARG002
        """Return a test of one line. See `ReaderKind`."""
        return lambda line: line.lstrip()[:1] == b"{" and isinstance(read_object(line), dict)

    def explain(self, form: str, line: bytes) -> dict[str, Any] | tuple[int, str]:  # noqa: ARG002
        """Return the object of a line, or why it is none."""
        value = read_object(line)
        return value if isinstance(value, dict) else (0, value)

    def absent(self, lines: Sequence[bytes], fields: Sequence[str]) -> tuple[str, list[str]] | None:
        """Return the first of these paths that no object has. See `ReaderKind`."""
        records = [value for value in map(read_object, lines) if isinstance(value, dict)]
        for path in fields if records else ():
            derived = path in DERIVED and any(map(has_time, records))
            if not derived and not any(has(record, path) for record in records):
                depth = path.count(".") + 1
                return path, list(dict.fromkeys(name for record in records for name in paths_of(record, depth)))
        return None


KIND = JsonLines()

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


def _getter(path: str) -> Callable[[dict[str, Any]], Any]:
    return with_times(path, finder(path))


def finder(path: str) -> Callable[[dict[str, Any]], Any]:
    """Return a function that gives the value at a path of an object, `MISSING` if there is none."""
    steps = path.split(".")
    if len(steps) == 1:
        return lambda value: value.get(path, MISSING)

    def find(value: Any) -> Any:
        if path in value:
            return value[path]
        for step in steps:
            if isinstance(value, dict):
                value = value.get(step, MISSING)
            elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                return MISSING
        return value

    return find


def has(record: dict[str, Any], path: str) -> bool:
    """Return whether a record has this field. A list that is there counts as having every item."""
    if finder(path)(record) is not MISSING:
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
