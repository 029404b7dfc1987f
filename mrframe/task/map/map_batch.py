"""Runs `map_batch`: the user's function takes a block as a `pyarrow.Table`, and returns tables of pairs.

The reader parses blocks as for any other map, so the ledger, malformed lines and `where` work the same way. Not here:
converting columns to Arrow and tables to pairs (`columnar/arrow.py`). pyarrow is an extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mrframe.core.job.job import Job
from mrframe.core.job.signature import describe
from mrframe.errors import ExtraMissing
from mrframe.formats.readers.base import array_of
from mrframe.formats.schema import kinds_of
from mrframe.task.columnar.arrow import need_arrow, pairs_of, tables_of, to_table
from mrframe.task.isolation.hook_guard import is_interrupt, passes
from mrframe.task.isolation.progress_page import NOWHERE
from mrframe.task.isolation.record_guard import RecordGuard
from mrframe.task.map.calls import EmitFailed, Where, cause_of
from mrframe.task.map.map_input import MapInput, ReadBlock
from mrframe.task.map.map_output import Output
from mrframe.task.report import counters
from mrframe.task.report.failures import RecordFailed, RecordLocation

BATCH_BYTES = 2 << 20  # of input per block. Large, since calling a function over columns has a fixed cost


class Batches:
    """Calls a job's `map_batch` with columns of the projected fields. Returns tables or columns of pairs."""

    def __init__(self, job: Job) -> None:
        need_arrow()
        assert job.map_batch is not None
        self._function = job.map_batch
        self._where = Where(job)
        self._names = job.map_fields()
        self._columns = [job.projection().index(name) for name in self._names]
        self._kinds = kinds_of(job.read, self._names, job.paths())
        self._who = f"map_batch={describe(job.map_batch)}"
        self._mapped = 0

    def emit(
        self, columns: list[list[Any]], records: int
    ) -> tuple[list[tuple[list[Any], list[Any]]], dict[str, int]]:
        """Return (columns of pairs, {field: number of ints beyond 64 bits}). Raises as `tables` does."""
        tables, bad = self.tables(columns, records)
        return [pairs_of(one) for one in tables], bad

    def tables(self, columns: list[list[Any]], records: int) -> tuple[list[Any], dict[str, int]]:
        """Return (tables of pairs, {field: number of ints beyond 64 bits}).

        Raises EmitFailed for `where`, and any exception of the function.
        """
        self._mapped = self._where.filtered = 0
        columns, records, _ = self._where.select(columns, records)
        if not records:
            return [], {}
        table, bad = to_table(self._names, self._kinds, [columns[i] for i in self._columns])
        return self._called(table), bad

    def tables_of_arrays(self, arrays: Sequence[Any]) -> list[Any]:
        """Return the tables of pairs for Arrow columns of the map's fields. Raises any exception of the function."""
        self._where.filtered = 0
        return self._called(need_arrow().Table.from_arrays(arrays, names=list(self._names)))

    def _called(self, table: Any) -> list[Any]:
        self._mapped = len(table)
        return list(tables_of(self._function(table), self._who))

    def taken(self) -> int:
        """Return the number of records mapped or filtered since the last call, and reset it."""
        taken, self._mapped, self._where.filtered = self._mapped + self._where.filtered, 0, 0
        return taken

    def culprit(self, columns: list[list[Any]], records: int) -> int | None:
        """Return the first record on which the function fails alone, or None if it fails only on several together."""
        for index in range(records):
            try:
                self.emit([column[index : index + 1] for column in columns], 1)
            except BaseException as error:  # the user's function runs here
                if is_interrupt(cause_of(error)):
                    raise cause_of(error) from None
                return index
        return None

    def try_singly(self, columns: list[list[Any]], kept: Sequence[int], guard: RecordGuard) -> None:
        """Check that the process survives the function on each record alone.

        Notes each record first. Ignores its exceptions, except for MemoryError and interrupts.
        """
        before = counters.snapshot()
        for at, index in enumerate(kept):
            guard.page.record(index)
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
        guard.page.record(NOWHERE)


def feed_batches(job: Job, source: MapInput, output: Output, guard: RecordGuard | None) -> None:
    """Run the job's function over the blocks of a split. A `Feed` (see `feeds.py`)."""
    batches = Batches(job)
    for block in source.blocks(BATCH_BYTES):
        kept: Sequence[int] = range(block.parsed.records)
        columns = block.parsed.values
        if guard is not None:
            left_out = guard.bad(block.offset, block.parsed.records)
            source.quarantine(block, left_out)
            out = {index for index, _ in left_out}
            kept = [index for index in kept if index not in out]
            columns = [[column[index] for index in kept] for column in columns]
            guard.page.block(block.offset, len(block.data))
            batches.try_singly(columns, kept, guard)
        try:
            tables, bad = batches.tables(columns, len(kept))
            source.handled += batches.taken()
            for table in tables:
                output.add_table(table)
        except EmitFailed as failed:
            location = _culprit(source, block, kept[failed.record], guard)
            raise RecordFailed(location, failed.hook) from failed.__cause__
        except BaseException as error:  # the user's function runs here
            if passes(error):
                raise
            index = batches.culprit(columns, len(kept))
            found = None if index is None else _culprit(source, block, kept[index], guard)
            raise RecordFailed(found, "map_batch") from error
        source.add_bad_fields(bad)


def feed_arrays(job: Job, source: MapInput, output: Output, guard: RecordGuard | None) -> None:
    """Run the job's function over Arrow columns of all records, without `where` or a guard. A `Feed`."""
    assert guard is None
    batches = Batches(job)
    for block in source.blocks(BATCH_BYTES):
        if not block.parsed.records:
            continue
        try:
            tables = batches.tables_of_arrays([array_of(column) for column in block.parsed.columns])
            source.handled += batches.taken()
            for pairs in tables:
                output.add_table(pairs)
        except BaseException as error:  # the user's function runs here
            if passes(error):
                raise
            index = batches.culprit(source.values(block), block.parsed.records)
            location = None if index is None else _culprit(source, block, index, None)
            raise RecordFailed(location, "map_batch") from error


def _culprit(source: MapInput, block: ReadBlock, record: int, guard: RecordGuard | None) -> RecordLocation:
    """Return the location of the record that failed, and note it on the guard's page."""
    if guard is not None:
        guard.page.record(record)
    return source.locate(block, record)
