"""The input of a map attempt: the blocks of one split, and the ledger that accounts for each of its bytes.

Malformed lines are counted, sampled and, if asked for, kept whole. A feed counts in `handled` how many of
its records went somewhere, and the sum is checked block by block. The line of a record, and the bytes left unread
when a function stops early, are worked out here.

Not here: parsing (`formats/readers/`), using the columns (`path.py`, and the feeds that it names).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from mrframe.core.job.job import Job
from mrframe.core.model.reports import Ledger, Malformed, TaskReport
from mrframe.core.model.spec import MapOrder
from mrframe.errors import LedgerUnbalanced
from mrframe.formats.factory import BlockReader, Parsed, make_reader
from mrframe.formats.inputs.splits import BLOCK_BYTES, LongLine, read_split
from mrframe.formats.readers.base import ALL_VALUES, Forms, plain_lines
from mrframe.task.code.settings import TaskSettings
from mrframe.task.report.failures import RecordLocation
from mrframe.task.report.line_numbers import lines_before
from mrframe.task.report.progress import Progress
from mrframe.task.report.rejects import QUARANTINE_FILE, Rejects, rejected_records

_OF_WINDOW = ("outside_time", "outside_time_bytes", "without_time", "without_time_bytes")
_OF_BYTES = ("parsed_bytes", "malformed_bytes", "delimiter_bytes", "nul_bytes", "bom_bytes")
_OF_BLOCK = (*_OF_BYTES, "records", "lines", *_OF_WINDOW)


class ReadBlock(NamedTuple):
    """A block as it was read: its offset in the source, its bytes, its columns."""

    offset: int
    data: bytes
    parsed: Parsed


class InputDigest(Protocol):
    """Is fed the input as it is read."""

    def update(self, data: bytes) -> None:
        """Take the next bytes."""


def block_reader(job: Job, settings: TaskSettings) -> BlockReader:
    """The reader of a job's blocks, which leaves out records outside the run's time window."""
    if settings.window is None:
        return make_reader(job.read, job.projection(), job.paths())
    from mrframe.formats.readers.time_window import Window

    return make_reader(job.read, job.projection(), job.paths(), Window.from_plain(settings.window))


class MapInput:
    """Reads the split of a map order block by block.

    `forms` says in which form the columns are wanted (see `BlockReader.parse`). `after_block` is called with
    the bytes of each block once it was mapped. `digest` is fed all bytes that are read.

    `handled` are the records of the block read last that were mapped, filtered or left out.
    """

    def __init__(
        self,
        order: MapOrder,
        reader: BlockReader,
        settings: TaskSettings,
        progress: Progress,
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
        """The blocks of the split, of about so many bytes, in order. Raises LedgerUnbalanced."""
        for offset, data in read_split(self.split, block_bytes=block_bytes, on_long=self._pass_over):
            if self._digest is not None:
                self._digest.update(data)
            parsed = self.reader.parse(data, self.split.source, offset, forms=self._forms)
            self._count(parsed, len(data), offset)
            if parsed.lines:  # else it is a part of a hole before a line
                self.handled = 0
                yield ReadBlock(offset, data, parsed)
                self._check_handled(offset, parsed.records)
            self._progress.beat(self._ledger.records, self._ledger.bytes_in)
            self._after_block(len(data))

    def _check_handled(self, offset: int, records: int) -> None:
        """Check that each record of a block went one way: a loop that ends early leaves some without a word."""
        if self.handled != records:
            raise LedgerUnbalanced(
                f"{self.split.source} at byte {offset:,}: {records:,} records were read, and {self.handled:,} were "
                "mapped, filtered or left out; please report this as a bug of mrframe"
            )

    def _pass_over(self, line: LongLine) -> None:
        """Count a line that is too long to be read: malformed in every format, kept as its beginning and its hash."""
        ledger = self._ledger
        reason = f"a line of {line.length:,} bytes, which is over the limit; sha256 {line.sha256}"
        self._rejects.add([Malformed(0, 0, line.head, reason)], ledger.lines, line.offset)
        ledger.bytes_in += line.length
        ledger.malformed_bytes += line.length - line.end_bytes
        ledger.delimiter_bytes += line.end_bytes
        ledger.lines += 1
        ledger.malformed += 1

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
        self.add_bad_fields(parsed.bad_fields)

    def add_bad_fields(self, bad: dict[str, int]) -> None:
        """Count fields that matched the grammar but could not be converted, by name."""
        for name, number in bad.items():
            self.report.bad_fields[name] = self.report.bad_fields.get(name, 0) + number

    def values(self, block: ReadBlock) -> list[list[Any]]:
        """The columns of a block as Python values, whatever the form in which it was read."""
        return self.reader.parse(block.data, self.split.source, block.offset).values

    def quarantine(self, block: ReadBlock, bad: Sequence[tuple[int, str]]) -> None:
        """Move records of the block read last, (index, reason) each, from the ledger's good ones into quarantine."""
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
        """The line of the n-th record of the block read last, with its number in the source."""
        within, line = self.reader.locate(block.data, record)
        before = lines_before(self.split)
        # The block's own lines are in the ledger already: take them off again.
        first = before + self._ledger.lines - plain_lines(block.data).count
        number = first + block.data.count(b"\n", 0, within) + 1
        return RecordLocation(self.split.source, block.offset + within, number if before >= 0 else -1, line)

    def leave_unread(self, block: ReadBlock, used: int) -> None:
        """Take back the counts of a block after its first `used` records: the user's function stopped early."""
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
        """Complete the report. Raises LedgerUnbalanced when bytes of the split are in no class of the ledger."""
        self.report.span = getattr(self.reader, "span", ("", ""))
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
