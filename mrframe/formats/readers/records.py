"""`RecordReader`: records of several lines, by a reader of single lines.

A record is the line that begins it and all lines up to the next one that does (`record_starts.py`). The reader
inside gets the first lines alone. The other lines are added to the fields that hold the rest of a record, such as a
message with its stack trace. Within such a field lines are joined with newlines.

A line is malformed if its record is not of the format, or if it belongs to no record: at the beginning of a file, or
behind NUL bytes or a mark. So malformed lines are counted one by one, as everywhere else. A record that is longer
than RECORD_BYTES_MAX is passed over before (`inputs/splits.py`).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, NamedTuple

from mrframe.core.model.reports import Malformed
from mrframe.formats.readers.base import (
    ALL_VALUES,
    BOM,
    BlockReader,
    Forms,
    Parsed,
    RawValue,
    head_bytes,
    line_at,
    line_offsets,
    plain_lines,
    values_of,
)
from mrframe.formats.readers.convert import decode
from mrframe.formats.readers.record_starts import RecordStarts

NO_RECORD = "belongs to no record"
OF_MALFORMED = "continues a malformed record"


class Run(NamedTuple):
    """Lines that begin no record, one after another.

    record  number of the record that they continue, -1 for none
    after   how many first lines stand before them
    offset  where they begin in the block
    line    number of the first one in the block
    data    their bytes, with their ends
    """

    record: int
    after: int
    offset: int
    line: int
    data: bytes

    @property
    def text(self) -> bytes:
        """The lines with newlines between them."""
        return plain_lines(self.data).body[:-1] if b"\r" in self.data else self.data.removesuffix(b"\n")


class Cut:
    """A block as its first lines, one for each record, and the runs of other lines between them."""

    def __init__(self, first_lines: bytes, runs: Sequence[Run]) -> None:
        self.first_lines = first_lines
        self.runs = runs
        self._afters = [run.after for run in runs]
        self._lines = list(accumulate((plain_lines(run.data).count for run in runs), initial=0))
        self._bytes = list(accumulate((len(run.data) for run in runs), initial=0))

    def line_of(self, record: int) -> int:
        """Return the number of a record's first line in the block."""
        return record + self._lines[bisect_right(self._afters, record)]

    def moved(self, record: int) -> int:
        """Count the bytes of the block that stand before a record and are not among the first lines."""
        return self._bytes[bisect_right(self._afters, record)]

    def texts(self) -> dict[int, bytes]:
        """The other lines of each record that has some."""
        return {run.record: run.text for run in self.runs if run.record >= 0}


class RecordCutter:
    """Tells first lines of records from the others.

    `shape` is a pattern of a bounded number of bytes, all of them on the line, that says the same as `starts`. With
    it a block is cut by one pattern. Without one, `starts` looks at each line.
    """

    def __init__(self, starts: RecordStarts, shape: str = "") -> None:
        self._starts = starts
        other = rb"(?!\x00|\xef\xbb\xbf|\Z|%b)[^\n]*+(?:\n|\Z)" % shape.encode("latin-1")
        self._continued = re.compile(rb"\n((?:%b)++)" % other) if shape else None

    def cut(self, block: bytes) -> Cut:
        """Cut a block of whole records, or of lines that belong to none."""
        heads = b"\n\0" in block or b"\n" + BOM in block
        if self._continued is None or heads or not self._starts.starts(block, 0):
            return self._by_line(block)
        if self._continued.search(block) is None:
            return Cut(block, ())
        return self._by_shape(block, self._continued)

    @staticmethod
    def _by_shape(block: bytes, continued: re.Pattern[bytes]) -> Cut:
        parts = continued.split(block)
        runs: list[Run] = []
        records = lines = offset = 0
        for first, others in zip(parts[::2], parts[1::2], strict=False):
            count = first.count(b"\n") + 1
            records, lines, offset = records + count, lines + count, offset + len(first) + 1
            runs.append(Run(records - 1, records, offset, lines, others))
            lines, offset = lines + others.count(b"\n"), offset + len(others)
        return Cut(b"\n".join(parts[::2]), runs)

    def _by_line(self, block: bytes) -> Cut:
        firsts: list[bytes] = []
        runs: list[tuple[tuple[int, int, int, int], list[bytes]]] = []
        record, offset, extends = -1, 0, False
        for number, line in enumerate(re.findall(rb"[^\n]*\n|[^\n]+\Z", block)):
            head = head_bytes(line)
            if head == len(line) or self._starts.starts(line, head):  # the former: the end of the source, and no line
                record, extends = len(firsts), False
                firsts.append(line)
            elif extends and not head:
                runs[-1][-1].append(line)
            else:
                record, extends = -1 if head else record, True
                runs.append(((record, len(firsts), offset, number), [line]))
            offset += len(line)
        return Cut(b"".join(firsts), [Run(*numbers, b"".join(lines)) for numbers, lines in runs])


class RecordReader:
    """Reads records of several lines. `inner` reads their first lines and gives the columns `fields`.

    `whole` are the fields that take the other lines of a record too, always as `Values`.
    """

    def __init__(self, inner: BlockReader, cutter: RecordCutter, fields: Sequence[str], whole: Sequence[str]) -> None:
        self._inner = inner
        self._cutter = cutter
        self._whole = [index for index, name in enumerate(fields) if name in whole]
        self._offsets = [index for index, name in enumerate(fields) if name == "offset"]

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:
        """Parse a block. See `BlockReader`."""
        cut = self._cutter.cut(block)
        forms = {index: form for index, form in forms.items() if index not in self._whole}
        parsed = self._inner.parse(cut.first_lines, source, offset, forms=forms)
        if cut.runs:
            self._add_lines(parsed, cut)
        return parsed

    def _add_lines(self, parsed: Parsed, cut: Cut) -> None:
        """Add the other lines to the records, to the malformed lines and to the ledger."""
        wrong = {one.line for one in parsed.malformed}
        good = [number for number in range(parsed.lines) if number not in wrong] if wrong else range(parsed.lines)
        for index in self._offsets:
            column = values_of(parsed.columns[index])
            column[:] = [at + cut.moved(record) for at, record in zip(column, good, strict=True)]
        malformed = [
            replace(one, line=cut.line_of(one.line), offset=one.offset + cut.moved(one.line))
            for one in parsed.malformed
        ]
        for run in cut.runs:
            lines = plain_lines(run.data)
            parsed.lines += lines.count
            parsed.delimiter_bytes += lines.delimiter_bytes
            parsed.nul_bytes += lines.nul_bytes
            parsed.bom_bytes += lines.bom_bytes
            if run.record < 0 or run.record in wrong:
                parsed.malformed_bytes += lines.text_bytes
                malformed += _malformed(run)
                continue
            parsed.parsed_bytes += lines.text_bytes
            text = "\n" + decode(run.text) if self._whole else ""
            for index in self._whole:
                values_of(parsed.columns[index])[bisect_left(good, run.record)] += text
        parsed.malformed = sorted(malformed, key=lambda one: one.line)

    def scanned_values(self) -> Sequence[RawValue | None]:
        """Return the type of each field's values in the columns of the compiled kernel. See `AccessReader`."""
        return [None if at in self._whole else one for at, one in enumerate(self._inner.scanned_values())]

    def convert(self, index: int, column: Sequence[bytes | None]) -> tuple[list[Any], int]:
        """Convert raw bytes. See `BlockReader`."""
        return self._inner.convert(index, column)

    def lines_of_records(self, block: bytes, parsed: Parsed) -> Sequence[int]:
        """Return the number of its first line for each record. See `BlockReader`."""
        cut, wrong = self._cutter.cut(block), {one.line for one in parsed.malformed}
        numbers = map(cut.line_of, range(plain_lines(cut.first_lines).count))
        return [number for number in numbers if number not in wrong]

    def bytes_of_records(self, block: bytes, parsed: Parsed) -> list[int]:
        """Count the bytes of each record, without the ends of its lines."""
        cut, wrong = self._cutter.cut(block), {one.line for one in parsed.malformed}
        others = {run.record: plain_lines(run.data).text_bytes for run in cut.runs}
        return [
            len(line) + others.get(record, 0)
            for record, line in enumerate(plain_lines(cut.first_lines).split())
            if cut.line_of(record) not in wrong
        ]

    def locate(self, block: bytes, record: int) -> tuple[int, bytes]:
        """Find the n-th record. See `BlockReader`."""
        cut = self._cutter.cut(block)
        within, line = self._inner.locate(cut.first_lines, record)
        number = cut.first_lines.count(b"\n", 0, within)
        others = cut.texts().get(number)
        return within + cut.moved(number), line if others is None else line + b"\n" + others

    def text_at(self, block: bytes, offset: int) -> bytes:
        """Return the text of the record whose first line begins at this offset of the block."""
        cut = self._cutter.cut(block)
        line = line_at(block, offset)
        others = next((run for run in cut.runs if run.record >= 0 and run.offset > offset), None)
        starts = line_offsets(block)
        number = bisect_left(starts, offset)
        return line if others is None or cut.line_of(others.record) != number else line + b"\n" + others.text


def _malformed(run: Run) -> list[Malformed]:
    lines, starts = plain_lines(run.data).split(), line_offsets(run.data)
    reason = NO_RECORD if run.record < 0 else OF_MALFORMED
    return [
        Malformed(run.line + at, run.offset + start, line, reason)
        for at, (start, line) in enumerate(zip(starts, lines, strict=True))
    ]
