"""The writers of the built-in forms for programs: jsonl, csv, tsv and text.

jsonl  `{"key": …, "value": …}`, one row a line. `value_text.py` turns values into JSON.
csv    a header, then the columns of `table_columns.py`, quoted where needed. Lines end with `\\n`.
csv-safe  the same, with `'` before text that a spreadsheet would take for a formula. Numbers stay.
markdown  a header and columns between `|`, text with its markup escaped.
tsv    the same, never quoted: tab, newline, carriage return and backslash are `\\t`, `\\n`, `\\r`, `\\\\`.
text   no header. Key and value, and the items of tuples and dicts, separated by tabs, as they are. None is left out,
       so a job that yields (line, None) writes lines.

Each makes the bytes of a block of rows (`named_outputs.BlockWriter`). Not here: which rows are in a block
(`writing.py`), the table for people (`table_writer.py`).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mrframe.core.row_spelling import SURROGATES, RowSpelling
from mrframe.core.safe_text import escaped_json, escaped_line
from mrframe.formats.output.value_text import (
    Text,
    as_utf8,
    cell_texts,
    json_as_utf8,
    json_column,
    json_to_bytes,
    to_bytes,
)

if TYPE_CHECKING:
    from mrframe.formats.output.block_writer import WriterOptions
    from mrframe.formats.output.table_columns import Grid

_JSON_SPECIAL = bytes(range(32)) + b'"\\' + SURROGATES
_NUMBERS = frozenset({int, float, Decimal, type(None)})
_ONE_CELL = frozenset({str, int, float, bool, bytes, Decimal})
_FORMULAS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # with the wide forms, which some take for the others
_TSV = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_MARKUP = re.compile(r"[\\`*_{}\[\]()#+!|~>-]")
_TSV_SEARCH = re.compile(r"[\\\t\n\r]").search


class JsonLinesWriter:
    """`jsonl`: see the head of this file."""

    def __init__(self, options: WriterOptions) -> None:
        self._escape = options.terminal is not None
        self._how = options.text

    def spelling(self) -> RowSpelling | None:
        """Return how rows of a text and an int are written."""
        return None if self._escape else RowSpelling(b'{"key": "', b'", "value": ', b"}\n", _JSON_SPECIAL)

    def block(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        """See `BlockWriter`."""
        pairs = zip(json_column(keys), json_column(values), strict=True)
        text = "".join([f'{{"key": {key}, "value": {value}}}\n' for key, value in pairs])
        return json_to_bytes(escaped_json(json_as_utf8(text, self._how)) if self._escape else text, self._how)


class TextWriter:
    """`text`."""

    def __init__(self, options: WriterOptions) -> None:
        self._escape = options.terminal is not None
        self._how = options.text

    def spelling(self) -> RowSpelling | None:
        """Return how rows of a text and an int are written."""
        return None if self._escape else RowSpelling(b"", b"\t", b"\n", SURROGATES, takes_none=True)

    def block(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        """See `BlockWriter`."""
        if not self._escape and set(map(type, keys)) == {str} and values.count(None) == len(values):
            return to_bytes("\n".join([*keys, ""]), self._how)  # lines
        if not self._escape and {*map(type, keys), *map(type, values)} <= _ONE_CELL:
            pairs = zip(cell_texts(keys, self._how), cell_texts(values, self._how), strict=True)
            return to_bytes("".join([f"{key}\t{value}\n" for key, value in pairs]), self._how)
        from mrframe.formats.output.table_columns import parts

        lines = []
        for row in zip(keys, values, strict=True):
            items = [item for part in row if part is not None for _, item in parts(part, "")]
            cells = cell_texts(items, self._how)
            lines.append("\t".join(_shown(cells, self._how) if self._escape else cells))
        return to_bytes("".join([line + "\n" for line in lines]), self._how)


def _shown(texts: list[str], how: Text) -> list[str]:
    return [escaped_line(as_utf8(text, how)) for text in texts]


class _GridWriter:
    """csv and tsv: the columns are known from the first block, and a header stands before it."""

    separator = special = b""

    def __init__(self, options: WriterOptions) -> None:
        self._escape = options.terminal is not None
        self._how = options.text
        self._names = options.columns
        self._grid: Grid | None = None

    def spelling(self) -> RowSpelling | None:
        """Return how rows of a text and an int are written, once the columns are known."""
        if self._escape or not self.separator or self._grid is None or not self._grid.is_plain:
            return None
        return RowSpelling(b"", self.separator, b"\n", self.special + SURROGATES)

    def block(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        """See `BlockWriter`."""
        from mrframe.formats.output.table_columns import Grid

        first = self._grid is None
        grid = self._grid = self._grid or Grid(keys, values, self._names)
        texts = [self._texts(column) for column in grid.columns(keys, values)]
        if not first:
            return self._encoded(self._lines(texts))
        header = self._texts(grid.header)
        return self._encoded(self._lines([[name] for name in header]) + self._lines(texts))

    def _texts(self, column: Sequence[Any]) -> list[str]:
        texts = cell_texts(column, self._how)
        return _shown(texts, self._how) if self._escape else texts

    def _encoded(self, text: str) -> bytes:
        return to_bytes(text, self._how)

    def _lines(self, texts: list[list[str]]) -> str:
        raise NotImplementedError


class CsvWriter(_GridWriter):
    """`csv`."""

    separator, special = b",", b'",\r\n'

    def _lines(self, texts: list[list[str]]) -> str:
        buffer = io.StringIO(newline="")
        minimal = csv.writer(buffer, lineterminator="\n")
        if any("\r" in text for column in texts for text in column):
            # a bare \r ends a line for many readers, but is not quoted when lines end with \n
            quoted = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL)
            for row in zip(*texts, strict=True):
                (quoted if any("\r" in text for text in row) else minimal).writerow(row)
        else:
            minimal.writerows(zip(*texts, strict=True))
        return buffer.getvalue()


class CsvSafeWriter(CsvWriter):
    """`csv-safe`."""

    separator = b""  # it looks at the first character of each key

    def _texts(self, column: Sequence[Any]) -> list[str]:
        texts = [
            f"'{text}" if text[:1] in _FORMULAS and type(cell) not in _NUMBERS else text
            for text, cell in zip(cell_texts(column, self._how), column, strict=True)
        ]
        return _shown(texts, self._how) if self._escape else texts


class TsvWriter(_GridWriter):
    """`tsv`."""

    separator, special = b"\t", b"\t\n\r\\"

    def _texts(self, column: Sequence[Any]) -> list[str]:
        texts = [text.translate(_TSV) if _TSV_SEARCH(text) else text for text in cell_texts(column, self._how)]
        return [escaped_line(json_as_utf8(text, self._how)) for text in texts] if self._escape else texts

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError:
            return to_bytes(json_as_utf8(text, self._how), self._how)

    def _lines(self, texts: list[list[str]]) -> str:
        return "".join(["\t".join(row) + "\n" for row in zip(*texts, strict=True)])


class MarkdownWriter(_GridWriter):
    """`markdown`: a table as GitHub and others read it. Nothing in a cell is taken for HTML or for markup."""

    _has_header = False

    def _texts(self, column: Sequence[Any]) -> list[str]:
        texts = [
            text
            if type(cell) in _NUMBERS
            else _MARKUP.sub(r"\\\g<0>", text.replace("&", "&amp;").replace("<", "&lt;"))
            for text, cell in zip(cell_texts(column, self._how), column, strict=True)
        ]
        return [escaped_line(as_utf8(text, self._how)) for text in texts]

    def _lines(self, texts: list[list[str]]) -> str:
        rows = ["| " + " | ".join(row) + " |\n" for row in zip(*texts, strict=True)]
        if not self._has_header:
            self._has_header = True
            rows.insert(1, "|" + " --- |" * len(texts) + "\n")
        return "".join(rows)
