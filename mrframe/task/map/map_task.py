"""A map task: one split of lines to a sealed run file, with its ledger.

The path of a block: read, parse to columns of the projected fields, emit pairs, buffer (folded as far as
the job allows), spill when the budget is used up. Malformed lines are counted, sampled and, if asked for,
kept whole. Which record is to blame for a failure is worked out here. Pairs of a step before are read by
`pair_map_task.py`; the loops over records are in `emit.py` and `shuffle/`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO, Protocol

from mrframe.core.job.job import Each, Job
from mrframe.core.model.reports import Ledger, Malformed, TaskReport
from mrframe.core.model.spec import MapOrder
from mrframe.errors import CannotTravel, LedgerUnbalanced, UserCodeError
from mrframe.formats.factory import BlockReader, Parsed, make_reader
from mrframe.formats.inputs.splits import BLOCK_BYTES, LongLine, read_split
from mrframe.formats.readers.base import ALL_VALUES, Forms, Packed, as_raw, plain_lines
from mrframe.shuffle.columns import decode
from mrframe.shuffle.partition import slots_for
from mrframe.shuffle.range_partition import Ranges
from mrframe.shuffle.reducers import as_fold
from mrframe.shuffle.run_file.run_writer import RunWriter
from mrframe.store.attempt_files import check_bytes, create
from mrframe.task.code.settings import TaskSettings
from mrframe.task.columnar.packed_buffer import PackedFold, buffer_of
from mrframe.task.columnar.packed_sums import PackedCounts, PackedWordsReader, maps_packed
from mrframe.task.columnar.raw_count_buffer import RawCountBuffer, counts_raw
from mrframe.task.isolation.hook_guard import cannot_travel, is_refusal, is_the_jobs, slots_by_user
from mrframe.task.map.emit import Columns, EmitFailed, Emitter
from mrframe.task.map.portions import report_portions
from mrframe.task.map.record_guard import Bad, Care, check_pairs, emit_singly, lines_of
from mrframe.task.report.blame import Place, RecordFailed
from mrframe.task.report.line_numbers import lines_before
from mrframe.task.report.rejects import QUARANTINE_FILE, Rejects

RUN_BYTES = 5 << 20  # of pairs that are only sorted: what fits the cache sorts a third faster
SPILL_CHECK_BYTES = 4 << 20  # input between two looks at the size of the buffer …
SPILL_CHECK_PAIRS = 50_000  # … and pairs: a map may yield many for a record
SPILL_CHECK_PAIRS_FOLDED = 500_000  # they need not stay, and the states of a fold take longer to look at

_OF_WINDOW = ("outside_time", "outside_time_bytes", "without_time", "without_time_bytes")
_OF_BYTES = ("parsed_bytes", "malformed_bytes", "delimiter_bytes", "nul_bytes", "bom_bytes")
_OF_BLOCK = (*_OF_BYTES, "records", "lines", *_OF_WINDOW)

MAP_FILE = "map.mrf"


class Reporter(Protocol):
    """Whom an attempt tells that it lives."""

    def beat(self, records: int, bytes_done: int) -> None:
        """So much of the attempt is done; called often, costs nothing."""


class Output:
    """Pairs on their way to the run file of a map attempt: buffered, spilled, sealed. No pairs, no file.

    `source` is the number of the join's source that they come from; `cuts` are those of `key_order="total"`.
    """

    def __init__(
        self,
        job: Job,
        order: MapOrder,
        settings: TaskSettings,
        buffer: Any,
        *,
        source: int = 0,
        cuts: Sequence[Any] = (),
    ) -> None:
        self._job = job
        self._partitions = order.partitions
        self._slots = slots_for(order.partitions)
        self._budget_bytes = settings.memory_bytes
        self._scratch_bytes_max = settings.scratch_bytes_max
        self._keeps_all = isinstance(job.reduce, Each) and job.key_order == "total"
        self._path = os.path.join(order.out_dir, MAP_FILE)
        self._keeps_empty = settings.saving is not None  # a file without pairs is a result, too
        self._fixed = job.map_batch is None  # its libraries have threads, which may give rows in another order
        self._file: BinaryIO | None = None
        self._writer: RunWriter | None = None
        self._make_writer = partial(
            RunWriter,
            slots=self._slots,
            seed=settings.hash_seed,
            source=source,
            ranges=Ranges(list(cuts), order.partitions) if job.key_order == "total" else None,
            by_value=job.sort_values,
            compress=not isinstance(job.reduce, Each),
        )
        self.buffer = buffer
        self.fast = settings.fast
        self.spills = 0
        self.pairs = 0
        self.digests: dict[int, int] = {}  # by slot, once sealed

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """Buffer columns of pairs."""
        self.pairs += len(keys)
        self.buffer.add(keys, values)

    def spill_if_full(self) -> None:
        """Write a run when the buffer has used up half of the budget (sorting takes as much again)."""
        size = self.buffer.size_bytes()
        if size > self._budget_bytes // 2:
            self._write()
            self.spills += 1
        elif self._keeps_all and size > RUN_BYTES:
            self._write()

    def _write(self) -> None:
        if isinstance(self.buffer, PackedCounts | PackedFold):
            if self.pairs:
                self.buffer.write_to(self._opened(), self._slots)
            return
        keys, values = self.buffer.drain()
        if keys:
            slots = None
            if self._job.partition is not None:
                slots = slots_by_user(self._job, keys, self._slots, self._partitions)
            try:
                self._opened().add_run(keys, values, slots)
            except (CannotTravel, KeyboardInterrupt) as error:
                raise cannot_travel(error, keys, values)  # noqa: B904  (it has its cause)
            check_bytes(self._opened().size_bytes, self._scratch_bytes_max)

    def _opened(self) -> RunWriter:
        if self._writer is None:
            self._file = create(self._path)
            self._writer = self._make_writer(self._file)
        return self._writer

    def seal(self, report: TaskReport) -> None:
        """Write what is buffered, close the file and put its totals into the report."""
        self._write()
        if self._writer is None and not self._keeps_empty:
            return
        totals = self._opened().close()
        self.close()
        report.spills = self.spills
        report.records_out = totals.records
        report.bytes_out = totals.bytes
        report.fixed = self._fixed and totals.fixed
        self.digests.update(totals.digests)
        report_portions(report, totals.by_slot, totals.digests, self._slots, self._partitions)

    def close(self) -> None:
        """Give the file up, sealed or not."""
        if self._file is not None:
            self._file.close()


def block_reader(job: Job, settings: TaskSettings) -> BlockReader:
    """The reader of a job's blocks, within the window of time that is asked for."""
    if settings.window is None:
        return make_reader(job.read, job.projection(), job.paths())
    from mrframe.formats.readers.time_window import Window

    return make_reader(job.read, job.projection(), job.paths(), Window.from_plain(settings.window))


class Content(Protocol):
    """What is fed the input as it is read: a hash."""

    def update(self, data: bytes) -> None:
        """The next bytes."""


class MapTask:
    """One attempt at a map task over lines; of a join, `job` is the view of the source with the number `source`."""

    def __init__(
        self,
        job: Job,
        order: MapOrder,
        settings: TaskSettings,
        reporter: Reporter,
        *,
        source: int = 0,
        care: Care | None = None,
        content: Content | None = None,
    ) -> None:
        self.care = care
        self._content = content
        self._job = job
        self._order = order
        self.split = order.split
        self._reporter = reporter
        self.reader: BlockReader = block_reader(job, settings)
        self._raw = counts_raw(job)
        self._forms = as_raw(self._raw)
        fold = None if job.sort_values else as_fold(job.reduce)  # which folds in the order of arrival
        if maps_packed(job, order.split, settings):
            self.reader = words_reader = PackedWordsReader(("word",))
            self._forms = {0: Packed}
            buffer: Any = PackedCounts(words_reader)
        elif self._raw:
            buffer = RawCountBuffer(self.reader, job.projection())
        else:
            buffer = buffer_of(job, fold, order.split, settings)
        self._fold = fold
        cuts = decode(settings.cuts, unpickle=False) if settings.cuts else ()
        self._output = Output(job, order, settings, buffer, source=source, cuts=cuts)
        self.digests = self._output.digests
        self._rejects = Rejects(order.out_dir, keep=settings.keep_rejects)
        self._quarantine = Rejects(order.out_dir, QUARANTINE_FILE, keep=settings.keep_quarantine)
        self._report = TaskReport()
        self._ledger: Ledger = self._report.ledger
        self.handled = 0  # records of the block read last that were mapped, filtered or left out

    def run(self) -> TaskReport:
        """Do it; raises RecordFailed for the user's code, and what reading and writing raise."""
        try:
            if self._job.map_split is not None:
                from mrframe.task.map.map_split import map_split

                map_split(self._job, self, self._output)
            elif self._job.map_batch is not None:
                from mrframe.task.map.map_batch import map_batch

                map_batch(self._job, self, self._output)
            else:
                emitter = Emitter(self._job)
                for offset, block, parsed in self.blocks():
                    self._emit(emitter, offset, block, parsed)
            self._seal()
        finally:
            self._output.close()
            self._rejects.close()
            self._quarantine.close()
        return self._report

    def blocks(
        self, block_bytes: int = BLOCK_BYTES, *, forms: Forms = ALL_VALUES
    ) -> Iterator[tuple[int, bytes, Parsed]]:
        """(offset in the source, bytes, columns) of each block; keeps the ledger and looks after the budget."""
        unchecked = looked_at = 0
        pairs_max = SPILL_CHECK_PAIRS if self._fold is None else SPILL_CHECK_PAIRS_FOLDED
        for offset, block in read_split(self.split, block_bytes=block_bytes, on_long=self._pass_over):
            if self._content is not None:
                self._content.update(block)
            parsed = self.reader.parse(block, self.split.source, offset, forms=forms or self._forms)
            self._count(parsed, len(block), offset)
            if parsed.lines:  # else it is a part of a hole before a line
                self.handled = 0
                yield offset, block, parsed
                self._check_handled(offset, parsed.records)
            self._reporter.beat(self._ledger.records, self._ledger.bytes_in)
            unchecked += len(block)
            if unchecked >= SPILL_CHECK_BYTES or self._output.pairs - looked_at >= pairs_max:
                unchecked, looked_at = 0, self._output.pairs
                self._output.spill_if_full()

    def _check_handled(self, offset: int, records: int) -> None:
        """Each record of a block went one way: a loop that ends early leaves some, and says nothing of it."""
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
        """Count fields that matched the grammar but could not be converted."""
        for name, number in bad.items():
            self._report.bad_fields[name] = self._report.bad_fields.get(name, 0) + number

    def _emit(self, emitter: Emitter, offset: int, block: bytes, parsed: Parsed) -> None:
        if self._raw:
            self._output.pairs += parsed.records
            self.handled += self._output.buffer.add_columns(parsed.columns)
            return
        if self.care is not None:
            emit_singly(self, emitter, self.care, (offset, block, parsed))
            return
        try:
            keys, values = emitter.emit(parsed.values, parsed.records)
        except EmitFailed as failed:
            raise RecordFailed(self.place(offset, block, failed.record), failed.hook) from failed.__cause__
        self.handled += emitter.taken()
        self.take(keys, values, lambda: self._find_refused(emitter, offset, block, parsed))

    def _find_refused(self, emitter: Emitter, offset: int, block: bytes, parsed: Parsed) -> Place | None:
        """The record that yields the pair that the buffer does not take: each again, on its own."""
        for index in range(parsed.records):
            try:
                self.alone(emitter, parsed, index)
            except BaseException as error:  # the user's function runs here
                if isinstance(error, EmitFailed) or is_refusal(error):
                    return self.place(offset, block, index)
                raise
        return None

    def alone(self, emitter: Emitter, parsed: Parsed, index: int) -> Columns:
        """The pairs of one record, which the buffer will take; raises EmitFailed, KeyRefused, TypeError."""
        keys, values = emitter.emit([[column[index]] for column in parsed.values], 1)
        self.check(keys, values)
        return keys, values

    def check(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """See that the buffer will take these pairs; raises KeyRefused, TypeError."""
        check_pairs(self._fold, keys, values)

    def take(
        self, keys: Sequence[Any], values: Sequence[Any], place: Callable[[], Place | None] = lambda: None
    ) -> None:
        """Buffer pairs; RecordFailed, with `place`, when one is refused. Each may be fine and not all together."""
        try:
            self._output.add(keys, values)
        except BaseException as error:
            if not is_refusal(error):
                raise
            raise RecordFailed(place()) from self.named(error)

    def quarantine(self, offset: int, block: bytes, parsed: Parsed, bad: Bad) -> None:
        """Leave these records of the block that was read last out of the ledger's good ones, and keep them."""
        if bad:
            ledger = self._ledger
            lines = lines_of(self.reader, block, parsed, bad)
            self._quarantine.add(lines, ledger.lines - parsed.lines, offset)
            size = sum({one.line: len(one.data) for one in lines}.values())  # a line of several words is one
            ledger.parsed_bytes -= size
            ledger.quarantined_bytes += size
            ledger.records -= len(bad)
            ledger.quarantined += len(bad)
            self.handled += len(bad)

    def named(self, error: BaseException) -> BaseException:
        """What the buffer refused, in the user's terms."""
        if self._fold is None or not isinstance(error, TypeError) or is_the_jobs(error):
            return error
        return UserCodeError(f"reduce={self._fold.name}: {error}")

    def place(self, offset: int, block: bytes, record: int) -> Place:
        """Where the n-th record of a block lies, with its line number in the source."""
        within, line = self.reader.locate(block, record)
        before = lines_before(self.split)
        # The block's own lines are in the ledger already: take them off again.
        number = before + self._ledger.lines - plain_lines(block).count + block.count(b"\n", 0, within) + 1
        return Place(self.split.source, offset + within, number if before >= 0 else -1, line)

    def unread(self, offset: int, block: bytes, parsed: Parsed, used: int) -> None:
        """Take back what was counted of a block after its first `used` records: the user stopped early."""
        if used < parsed.records:
            within, _ = self.reader.locate(block, used)
            head = self.reader.parse(block[:within], self.split.source, offset)
            for name in _OF_BLOCK:
                taken = getattr(self._ledger, name) - getattr(parsed, name) + getattr(head, name)
                setattr(self._ledger, name, taken)
            self._ledger.malformed += len(head.malformed) - len(parsed.malformed)
            self._ledger.unread_bytes += len(block) - within
        rest = self.split.length - self._ledger.bytes_in
        self._ledger.bytes_in += rest
        self._ledger.unread_bytes += rest

    def _seal(self) -> None:
        self._output.seal(self._report)
        self._report.fixed = self._report.fixed and self.care is None  # whose buffers are filled record by record
        if self._raw:
            self.add_bad_fields(self._output.buffer.bad_fields)
        self._report.span = getattr(self.reader, "span", ("", ""))
        self._report.samples = self._rejects.samples
        self._report.failed = self._quarantine.samples
        missing = self._ledger.missing_bytes() or self.split.length - self._ledger.bytes_in
        if missing:
            raise LedgerUnbalanced(
                f"{self.split.source} at byte {self.split.order[1]:,}: {missing} bytes of a split of "
                f"{self.split.length:,} are in no class of the ledger; please report this as a bug of mrframe"
            )
