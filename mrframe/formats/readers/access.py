"""The reader of access logs: converts the columns of a block, and keeps the ledger of its bytes.

Not here: cutting lines into raw values (`line_cutter.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from mrframe.core.model.reports import Malformed
from mrframe.errors import FormatError
from mrframe.formats.grammar.format_string import parse_format
from mrframe.formats.grammar.grammar import Grammar
from mrframe.formats.grammar.patterns import capture_of, diagnose, patterns_of
from mrframe.formats.grammar.strftime import has_zone
from mrframe.formats.named_formats import FORMATS, STRINGS
from mrframe.formats.readers.access_fields import field_of
from mrframe.formats.readers.base import (
    ALL_VALUES,
    Forms,
    Lines,
    Parsed,
    RawBytes,
    RawValue,
    Scanned,
    Values,
    good_lines,
    line_offsets,
    plain_lines,
)
from mrframe.formats.readers.convert import RawColumn, Text, converter_for, raw_values
from mrframe.formats.readers.kind import LINE_FIELDS, Field, Matches, ReaderKind, TimeFields
from mrframe.formats.readers.line_cutter import cutter_for

_LINE_FIELDS = ("file", "offset", "line")


class AccessReader:
    """Reads lines of one grammar. `fields` are the projected fields' own names, in order."""

    def __init__(self, grammar: Grammar, fields: Sequence[str], labels: Sequence[str] | None = None) -> None:
        self._grammar = grammar
        self._fields = tuple(fields)
        self._labels = tuple(labels or fields)  # the names under which bad fields are counted
        known = grammar.field_map()
        wanted = {name: capture_of(*known[name]) for name in self._fields if name not in _LINE_FIELDS}
        self._cutter = cutter_for(grammar, list(wanted.values()))
        position = {capture: at for at, capture in enumerate(self._cutter.captures)}
        self._positions = [position[wanted[name]] if name in wanted else None for name in self._fields]
        self._converters = [
            converter_for(*known[name]) if name in wanted else Text(dash=False) if name == "line" else None
            for name in self._fields
        ]

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:
        """Parse a block. See `BlockReader`."""
        lines = plain_lines(block)
        found = self._cutter.cut(lines)
        malformed = self._malformed(block, lines, found.malformed)
        malformed_bytes = sum(len(m.data) for m in malformed)
        parsed = Parsed(
            columns=[],
            records=lines.count - len(malformed),
            lines=lines.count,
            parsed_bytes=lines.text_bytes - malformed_bytes,
            malformed_bytes=malformed_bytes,
            delimiter_bytes=lines.delimiter_bytes,
            malformed=malformed,
            bad_fields=self._missing(found.missing),
            nul_bytes=lines.nul_bytes,
            bom_bytes=lines.bom_bytes,
        )
        for index, position in enumerate(self._positions):
            if position is not None:
                column: Any = found.columns[position]
            else:
                column = _line_column(self._fields[index], block, lines, source, offset)
                if malformed:
                    column = [column[number] for number in good_lines(parsed)]
            converter = self._converters[index]
            if converter is None:
                parsed.columns.append(Values(column))
            elif forms.get(index) is Scanned and isinstance(column, Scanned):
                parsed.columns.append(column)
            elif forms.get(index) is RawBytes and converter.raw is not None:
                parsed.columns.append(RawBytes(raw_values(column)))
            else:
                values, bad = self.convert(index, column)
                if bad:
                    _add(parsed.bad_fields, self._labels[index], bad)
                parsed.columns.append(Values(values))
        return parsed

    def scanned_values(self) -> list[RawValue | None]:
        """Return the spelling of each field. All are None for a format that the kernel does not know."""
        if not self._cutter.uses_kernel:
            return [None] * len(self._fields)
        return [
            None if position is None or converter is None else converter.raw
            for position, converter in zip(self._positions, self._converters, strict=True)
        ]

    def convert(self, index: int, column: RawColumn | Scanned) -> tuple[list[Any], int]:
        """Convert raw bytes. See `BlockReader`."""
        converter = self._converters[index]
        return (list(raw_values(column)), 0) if converter is None else converter(column)

    def lines_of_records(self, block: bytes, parsed: Parsed) -> Sequence[int]:  # noqa: ARG002
        """Return the number of its line for each record. See `BlockReader`."""
        return good_lines(parsed)

    def locate(self, block: bytes, record: int) -> tuple[int, bytes]:
        """Find the line of the n-th record. See `BlockReader`."""
        seen = -1
        for at, line in enumerate(plain_lines(block).split()):
            seen += not self._cutter.is_malformed(line)
            if seen == record:
                return line_offsets(block)[at], line
        raise IndexError(f"the block has {seen + 1} records, so none has the index {record}")

    def _missing(self, missing: Sequence[int]) -> dict[str, int]:
        """Return how many records lack the part of each field, by label."""
        found: dict[str, int] = {}
        for label, wanted in zip(self._labels, self._positions, strict=True):
            if wanted is not None and missing[wanted]:
                _add(found, label, missing[wanted])
        return found

    def _malformed(self, block: bytes, lines: Lines, wrong: Sequence[tuple[int, bytes]]) -> list[Malformed]:
        offsets = line_offsets(block) if lines.shifted and wrong else None
        body, at = lines.body, 0
        found: list[Malformed] = []
        for number, data in wrong:
            if offsets is not None:
                at = offsets[number]
            else:
                # An equal line before it would be malformed too and so stand before it in `wrong`: the first is it.
                at = (
                    0
                    if at == 0 and body.startswith(data + b"\n")
                    else body.index(b"\n" + data + b"\n", max(at - 1, 0)) + 1
                )
            stopped = diagnose(self._grammar, data)
            reason = f"{stopped[1]} at byte {stopped[0] + 1}" if stopped else "not of this format"
            found.append(Malformed(number, at, data, reason if data else "empty line"))
            at += len(data) + 1
        return found


def _line_column(name: str, block: bytes, lines: Lines, source: str, offset: int) -> list[Any]:
    if name == "file":
        return [source] * lines.count
    if name == "line":
        return lines.split()
    return [offset + at for at in line_offsets(block)]


def _add(counts: dict[str, int], name: str, number: int) -> None:
    counts[name] = counts.get(name, 0) + number


@lru_cache(maxsize=64)
def grammar_of(log_format: str) -> Grammar:
    """Return the grammar of a format's name or string. Raises FormatError when it is neither."""
    return parse_format(STRINGS.get(log_format, log_format), log_format if log_format in STRINGS else "")


def _landmarks(grammar: Grammar) -> list[bytes]:
    """Return literals that each line of a grammar contains one after another, without those that all lines have."""
    return [element for element in grammar.elements if isinstance(element, bytes) and element != b" "]


_DIGITS = {"clf": (16, 19), "iso": (15, 18)}  # 17/May/2015:10:05:03 +0000, 2015-05-17T10:05:03Z


class AccessLogs(ReaderKind):
    """Access logs of web servers, of a known format or of a format string."""

    name = "access"
    formats = FORMATS
    takes_formats = True
    sample = (
        '192.0.2.1 - - [17/May/2026:10:05:03 +0000] "GET /a.html HTTP/1.1" 200 1000 "https://example.org/" '
        '"Mozilla/5.0"\n'
        '192.0.2.2 - - [17/May/2026:10:05:09 +0000] "GET /b.html HTTP/1.1" 404 50 "-" "curl/8.0"\n'
        '192.0.2.1 - - [17/May/2026:11:00:00 +0000] "GET /a.html HTTP/1.1" 200 1000 "-" "Mozilla/5.0"\n'
    )

    def make(self, form: str, names: Sequence[str], paths: Mapping[str, str]) -> AccessReader:
        """Make the reader of blocks. See `ReaderKind`."""
        if form == "auto":
            raise FormatError("the reader 'access' with the format 'auto' cannot read lines; detect it first")
        return AccessReader(grammar_of(form), [paths.get(name, name) for name in names], names)

    def fields(self, form: str) -> Mapping[str, Field] | None:
        """Return the fields of a format, or None if it is not yet detected."""
        if form == "auto":
            return None
        known = grammar_of(form).field_map()
        return {name: field_of(name, slot, role) for name, (slot, role) in known.items()} | LINE_FIELDS

    def times(self, form: str) -> TimeFields | None:
        """Return the field `time` of a format that has one."""
        slot, role = grammar_of(form).field_map().get("time", (None, ""))
        if slot is None or role != "time":
            return None
        return TimeFields(("time",), slot.kind == "strftime" and not has_zone(slot.detail), _DIGITS.get(slot.kind))

    def matches(self, form: str) -> Matches:
        """Return a test of one line. See `ReaderKind`."""
        grammar = grammar_of(form)
        patterns, literals = patterns_of(grammar, ()), _landmarks(grammar)

        def matches(line: bytes) -> bool:
            at = 0
            for literal in literals:
                at = line.find(literal, at) + len(literal)
                if at < len(literal):  # not found: nearly always, and quicker than to compile the pattern
                    return False
            return patterns.strict.fullmatch(line) is not None

        if form.startswith("vhost"):  # "192.0.2.1 - jean paul [" begins with a client, and its user has two words
            return lambda line: matches(line) and line.split(b" ", 2)[1] != b"-"
        return matches

    def explain(self, form: str, line: bytes) -> dict[str, Any] | tuple[int, str]:
        """Return the fields of a line, or (offset at which it stops matching, reason)."""
        return diagnose(grammar_of(form), line) or super().explain(form, line)

    def title(self, form: str) -> str:
        """Name the format in messages."""
        return f"the log format {form!r}"


KIND = AccessLogs()
