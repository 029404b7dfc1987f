"""The interface of readers: the columns of a block, and the arithmetic of lines that all readers share.

A line ends with a newline. One carriage return before it belongs to the line end too, as does one at the very end of
a source without a last newline. Nothing else ends a line.

Byte order marks and NUL bytes at the head of a line are not part of it, and if the source ends behind them, they make
no line. Marks are left over from files that were joined. NUL bytes are the hole that a writer leaves in a file that
was truncated under it (copytruncate). NUL bytes further on belong to the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from itertools import accumulate, compress, islice
from operator import add
from typing import Any, Literal, NamedTuple, Protocol

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.reports import Malformed
from mrframe.kernel import compiled


@dataclass(frozen=True, slots=True)
class Values:
    """A column of Python values, as the user's functions see them."""

    items: list[Any]


@dataclass(frozen=True, slots=True)
class RawBytes:
    """A column of bytes as they stand in the log, not yet converted, None where the line has no such part."""

    items: Sequence[bytes | None]


@dataclass(frozen=True, slots=True)
class Scanned:
    """A column of a block that the compiled kernel has cut: number `index` of `block`.

    `strict` has the raw values of records that the block lacks, of which only the strict pattern knew that they are
    of the format, and `numbers` their indexes among all records. A fold that does not depend on the order of records
    need not put them there. `kept` says which records are within a window of time, None for all.
    """

    block: Any
    index: int
    strict: Sequence[bytes | None] = ()
    numbers: Sequence[int] = ()
    kept: Sequence[bool] | None = None

    def __len__(self) -> int:
        """Return the number of records."""
        return sum(self.kept) if self.kept is not None else int(self.block.records) + len(self.strict)

    def raw(self) -> list[bytes | None]:
        """Return the bytes of each value, None where it is absent."""
        values: list[bytes | None] = self.block.values(self.index)
        if self.strict:
            scanned, values = iter(values), []
            for number, value in zip(self.numbers, self.strict, strict=True):
                values += islice(scanned, number - len(values))
                values.append(value)
            values += scanned
        return values if self.kept is None else list(compress(values, self.kept))


@dataclass(frozen=True, slots=True)
class LinesOf:
    """A column of all lines of a text, each of which ends with a newline. `count` is their number."""

    text: bytes
    count: int

    def __len__(self) -> int:
        """Return the number of records."""
        return self.count


class RawValue(NamedTuple):
    """The spelling of a value: text, the digits of an int, or anything else. The flags say which bytes mean None."""

    kind: Literal["text", "int", "other"]
    dash_is_none: bool = True
    empty_is_none: bool = False

    @property
    def nones(self) -> tuple[bytes, ...]:
        """The texts that mean None."""
        return (b"-",) * self.dash_is_none + (b"",) * self.empty_is_none

    @property
    def none_flags(self) -> int:
        """The same as the compiled kernel takes them."""
        return 1 * self.dash_is_none | 2 * self.empty_is_none


Column = Values | RawBytes | Scanned | LinesOf
Forms = Mapping[int, type[Column]]
"""{index of a column: the form in which the caller would take it}. All other columns are wanted as `Values`."""
ALL_VALUES: Forms = {}


def as_raw(indexes: Iterable[int]) -> Forms:
    """Ask for these columns as raw bytes."""
    return dict.fromkeys(indexes, RawBytes)


@dataclass(slots=True)
class Parsed:
    """A block as columns, one for each projected field, with where its bytes went.

    The `*_bytes` add up to the length of the block. Those outside a window of time, or without a time, are counted
    only with a window. `records` is the length of every column, `lines` counts all lines. `line` and `offset` in
    `malformed` are relative to the block. `span` holds the first and the last time that the reader has met so far, as
    ISO text, empty without a window. `formats` names the format of each record, where a reader knows several.
    """

    columns: list[Column]
    records: int
    lines: int
    parsed_bytes: int
    malformed_bytes: int
    delimiter_bytes: int
    malformed: list[Malformed] = field(default_factory=list)
    bad_fields: dict[str, int] = field(default_factory=dict)
    outside_time: int = 0
    outside_time_bytes: int = 0
    without_time: int = 0
    without_time_bytes: int = 0
    nul_bytes: int = 0
    bom_bytes: int = 0
    span: tuple[str, str] = ("", "")
    formats: Sequence[str] = ()

    @property
    def values(self) -> list[list[Any]]:
        """The values of every column. Raises TypeError for a column in another form."""
        return [values_of(column) for column in self.columns]


def values_of(column: Column) -> list[Any]:
    """The values of a column. Raises TypeError if it is in another form."""
    if not isinstance(column, Values):
        raise TypeError(f"a column of {type(column).__name__} was given where values are needed")
    return column.items


def length_of(column: Column) -> int:
    """The number of records in a column, whatever its form."""
    return len(column) if isinstance(column, (Scanned, LinesOf)) else len(column.items)


class BlockReader(Protocol):
    """Reads blocks of whole lines. Only the last block of a source may lack the final newline."""

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:
        """Parse a block, which stands at `offset` of `source`, into columns.

        `forms` says in which form the caller would take a column. A reader gives that form or `Values` (file, offset
        and values of JSON have no other form). `convert` makes values of raw bytes later. Two different texts may
        have the same value (007 and 7), so a fold over raw bytes must fold once more after converting. Columns may
        be asked for as `Scanned` only where `scanned_values` names them.
        """
        ...

    def convert(self, index: int, column: Sequence[bytes | None]) -> tuple[list[Any], int]:
        """Convert raw bytes of the column with this index: (values, number of bad ones, which become None)."""
        ...

    def scanned_values(self) -> Sequence[RawValue | None]:
        """The spelling of each field that may be asked for as `Scanned`, None for any other."""
        ...

    def lines_of_records(self, block: bytes, parsed: Parsed) -> Sequence[int]:
        """For each record of the block, which was parsed so, the number of its line in the block."""
        ...

    def locate(self, block: bytes, record: int) -> tuple[int, bytes]:
        """Return (offset in the block, line) of the n-th record. Raises IndexError if there is none."""
        ...


@dataclass(slots=True)
class Lines:
    """A block made plain: every line ends with one newline, the last one too, and has nothing before its text.

    `nul_bytes` and `bom_bytes` count the bytes before lines, `delimiter_bytes` the line ends of the original block,
    of which `returns` have a carriage return and one newline may be missing (`unended`), and `text_bytes` the rest.
    `shifted` says whether bytes were taken out, so that offsets in `body` differ from those in the block.
    """

    body: bytes
    returns: int
    unended: bool
    shifted: bool
    nul_bytes: int = 0
    bom_bytes: int = 0
    _count: int = -1

    @property
    def count(self) -> int:
        """The number of lines. Counted when first asked for, unless `know_count` comes before."""
        if self._count < 0:
            self._count = _newlines(self.body)
        return self._count

    def know_count(self, count: int) -> None:
        """Take the count from one who went through the lines anyway."""
        self._count = count

    @property
    def delimiter_bytes(self) -> int:
        """The bytes of line ends in the original block."""
        return self.count - self.unended + self.returns

    @property
    def text_bytes(self) -> int:
        """The bytes of the lines without their ends."""
        return len(self.body) - self.count

    def split(self) -> list[bytes]:
        """The lines, without their ends."""
        lines = self.body.split(b"\n")
        lines.pop()
        return lines

    def texts(self) -> list[str]:
        """The same, decoded as all text of logs is."""
        lines = self.body.decode("utf-8", "surrogateescape").split("\n")
        lines.pop()
        return lines


def good_lines(parsed: Parsed) -> Sequence[int]:
    """The numbers of the lines of a block that are not malformed."""
    if not parsed.malformed:
        return range(parsed.lines)
    wrong = {one.line for one in parsed.malformed}
    return [number for number in range(parsed.lines) if number not in wrong]


def all_good(lines: Lines, records: int, columns: list[Column] | None = None) -> Parsed:
    """Make the result of a block without malformed lines. Columns may be added to it."""
    return Parsed(
        columns=columns or [],
        records=records,
        lines=lines.count,
        parsed_bytes=lines.text_bytes,
        malformed_bytes=0,
        delimiter_bytes=lines.delimiter_bytes,
        nul_bytes=lines.nul_bytes,
        bom_bytes=lines.bom_bytes,
    )


BOM = b"\xef\xbb\xbf"
_HEADS = re.compile(rb"^(?:\x00++|\xef\xbb\xbf)++", re.MULTILINE)


def _has_heads(block: bytes) -> bool:
    """Return whether bytes stand before the text of a line. Nearly always this costs two searches for a byte."""
    if b"\0" in block and (block.startswith(b"\0") or b"\n\0" in block):
        return True
    return b"\xef" in block and (block.startswith(BOM) or b"\n" + BOM in block)


def head_bytes(data: bytes) -> int:
    """Count the bytes at the beginning of a line that are not part of it."""
    found = _HEADS.match(data)
    return found.end() if found else 0


def plain_lines(block: bytes) -> Lines:
    """Normalise a block: a line end at its end, no carriage returns before line ends, no bytes before lines."""
    if not _has_heads(block):
        return _plain(block)
    heads = b"".join(_HEADS.findall(block))
    lines = _plain(_HEADS.sub(b"", block))
    lines.shifted = True
    lines.nul_bytes = heads.count(b"\0")
    lines.bom_bytes = len(heads) - lines.nul_bytes
    return lines


def _plain(block: bytes) -> Lines:
    body, returns = block, 0
    if b"\r" in block:
        if block.endswith(b"\r"):
            body, returns = body[:-1], 1
        inner = body.count(b"\r\n")
        if inner:
            body, returns = body.replace(b"\r\n", b"\n"), returns + inner
    unended = bool(block) and not block.endswith(b"\n")
    return Lines(body + b"\n" if unended else body, returns, unended, shifted=returns > 0)


def _newlines(body: bytes) -> int:
    kernel = compiled()
    if kernel is not None:
        return int(kernel.count_lines(body))
    return len(body) - len(body.replace(b"\n", b""))  # newlines are far apart: thrice as quick as bytes.count


def line_offsets(block: bytes) -> list[int]:
    """Where the text of each line of the block begins."""
    lines = block.split(b"\n")
    heads = list(map(head_bytes, lines)) if _has_heads(block) else None
    if len(lines[-1]) == (heads[-1] if heads else 0):
        lines.pop()
    # The lengths of the lines before, and a newline for each of them: added up in C.
    offsets = list(map(add, accumulate(map(len, lines[:-1]), initial=0), range(len(lines)))) if lines else []
    return list(map(add, offsets, heads)) if heads else offsets


def line_at(block: bytes, offset: int) -> bytes:
    """Return the line that begins at this offset of the block, without its end, as in `plain_lines`."""
    end = block.find(b"\n", offset)
    return (block[offset:] if end < 0 else block[offset:end]).removesuffix(b"\r")


def text_of_record(reader: BlockReader, block: bytes, offset: int) -> bytes:
    """Return the text of the record that begins at this offset of the block: a line, unless the reader knows more."""
    text_at = getattr(reader, "text_at", None)
    return line_at(block, offset) if text_at is None else text_at(block, offset)
