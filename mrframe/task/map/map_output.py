"""The output of a map attempt: buffers pairs, spills them when the budget is used up, and seals one run file.

Not here: choosing the buffer (`path.py`), sorting and encoding (`shuffle/run_file/run_writer.py`), the input
(`map_input.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, BinaryIO

from mrframe.core.job.job import Each, Job
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.shuffle_checksum import DIGEST_MASK
from mrframe.core.model.spec import MapOrder
from mrframe.errors import CannotTravel
from mrframe.shuffle.buffers import Buffer, Columns, PairsBuffer
from mrframe.shuffle.partition import partition_of, slots_for
from mrframe.shuffle.run_file.run_writer import RunTotals, RunWriter
from mrframe.store.attempt_files import check_bytes, create
from mrframe.task.code.settings import TaskSettings
from mrframe.task.isolation.hook_guard import cannot_travel, slots_by_user
from mrframe.task.map.pair_buffer import compresses, map_fold

MAP_FILE = "map.mrf"
SPILL_CHECK_BYTES = 4 << 20  # of input between two checks of the buffer's size. Pairs that are only sorted are
# written then: a run that fits the cache sorts a third faster
SPILL_CHECK_PAIRS = 50_000  # between two checks, too: a map may yield many for a record
SPILL_CHECK_PAIRS_FOLDED = 500_000  # folded pairs are not kept, and sizing their states takes longer
SPILL_CHECK_PAIRS_MIN = 10_000  # whatever the budget
PAIR_BYTES = 128  # at most about what a pair with a new key adds. A check comes before these fill half of the budget
TABLE_ROWS_MIN = 1_000  # in a table of pairs. Below it, a dict is as fast
TABLE_ROWS_MAX = 1 << 20  # of a table that are folded together

Sizes = Mapping[int, tuple[int, int]]  # {slot: (pairs, bytes)}


class Output:
    """Buffers pairs and writes them to the run file of a map attempt. No pairs, no file.

    `source` is the number of the join's source. `cuts` are the keys between the ranges of `key_order="total"`.
    `pairs` and `spills` count up to now. `digests` has the digest of each slot, once sealed.
    """

    def __init__(
        self,
        job: Job,
        order: MapOrder,
        settings: TaskSettings,
        buffer: Buffer,
        *,
        source: int = 0,
        cuts: Sequence[Any] = (),
    ) -> None:
        self._buffer = buffer
        self._runs = _Runs(job, order, settings, source, cuts)
        self._partitions = order.partitions
        self._budget_bytes = settings.memory_bytes
        self._only_sorts = isinstance(job.reduce, Each) and job.key_order == "total"
        self._keeps_empty = settings.saving is not None  # a file without pairs is a result, too
        self._fixed = job.map_batch is None  # its libraries use threads, which may change the order of rows
        self._unchecked_bytes = self._checked_pairs = 0
        pairs_max = SPILL_CHECK_PAIRS if map_fold(job) is None else SPILL_CHECK_PAIRS_FOLDED
        self._pairs_max = max(SPILL_CHECK_PAIRS_MIN, min(pairs_max, self._budget_bytes // 2 // PAIR_BYTES))
        self.pairs = 0
        self.spills = 0
        self.digests: dict[int, int] = {}

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """Buffer columns of pairs. Raises KeyRefused or TypeError for a pair that is refused."""
        self.add_block((keys, values), len(keys))

    def add_pairs(self, pairs: list[Any], columns_of: Callable[[list[Any]], Columns]) -> None:
        """Buffer the items that a map has yielded. Raises as `add` does, and what `columns_of` raises for no pair."""
        self.pairs += len(pairs)
        assert isinstance(self._buffer, PairsBuffer)
        self._buffer.add_pairs(pairs, columns_of)

    def add_block(self, columns: Sequence[Any], records: int) -> None:
        """Buffer columns of `records` items each, in the form that the buffer takes."""
        self.pairs += records
        self._buffer.add_block(columns, records)

    def add_table(self, table: Any) -> None:
        """Buffer a `pyarrow.Table` of keys and values, as columns if the buffer can. Raises as `add` does."""
        from mrframe.task.columnar.arrow import pairs_of

        for at in range(0, len(table), TABLE_ROWS_MAX):
            part = table.slice(at, TABLE_ROWS_MAX)
            if len(part) >= TABLE_ROWS_MIN and self._buffer.add_table(part):
                self.pairs += len(part)
            else:
                self.add(*pairs_of(part))

    def after_block(self, size_bytes: int) -> None:
        """Note that a block of input was mapped. Now and then checks the size of the buffer, and spills if full."""
        self._unchecked_bytes += size_bytes
        if self._unchecked_bytes >= SPILL_CHECK_BYTES or self.pairs - self._checked_pairs >= self._pairs_max:
            self._unchecked_bytes, self._checked_pairs = 0, self.pairs
            self.spill_if_full()

    def spill_if_full(self) -> None:
        """Write a run if the buffer has used up half of the budget (sorting takes as much again)."""
        size = self._buffer.size_bytes()
        if size > self._budget_bytes // 2:
            self._buffer.write_runs(self._runs)
            self.spills += 1
        elif self._only_sorts:
            self._buffer.write_runs(self._runs)

    def seal(self, report: TaskReport) -> None:
        """Write the remaining pairs, close the file and put its totals into the report."""
        self._buffer.write_runs(self._runs)
        totals = self._runs.seal(even_empty=self._keeps_empty)
        if totals is None:
            return
        report.spills = self.spills
        report.records_out = totals.records
        report.bytes_out = totals.bytes
        report.fixed = self._fixed and totals.fixed
        self.digests.update(totals.digests)
        report_partitions(report, totals.by_slot, totals.digests, self._runs.slots, self._partitions)

    def close(self) -> None:
        """Close the file, sealed or not."""
        self._runs.close()


class _Runs:
    """The run file of an attempt, created with its first run. A `shuffle.buffers.RunTarget`."""

    def __init__(self, job: Job, order: MapOrder, settings: TaskSettings, source: int, cuts: Sequence[Any]) -> None:
        self.slots = slots_for(order.partitions)
        self.seed = settings.hash_seed
        self._job = job
        self._partitions = order.partitions
        self._scratch_bytes_max = settings.scratch_bytes_max
        self._path = os.path.join(order.out_dir, MAP_FILE)
        self._file: BinaryIO | None = None
        self._writer: RunWriter | None = None
        ranges = None
        if job.key_order == "total":
            from mrframe.shuffle.range_partition import Ranges

            ranges = Ranges(list(cuts), order.partitions)
        self._make_writer = partial(
            RunWriter,
            slots=self.slots,
            seed=self.seed,
            source=source,
            ranges=ranges,
            by_value=job.sort_values,
            compress=compresses(job),
        )

    def add_run(self, keys: list[Any], values: list[Any]) -> None:
        """Sort pairs and append them as one run, in the slots of the job's partitioner if it has one."""
        slots = None
        if self._job.partition is not None:
            slots = slots_by_user(self._job, keys, self.slots, self._partitions)
        writer = self._opened()
        try:
            writer.add_run(keys, values, slots)
        except (CannotTravel, KeyboardInterrupt) as error:
            raise cannot_travel(error, keys, values)  # noqa: B904  (it has its cause)
        check_bytes(writer.size_bytes, self._scratch_bytes_max)

    def add_encoded(self, sections: Iterable[tuple[int, str, Sequence[tuple[int, bytes, bytes]]]]) -> None:
        """Append a run that is sorted and encoded already."""
        self._opened().add_encoded(sections)

    def add_texts(self, columns: Iterable[Any]) -> None:
        """Sort columns of text of the compiled kernel and append them as one run."""
        writer = self._opened()
        writer.add_texts(columns)
        check_bytes(writer.size_bytes, self._scratch_bytes_max)

    def _opened(self) -> RunWriter:
        if self._writer is None:
            self._file = create(self._path)
            self._writer = self._make_writer(self._file)
        return self._writer

    def seal(self, *, even_empty: bool) -> RunTotals | None:
        """Finish and close the file. Returns its totals, or None if it has no run and an empty file is not wanted."""
        if self._writer is None and not even_empty:
            return None
        totals = self._opened().close()
        self.close()
        return totals

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def report_partitions(
    report: TaskReport, sizes: Sizes, digests: Mapping[int, int], slots: int, partitions: int
) -> None:
    """Add pairs, bytes and digests of the slots of a run file to the report, by partition."""
    for slot, (records, size) in sizes.items():
        partition = partition_of(slot, slots, partitions)
        before = report.partitions.get(partition, (0, 0))
        report.partitions[partition] = (before[0] + records, before[1] + size)
        report.digests[partition] = (report.digests.get(partition, 0) + digests[slot]) & DIGEST_MASK
