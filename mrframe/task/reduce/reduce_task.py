"""A reduce task: merges, groups and reduces the sections of one partition into sealed output sorted by key.

Slots are processed one after another. Ready reducers merge columns of states. A user's function gets each key with a
stream of its values, and may yield plain data only. Output is sorted by its own keys, and rows with equal keys keep
the order in which they were yielded. A `top` step keeps its rank.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain, islice
from typing import Any

from mrframe.core.job.job import Each, Job
from mrframe.core.job.signature import describe
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.shuffle_checksum import sum_checksums
from mrframe.core.model.spec import ReduceOrder
from mrframe.errors import CorruptData, UserCodeError, ValueRefused
from mrframe.shuffle.fold import Fold
from mrframe.shuffle.group import Groups, groups_of
from mrframe.shuffle.merge import AT_ONCE_BYTES
from mrframe.shuffle.partition import slot_range, slots_for
from mrframe.shuffle.reducers import as_fold
from mrframe.shuffle.run_file.run_writer import Block, RunReader
from mrframe.shuffle.run_file.text_ranges import TextRanges
from mrframe.shuffle.text_merge import Merged, as_blocks, merge_texts
from mrframe.store.attempt_files import TemporaryFiles
from mrframe.store.file_pool import FilePool
from mrframe.task.code.settings import TaskSettings
from mrframe.task.isolation.hook_guard import is_refusal, is_used_up, named_refusal, no_pairs, passes
from mrframe.task.isolation.record_guard import RecordGuard
from mrframe.task.map.calls import last_taken, stop_iteration_of
from mrframe.task.map.emit import pairs_as_columns
from mrframe.task.map.pair_buffer import compresses
from mrframe.task.reduce.kernel_reduce import kernel_reduce
from mrframe.task.reduce.merged_states import merged_states, of_each
from mrframe.task.reduce.sorted_output import PART_FILE, ROWS_AT_ONCE, SortedOutput
from mrframe.task.report.failures import NO_KEY, GroupFailed
from mrframe.task.report.task_progress import TaskProgress


class ReduceTask:
    """One attempt at a reduce task."""

    def __init__(
        self,
        job: Job,
        reduce_order: ReduceOrder,
        partitions: int,
        settings: TaskSettings,
        progress: TaskProgress,
        *,
        guard: RecordGuard | None = None,
    ) -> None:
        self._guard = guard
        self._job = job
        self._order = reduce_order
        self._partitions = partitions
        self._settings = settings
        self._budget_bytes = settings.memory_bytes
        self._progress = progress
        self._fold = as_fold(job.reduce)
        self._report = TaskReport()
        self._records = 0

    def run(self) -> TaskReport:
        """Reduce the partition. Raises GroupFailed for the user's code, and the errors of reading and writing."""
        with ExitStack() as stack:
            temporary = stack.enter_context(TemporaryFiles(self._order.out_dir, self._settings.scratch_bytes_max))
            if self._fold is not None:
                self._fold = self._fold.spilling_to(temporary.make)
            files = stack.enter_context(FilePool())
            readers = []
            for path in self._order.sources:
                readers.append(RunReader(files.open(path), path, unpickle=True))
                _check_seed(readers[-1], path, self._settings.hash_seed)
                readers[-1].find_sections(self._wanted())
            output = SortedOutput(
                os.path.join(self._order.out_dir, PART_FILE),
                temporary,
                self._budget_bytes,
                compress=compresses(self._job),
            )
            stack.callback(output.close)
            if self._job.top is not None:
                output.keep_order(self._top(readers, temporary))
            elif isinstance(self._job.reduce, Each) and self._job.key_order == "total":
                merged = (merged for (merged,) in self._slots(readers, temporary, self._wanted()))
                output.keep_sorted(chain.from_iterable(merged))
            else:
                for wanted in self._left_to_python(readers, output):
                    for streams in self._slots(readers, temporary, wanted):
                        self._reduce(list(map(as_blocks, streams)), output)
            output.seal(self._report)
        self._report.ledger.records = self._records
        self._report.read = sum_checksums(reader.taken for reader in readers)
        return self._report

    def _slots(
        self, readers: Sequence[RunReader], temporary: TemporaryFiles, wanted: range
    ) -> Iterator[list[Iterator[Merged]]]:
        """Yield what each of these slots holds, merged, as one stream per source of the job."""
        by_slot: dict[int, list[RunReader]] = {}
        for reader in readers:
            for slot in reader.slots_present(wanted):
                by_slot.setdefault(slot, []).append(reader)
        for slot in sorted(by_slot):
            merged = []
            for source in range(len(self._job.source_names)):
                blocks = merge_texts(
                    [stream for reader in by_slot[slot] for stream in reader.placed_streams(slot, source)],
                    make_file=temporary.make,
                    by_value=self._job.sort_values,
                    at_once_bytes=min(AT_ONCE_BYTES, self._budget_bytes // 4),
                )
                merged.append(self._counted(blocks))
            yield merged

    def _left_to_python(self, readers: Sequence[RunReader], output: SortedOutput) -> Iterator[range]:
        """Reduce slots in the compiled kernel where possible. Yields those that are left to Python."""

        def beat(read: int) -> None:
            self._progress.beat(self._records + read, 0)

        kernel = kernel_reduce(self._job, readers, output, self._settings, beat)
        if kernel is None:
            yield self._wanted()
            return
        yield from kernel.left_to_python(self._wanted())
        self._records += kernel.records

    def _wanted(self) -> range:
        """Return the slots of this partition."""
        return slot_range(self._order.partition, slots_for(self._partitions), self._partitions)

    def _counted(self, blocks: Iterator[Merged]) -> Iterator[Merged]:
        for block in blocks:
            self._records += block.records if isinstance(block, TextRanges) else len(block[1])
            self._progress.beat(self._records, 0)
            yield block

    def _top(self, readers: Sequence[RunReader], temporary: TemporaryFiles) -> list[tuple[Any, Any]]:
        from mrframe.shuffle.top import NoMeasure, best_rows

        assert self._job.top is not None
        merged = (merged for (merged,) in self._slots(readers, temporary, self._wanted()))
        blocks = as_blocks(chain.from_iterable(merged))
        rows = (row for _, _, some in blocks for row in some)
        try:
            return best_rows(rows, self._job.top)
        except NoMeasure as error:
            raise GroupFailed(error.of_key, "top") from error
        except UserCodeError as error:
            raise GroupFailed(NO_KEY, "top") from error

    def _reduce(self, streams: list[Iterator[Block]], output: SortedOutput) -> None:
        if self._fold is not None:
            if self._job.sort_values:
                self._call(partial(_whole, self._fold), groups_of(streams[0]), output)
            else:
                self._merge_states(self._fold, streams[0], output)
            return
        if isinstance(self._job.reduce, Each):
            for _, keys, values in streams[0]:
                output.add(keys, values)
            return
        assert callable(self._job.reduce)
        if self._job.is_join:
            from mrframe.task.reduce.join import joined, spread

            self._call(spread(self._job.reduce), _one_by_one(joined(streams)), output)
        else:
            self._call(self._job.reduce, groups_of(streams[0]), output)

    def _merge_states(self, fold: Fold, blocks: Iterator[Block], output: SortedOutput) -> None:
        key: Any = NO_KEY
        try:
            for keys, states in merged_states(fold, blocks):
                key = keys[0]
                values = states if type(fold).finish is Fold.finish else of_each(fold, fold.finish, keys, states)
                try:
                    output.add(keys, values)
                except ValueRefused as error:
                    key = output.refused_key(list(zip(keys, values, strict=True)))
                    raise GroupFailed(key, "reduce") from error
        except BaseException as error:
            if not is_refusal(error):
                raise
            raise GroupFailed(key, "reduce") from named_refusal(error, fold)

    def _call(
        self,
        function: Callable[..., Iterable[tuple[Any, Any]]],
        groups: Iterator[Groups],
        output: SortedOutput,
    ) -> None:
        """Call the function on each group. The loop over the groups of a block runs in C.

        A group that comes alone is called here: its values may be a stream, which a second call to obtain a swallowed
        StopIteration could not read again.
        """
        rows: list[Any] = []
        if self._guard is not None:
            groups = _one_by_one(self._guard.noted(pair for some in groups for pair in zip(*some, strict=True)))
        for keys, values in groups:
            position = iter(keys)
            try:
                if len(keys) == 1:
                    position = iter([iter(function(keys[0], iter(values[0])))])
                    results = chain.from_iterable(position)
                else:
                    results = chain.from_iterable(map(function, position, map(iter, values)))
                while some := list(islice(results, ROWS_AT_ONCE)):
                    rows += some
                    if len(rows) >= ROWS_AT_ONCE:
                        self._take(rows, function, output)
                        rows = []
                if not is_used_up(position):
                    at = last_taken(position, len(keys))
                    again = [keys, list(map(iter, values))]
                    raise stop_iteration_of(list, function, again, at, "reduce")  # noqa: TRY301
            except BaseException as error:  # the user's function runs here
                if passes(error):
                    raise
                key = keys[last_taken(position, len(keys))]
                raise GroupFailed(key, "reduce") from no_pairs(error, "reduce", function)
        self._take(rows, function, output)

    def _take(self, rows: list[Any], function: Callable[..., Any], output: SortedOutput) -> None:
        if not rows:
            return
        try:
            columns = pairs_as_columns(rows, f"reduce={describe(function)}")
        except UserCodeError as error:
            raise GroupFailed(NO_KEY, "reduce") from error
        try:
            output.add(*columns)
        except BaseException as error:
            if not is_refusal(error) and not isinstance(error, UserCodeError):
                raise
            raise GroupFailed(output.refused_key(rows), "reduce") from error


def _check_seed(reader: RunReader, path: str, seed: int) -> None:
    """Refuse a file of another seed: its keys lie in other partitions, so some would be read twice, others never."""
    if reader.seed != seed:
        raise CorruptData(f"{path} was written with the hash seed {reader.seed}, and this job has {seed}", file=path)


def _one_by_one(groups: Iterable[tuple[Any, Any]]) -> Iterator[Groups]:
    """Yield each group as columns of one."""
    for key, values in groups:
        yield [key], [values]


def _whole(fold: Fold, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    """Reduce all values of a key at once, in order, with a ready reducer."""
    yield key, fold.finish(fold.start(list(values)))
