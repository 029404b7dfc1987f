"""Builds Arrow columns for `map_batch` straight from the bytes of a block, without Python text in between.

Not here: jobs with `where`, which needs Python values (`map/map_batch.py`).

How it works. The job's own reader parses the lines and leaves text and ints as bytes. Arrow casts each column in one
call. A column with text that is not UTF-8 or may hold a stand-in (`arrow.py`), or with ints that Arrow cannot parse,
goes through the reader's own conversion instead, so the arrays always equal those of the reader's values. Words and
whole lines skip even the bytes objects: NumPy finds where they end, and the text of the block becomes Arrow's buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from mrframe.core.job.job import Job
from mrframe.formats.factory import BlockReader
from mrframe.formats.readers.base import (
    ALL_VALUES,
    Arrow,
    Column,
    Forms,
    Lines,
    Parsed,
    RawBytes,
    all_good,
    plain_lines,
    values_of,
)
from mrframe.formats.readers.text import TextReader, WordsReader
from mrframe.formats.readers.time_window import WindowReader
from mrframe.formats.registry import kind_of
from mrframe.formats.schema import fields_as_written, kinds_of
from mrframe.task.columnar.arrow import MAYBE_STAND_IN, need_arrow, to_table

_BLANKS = b" \t\n\v\f\r"
_IS_BLANK = bytes(byte in _BLANKS for byte in range(256))


class ArrowReader:
    """A reader that gives Arrow arrays, built from the bytes of the block for text and ints.

    `parse` gives all columns as Arrow if `forms` asks for any form, and as Python values otherwise.
    """

    def __init__(self, job: Job, reader: BlockReader) -> None:
        self._names = job.map_fields()
        self._kinds = kinds_of(job.read, self._names, job.paths())
        wanted = [job.paths().get(name, name) for name in self._names]
        self._reader = _straight(reader, wanted) if find_spec("numpy") is not None else reader
        as_written = fields_as_written(job.read)
        self._inner_forms: Forms = {index: Arrow for index, name in enumerate(wanted) if name in as_written}
        # Made once, because pyarrow looks for dateutil each time it makes a scalar of a Python value.
        dash, empty, self._null = need_arrow().array([b"-", b"", None], need_arrow().binary())
        self._nothing = {
            index: [scalar for text, scalar in ((b"-", dash), (b"", empty)) if self._is_none(index, text)]
            for index in self._inner_forms
        }

    def _is_none(self, index: int, text: bytes) -> bool:
        return self._reader.convert(index, [text])[0] == [None]

    @property
    def forms(self) -> Forms:
        """The `forms` for `parse` that ask for every column as Arrow."""
        return dict.fromkeys(range(len(self._names)), Arrow)

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:
        """Parse the block into Arrow columns. See `BlockReader`."""
        if not forms:
            return self._reader.parse(block, source, offset)
        parsed = self._reader.parse(block, source, offset, forms=self._inner_forms)
        bad = dict(parsed.bad_fields)
        columns: list[Column] = []
        for index, (name, kind) in enumerate(zip(self._names, self._kinds, strict=True)) if parsed.records else ():
            column = parsed.columns[index]
            array = self._array(index, kind, column)
            if array is None:
                array, wrong = self._converted(index, name, kind, column)
                if wrong:
                    bad[name] = bad.get(name, 0) + wrong
            columns.append(Arrow(array))
        return replace(parsed, columns=columns, bad_fields=bad)

    def convert(self, index: int, column: Sequence[Any]) -> tuple[list[Any], int]:
        """Convert raw bytes. See `BlockReader`."""
        return self._reader.convert(index, column)

    def lines_of_records(self, block: bytes, parsed: Parsed) -> Sequence[int]:
        """See `BlockReader`."""
        return self._reader.lines_of_records(block, parsed)

    def locate(self, block: bytes, record: int) -> tuple[int, bytes]:
        """See `BlockReader`."""
        return self._reader.locate(block, record)

    def _array(self, index: int, kind: str, column: Column) -> Any:
        """Return a column of bytes as an array, or None if the items must be converted one by one."""
        pa = need_arrow()
        if isinstance(column, Arrow):
            return column.array
        if not isinstance(column, RawBytes):
            return None
        array = pa.array(column.items, pa.binary())
        for nothing in self._nothing[index]:
            mask = pa.compute.equal(array, nothing)
            array = pa.compute.if_else(mask, self._null, array) if mask.true_count else array
        if kind == "text" and not _is_plain(array):
            return None
        try:
            text = array.cast(pa.string())
            return text if kind == "text" else text.cast(pa.int64())
        except pa.ArrowInvalid:
            return None

    def _converted(self, index: int, name: str, kind: str, column: Column) -> tuple[Any, int]:
        wrong = 0
        if isinstance(column, RawBytes):
            values, wrong = self._reader.convert(index, column.items)
        else:
            values = values_of(column)
        table, bad = to_table([name], [kind], [values])
        return table.column(0), wrong + bad.get(name, 0)


def gives_arrow(job: Job, reader: BlockReader) -> bool:
    """Return whether this job's columns can be built from the reader's bytes rather than from its values."""
    return job.where is None and not isinstance(reader, WindowReader) and kind_of(job.read).has_raw_bytes


def _straight(reader: BlockReader, wanted: list[str]) -> BlockReader:
    """Return the reader that builds its single column from the whole block if there is one, else `reader`."""
    if type(reader) is WordsReader and wanted == ["word"]:
        return _Words(wanted)
    return _Lines(wanted) if type(reader) is TextReader and wanted == ["line"] else reader


def _is_plain(array: Any) -> bool:
    """Return whether an array of bytes certainly holds no stand-in."""
    data = array.buffers()[2]
    return data is None or MAYBE_STAND_IN not in data.to_pybytes()


def _is_utf8(block: bytes) -> bool:
    """Return whether the whole block is text that Arrow accepts unchanged."""
    if block.isascii():
        return True
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return MAYBE_STAND_IN not in block


class _Words(WordsReader):
    """Reads words. Gives an Arrow array on request, if the whole block is UTF-8."""

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:
        """The block as columns. See `BlockReader`."""
        if forms.get(0) is not Arrow or not _is_utf8(block):
            return super().parse(block, source, offset, forms=forms)
        import numpy as np

        lines = plain_lines(block)
        blank = np.frombuffer(b"\1" + lines.body.translate(_IS_BLANK) + b"\1", np.uint8)
        edges = np.flatnonzero(blank[1:] != blank[:-1])  # starts and ends of words, alternating
        lengths = edges[1::2] - edges[::2]
        ends = np.zeros(len(lengths) + 1, np.int32)
        np.cumsum(lengths, out=ends[1:])
        return _of_text(lines, ends, lines.body.translate(None, _BLANKS))


class _Lines(TextReader):
    """Reads lines. Gives an Arrow array on request, if the whole block is UTF-8."""

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:
        """The block as columns. See `BlockReader`."""
        if forms.get(0) is not Arrow or not _is_utf8(block):
            return super().parse(block, source, offset, forms=forms)
        import numpy as np

        lines = plain_lines(block)
        ends = np.zeros(lines.count + 1, np.int32)
        ends[1:] = np.flatnonzero(np.frombuffer(lines.body, np.uint8) == ord("\n")) - np.arange(lines.count)
        return _of_text(lines, ends, lines.body.replace(b"\n", b""))


def _of_text(lines: Lines, ends: Any, text: bytes) -> Parsed:
    """Return the parsed block with one column: an Arrow array of the parts of `text` that end at `ends`."""
    pa = need_arrow()
    array = pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text))
    return all_good(lines, len(array), [Arrow(array)])
