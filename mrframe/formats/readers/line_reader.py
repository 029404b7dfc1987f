"""`LineReader`: a reader of blocks around a function that parses one line.

It keeps the ledger, finds lines and builds columns, so that a new grammar is a single function. It calls that
function for each line and takes 1 to 2 µs a line beside it. A grammar that must be faster parses a whole block at
once, as `access.py` does. Not here: any grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mrframe.core.model.reports import Malformed
from mrframe.formats.readers.base import (
    ALL_VALUES,
    Forms,
    Lines,
    Parsed,
    RawValue,
    Values,
    good_lines,
    line_offsets,
    plain_lines,
)
from mrframe.formats.readers.convert import Text

MISSING = object()
"""Given by a getter for a field that the record does not have: None, counted as `missing.<field>`."""
BAD = object()
"""A value that matches the grammar and cannot be converted: None, counted as a bad field."""

_LINE_FIELDS = ("file", "offset", "line")

ParseLine = Callable[[bytes], Any]
Getter = Callable[[Any], Any]


def by_name(field: str) -> Getter:
    """Return a function that takes a field out of a record that is a dict."""
    return lambda record: record.get(field, MISSING)


class LineReader:
    """Reads blocks by `parse_line`, which turns a line without its end into a record, or into text saying why not.

    `fields` are the projected names, `paths` gives the own name of those that have another. `getter` makes the
    function that takes a field out of a record. By default a record is a dict by field. `any_name` says that records
    may have fields of their own called file, offset and line, which `paths` gives another name: {"f": "file"}.
    """

    def __init__(
        self,
        parse_line: ParseLine,
        fields: Sequence[str],
        paths: Mapping[str, str],
        getter: Callable[[str], Getter] = by_name,
        *,
        any_name: bool = False,
    ) -> None:
        self._parse_line = parse_line
        self._fields = tuple(fields)
        self._wanted = [paths.get(name, name) for name in fields]
        self._getters = [
            None if wanted in _LINE_FIELDS and not (any_name and name != wanted) else getter(wanted)
            for name, wanted in zip(self._fields, self._wanted, strict=True)
        ]

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:  # noqa: ARG002
        """Parse a block. Every column comes as `Values`. See `BlockReader`."""
        lines = plain_lines(block)
        parse_line = self._parse_line
        records: list[Any] = []
        malformed: list[Malformed] = []
        offsets: list[int] = []
        for number, line in enumerate(lines.split()):
            record = parse_line(line)
            if not isinstance(record, str):
                records.append(record)
                continue
            offsets = offsets or line_offsets(block)
            malformed.append(Malformed(number, offsets[number], line, record))
        malformed_bytes = sum(len(m.data) for m in malformed)
        parsed = Parsed(
            columns=[],
            records=len(records),
            lines=lines.count,
            parsed_bytes=lines.text_bytes - malformed_bytes,
            malformed_bytes=malformed_bytes,
            delimiter_bytes=lines.delimiter_bytes,
            malformed=malformed,
            nul_bytes=lines.nul_bytes,
            bom_bytes=lines.bom_bytes,
        )
        wrong = {m.line for m in malformed}
        for name, wanted, get in zip(self._fields, self._wanted, self._getters, strict=True):
            if get is None:
                column = _line_column(wanted, block, lines, source, offset)
                column = [v for at, v in enumerate(column) if at not in wrong] if wrong else column
            else:
                column = _counted(list(map(get, records)), name, parsed.bad_fields)
            parsed.columns.append(Values(column))
        return parsed

    def convert(self, index: int, column: Sequence[bytes | None]) -> tuple[list[Any], int]:  # noqa: ARG002
        """Return the column as it is. See `BlockReader`."""
        return list(column), 0

    def scanned_values(self) -> list[RawValue | None]:
        """Return that no field is in columns of the compiled kernel. See `BlockReader`."""
        return [None] * len(self._fields)

    def lines_of_records(self, block: bytes, parsed: Parsed) -> Sequence[int]:  # noqa: ARG002
        """Return the number of its line for each record. See `BlockReader`."""
        return good_lines(parsed)

    def locate(self, block: bytes, record: int) -> tuple[int, bytes]:
        """Find the line of the n-th record. See `BlockReader`."""
        seen = -1
        for at, line in enumerate(plain_lines(block).split()):
            seen += not isinstance(self._parse_line(line), str)
            if seen == record:
                return line_offsets(block)[at], line
        raise IndexError(f"the block has {seen + 1} records, so none has the index {record}")


def _counted(column: list[Any], name: str, bad_fields: dict[str, int]) -> list[Any]:
    """The column with None for what is missing or bad, both counted."""
    for mark, label in ((MISSING, f"missing.{name}"), (BAD, name)):
        found = sum(value is mark for value in column)
        if found:
            bad_fields[label] = found
            column = [None if value is mark else value for value in column]
    return column


def _line_column(name: str, block: bytes, lines: Lines, source: str, offset: int) -> list[Any]:
    if name == "file":
        return [source] * lines.count
    if name == "line":
        return Text(dash=False)(list(lines.split()))[0]
    return [offset + at for at in line_offsets(block)]
