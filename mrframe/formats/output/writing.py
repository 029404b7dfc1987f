"""Writing an answer: rows of (key, value) as jsonl, csv, tsv, text or a table for people.

jsonl  `{"key": …, "value": …}`, one row a line; how values become JSON is said in `value_text.py`.
csv    a header, then the columns of `table_columns.py`; quoted where needed, lines end with `\\n`.
tsv    the same, never quoted: tab, newline, carriage return and backslash are `\\t`, `\\n`, `\\r`, `\\\\`.
text   no header; key and value, and the items of tuples and dicts, separated by tabs, as they are. None is
       left out, so a job that yields (line, None) writes lines.
table  a header and aligned columns, numbers to the right; nothing is cut off; control characters are escaped.

The stream is binary, and what is written is UTF-8: what a log has of other bytes is spelled as `text` says
(`plain.Text`). By default that is "escape", and for text, which is to be the lines as they were, "bytes": they leave
as they came, and JSON spells them `\\udcXX`. With `escape` (a terminal), nothing that a terminal would obey is
written in any format.
Rows are taken in blocks and written a block at a time. Not here: the names of the forms (`named_outputs.py`), files,
and all-or-nothing (`sinks/`).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Protocol

from mrframe.formats.output.named_outputs import BlockWriter, output_format
from mrframe.formats.output.table_columns import Grid, parts
from mrframe.formats.output.value_text import (
    Text,
    as_utf8,
    cell_texts,
    display_width,
    json_as_utf8,
    json_column,
    json_shown,
    json_to_bytes,
    shown,
    to_bytes,
)

FIRST_ROWS = 1000
"""Rows that are looked at to know the columns and their widths."""
_ROWS_MAX = 4000
_BLOCK_BYTES = 1 << 20  # a block of rows is made shorter when it comes out longer than this
_NUMBERS = frozenset({int, float, Decimal, type(None)})
_ONE_CELL = frozenset({str, int, float, bool, bytes, Decimal})
_TSV = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_TSV_SEARCH = re.compile(r"[\\\t\n\r]").search


class Stream(Protocol):
    """Where bytes go: a binary file that takes all it is given."""

    def write(self, data: bytes, /) -> object:
        """Take all of the data."""


Columns = tuple[Sequence[Any], Sequence[Any]]  # keys and values of some rows


def write_rows(
    rows: Iterable[tuple[Any, Any]], stream: Stream, form: str, *, escape: bool = False, text: Text | None = None
) -> int:
    """Write all rows to a binary stream; gives their number.

    Raises ValueRefused for a value that is not plain, or (csv, tsv, table) a row that does not fit the
    columns of the first 1,000; the rows before it have been written by then.
    """
    writer = _writer(form, escape, text)
    rows = iter(rows)
    count, take = 0, FIRST_ROWS
    while batch := list(islice(rows, take)):
        data = writer.block([key for key, _ in batch], [value for _, value in batch])
        stream.write(data)
        count += len(batch)
        take = max(1, min(_ROWS_MAX, _BLOCK_BYTES * len(batch) // max(1, len(data))))
    if not count:
        stream.write(writer.block([], []))
    return count


def write_blocks(
    blocks: Iterable[Columns], stream: Stream, form: str, *, escape: bool = False, text: Text | None = None
) -> int:
    """The same for rows that come as columns of keys and values: the same bytes, sooner."""
    writer = _writer(form, escape, text)
    count, take = 0, FIRST_ROWS
    for keys, values in _long_first(blocks):
        at = 0
        while at < len(keys):
            end = min(at + take, len(keys))
            data = writer.block(keys[at:end], values[at:end])
            stream.write(data)
            take = max(1, min(_ROWS_MAX, _BLOCK_BYTES * (end - at) // max(1, len(data))))
            count += end - at
            at = end
    if not count:
        stream.write(writer.block([], []))
    return count


def _long_first(blocks: Iterable[Columns]) -> Iterator[Columns]:
    """The blocks, the first ones joined until they have the rows that are looked at to know the columns."""
    blocks = iter(blocks)
    keys: list[Any] = []
    values: list[Any] = []
    for some_keys, some_values in blocks:
        keys.extend(some_keys)
        values.extend(some_values)
        if len(keys) >= FIRST_ROWS:
            break
    yield keys, values
    yield from blocks


def default_text(form: str) -> Text:
    """What becomes of what UTF-8 does not have, when nobody says."""
    return "bytes" if output_format(form).keeps_bytes else "escape"


def _writer(form: str, escape: bool, text: Text | None) -> BlockWriter:  # noqa: FBT001
    return output_format(form).writer()(escape, text or default_text(form))


def jsonl_lines(rows: Iterable[tuple[Any, Any]], text: Text = "bytes") -> Iterator[bytes]:
    """The rows as `write_rows` writes them as jsonl, one by one, with their newlines. "bytes" loses nothing."""
    writer = JsonLinesWriter(escape=False, how=text)
    rows = iter(rows)
    while batch := list(islice(rows, FIRST_ROWS)):
        yield from writer.block([key for key, _ in batch], [value for _, value in batch]).splitlines(keepends=True)


class JsonLinesWriter:
    """`jsonl`: see the head of this file."""

    def __init__(self, escape: bool, how: Text) -> None:  # noqa: FBT001
        self._escape = escape
        self._how = how

    def block(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        """See `BlockWriter`."""
        pairs = zip(json_column(keys), json_column(values), strict=True)
        text = "".join([f'{{"key": {key}, "value": {value}}}\n' for key, value in pairs])
        return json_to_bytes(json_shown(json_as_utf8(text, self._how)) if self._escape else text, self._how)


class TextWriter:
    """`text`."""

    def __init__(self, escape: bool, how: Text) -> None:  # noqa: FBT001
        self._escape = escape
        self._how = how

    def block(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        """See `BlockWriter`."""
        if not self._escape and set(map(type, keys)) == {str} and values.count(None) == len(values):
            return to_bytes("\n".join([*keys, ""]), self._how)  # lines
        if not self._escape and {*map(type, keys), *map(type, values)} <= _ONE_CELL:
            pairs = zip(cell_texts(keys, self._how), cell_texts(values, self._how), strict=True)
            return to_bytes("".join([f"{key}\t{value}\n" for key, value in pairs]), self._how)
        lines = []
        for row in zip(keys, values, strict=True):
            items = [item for part in row if part is not None for _, item in parts(part, "")]
            cells = cell_texts(items, self._how)
            lines.append("\t".join(_shown(cells, self._how) if self._escape else cells))
        return to_bytes("".join([line + "\n" for line in lines]), self._how)


def _shown(texts: list[str], how: Text) -> list[str]:
    return [shown(as_utf8(text, how)) for text in texts]


class _GridWriter:
    """csv, tsv and table: the columns are known from the first block, and a header stands before it."""

    def __init__(self, escape: bool, how: Text) -> None:  # noqa: FBT001
        self._escape = escape
        self._how = how
        self._grid: Grid | None = None

    def block(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        """See `BlockWriter`."""
        first = self._grid is None
        grid = self._grid = self._grid or Grid(keys, values)
        columns = grid.columns(keys, values)
        texts = [self._texts(column) for column in columns]
        if not first:
            return self._encoded(self._lines(texts))
        header = self._texts(grid.header)
        self._measure(header, columns, texts)
        return self._encoded(self._lines([[name] for name in header]) + self._lines(texts))

    def _texts(self, column: Sequence[Any]) -> list[str]:
        texts = cell_texts(column, self._how)
        return _shown(texts, self._how) if self._escape else texts

    def _encoded(self, text: str) -> bytes:
        return to_bytes(text, self._how)

    def _measure(self, header: list[str], columns: list[Sequence[Any]], texts: list[list[str]]) -> None:
        """Told once, with the first rows."""

    def _lines(self, texts: list[list[str]]) -> str:
        raise NotImplementedError


class CsvWriter(_GridWriter):
    """`csv`."""

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


class TsvWriter(_GridWriter):
    """`tsv`."""

    def _texts(self, column: Sequence[Any]) -> list[str]:
        texts = [text.translate(_TSV) if _TSV_SEARCH(text) else text for text in cell_texts(column, self._how)]
        return [shown(json_as_utf8(text, self._how)) for text in texts] if self._escape else texts

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError:
            return to_bytes(json_as_utf8(text, self._how), self._how)

    def _lines(self, texts: list[list[str]]) -> str:
        return "".join(["\t".join(row) + "\n" for row in zip(*texts, strict=True)])


class TableWriter(_GridWriter):
    """`table`."""

    def __init__(self, escape: bool, how: Text) -> None:  # noqa: ARG002, FBT001 (a table is for people in any case)
        super().__init__(escape=True, how=how)
        self._widths: list[int] = []
        self._right: list[bool] = []

    def _measure(self, header: list[str], columns: list[Sequence[Any]], texts: list[list[str]]) -> None:
        self._widths = [display_width([name, *column]) for name, column in zip(header, texts, strict=True)]
        self._right = [set(map(type, column)) <= _NUMBERS for column in columns]

    def _lines(self, texts: list[list[str]]) -> str:
        padded = [
            [_pad(text, width, right=right) for text in column]
            for column, width, right in zip(texts, self._widths, self._right, strict=True)
        ]
        return "".join(["  ".join(row).rstrip(" ") + "\n" for row in zip(*padded, strict=True)])


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - display_width([text]))
    return space + text if right else text + space
