"""`map_batch`: the user's function is given the records of a block as a `pyarrow.Table`, and gives tables of pairs.

The blocks are parsed by the reader as for any other map, so the ledger, malformed lines and `where` are the
same. How columns become Arrow's, and tables become pairs, is in `arrow.py`; pyarrow is an extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mrframe.core.job.job import Job
from mrframe.core.job.signature import describe
from mrframe.errors import ExtraMissing
from mrframe.formats.schema import kinds_of
from mrframe.task.columnar.arrow import need_arrow, pairs_of, tables_of, to_table
from mrframe.task.columnar.arrow_reader import RawBatches, raw_batches
from mrframe.task.isolation.hook_guard import is_interrupt, passes
from mrframe.task.isolation.progress_page import NOWHERE
from mrframe.task.map.emit import EmitFailed, Emitter, cause_of
from mrframe.task.map.record_guard import Care
from mrframe.task.report import counters
from mrframe.task.report.blame import Place, RecordFailed

if TYPE_CHECKING:
    from mrframe.task.map.map_task import MapTask, Output

BATCH_BYTES = 2 << 20  # of input in a block: a function over columns costs the same for few records as for many

ROWS_MIN = 1_000  # in a table of pairs: below it, a dict is as fast
ROWS_MAX = 1 << 20  # that are folded together


class Batches:
    """Calls a job's `map_batch` with columns of the projected fields, and gives columns of pairs."""

    def __init__(self, job: Job) -> None:
        need_arrow()
        assert job.map_batch is not None
        self._function = job.map_batch
        self._emitter = Emitter(job)
        self._names = job.map_fields()
        self._columns = [job.projection().index(name) for name in self._names]
        self._kinds = kinds_of(job.read, self._names, job.paths())
        self.who = f"map_batch={describe(job.map_batch)}"
        self._mapped = self._filtered = 0

    def emit(
        self, columns: list[list[Any]], records: int
    ) -> tuple[list[tuple[list[Any], list[Any]]], dict[str, int]]:
        """(columns of pairs, {field: ints beyond 64 bits}); raises as `tables` does."""
        tables, bad = self.tables(columns, records)
        return [pairs_of(one) for one in tables], bad

    def tables(self, columns: list[list[Any]], records: int) -> tuple[list[Any], dict[str, int]]:
        """(tables of pairs, {field: ints beyond 64 bits}); EmitFailed for `where`, else whatever is raised."""
        columns, records, _ = self._emitter.passing(columns, records)
        self._mapped, self._filtered = 0, self._emitter.taken()
        if not records:
            return [], {}
        table, bad = to_table(self._names, self._kinds, [columns[i] for i in self._columns])
        return self.called(table), bad

    def called(self, table: Any) -> list[Any]:
        """The tables of pairs that the function makes of a table of fields; whatever is raised."""
        self._mapped = len(table)
        return list(tables_of(self._function(table), self.who))

    def taken(self) -> int:
        """How many records were mapped or filtered since this was asked last."""
        taken, self._mapped, self._filtered = self._mapped + self._filtered, 0, 0
        return taken

    def culprit(self, columns: list[list[Any]], records: int) -> int | None:
        """The first record on which alone the function fails too; None when it fails on several together only."""
        for index in range(records):
            try:
                self.emit([column[index : index + 1] for column in columns], 1)
            except BaseException as error:  # the user's function runs here
                if is_interrupt(cause_of(error)):
                    raise cause_of(error) from None
                return index
        return None

    def try_singly(self, columns: list[list[Any]], kept: Sequence[int], care: Care) -> None:
        """See whether the function survives each record alone, noting which it is at; what it raises is not asked."""
        before = counters.snapshot()
        for at, index in enumerate(kept):
            care.box.record(index)
            try:
                self.emit([column[at : at + 1] for column in columns], 1)
            except ExtraMissing:
                raise
            except BaseException as error:  # the user's function runs here
                if is_interrupt(cause_of(error)):
                    raise cause_of(error) from None
                if isinstance(cause_of(error), MemoryError):
                    raise RecordFailed(None, "map_batch") from cause_of(error)
        counters.restore(before)
        care.box.record(NOWHERE)


def add_table(output: Output, table: Any) -> None:
    """Put a table of pairs into the output's buffer, as columns where that can be; raises as `Buffer.add`."""
    output.pairs += len(table)
    for at in range(0, len(table), ROWS_MAX):
        part = table.slice(at, ROWS_MAX)
        if not _taken(output, part):
            output.buffer.add(*pairs_of(part))


def _taken(output: Output, table: Any) -> bool:
    if not output.fast or len(table) < ROWS_MIN or find_spec("numpy") is None:
        return False
    from mrframe.task.columnar.arrow_groupby import take

    return take(output.buffer, table)


def map_batch(job: Job, task: MapTask, output: Output) -> None:
    """Run the user's function over the blocks of the split of `task`; raises RecordFailed."""
    batches = Batches(job)
    raw = raw_batches(job, task.reader) if task.care is None else None
    if raw is not None:
        _map_raw(raw, batches, task, output)
        return
    care = task.care
    for offset, block, parsed in task.blocks(BATCH_BYTES):
        kept: Sequence[int] = range(parsed.records)
        columns = parsed.values
        if care is not None:
            left_out = care.bad(offset, parsed.records)
            task.quarantine(offset, block, parsed, left_out)
            out = {index for index, _ in left_out}
            kept = [index for index in kept if index not in out]
            columns = [[column[index] for index in kept] for column in columns]
            care.box.block(offset, len(block))
            batches.try_singly(columns, kept, care)
        try:
            tables, bad = batches.tables(columns, len(kept))
            task.handled += batches.taken()
            for table in tables:
                add_table(output, table)
        except EmitFailed as failed:
            place = _culprit(task, offset, block, kept[failed.record])
            raise RecordFailed(place, failed.hook) from failed.__cause__
        except BaseException as error:  # the user's function runs here
            if passes(error):
                raise
            index = batches.culprit(columns, len(kept))
            place_or_none = None if index is None else _culprit(task, offset, block, kept[index])
            raise RecordFailed(place_or_none, "map_batch") from error
        task.add_bad_fields(bad)


def _map_raw(raw: RawBatches, batches: Batches, task: MapTask, output: Output) -> None:
    """The same where all records are given, and their columns come from bytes."""
    task.reader = raw.reader
    for offset, block, parsed in task.blocks(BATCH_BYTES, forms=raw.forms):
        if not parsed.records:
            continue
        table, bad = raw.table(parsed)
        try:
            tables = batches.called(table)
            task.handled += batches.taken()
            for pairs in tables:
                add_table(output, pairs)
        except BaseException as error:  # the user's function runs here
            if passes(error):
                raise
            index = batches.culprit(task.reader.parse(block, task.split.source, offset).values, parsed.records)
            place = None if index is None else _culprit(task, offset, block, index)
            raise RecordFailed(place, "map_batch") from error
        task.add_bad_fields(bad)


def _culprit(task: MapTask, offset: int, block: bytes, record: int) -> Place:
    """Where the record lies that failed; a careful task's box says so too."""
    if task.care is not None:
        task.care.box.record(record)
    return task.place(offset, block, record)
