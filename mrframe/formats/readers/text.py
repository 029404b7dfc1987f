"""The readers of plain text: one record for each line, or for each word.

Nothing is malformed here: an empty line is a record of `text`, and has no words. Words are split on ASCII
whitespace (blank, tab, VT, FF, CR), whatever else the text contains. For a word, `offset` and `line` are those of the
line that it stands on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mrframe.formats.grammar.kernel_program import whole_line
from mrframe.formats.named_formats import NamedFormat
from mrframe.formats.readers.base import (
    ALL_VALUES,
    Column,
    Forms,
    Lines,
    LinesOf,
    Parsed,
    RawValue,
    Scanned,
    Values,
    all_good,
    good_lines,
    line_offsets,
    plain_lines,
)
from mrframe.formats.readers.convert import Text
from mrframe.formats.readers.kind import LINE_FIELDS, Field, ReaderKind
from mrframe.formats.readers.record_starts import RecordStarts
from mrframe.formats.readers.records import RecordCutter, RecordReader
from mrframe.kernel import compiled

_TEXT = Text(dash=False)
_AS_IT_STANDS = RawValue("text", dash_is_none=False)


class TextReader:
    """Reads lines. The fields are file, offset and line."""

    text_field = "line"

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = tuple(fields)

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:
        """Parse a block. See `BlockReader`."""
        lines = plain_lines(block)
        columns: list[Column] = []
        if forms.get(0) is LinesOf and self._fields == ("line",):
            return all_good(lines, lines.count, [LinesOf(lines.body, lines.count)])
        for index, name in enumerate(self._fields):
            if name == "line" and forms.get(index) is Scanned:
                scanned = whole_line(compiled()).scan(lines.body)
                lines.know_count(scanned.records)
                columns.append(Scanned(scanned, 0))
            else:
                columns.append(Values(_column(name, block, lines, source, offset)))
        return all_good(lines, lines.count, columns)

    def scanned_values(self) -> list[RawValue | None]:
        """Return the spelling of each field. See `BlockReader`."""
        return [_AS_IT_STANDS if name == self.text_field and compiled() else None for name in self._fields]

    def convert(self, index: int, column: Sequence[bytes | None]) -> tuple[list[Any], int]:
        """Convert raw bytes. See `BlockReader`."""
        return _TEXT(list(column)) if self._fields[index] == self.text_field else (list(column), 0)

    def lines_of_records(self, block: bytes, parsed: Parsed) -> Sequence[int]:  # noqa: ARG002
        """Return the number of its line for each record. See `BlockReader`."""
        return good_lines(parsed)

    def locate(self, block: bytes, record: int) -> tuple[int, bytes]:
        """Find the n-th line. See `BlockReader`."""
        return line_offsets(block)[record], plain_lines(block).split()[record]


def _column(name: str, block: bytes, lines: Lines, source: str, offset: int) -> list[Any]:
    if name == "file":
        return [source] * lines.count
    if name == "offset":
        return [offset + at for at in line_offsets(block)]
    return lines.texts()


class WordsReader(TextReader):
    """Reads words. The fields are word, file, offset and line."""

    text_field = "word"

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:
        """Parse a block. See `BlockReader`."""
        lines = plain_lines(block)
        if self._fields == ("word",) and forms.get(0) is Scanned:
            scanned = compiled().words(lines.body)
            return all_good(lines, scanned.records, [Scanned(scanned, 0)])
        kernel = compiled()
        words = lines.body.split() if kernel is None else Scanned(kernel.words(lines.body), 0)
        repeats = [len(line.split()) for line in lines.split()] if set(self._fields) & {"offset", "line"} else []
        columns: list[Column] = []
        for name in self._fields:
            if name == "word":
                column: list[Any] = _TEXT(words)[0]
            elif name == "file":
                column = [source] * len(words)
            else:
                by_line = _column(name, block, lines, source, offset)
                column = [value for value, times in zip(by_line, repeats, strict=True) for _ in range(times)]
            columns.append(Values(column))
        return all_good(lines, len(words), columns)

    def scanned_values(self) -> list[RawValue | None]:
        """Return the spelling of a word. See `BlockReader`."""
        return super().scanned_values() if self._fields == ("word",) else [None] * len(self._fields)

    def lines_of_records(self, block: bytes, parsed: Parsed) -> Sequence[int]:  # noqa: ARG002
        """Return the number of its line for each word. See `BlockReader`."""
        words = (len(line.split()) for line in plain_lines(block).split())
        return [number for number, times in enumerate(words) for _ in range(times)]

    def locate(self, block: bytes, record: int) -> tuple[int, bytes]:
        """Find the line of the n-th word. See `BlockReader`."""
        left = record
        for at, line in enumerate(plain_lines(block).split()):
            left -= len(line.split())
            if left < 0:
                return line_offsets(block)[at], line
        raise IndexError(f"the block has {record - left} words, so none has the index {record}")


class _AnyText(ReaderKind):
    """The common properties of lines and words."""

    fits_any_text = True
    sample = "an error here\nnothing there\nan error again\n"


class TextLines(_AnyText):
    """Lines of text."""

    name = "text"
    formats = (NamedFormat("text", "", "any line", "lines of text: file, offset, line"),)

    def make(self, form: str, names: Sequence[str], paths: Mapping[str, str]) -> TextReader:  # noqa: ARG002
        """Make the reader of blocks. See `ReaderKind`."""
        return TextReader([paths.get(name, name) for name in names])

    def fields(self, form: str) -> Mapping[str, Field]:  # noqa: ARG002
        """Return the fields that every reader of lines has."""
        return LINE_FIELDS


class Words(_AnyText):
    """The words of a text."""

    name = "words"
    formats = (NamedFormat("words", "", "any line", "the words of a text, split on ASCII whitespace"),)

    def make(self, form: str, names: Sequence[str], paths: Mapping[str, str]) -> WordsReader:  # noqa: ARG002
        """Make the reader of blocks. See `ReaderKind`."""
        return WordsReader([paths.get(name, name) for name in names])

    def fields(self, form: str) -> Mapping[str, Field]:  # noqa: ARG002
        """Return the fields. See `ReaderKind`."""
        return {"word": Field("a word: text between ASCII whitespace"), **LINE_FIELDS}

    def explain(self, form: str, line: bytes) -> dict[str, Any]:
        """Return the words of a line, as a list."""
        return {"word": self.make(form, ("word",), {}).parse(line, "", 0).values[0]}


class TextRecords(_AnyText):
    """Records of text that begin with a line of a given pattern, which is `Reader.format`."""

    name = "records"

    def make(self, form: str, names: Sequence[str], paths: Mapping[str, str]) -> RecordReader:
        """Make the reader of blocks. See `ReaderKind`."""
        own = [paths.get(name, name) for name in names]
        return RecordReader(TextReader(own), RecordCutter(RecordStarts(form)), own, ("line",))

    def fields(self, form: str) -> Mapping[str, Field]:
        """Return the fields that every reader has. The text of a record is its `line`."""
        RecordStarts(form)  # refuses what is no pattern
        return {**LINE_FIELDS, "line": Field("the text of the record, with newlines between its lines")}

    def record_start(self, form: str) -> str:
        """Return the pattern. See `ReaderKind`."""
        return form


LINES = TextLines()
RECORDS = TextRecords()
WORDS = Words()
