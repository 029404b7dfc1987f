"""Runs `map_batch`: the user's function takes a block as a `pyarrow.Table`, and returns tables of pairs.

The reader parses blocks as for any other map, so the ledger, malformed lines and `where` work the same way. Text and
ints that the compiled kernel has cut become columns without Python values in between. Not here: converting columns to
Arrow and tables to pairs (`columnar/arrow.py`). pyarrow is an extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mrframe.core.job.job import Job
from mrframe.core.job.signature import describe
from mrframe.errors import ExtraMissing
from mrframe.formats.factory import BlockReader
from mrframe.formats.readers.base import Forms, Scanned, values_of
from mrframe.formats.schema import kinds_of
from mrframe.task.columnar.arrow import need_arrow, of_scanned, pairs_of, tables_of, to_array
from mrframe.task.isolation.hook_guard import is_interrupt, passes
from mrframe.task.isolation.progress_page import NOWHERE
from mrframe.task.isolation.record_guard import RecordGuard
from mrframe.task.map.calls import EmitFailed, Where, cause_of
from mrframe.task.map.map_input import MapInput, ReadBlock
from mrframe.task.map.map_output import Output
from mrframe.task.report import counters
from mrframe.task.report.failures import RecordFailed, RecordLocation

BATCH_BYTES = 2 << 20  # of input per block. Large, since calling a function over columns has a fixed cost

Columns = Sequence[list[Any] | Scanned]
"""The columns of a job's projection. Those that only the function takes may be as the kernel has scanned them."""


def scanned_forms(job: Job, reader: BlockReader) -> Forms:
    """Return the `forms` for `parse` that ask for columns which need not be Python values. `where` needs those."""
    fields = enumerate(zip(job.projection(), reader.scanned_values(), strict=True))
    by_where = job.where_fields()
    return {
        index: Scanned
        for index, (name, spelt) in fields
        if spelt is not None and spelt.kind != "other" and name not in by_where
    }


class Batches:
    """Calls a job's `map_batch` with columns of the projected fields. Returns tables or columns of pairs.

    `reader` gave the columns. It may be None where all of them are Python values.
    """

    def __init__(self, job: Job, reader: BlockReader | None = None) -> None:
        need_arrow()
        assert job.map_batch is not None
        self._function = job.map_batch
        self._where = Where(job)
        self._names = job.map_fields()
        self._columns = [job.projection().index(name) for name in self._names]
        self._kinds = kinds_of(job.read, self._names, job.paths())
        self._who = f"map_batch={describe(job.map_batch)}"
        self._reader = reader
        self._mapped = 0

    def emit(self, columns: Columns, records: int) -> tuple[list[tuple[list[Any], list[Any]]], dict[str, int]]:
        """Return (columns of pairs, {field: number of ints beyond 64 bits}). Raises as `tables` does."""
        tables, bad = self.tables(columns, records)
        return [pairs_of(one) for one in tables], bad

    def tables(self, columns: Columns, records: int) -> tuple[list[Any], dict[str, int]]:
        """Return (tables of pairs, {field: number of values that could not be converted}).

        Raises EmitFailed for `where`, and any exception of the function.
        """
        self._mapped = self._where.filtered = 0
        kept = self._where.kept(columns, records)
        bad: dict[str, int] = {}
        if not (records if kept is None else len(kept)):
            return [], bad
        arrays = [self._array(field, columns, kept, bad) for field in range(len(self._names))]
        table = need_arrow().Table.from_arrays(arrays, names=list(self._names))
        self._mapped = len(table)
        return list(tables_of(self._function(table), self._who)), bad

    def _array(self, field: int, columns: Columns, kept: Sequence[int] | None, bad: dict[str, int]) -> Any:
        """Return a field as Arrow has it, of the records that `where` keeps. Counts values that are no int64."""
        name, index = self._names[field], self._columns[field]
        column = columns[index]
        if isinstance(column, Scanned):
            assert self._reader is not None
            spelt = self._reader.scanned_values()[index]
            assert spelt is not None
            array = of_scanned(column, spelt)
            if array is not None:
                return array if kept is None else array.take(need_arrow().array(kept))
            column, wrong = self._reader.convert(index, column.raw())
            _add(bad, name, wrong)
        if kept is not None:
            column = [column[i] for i in kept]
        array, wrong = to_array(name, self._kinds[field], column)
        _add(bad, name, wrong)
        return array

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
    batches = Batches(job, source.reader)
    for block in source.blocks(BATCH_BYTES):
        kept: Sequence[int] = range(block.parsed.records)
        columns: Columns = [one if isinstance(one, Scanned) else values_of(one) for one in block.parsed.columns]
        if guard is not None:
            left_out = guard.bad(block.offset, block.parsed.records)
            source.quarantine(block, left_out)
            out = {index for index, _ in left_out}
            kept = [index for index in kept if index not in out]
            values = [[column[index] for index in kept] for column in block.parsed.values]
            guard.page.block(block.offset, len(block.data))
            batches.try_singly(values, kept, guard)
            columns = values
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
            if guard is None:
                values = source.values(block)
            index = batches.culprit(values, len(kept))
            found = None if index is None else _culprit(source, block, kept[index], guard)
            raise RecordFailed(found, "map_batch") from error
        source.add_bad_fields(bad)


def _culprit(source: MapInput, block: ReadBlock, record: int, guard: RecordGuard | None) -> RecordLocation:
    """Return the location of the record that failed, and note it on the guard's page."""
    if guard is not None:
        guard.page.record(record)
    return source.locate(block, record)


def _add(counts: dict[str, int], name: str, number: int) -> None:
    if number:
        counts[name] = counts.get(name, 0) + number
