"""The writers of `parquet` and `arrow`, and columns of an answer as Arrow arrays. Needs `mrframe[fast]`.

A column of one type keeps it. Ints beside floats become floats, unless no float holds one. Text is UTF-8, with bytes
that are not spelled as `Text` says ("bytes" as "escape", since Arrow holds nothing else). Containers, and columns of
mixed types, become text as in a cell of CSV. Types are those of the rows seen first. A later row that does not fit
them is refused.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

from mrframe.errors import ExtraMissing, ValueRefused
from mrframe.formats.output.block_writer import WriterOptions
from mrframe.formats.output.table_columns import Grid
from mrframe.formats.output.value_text import Text, as_utf8, cell_texts

GROUP_ROWS = 65_536  # rows that are written together
_INT_MAX = (1 << 63) - 1
_INT_IN_FLOAT_MAX = 1 << 53


def need_pyarrow(wanted_by: str) -> Any:
    """Return pyarrow. Raises ExtraMissing, which names the extra, if it is not installed."""
    if find_spec("pyarrow") is None:
        raise ExtraMissing(
            f"{wanted_by} needs pyarrow; install it with `pip install 'mrframe[fast]'`, or take another form"
        )
    import pyarrow

    return pyarrow


def array_of(column: Sequence[Any], text: Text, *, as_text: bool = False) -> Any:
    """Return a column of cells as an Arrow array."""
    import pyarrow as pa

    kinds = set(map(type, column)) - {type(None)}
    int_max = _INT_IN_FLOAT_MAX if float in kinds else _INT_MAX
    if as_text:
        pass
    elif kinds <= {int, float} and all(abs(cell) <= int_max for cell in column if type(cell) is int):
        return pa.array(column, pa.float64() if float in kinds else pa.int64() if kinds else pa.null())
    elif kinds == {datetime}:
        aware = {cell.tzinfo is not None for cell in column if cell is not None}
        if aware == {True}:
            return pa.array([cell and cell.astimezone(UTC) for cell in column], pa.timestamp("us", "UTC"))
    elif len(kinds) == 1 and next(iter(kinds)).__name__ in ("bool", "bytes", "date"):
        return pa.array(column)
    texts = cell_texts(column, text)
    how: Text = "escape" if text == "bytes" else text
    cells = [None if cell is None else as_utf8(one, how) for one, cell in zip(texts, column, strict=True)]
    return pa.array(cells, pa.string())


class _Bytes(io.RawIOBase):
    """Takes the bytes that Arrow writes, until they are fetched."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def seek(self, _offset: int, _whence: int = 0) -> int:
        """Return the position, which is always the end. Arrow asks for nothing else."""
        return self._size

    def fetch(self) -> bytes:
        data, self._parts = b"".join(self._parts), []
        return data


class _ArrowWriter:
    """What both forms share. See `BlockWriter`."""

    form = ""

    def __init__(self, options: WriterOptions) -> None:
        if options.terminal is not None:
            raise ValueRefused(f"{self.form} is not for a terminal; write it to a file with -o FILE.{self.form}")
        self._options = options
        self._bytes = _Bytes()
        self._grid: Grid | None = None
        self._writer: Any = None
        self._schema: Any = None
        self._held: list[Any] = []

    def block(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        """See `BlockWriter`."""
        import pyarrow as pa

        if self._grid is None:
            self._grid = Grid(keys, values, self._options.columns)
        columns = self._grid.columns(keys, values)
        if self._writer is not None:
            arrays = [self._fitted(at, column) for at, column in enumerate(columns)]
        else:
            arrays = [array_of(column, self._options.text) for column in columns]
            arrays = arrays or [pa.nulls(0) for _ in self._grid.header]
            fields = [
                (name, pa.string() if one.type == pa.null() else one.type)
                for name, one in zip(self._grid.header, arrays, strict=True)
            ]
            self._schema = pa.schema(fields)
            self._writer = self._opened(pa.PythonFile(self._bytes, mode="w"))
            arrays = [one.cast(self._schema.field(at).type) for at, one in enumerate(arrays)]
        self._held.append(pa.table(arrays, schema=self._schema))
        if sum(map(len, self._held)) >= GROUP_ROWS:
            self._write()
        return self._bytes.fetch()

    def _fitted(self, at: int, column: Sequence[Any]) -> Any:
        """Return a later column as an array of the type that the first rows had. Raises ValueRefused."""
        import pyarrow as pa

        field = self._schema.field(at)
        array = array_of(column, self._options.text, as_text=field.type == pa.string())
        try:
            if array.type in (field.type, pa.null()) or {array.type, field.type} == {pa.int64(), pa.float64()}:
                return array.cast(field.type)
        except pa.ArrowInvalid:  # a number that does not fit
            pass
        raise ValueRefused(
            f"a row has a value of another type in the column {field.name} than the rows before it, which have "
            f"{field.type}; use --format jsonl, or let the job yield one type"
        )

    def end(self) -> bytes:
        """Return the last bytes of the file."""
        self._write()
        self._writer.close()
        return self._bytes.fetch()

    def _write(self) -> None:
        import pyarrow as pa

        if self._held:
            self._writer.write_table(pa.concat_tables(self._held).combine_chunks())
            self._held = []

    def _opened(self, file: Any) -> Any:
        raise NotImplementedError


class ParquetWriter(_ArrowWriter):
    """`parquet`."""

    form = "parquet"

    def _opened(self, file: Any) -> Any:
        import pyarrow.parquet

        return pyarrow.parquet.ParquetWriter(file, self._schema)


class ArrowFileWriter(_ArrowWriter):
    """`arrow`: the IPC file that is also called Feather."""

    form = "arrow"

    def _opened(self, file: Any) -> Any:
        import pyarrow.ipc

        return pyarrow.ipc.new_file(file, self._schema)
