"""Columns for `map_batch` straight from the bytes of a block: Arrow arrays, without Python text in between.

Text that is not UTF-8 or might be a stand-in (`arrow.py`), and ints that Arrow does not read, are left to the
reader's own conversion, column by column; so the arrays are those that its values make. Not here: any judging of
lines, which is the reader's, and jobs with `where`, which sees values.
"""

from __future__ import annotations

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


class RawBatches:
    """Reads blocks for a job, and makes a table of each."""

    def __init__(self, job: Job, reader: BlockReader) -> None:
        self._names = job.map_fields()
        self._kinds = kinds_of(job.read, self._names, job.paths())
        wanted = [job.paths().get(name, name) for name in self._names]
        self.reader = _straight(reader, wanted) if find_spec("numpy") is not None else reader
        as_written = fields_as_written(job.read)
        self.forms: Forms = {index: Arrow for index, name in enumerate(wanted) if name in as_written}
        # Made once: with each scalar that it makes of a Python value, pyarrow looks for dateutil again.
        dash, empty, self._null = need_arrow().array([b"-", b"", None], need_arrow().binary())
        self._nothing = {
            index: [scalar for text, scalar in ((b"-", dash), (b"", empty)) if self._is_none(index, text)]
            for index in self.forms
        }

    def _is_none(self, index: int, text: bytes) -> bool:
        return self.reader.convert(index, [text])[0] == [None]

    def table(self, parsed: Parsed) -> tuple[Any, dict[str, int]]:
        """As `arrow.to_table`, of the columns that the reader gives for a block asked for in `forms`."""
        pa = need_arrow()
        arrays = []
        bad: dict[str, int] = {}
        for index, (name, kind) in enumerate(zip(self._names, self._kinds, strict=True)):
            column = parsed.columns[index]
            array = self._array(index, kind, column)
            if array is None:
                array, wrong = self._converted(index, name, kind, column)
                if wrong:
                    bad[name] = wrong
            arrays.append(array)
        return pa.Table.from_arrays(arrays, names=list(self._names)), bad

    def _array(self, index: int, kind: str, column: Column) -> Any:
        """Make an array of a column of bytes; None where each of them must be converted on its own."""
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
            values, wrong = self.reader.convert(index, column.items)
        else:
            values = values_of(column)
        table, bad = to_table([name], [kind], [values])
        return table.column(0), wrong + bad.get(name, 0)


def raw_batches(job: Job, reader: BlockReader) -> RawBatches | None:
    """The columns of this reader straight from its bytes; None where they are made of values."""
    if job.where is not None or isinstance(reader, WindowReader) or not kind_of(job.read).has_raw_bytes:
        return None
    return RawBatches(job, reader)


def _straight(reader: BlockReader, wanted: list[str]) -> BlockReader:
    """The reader that makes its one column of the whole block, if there is one."""
    if type(reader) is WordsReader and wanted == ["word"]:
        return _Words(wanted)
    return _Lines(wanted) if type(reader) is TextReader and wanted == ["line"] else reader


def _is_plain(array: Any) -> bool:
    """Whether no text in an array of bytes may be a stand-in."""
    data = array.buffers()[2]
    return data is None or MAYBE_STAND_IN not in data.to_pybytes()


def _is_utf8(block: bytes) -> bool:
    """Whether all of the block is text that Arrow takes as it is."""
    if block.isascii():
        return True
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return MAYBE_STAND_IN not in block


class _Words(WordsReader):
    """Reads words; gives an Arrow array where that is asked for and all of the block is UTF-8."""

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:
        """The block as columns; see `BlockReader`."""
        if forms.get(0) is not Arrow or not _is_utf8(block):
            return super().parse(block, source, offset, forms=forms)
        import numpy as np

        lines = plain_lines(block)
        blank = np.frombuffer(b"\1" + lines.body.translate(_IS_BLANK) + b"\1", np.uint8)
        edges = np.flatnonzero(blank[1:] != blank[:-1])  # where words begin and end, in turn
        lengths = edges[1::2] - edges[::2]
        ends = np.zeros(len(lengths) + 1, np.int32)
        np.cumsum(lengths, out=ends[1:])
        return _of_text(lines, ends, lines.body.translate(None, _BLANKS))


class _Lines(TextReader):
    """Reads lines; gives an Arrow array where that is asked for and all of the block is UTF-8."""

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:
        """The block as columns; see `BlockReader`."""
        if forms.get(0) is not Arrow or not _is_utf8(block):
            return super().parse(block, source, offset, forms=forms)
        import numpy as np

        lines = plain_lines(block)
        ends = np.zeros(lines.count + 1, np.int32)
        ends[1:] = np.flatnonzero(np.frombuffer(lines.body, np.uint8) == ord("\n")) - np.arange(lines.count)
        return _of_text(lines, ends, lines.body.replace(b"\n", b""))


def _of_text(lines: Lines, ends: Any, text: bytes) -> Parsed:
    """What was read, with one column: an Arrow array of the parts of `text` that end there."""
    pa = need_arrow()
    array = pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text))
    return all_good(lines, len(array), [Arrow(array)])
