"""Writes an answer to a binary stream, a block of rows at a time, in a form that `named_outputs.py` has by name.

The bytes are UTF-8. Bytes of a log that are not UTF-8 are spelled as `text` says (`value_text.Text`). By default that
is "escape". The form text repeats lines as they were, so its default is "bytes": they leave as they came, and JSON
spells them `\\udcXX`. On a terminal, no form writes a sequence that a terminal would obey.

Not here: the writers of the forms (`writers.py`), files, and all-or-nothing (`sinks/`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from mrframe.core.display_width import Terminal
from mrframe.core.row_spelling import RowSpelling
from mrframe.formats.output.block_writer import BlockWriter, WriterOptions
from mrframe.formats.output.named_outputs import output_format
from mrframe.formats.output.value_text import Text
from mrframe.formats.output.writers import JsonLinesWriter

FIRST_ROWS = 1000
"""Rows that are looked at to know the columns and their widths."""
_ROWS_MAX = 4000
_BLOCK_BYTES = 1 << 20  # a block of rows is made shorter when it comes out longer than this


class Stream(Protocol):
    """Where bytes go: a binary file that takes all it is given."""

    def write(self, data: bytes, /) -> object:
        """Take all of the data."""


Columns = tuple[Sequence[Any], Sequence[Any]]  # keys and values of some rows


def write_rows(
    rows: Iterable[tuple[Any, Any]],
    stream: Stream,
    form: str,
    *,
    terminal: Terminal | None = None,
    text: Text | None = None,
    columns: tuple[str, ...] = (),
) -> int:
    """Write all rows to a binary stream, and return their number. The options are those of `WriterOptions`.

    Raises ValueRefused for a value that is not plain, or (csv, tsv, table) a row that does not fit the
    columns of the first 1,000. The rows before it have been written by then.
    """
    writer = _writer(form, WriterOptions(terminal, text or default_text(form), columns))
    rows = iter(rows)
    count, take = 0, FIRST_ROWS
    while batch := list(islice(rows, take)):
        data = writer.block([key for key, _ in batch], [value for _, value in batch])
        stream.write(data)
        count += len(batch)
        take = max(1, min(_ROWS_MAX, _BLOCK_BYTES * len(batch) // max(1, len(data))))
    if not count:
        stream.write(writer.block([], []))
    _end(writer, stream)
    return count


def write_blocks(
    pieces: Callable[[Callable[[], RowSpelling | None]], Iterable[Columns | bytes]],
    stream: Stream,
    form: str,
    *,
    terminal: Terminal | None = None,
    text: Text | None = None,
    columns: tuple[str, ...] = (),
) -> None:
    """Do the same for rows that come as columns of keys and values, or as they are written: the same bytes, sooner.

    `pieces` is given a function that says how rows are to be written now, None for columns.
    """
    writer = _writer(form, WriterOptions(terminal, text or default_text(form), columns))
    is_empty, take = True, FIRST_ROWS
    for piece in _long_first(pieces(getattr(writer, "spelling", lambda: None))):
        if isinstance(piece, bytes):
            stream.write(piece)
            is_empty = False
            continue
        keys, values = piece
        at = 0
        while at < len(keys):
            end = min(at + take, len(keys))
            data = writer.block(keys[at:end], values[at:end])
            stream.write(data)
            take = max(1, min(_ROWS_MAX, _BLOCK_BYTES * (end - at) // max(1, len(data))))
            at, is_empty = end, False
    if is_empty:
        stream.write(writer.block([], []))
    _end(writer, stream)


def _end(writer: BlockWriter, stream: Stream) -> None:
    """Write the last bytes of a form that has any."""
    end = getattr(writer, "end", None)
    if end is not None:
        stream.write(end())


def _long_first(pieces: Iterable[Columns | bytes]) -> Iterator[Columns | bytes]:
    """The pieces, the first columns joined until they have the rows that are looked at to know the columns."""
    pieces = iter(pieces)
    keys: list[Any] = []
    values: list[Any] = []
    after: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            after.append(piece)
            break
        keys.extend(piece[0])
        values.extend(piece[1])
        if len(keys) >= FIRST_ROWS:
            break
    yield keys, values
    yield from after
    yield from pieces


def default_text(form: str) -> Text:
    """Return the default way to write bytes that are not UTF-8."""
    return "bytes" if output_format(form).keeps_bytes else "escape"


def _writer(form: str, options: WriterOptions) -> BlockWriter:
    return output_format(form).writer()(options)


def jsonl_lines(
    rows: Iterable[tuple[Any, Any]], text: Text = "bytes", *, terminal: Terminal | None = None
) -> Iterator[bytes]:
    """The rows as `write_rows` writes them as jsonl, one by one, with their newlines. "bytes" loses nothing."""
    writer = JsonLinesWriter(WriterOptions(terminal, text))
    rows = iter(rows)
    while batch := list(islice(rows, FIRST_ROWS)):
        yield from writer.block([key for key, _ in batch], [value for _, value in batch]).splitlines(keepends=True)
