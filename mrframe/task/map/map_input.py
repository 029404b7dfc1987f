"""The input of a map attempt: the blocks of one split, and the ledger that accounts for each of its bytes.

Counts, samples and, on request, keeps malformed lines. The feed adds the records of a block that it has dealt with to
`handled`, and the sum is checked after each block. Also finds the line of a record, and the bytes left unread by a
function that stops early.

Not here: parsing (`formats/readers/`) and the use of the columns (the feeds, see `path.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from mrframe.core.job.job import Job
from mrframe.core.model.reports import Ledger, Malformed, TaskReport
from mrframe.core.model.spec import MapOrder
from mrframe.errors import InputError, LedgerUnbalanced
from mrframe.formats.factory import BlockReader, Parsed, make_reader
from mrframe.formats.inputs.open_input import BLOCK_BYTES, LongLine
from mrframe.formats.inputs.splits import read_split
from mrframe.formats.readers.base import ALL_VALUES, Forms, plain_lines
from mrframe.formats.readers.record_starts import RecordStarts, record_starts
from mrframe.task.code.settings import TaskSettings
from mrframe.task.report.failures import RecordLocation
from mrframe.task.report.line_numbers import lines_before
from mrframe.task.report.rejects import QUARANTINE_FILE, Rejects, rejected_records
from mrframe.task.report.task_progress import TaskProgress

_OF_WINDOW = ("outside_time", "outside_time_bytes", "without_time", "without_time_bytes")
_OF_BYTES = ("parsed_bytes", "malformed_bytes", "delimiter_bytes", "nul_bytes", "bom_bytes")
_OF_BLOCK = (*_OF_BYTES, "records", "lines", *_OF_WINDOW)


class ReadBlock(NamedTuple):
    """A block that was read: its offset in the source in bytes, its bytes, and its parsed columns."""

    offset: int
    data: bytes
    parsed: Parsed


class InputDigest(Protocol):
    """Receives the input as it is read."""

    def update(self, data: bytes) -> None:
        """Take the next bytes."""


def block_reader(job: Job, settings: TaskSettings) -> BlockReader:
    """Return the reader of a job's blocks. It leaves out records outside the run's time window."""
    if settings.window is None:
        return make_reader(job.read, job.projection(), job.paths())
    from mrframe.formats.readers.time_window import Window

    return make_reader(job.read, job.projection(), job.paths(), Window.from_plain(settings.window))


class MapInput:
    """Reads the split of a map order block by block.

    `forms` gives the wanted forms of the columns (see `BlockReader.parse`). `after_block` is called after each block
    is mapped, with its size in bytes. `digest` receives all bytes that are read.

    `handled` counts the records of the current block that were mapped, filtered or left out.
    """

    def __init__(
        self,
        order: MapOrder,
        reader: BlockReader,
        settings: TaskSettings,
        progress: TaskProgress,
        *,
        forms: Forms = ALL_VALUES,
        after_block: Callable[[int], None] = lambda _bytes: None,
        digest: InputDigest | None = None,
    ) -> None:
        self.split = order.split
        self.report = TaskReport()
        self.handled = 0
        self._ledger: Ledger = self.report.ledger
        self.reader = reader
        self._forms = forms
        self._progress = progress
        self._after_block = after_block
        self._digest = digest
        self._rejects = Rejects(order.out_dir, keep=settings.keep_rejects)
        self._quarantine = Rejects(order.out_dir, QUARANTINE_FILE, keep=settings.keep_quarantine)

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[ReadBlock]:
        """Yield the blocks of the split in order, each of about `block_bytes`. Raises LedgerUnbalanced."""
        starts = record_starts(self.split.record_start)
        for offset, data in read_split(self.split, block_bytes=block_bytes, on_long=self._pass_over):
            if starts is not None and self.split.is_stored and offset == self.split.order[1] > 0:
                self._check_start(starts, data)
            if self._digest is not None:
                self._digest.update(data)
            parsed = self.reader.parse(data, self.split.source, offset, forms=self._forms)
            self._count(parsed, len(data), offset)
            if parsed.lines:  # otherwise part of a hole before a line
                self.handled = 0
                yield ReadBlock(offset, data, parsed)
                self._check_handled(offset, parsed.records)
            self._progress.beat(self._ledger.records, self._ledger.bytes_in)
            self._after_block(len(data))

    def _check_start(self, starts: RecordStarts, data: bytes) -> None:
        """Refuse a stored block that begins within a record: `put` cut it between lines, in another format."""
        if not starts.begins(data, 0):
            raise InputError(
                f"a stored block of {self.split.source} begins at byte {self.split.order[1]:,}, within a record of "
                "several lines, since another format was detected when it was put; read the file itself, or put it "
                "again under another name"
            )

    def _check_handled(self, offset: int, records: int) -> None:
        """Check that every record of a block is accounted for: a loop that ends early would silently drop some."""
        if self.handled != records:
            raise LedgerUnbalanced(
                f"{self.split.source} at byte {offset:,}: {records:,} records were read, and {self.handled:,} were "
                "mapped, filtered or left out; please report this as a bug of mrframe"
            )

    def _pass_over(self, line: LongLine) -> None:
        """Count a line that is too long to read as malformed in every format. Keeps its beginning and its hash."""
        ledger = self._ledger
        what = "a line" if line.lines == 1 else f"a record of {line.lines:,} lines,"
        reason = f"{what} of {line.length:,} bytes, which is over the limit; sha256 {line.sha256}"
        self._rejects.add([Malformed(0, 0, line.head, reason)], ledger.lines, line.offset)
        ledger.bytes_in += line.length
        ledger.malformed_bytes += line.length - line.end_bytes
        ledger.delimiter_bytes += line.end_bytes
        ledger.lines += line.lines
        ledger.malformed += line.lines

    def _count(self, parsed: Parsed, length: int, offset: int) -> None:
        ledger = self._ledger
        if parsed.malformed:
            self._rejects.add(parsed.malformed, ledger.lines, offset)
            ledger.malformed += len(parsed.malformed)
        ledger.bytes_in += length
        ledger.parsed_bytes += parsed.parsed_bytes
        ledger.malformed_bytes += parsed.malformed_bytes
        ledger.delimiter_bytes += parsed.delimiter_bytes
        ledger.records += parsed.records
        ledger.lines += parsed.lines
        ledger.nul_bytes += parsed.nul_bytes
        ledger.bom_bytes += parsed.bom_bytes
        for name in _OF_WINDOW if parsed.outside_time or parsed.without_time else ():
            setattr(ledger, name, getattr(ledger, name) + getattr(parsed, name))
        self.report.span = parsed.span
        self.add_bad_fields(parsed.bad_fields)
        for name in dict.fromkeys(parsed.formats):
            self.report.formats[name] = self.report.formats.get(name, 0) + parsed.formats.count(name)

    def add_bad_fields(self, bad: dict[str, int]) -> None:
        """Count fields that matched the grammar but could not be converted, by name."""
        for name, number in bad.items():
            self.report.bad_fields[name] = self.report.bad_fields.get(name, 0) + number

    def values(self, block: ReadBlock) -> list[list[Any]]:
        """Return the columns of a block as Python values, in whatever form it was read."""
        return self.reader.parse(block.data, self.split.source, block.offset).values

    def quarantine(self, block: ReadBlock, bad: Sequence[tuple[int, str]]) -> None:
        """Move records of the current block, given as (index, reason), from the ledger's good ones to quarantine."""
        if bad:
            ledger, parsed = self._ledger, block.parsed
            lines = rejected_records(self.reader, block.data, parsed, bad)
            self._quarantine.add(lines, ledger.lines - parsed.lines, block.offset)
            size = sum({one.line: len(one.data) for one in lines}.values())  # a line of several words is one
            ledger.parsed_bytes -= size
            ledger.quarantined_bytes += size
            ledger.records -= len(bad)
            ledger.quarantined += len(bad)
            self.handled += len(bad)

    def locate(self, block: ReadBlock, record: int) -> RecordLocation:
        """Return the line of record number `record` of the current block, with its line number in the source."""
        within, line = self.reader.locate(block.data, record)
        before = lines_before(self.split)
        # The block's own lines are in the ledger already, so subtract them.
        first = before + self._ledger.lines - plain_lines(block.data).count
        number = first + block.data.count(b"\n", 0, within) + 1
        return RecordLocation(self.split.source, block.offset + within, number if before >= 0 else -1, line)

    def leave_unread(self, block: ReadBlock, used: int) -> None:
        """Count a block only up to its first `used` records, because the user's function stopped early.

        The rest of the split becomes unread.
        """
        if used < block.parsed.records:
            within, _ = self.reader.locate(block.data, used)
            head = self.reader.parse(block.data[:within], self.split.source, block.offset)
            for name in _OF_BLOCK:
                taken = getattr(self._ledger, name) - getattr(block.parsed, name) + getattr(head, name)
                setattr(self._ledger, name, taken)
            self._ledger.malformed += len(head.malformed) - len(block.parsed.malformed)
            self._ledger.unread_bytes += len(block.data) - within
        rest = self.split.length - self._ledger.bytes_in
        self._ledger.bytes_in += rest
        self._ledger.unread_bytes += rest

    def seal(self) -> None:
        """Complete the report. Raises LedgerUnbalanced if bytes of the split belong to no class of the ledger."""
        self.report.samples = self._rejects.samples
        self.report.failed = self._quarantine.samples
        missing = self._ledger.missing_bytes() or self.split.length - self._ledger.bytes_in
        if missing:
            raise LedgerUnbalanced(
                f"{self.split.source} at byte {self.split.order[1]:,}: {missing} bytes of a split of "
                f"{self.split.length:,} are in no class of the ledger; please report this as a bug of mrframe"
            )

    def close(self) -> None:
        """Close the files of rejected lines."""
        self._rejects.close()
        self._quarantine.close()
