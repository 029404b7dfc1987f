"""The result of a run: rows in order, as tuples or as columns, and how they are written.

The rows are read from the sealed output of the reduce tasks. `held` takes small output into memory, so that the
scratch directory and the cluster may go at once. Large output keeps them until `close()`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from itertools import chain, islice, starmap
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from mrframe.engines.history.summary import Summary
from mrframe.errors import ExtraMissing, ResultClosed
from mrframe.shuffle.columns import decode, lines_of
from mrframe.shuffle.encoded_merge import Columns, merge_encoded
from mrframe.shuffle.keys import order
from mrframe.shuffle.run_file.run_writer import RunReader
from mrframe.store.file_pool import FilePool

if TYPE_CHECKING:
    from mrframe.core.display_width import Terminal
    from mrframe.core.row_spelling import RowSpelling
    from mrframe.formats.output.value_text import Text
    from mrframe.formats.output.writing import Stream

HELD_BYTES_MAX = 16 << 20  # output up to this size, which is not compressed, is held in memory
HTML_ROWS_MAX = 20  # of the table that a notebook shows


class Result:
    """The result of a run: iterate it for (key, value) rows in key order (a `top` step: in rank order).

        >>> with mrframe.run("status_codes", ["sample_logs/access.log"]) as result:
        ...     rows = list(result)
        >>> rows[:2]
        [(200, 551), (301, 1)]
        >>> result.summary.records
        606

    A context manager. `close()` frees the scratch directory and the cluster that large output still holds. A notebook
    shows the first rows as a table.
    """

    def __init__(
        self,
        parts: Sequence[str | bytes],
        summary: Summary,
        stack: ExitStack,
        *,
        ranked: bool,
        columns: tuple[str, ...] = (),
    ) -> None:
        self._parts = parts
        self._closed = False
        self._ranked = ranked
        self._stack = stack
        self.summary = summary
        self.columns = columns
        """The names of its columns, those of the key first, () where the job gives none: see docs/jobs.md."""

    @property
    def counters(self) -> dict[str, int]:
        """The job's own counters (`mrframe.increment`)."""
        return self.summary.counters

    def rows(self) -> Iterator[tuple[Any, Any]]:
        """All rows, as often as asked for until `close()`. ResultClosed afterwards."""
        return chain.from_iterable(starmap(zip, self.blocks()))

    def blocks(self) -> Iterator[tuple[list[Any], list[Any]]]:
        """The same as columns: some keys and their values at a time, which is faster for many rows."""
        self._check_open()
        return (columns for columns in self._pieces(lambda: None) if not isinstance(columns, bytes))

    def _pieces(self, spelling: Callable[[], RowSpelling | None]) -> Iterator[bytes | Columns]:
        """Yield the rows as columns, and as bytes where a spelling allows."""
        self._check_open()
        with ExitStack() as stack:
            for piece in _merged(_opened(self._parts, stack), spelling, ranked=self._ranked):
                yield piece
                self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise ResultClosed(
                "the result is closed, so its rows cannot be read any more; read them before close(), or before the "
                "end of its `with` block"
            )

    def write(self, stream: Stream, form: str, *, terminal: Terminal | None = None, text: Text | None = None) -> None:
        """All rows to a binary stream as "table", "jsonl", "csv", "tsv" or "text". `terminal`: they are shown there.

        `text` is the form of bytes that are not UTF-8: "escape" as `\\xe9` in four characters, "replace" as
        U+FFFD, "bytes" as they are, which other programs may refuse. The default is "escape", for the form "text" it
        is "bytes".

        Raises ValueRefused for a value that the form cannot hold, ResultClosed.
        """
        from mrframe.formats.output.writing import write_blocks

        self._check_open()
        if form != "text" or terminal is not None:
            write_blocks(self._pieces, stream, form, terminal=terminal, text=text, columns=self.columns)
            return
        with ExitStack() as stack:
            files = _opened(self._parts, stack)
            readers = _readers(files)
            if not self._ranked and not _follow(readers):
                write_blocks(self._pieces, stream, form, text=text)
                return
            for reader in readers:
                for _, keys, values in reader.encoded(0):
                    lines = lines_of(keys, values)
                    if lines is not None:
                        stream.write(lines)
                    else:
                        columns = decode(keys, unpickle=False), decode(values, unpickle=False)
                        write_blocks(partial(_alone, columns), stream, form, text=text)

    def save(
        self, target: str, form: str | None = None, *, overwrite: bool = False, text: Text | None = None
    ) -> None:
        """Write all rows to a file, a folder of parts (a name ending in /), or a sink of a package (SCHEME://…).

        The result appears whole or not at all. Without `form` the file's ending says which form it takes. Raises
        OutputError for a target that exists, unless `overwrite` is given, or that cannot be written. ValueRefused,
        ResultClosed.
        """
        from mrframe.sinks.named_sinks import form_for, sink_for
        from mrframe.sinks.result_sink import Delivery, deliver

        wanted = Delivery(form_for(target, form, terminal=False), text, overwrite)
        deliver(self, sink_for(target, wanted), {"job": self.summary.job, "hash_seed": self.summary.hash_seed})

    def to_arrow(self) -> Any:
        """Return all rows as a `pyarrow.Table`, with the columns of CSV. Raises ExtraMissing without pyarrow."""
        from mrframe.formats.output.arrow_writer import array_of, need_pyarrow
        from mrframe.formats.output.table_columns import Grid

        arrow = need_pyarrow("Result.to_arrow()")
        keys: list[Any] = []
        values: list[Any] = []
        for some_keys, some_values in self.blocks():
            keys += some_keys
            values += some_values
        grid = Grid(keys, values, self.columns)
        arrays = [array_of(column, "escape") for column in grid.columns(keys, values)]
        return arrow.table(arrays or [arrow.nulls(0) for _ in grid.header], names=grid.header)

    def to_pandas(self) -> Any:
        """Return all rows as a `pandas.DataFrame`, by way of Arrow. Raises ExtraMissing without pandas."""
        _need("pandas", "Result.to_pandas()")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """Return all rows as a `polars.DataFrame`, by way of Arrow. Raises ExtraMissing without polars."""
        return _need("polars", "Result.to_polars()").from_arrow(self.to_arrow())

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self.rows()

    def close(self) -> None:
        """Free everything. Rows cannot be read afterwards, while those that were taken, and `summary`, stay."""
        self._parts = ()
        self._closed = True
        self._stack.close()

    def __repr__(self) -> str:
        return f"<Result of {self.summary.job!r}: {self.summary.rows:,} rows{', closed' if self._closed else ''}>"

    def _repr_html_(self) -> str:
        from mrframe.api.html_table import html_table
        from mrframe.formats.output.table_columns import Grid

        rows = [] if self._closed else list(islice(self.rows(), HTML_ROWS_MAX))
        keys, values = [key for key, _ in rows], [value for _, value in rows]
        grid = Grid(keys, values, self.columns)
        more = self.summary.rows - len(rows)
        below = repr(self) if self._closed else f"and {more:,} rows more" if more > 0 else ""
        return html_table(grid.header, zip(*grid.columns(keys, values), strict=True), below)

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _need(package: str, wanted_by: str) -> Any:
    try:
        return import_module(package)
    except ImportError:
        raise ExtraMissing(f"{wanted_by} needs {package}; install it with `pip install {package}`") from None


def _opened(parts: Sequence[str | bytes], stack: ExitStack) -> list[BinaryIO]:
    files = stack.enter_context(FilePool())
    return [io.BytesIO(part) if isinstance(part, bytes) else files.open(part) for part in parts]


def _merged(
    files: Sequence[BinaryIO], spelling: Callable[[], RowSpelling | None], *, ranked: bool
) -> Iterator[bytes | Columns]:
    readers = _readers(files)
    streams = [stream for reader in readers for stream in reader.encoded_streams(0)]
    in_order = ranked or _follow(readers)
    for some in [[stream] for stream in streams] if in_order else [streams]:
        yield from merge_encoded(some, spelling, TemporaryFile)


def _alone(columns: Columns, _spelling: Callable[[], RowSpelling | None]) -> list[Columns]:
    return [columns]


def _readers(files: Sequence[BinaryIO]) -> list[RunReader]:
    return [RunReader(file, f"part {number}", unpickle=False) for number, file in enumerate(files)]


def _follow(readers: Sequence[RunReader]) -> bool:
    """Return whether each part is in order and ends before the next begins, as in output in total order."""
    last: Any = None
    for reader in readers:
        if reader.runs > 1:
            return False
        ends = reader.some_blocks(0, 2)
        if ends:
            first = order(ends[0][1][0])
            if last is not None and first < last:
                return False
            last = order(ends[-1][1][-1])
    return True


def held(
    parts: Sequence[str], summary: Summary, stack: ExitStack, *, ranked: bool, columns: tuple[str, ...]
) -> Result:
    """A result of these files, taken into memory unless they are large. Else it owns the stack, and closes it."""
    size = sum(os.path.getsize(part) for part in parts)
    if size > HELD_BYTES_MAX:
        return Result(parts, summary, stack.pop_all(), ranked=ranked, columns=columns)
    return Result([_read(part) for part in parts], summary, ExitStack(), ranked=ranked, columns=columns)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
