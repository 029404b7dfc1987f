"""A reduce task: the sections of one partition, merged, grouped, reduced, to sealed output sorted by key.

Slots are worked off one after the other. Ready reducers merge columns of states; a user's function gets each
key with the stream of its values. What is yielded must be plain data. Output is sorted by its own keys,
rows with equal keys in the order they were yielded; a `top` step keeps its rank.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice, pairwise
from typing import Any

from mrframe.core.job.job import Each, Job
from mrframe.core.job.signature import describe
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.shuffle_checksum import sum_checksums
from mrframe.core.model.spec import ReduceOrder
from mrframe.core.safe_text import safe_repr
from mrframe.errors import CorruptData, UserCodeError, ValueRefused
from mrframe.shuffle.buffers import PairBuffer
from mrframe.shuffle.columns import all_plain, is_plain
from mrframe.shuffle.group import group, runs_of_equal, same_key
from mrframe.shuffle.keys import kind_of, normal, sort_order
from mrframe.shuffle.merge import AT_ONCE_BYTES, merge
from mrframe.shuffle.partition import slot_range, slots_for
from mrframe.shuffle.reducers import Fold, as_fold
from mrframe.shuffle.run_file.run_writer import Block, RunReader, RunWriter
from mrframe.store.attempt_files import TemporaryFiles, create
from mrframe.store.file_pool import FilePool
from mrframe.task.code.settings import TaskSettings
from mrframe.task.columnar.packed_sums import packed_groups, reduce_packed
from mrframe.task.isolation.hook_guard import is_refusal, is_the_jobs, no_pair, no_pairs, passes
from mrframe.task.map.emit import as_columns, is_pair
from mrframe.task.map.map_task import Reporter
from mrframe.task.map.pair_map_task import reduce_top
from mrframe.task.map.record_guard import Care
from mrframe.task.reduce.join import joined, spread
from mrframe.task.report.blame import NO_KEY, GroupFailed

PART_FILE = "part.mrf"
ROWS_AT_ONCE = 4096
STATES_AT_ONCE = 64  # states of one key merged at a time: those of `distinct` are long

_PLAIN = {int, str, float, bytes, bool, type(None)}


class ReduceTask:
    """One attempt at a reduce task."""

    def __init__(
        self,
        job: Job,
        reduce_order: ReduceOrder,
        partitions: int,
        settings: TaskSettings,
        reporter: Reporter,
        *,
        care: Care | None = None,
    ) -> None:
        self._care = care
        self._job = job
        self._order = reduce_order
        self._partitions = partitions
        self._settings = settings
        self._budget_bytes = settings.memory_bytes
        self._reporter = reporter
        self._fold = as_fold(job.reduce)
        self._report = TaskReport()
        self._records = 0

    def run(self) -> TaskReport:
        """Do it; raises GroupFailed for the user's code, and what reading and writing raise."""
        with ExitStack() as stack:
            temporary = stack.enter_context(TemporaryFiles(self._order.out_dir, self._settings.scratch_bytes_max))
            files = stack.enter_context(FilePool())
            readers = []
            for path in self._order.sources:
                readers.append(RunReader(files.open(path), path, unpickle=True))
                _check_seed(readers[-1], path, self._settings.hash_seed)
                readers[-1].look_up(self._wanted())
            output = _SortedOutput(
                os.path.join(self._order.out_dir, PART_FILE),
                temporary,
                self._budget_bytes,
                compress=not isinstance(self._job.reduce, Each),
            )
            stack.callback(output.close)
            if self._job.top is not None:
                output.keep_order(self._top(readers, temporary))
            elif isinstance(self._job.reduce, Each) and self._job.key_order == "total":
                output.keep_sorted(
                    block for (merged,) in self._slots(readers, temporary, self._wanted()) for block in merged
                )
            else:
                for wanted in self._left_to_python(readers, output):
                    for streams in self._slots(readers, temporary, wanted):
                        self._reduce(streams, output)
            output.seal(self._report)
        self._report.ledger.records = self._records
        self._report.read = sum_checksums(reader.taken for reader in readers)
        return self._report

    def _slots(
        self, readers: Sequence[RunReader], temporary: TemporaryFiles, wanted: range
    ) -> Iterator[list[Iterator[Block]]]:
        """The merged blocks of each of these slots: one stream for each of the job's sources."""
        by_slot: dict[int, list[RunReader]] = {}
        for reader in readers:
            for slot in reader.slots_present(wanted):
                by_slot.setdefault(slot, []).append(reader)
        for slot in sorted(by_slot):
            merged = []
            for source in range(len(self._job.source_names)):
                streams = [stream for reader in by_slot[slot] for stream in reader.streams(slot, source)]
                merged.append(
                    self._counted(
                        streams[0]
                        if len(streams) == 1
                        else merge(
                            streams,
                            make_file=temporary.make,
                            by_value=self._job.sort_values,
                            at_once_bytes=min(AT_ONCE_BYTES, self._budget_bytes // 4),
                        )
                    )
                )
            yield merged

    def _left_to_python(self, readers: Sequence[RunReader], output: _SortedOutput) -> Iterator[range]:
        """The slots of this partition, but for those that could be reduced as numbers, which are in the output."""
        before = self._records
        for slots, suits in packed_groups(self._job, readers, self._wanted(), self._settings):
            taken = [reader.taken for reader in readers]
            packed = (
                reduce_packed(readers, slots, lambda read: self._reporter.beat(before + read, 0)) if suits else None
            )
            if packed is None:
                for reader, before_it in zip(readers, taken, strict=True):
                    reader.taken = before_it  # the slots are read again
                yield slots
            else:
                output.keep_packed(*packed)
                self._records += sum(reader.records_in(slot) for reader in readers for slot in slots)

    def _wanted(self) -> range:
        """The slots of this partition."""
        return slot_range(self._order.partition, slots_for(self._partitions), self._partitions)

    def _counted(self, blocks: Iterator[Block]) -> Iterator[Block]:
        for block in blocks:
            self._records += len(block[1])
            self._reporter.beat(self._records, 0)
            yield block

    def _top(self, readers: Sequence[RunReader], temporary: TemporaryFiles) -> list[tuple[Any, Any]]:
        assert self._job.top is not None
        blocks = (block for (merged,) in self._slots(readers, temporary, self._wanted()) for block in merged)
        try:
            return reduce_top(blocks, self._job.top)
        except UserCodeError as error:
            raise GroupFailed(NO_KEY, "top") from error

    def _reduce(self, streams: list[Iterator[Block]], output: _SortedOutput) -> None:
        if self._fold is not None:
            if self._job.sort_values:
                self._call(partial(_whole, self._fold), group(streams[0]), output)
            else:
                self._merge_states(self._fold, streams[0], output)
            return
        if isinstance(self._job.reduce, Each):
            for _, keys, values in streams[0]:
                output.add(keys, values)
            return
        assert callable(self._job.reduce)
        if self._job.is_join:
            self._call(spread(self._job.reduce), joined(streams), output)
        else:
            self._call(self._job.reduce, group(streams[0]), output)

    def _merge_states(self, fold: Fold, blocks: Iterator[Block], output: _SortedOutput) -> None:
        key: Any = NO_KEY
        try:
            for keys, states in merged_states(fold, blocks):
                key = keys[0]
                values = states if type(fold).finish is Fold.finish else _each(fold, fold.finish, keys, states)
                try:
                    output.add(keys, values)
                except ValueRefused as error:
                    key = output.refused_key(list(zip(keys, values, strict=True)))
                    raise GroupFailed(key, "reduce") from error
        except BaseException as error:
            if not is_refusal(error):
                raise
            raise GroupFailed(key, "reduce") from _named(error, f"reduce={fold.name}")

    def _call(
        self,
        function: Callable[..., Iterable[tuple[Any, Any]]],
        groups: Iterator[tuple[Any, Any]],
        output: _SortedOutput,
    ) -> None:
        rows: list[Any] = []
        if self._care is not None:
            groups = self._care.noted(groups)
        for key, values in groups:
            try:
                results = function(key, values)
                rows.extend(results)
                if len(rows) >= ROWS_AT_ONCE:
                    self._take(rows, function, output)
                    rows = []
            except BaseException as error:  # the user's function runs here
                if passes(error):
                    raise
                raise GroupFailed(key, "reduce") from no_pairs(error, "reduce", function)
        self._take(rows, function, output)

    def _take(self, rows: list[Any], function: Callable[..., Any], output: _SortedOutput) -> None:
        if not rows:
            return
        columns = as_columns(rows)
        if columns is None:
            wrong = next(row for row in rows if not is_pair(row))
            raise GroupFailed(NO_KEY, "reduce") from no_pair(f"reduce={describe(function)}", wrong)
        try:
            output.add(*columns)
        except BaseException as error:
            if not is_refusal(error) and not isinstance(error, UserCodeError):
                raise
            raise GroupFailed(output.refused_key(rows), "reduce") from error


def _check_seed(reader: RunReader, path: str, seed: int) -> None:
    """A file of another seed has its keys in other partitions: some would be read twice, and others never."""
    if reader.seed != seed:
        raise CorruptData(f"{path} was written with the hash seed {reader.seed}, and this job has {seed}", file=path)


def _whole(fold: Fold, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    """A ready reducer that wants the values of a key in their order, as a function."""
    yield key, fold.finish(fold.start(list(values)))


def _named(error: BaseException, who: str) -> BaseException:
    return UserCodeError(f"{who}: {error}") if isinstance(error, TypeError) and not is_the_jobs(error) else error


def _each(fold: Fold, function: Callable[[Any], Any], keys: list[Any], of_each: list[Any]) -> list[Any]:
    """What a method of the fold makes of what belongs to each key; GroupFailed names the key where it cannot."""
    results: list[Any] = []
    try:
        results.extend(map(function, of_each))  # which keeps those before it that raises
    except BaseException as error:
        if not is_refusal(error):
            raise
        raise GroupFailed(keys[len(results)], "reduce") from _named(error, f"reduce={fold.name}")
    return results


def merged_states(fold: Fold, blocks: Iterator[Block]) -> Iterator[tuple[list[Any], list[Any]]]:
    """Columns of (keys, one state each) from sorted blocks in which a key may have several states."""
    held: list[Any] = []
    held_kind, held_key = "", None  # the last key of a block may go on in the next
    for kind, keys, states in blocks:
        if not keys:
            continue
        starts = runs_of_equal(kind, keys)
        out_keys: list[Any] = []
        out_states: list[Any] = []
        first = 0
        if held:
            if same_key(held_kind, held_key, kind, keys[0]):
                held.extend(states[: starts[1]])
                first = 1
                if len(starts) == 2:  # the whole block is of that one key
                    if len(held) > STATES_AT_ONCE:
                        held = _each(fold, fold.merge, [held_key], [held])
                    continue
            out_keys.append(held_key)
            out_states.extend(_each(fold, fold.merge, [held_key], [held]))
        if len(starts) == len(keys) + 1:  # every key once
            out_keys.extend(keys[first:-1])
            out_states.extend(states[first:-1])
        else:
            inner = starts[first:-1]
            out_keys.extend([keys[at] for at in inner[:-1]])
            try:
                out_states.extend([states[a] if b - a == 1 else fold.merge(states[a:b]) for a, b in pairwise(inner)])
            except BaseException:  # again, to name the key
                _each(fold, fold.merge, [keys[at] for at in inner], [states[a:b] for a, b in pairwise(inner)])
                raise
        held_kind, held_key, held = kind, keys[starts[-2]], states[starts[-2] :]
        if out_keys:
            yield out_keys, out_states
    if held:
        yield [held_key], _each(fold, fold.merge, [held_key], [held])


class _SortedOutput:
    """Rows on their way to the part file: checked, sorted by key, spilled when they are many."""

    def __init__(self, path: str, temporary: TemporaryFiles, budget_bytes: int, *, compress: bool) -> None:
        self._file = create(path)
        self._writer = RunWriter(self._file, slots=1, compress=compress)
        self._temporary = temporary
        self._budget_bytes = budget_bytes
        self._buffer = PairBuffer()
        self._spilled: list[RunReader] = []
        self._ranked: list[tuple[Any, Any]] | None = None
        self._spills = 0

    def add(self, keys: list[Any], values: list[Any]) -> None:
        """Rows as columns; ValueRefused for what is not plain data."""
        _check_plain(values)
        self._buffer.add(keys, values)
        if self._buffer.size_bytes() > self._budget_bytes // 2:
            self._spill()

    def keep_order(self, rows: list[tuple[Any, Any]]) -> None:
        """These are all the rows, and their order is their rank."""
        self._ranked = rows

    def keep_sorted(self, blocks: Iterator[Block]) -> None:
        """These are all the rows, and they are in order already: they are written as they come."""
        self._writer.add_merged(0, map(_plain_block, blocks))

    def keep_packed(self, packed: Any, sums: Any, keys: list[str], values: list[int]) -> None:
        """These are all the rows, as two runs that are in order already."""
        from mrframe.task.columnar.packed_keys import encoded

        self._writer.add_encoded(encoded(packed, sums, 0))
        self._writer.add_sorted(0, _cut(keys, values))

    def refused_key(self, rows: Sequence[tuple[Any, Any]]) -> Any:
        """The key of the first row that is not plain data."""
        return next((key for key, value in rows if not is_plain(value)), NO_KEY)

    def _spill(self) -> None:
        file = self._temporary.make()
        writer = RunWriter(file, slots=1)
        writer.add_sorted(0, _sorted_blocks(*self._buffer.drain()))
        writer.close()
        self._spilled.append(RunReader(file, "spilled output", unpickle=False))
        self._spills += 1

    def seal(self, report: TaskReport) -> None:
        """Write the part file and put its totals into the report."""
        if self._ranked is not None:
            keys, values = [key for key, _ in self._ranked], [value for _, value in self._ranked]
            self.add(keys, values)  # for the check alone
            self._writer.add_sorted(0, _cut(keys, values), in_order=True)
        elif self._spilled:
            self._spill()
            streams = [stream for reader in self._spilled for stream in reader.streams(0)]
            merged = merge(streams, make_file=self._temporary.make)
            self._writer.add_sorted(0, ((keys, values) for _, keys, values in merged))
        else:
            self._writer.add_sorted(0, _sorted_blocks(*self._buffer.drain()))
        totals = self._writer.close()
        self._file.close()
        report.records_out, report.bytes_out, report.spills = totals.records, totals.bytes, self._spills

    def close(self) -> None:
        """Give the file up, sealed or not."""
        self._file.close()


def _sorted_blocks(keys: list[Any], values: list[Any]) -> Iterator[tuple[list[Any], list[Any]]]:
    """The rows sorted by key, stably, in blocks."""
    if not keys:
        return iter(())
    kind = kind_of(keys)
    keys = normal(keys, kind)
    indexes = sort_order(keys, kind)
    return _cut([keys[i] for i in indexes], [values[i] for i in indexes])


def _cut(keys: list[Any], values: list[Any]) -> Iterator[tuple[list[Any], list[Any]]]:
    both = iter(zip(keys, values, strict=True))
    while some := list(islice(both, ROWS_AT_ONCE)):
        yield [key for key, _ in some], [value for _, value in some]


def _plain_block(block: Block) -> Block:
    _check_plain(block[2])
    return block


def _check_plain(values: list[Any]) -> None:
    if not set(map(type, values)) <= _PLAIN and not all_plain(values):
        wrong = next(value for value in values if not is_plain(value))
        raise ValueRefused(
            f"the job yields {safe_repr(wrong)}, a {type(wrong).__name__}, which cannot be written out; yield plain "
            "data: None, bool, int, float, str, bytes, dates, Decimal, and tuples, lists, sets or dicts of these"
        )
