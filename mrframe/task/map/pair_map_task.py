"""A map task of a later step: reads the output of the step before as the fields `key` and `value`.

For the ready step `top(n)` it keeps its own n best pairs (`shuffle/top.py`). Not here: lines (`map_task.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from mrframe.core.job.job import Job, Top
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import MapOrder
from mrframe.errors import LedgerUnbalanced
from mrframe.shuffle.buffers import PairBuffer, buffer_for
from mrframe.shuffle.merge import merge
from mrframe.shuffle.range_partition import choose_cuts
from mrframe.shuffle.run_file.run_writer import Block, RunReader
from mrframe.shuffle.top import NoMeasure, best_rows
from mrframe.store.attempt_files import TemporaryFiles
from mrframe.store.file_pool import FilePool
from mrframe.task.code.settings import TaskSettings
from mrframe.task.isolation.hook_guard import is_refusal, passes
from mrframe.task.isolation.record_guard import RecordGuard
from mrframe.task.map.calls import EmitFailed
from mrframe.task.map.emit import Emitter
from mrframe.task.map.map_output import Output
from mrframe.task.map.pair_buffer import map_fold
from mrframe.task.map.path import choose_buffer
from mrframe.task.report.failures import NO_KEY, GroupFailed
from mrframe.task.report.task_progress import TaskProgress


def read_pairs(sources: Sequence[str], stack: ExitStack, temporary: TemporaryFiles) -> Iterator[Block]:
    """Return the pairs of sealed reduce output: one partition unchanged, several merged by key."""
    files = stack.enter_context(FilePool())
    streams = []
    for path in sources:
        streams.extend(RunReader(files.open(path), path, unpickle=False).streams(0))
    if len(streams) == 1:
        return streams[0]
    stack.enter_context(temporary)
    return merge(streams, make_file=temporary.make)


class PairMapTask:
    """One attempt at mapping pairs of the step before."""

    def __init__(
        self,
        job: Job,
        order: MapOrder,
        settings: TaskSettings,
        progress: TaskProgress,
        *,
        guard: RecordGuard | None = None,
    ) -> None:
        self._guard = guard
        self._scratch_bytes_max = settings.scratch_bytes_max
        self._job = job
        self._order = order
        self._progress = progress
        self._columns = ["key", "value"]
        buffer = PairBuffer() if job.top is not None else choose_buffer(job, settings)
        cuts = self._cuts() if job.key_order == "total" and order.partitions > 1 else ()
        self._output = Output(job, order, settings, buffer, cuts=cuts)
        self._report = TaskReport()

    def _cuts(self) -> list[Any]:
        """Choose cuts from a sample of the own keys: a step in total order has one map task, with all pairs."""
        from mrframe.task.map.key_sample import sample_pairs

        return choose_cuts(sample_pairs(self._job, self._order.sources), self._order.partitions)

    def run(self) -> TaskReport:
        """Map the pairs. Raises GroupFailed for the user's code, and the errors of reading and writing."""
        try:
            with ExitStack() as stack:
                temporary = TemporaryFiles(self._order.out_dir, self._scratch_bytes_max)
                self._map(self._counted(read_pairs(self._order.sources, stack, temporary)))
            self._output.seal(self._report)
            # another attempt may read the same pairs in other blocks, and so spill at other places
            self._report.fixed = self._report.fixed and self._guard is None and not self._report.spills
        finally:
            self._output.close()
        return self._report

    def _counted(self, blocks: Iterator[Block]) -> Iterator[Block]:
        for block in blocks:
            self._report.ledger.records += len(block[1])
            self._progress.beat(self._report.ledger.records, 0)
            yield block
            self._output.spill_if_full()

    def _map(self, blocks: Iterator[Block]) -> None:
        if self._job.top is not None:
            self._keep_best(blocks, self._job.top)
        elif self._job.map_split is not None:
            from mrframe.task.map.map_split import run_over_pairs

            run_over_pairs(self._job, blocks, self._output)
        elif self._job.map_batch is not None:
            self._map_batches(blocks)
        else:
            self._map_pairs(blocks)

    def _keep_best(self, blocks: Iterator[Block], top: Top) -> None:
        rows = ((key, value) for _, keys, values in blocks for key, value in zip(keys, values, strict=True))
        try:
            best = best_rows(rows, top)
        except NoMeasure as error:
            raise GroupFailed(error.of_key, "top") from error
        self._output.add([None] * len(best), best)

    def _map_pairs(self, blocks: Iterator[Block]) -> None:
        emitter = Emitter(self._job)
        wanted = [self._columns.index(name) for name in self._job.projection()]
        for _, keys, values in blocks if self._guard is None else _rows(blocks, self._guard):
            columns = [(keys, values)[i] for i in wanted]
            try:
                emitter.emit_into(columns, len(keys), self._output.add, self._output.add_pairs)
            except EmitFailed as failed:
                raise GroupFailed(keys[failed.record], failed.hook) from failed.__cause__
            except BaseException as error:
                if not is_refusal(error):
                    raise
                raise GroupFailed(self._refused_key(emitter, keys, columns), "map") from error
            self._check_handled(emitter.taken(), len(keys))

    def _refused_key(self, emitter: Emitter, keys: list[Any], columns: list[list[Any]]) -> Any:
        """Find the key of the first pair for which the map yields a refused pair, by mapping each alone."""
        for index, key in enumerate(keys):
            try:
                one = [column[index : index + 1] for column in columns]
                buffer_for(map_fold(self._job)).add(*emitter.emit(one, 1))
            except BaseException as error:  # the user's function runs here
                if isinstance(error, EmitFailed) or is_refusal(error):
                    return key
                raise
        return NO_KEY

    def _check_handled(self, handled: int, pairs: int) -> None:
        """Check that every pair of a block is accounted for: a loop that ends early would silently drop some."""
        if handled != pairs:
            raise LedgerUnbalanced(
                f"{self._order.attempt}: {pairs:,} pairs of the step before were read, and {handled:,} were mapped "
                "or filtered; please report this as a bug of mrframe"
            )

    def _map_batches(self, blocks: Iterator[Block]) -> None:
        from mrframe.task.map.map_batch import Batches

        batches = Batches(self._job)
        wanted = [self._columns.index(name) for name in self._job.projection()]
        for _, keys, values in blocks:
            try:
                tables = batches.tables([(keys, values)[i] for i in wanted], len(keys))[0]
                self._check_handled(batches.taken(), len(keys))
                for table in tables:
                    self._output.add_table(table)
            except EmitFailed as failed:
                raise GroupFailed(keys[failed.record], failed.hook) from failed.__cause__
            except BaseException as error:  # the user's function runs here
                if passes(error):
                    raise
                raise GroupFailed(NO_KEY, "map_batch") from error


def _rows(blocks: Iterator[Block], guard: RecordGuard) -> Iterator[Block]:
    """Yield blocks of one row each. Notes the key of each first."""
    for kind, keys, values in blocks:
        for key, value in zip(keys, values, strict=True):
            guard.page.key(key)
            yield kind, [key], [value]
