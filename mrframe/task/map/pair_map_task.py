"""A map task of a later step: the output of the step before is its input, as the fields `key` and `value`.

`StepTask` maps pairs; of the ready step `top(n)` it keeps the n best of its own, and `reduce_top` in the one reduce
task the n best of all, in their rank.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from mrframe.core.job.job import Job, Top
from mrframe.core.job.signature import describe
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import MapOrder
from mrframe.core.safe_text import safe_repr
from mrframe.errors import KeyRefused, LedgerUnbalanced, UserCodeError
from mrframe.shuffle.buffers import PairBuffer, buffer_for
from mrframe.shuffle.keys import kind_of, sort_keys, sort_order
from mrframe.shuffle.merge import merge
from mrframe.shuffle.range_partition import choose_cuts
from mrframe.shuffle.reducers import as_fold
from mrframe.shuffle.run_file.run_writer import Block, RunReader
from mrframe.store.attempt_files import TemporaryFiles
from mrframe.store.file_pool import FilePool
from mrframe.task.code.settings import TaskSettings
from mrframe.task.isolation.hook_guard import combiner, is_refusal, no_pair, no_pairs, passes
from mrframe.task.map.emit import EmitFailed, Emitter, is_pair
from mrframe.task.map.map_task import Output, Reporter
from mrframe.task.map.record_guard import Care
from mrframe.task.report.blame import NO_KEY, GroupFailed

_END = object()
TOP_BUFFER_ROWS = 65_536  # rows held beyond the n best before they are cut to n again


def read_pairs(sources: Sequence[str], stack: ExitStack, temporary: TemporaryFiles) -> Iterator[Block]:
    """The pairs of sealed reduce output: of one partition as it is, of several merged by key."""
    files = stack.enter_context(FilePool())
    streams = []
    for path in sources:
        streams.extend(RunReader(files.open(path), path, unpickle=False).streams(0))
    if len(streams) == 1:
        return streams[0]
    stack.enter_context(temporary)
    return merge(streams, make_file=temporary.make)


class StepTask:
    """One attempt at mapping pairs of the step before."""

    def __init__(
        self,
        job: Job,
        map_order: MapOrder,
        settings: TaskSettings,
        reporter: Reporter,
        *,
        care: Care | None = None,
    ) -> None:
        self._care = care
        self._scratch_bytes_max = settings.scratch_bytes_max
        self._job = job
        self._order = map_order
        self._reporter = reporter
        self._columns = ["key", "value"]
        self._fold = None if job.sort_values else as_fold(job.reduce)
        buffer = PairBuffer() if job.top is not None else buffer_for(self._fold, combiner(job))
        cuts = self._cuts() if job.key_order == "total" and map_order.partitions > 1 else ()
        self._output = Output(job, map_order, settings, buffer, cuts=cuts)
        self._report = TaskReport()

    def _cuts(self) -> list[Any]:
        """Of its own keys: a step in total order has one map task, which has all the pairs."""
        from mrframe.task.map.key_sample import sample_pairs

        return choose_cuts(sample_pairs(self._job, self._order.sources), self._order.partitions)

    def run(self) -> TaskReport:
        """Do it; raises GroupFailed for the user's code."""
        try:
            with ExitStack() as stack:
                temporary = TemporaryFiles(self._order.out_dir, self._scratch_bytes_max)
                blocks = self._counted(read_pairs(self._order.sources, stack, temporary))
                if self._job.top is not None:
                    best = best_rows(
                        ((k, v) for _, ks, vs in blocks for k, v in zip(ks, vs, strict=True)), self._job.top
                    )
                    self._output.add([None] * len(best), best)
                elif self._job.map_split is not None:
                    self._map_split(blocks)
                elif self._job.map_batch is not None:
                    self._map_batch(blocks)
                else:
                    self._map(blocks)
            self._output.seal(self._report)
            # what it reads may lie in other blocks the next time, and then a buffer is spilled at other places
            self._report.fixed = self._report.fixed and self._care is None and not self._report.spills
        finally:
            self._output.close()
        return self._report

    def _counted(self, blocks: Iterator[Block]) -> Iterator[Block]:
        for block in blocks:
            self._report.ledger.records += len(block[1])
            self._reporter.beat(self._report.ledger.records, 0)
            yield block
            self._output.spill_if_full()

    def _map(self, blocks: Iterator[Block]) -> None:
        emitter = Emitter(self._job)
        wanted = [self._columns.index(name) for name in self._job.projection()]
        for _, keys, values in blocks if self._care is None else _rows(blocks, self._care):
            try:
                columns = (keys, values)
                self._output.add(*emitter.emit([columns[i] for i in wanted], len(keys)))
            except EmitFailed as failed:
                raise GroupFailed(keys[failed.record], failed.hook) from failed.__cause__
            except BaseException as error:
                if not is_refusal(error):
                    raise
                raise GroupFailed(self._refused_key(emitter, keys, [columns[i] for i in wanted]), "map") from error
            self._check_handled(emitter.taken(), len(keys))

    def _refused_key(self, emitter: Emitter, keys: list[Any], columns: list[list[Any]]) -> Any:
        """The key of the first pair for which the map yields what a buffer does not take: each again, on its own."""
        for index, key in enumerate(keys):
            try:
                buffer_for(self._fold).add(*emitter.emit([column[index : index + 1] for column in columns], 1))
            except BaseException as error:  # the user's function runs here
                if isinstance(error, EmitFailed) or is_refusal(error):
                    return key
                raise
        return NO_KEY

    def _check_handled(self, handled: int, pairs: int) -> None:
        """Each pair of a block went one way: a loop that ends early leaves some, and says nothing of it."""
        if handled != pairs:
            raise LedgerUnbalanced(
                f"{self._order.attempt}: {pairs:,} pairs of the step before were read, and {handled:,} were mapped "
                "or filtered; please report this as a bug of mrframe"
            )

    def _map_split(self, blocks: Iterator[Block]) -> None:
        function = self._job.map_split
        assert function is not None
        rows, who = _Rows(self._job, blocks), f"map_split={describe(function)}"
        pairs: Iterator[Any] | None = None
        while True:
            try:
                if pairs is None:
                    pairs = iter(function(iter(rows)))
                pair = next(pairs, _END)
            except BaseException as error:  # the user's function runs here
                if rows.failure is not None:
                    raise rows.failure  # noqa: B904  (what the function has made of it is not the reason)
                if passes(error):
                    raise
                raise GroupFailed(rows.key, "map_split") from no_pairs(error, "map_split", function)
            if rows.failure is not None:
                raise rows.failure
            if pair is _END:
                return
            self._add_pair(pair, who, rows.key)

    def _add_pair(self, pair: Any, who: str, key: Any) -> None:
        if not is_pair(pair):
            raise GroupFailed(key, "map_split") from no_pair(who, pair)
        try:
            self._output.add([pair[0]], [pair[1]])
        except BaseException as error:
            if not is_refusal(error):
                raise
            raise GroupFailed(key, "map_split") from error

    def _map_batch(self, blocks: Iterator[Block]) -> None:
        from mrframe.task.map.map_batch import Batches, add_table

        batches = Batches(self._job)
        wanted = [self._columns.index(name) for name in self._job.projection()]
        for _, keys, values in blocks:
            try:
                tables = batches.tables([(keys, values)[i] for i in wanted], len(keys))[0]
                self._check_handled(batches.taken(), len(keys))
                for table in tables:
                    add_table(self._output, table)
            except EmitFailed as failed:
                raise GroupFailed(keys[failed.record], failed.hook) from failed.__cause__
            except BaseException as error:  # the user's function runs here
                if passes(error):
                    raise
                raise GroupFailed(NO_KEY, "map_batch") from error


class _Rows:
    """The pairs of a step before as named tuples, for `map_split`; see `mapsplit._Records`."""

    def __init__(self, job: Job, blocks: Iterator[Block]) -> None:
        names = job.map_fields()
        self._make: Any = namedtuple("Record", names)  # type: ignore[misc]  # noqa: PYI024  (names are known at run time)
        self._wanted = [job.projection().index(name) for name in names]
        self._read = [("key", "value").index(name) for name in job.projection()]
        self._emitter = Emitter(job)
        self._blocks = blocks
        self.key: Any = NO_KEY  # of the pair that was given last
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[Any]:
        try:
            for _, keys, values in self._blocks:
                try:
                    columns, records, kept = self._emitter.passing([(keys, values)[i] for i in self._read], len(keys))
                except EmitFailed as failed:
                    raise GroupFailed(keys[failed.record], failed.hook) from failed.__cause__
                given = map(self._make, *(columns[i] for i in self._wanted))
                for index, record in zip(range(records) if kept is None else kept, given, strict=True):
                    self.key = keys[index]
                    yield record
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise


def _rows(blocks: Iterator[Block], care: Care) -> Iterator[Block]:
    """Blocks of one row each, noted before it is given."""
    for kind, keys, values in blocks:
        for key, value in zip(keys, values, strict=True):
            care.box.key(key)
            yield kind, [key], [value]


def best_rows(rows: Iterator[tuple[Any, Any]], top: Top) -> list[tuple[Any, Any]]:
    """The n rows with the largest value, best first, ties by key; GroupFailed where `by` fits no value."""
    best: list[tuple[Any, Any]] = []
    for row in rows:
        best.append(row)
        if len(best) >= top.n + TOP_BUFFER_ROWS:
            best = _ranked(best, top)
    return _ranked(best, top)


def _ranked(rows: list[tuple[Any, Any]], top: Top) -> list[tuple[Any, Any]]:
    keys = [key for key, _ in rows]
    measures = [_measure(key, value, top) for key, value in rows]
    try:
        sortable = sort_keys(measures, kind_of(measures))
    except KeyRefused as refused:
        raise UserCodeError(f"{_said(top)} ranks what a key can be: {refused.key} cannot be ranked") from None
    indexes = sort_order(keys, kind_of(keys))
    indexes.sort(key=sortable.__getitem__, reverse=True)  # keeps the order of equals, so ties stay by key
    return [rows[i] for i in indexes[: top.n]]


def _measure(key: Any, value: Any, top: Top) -> Any:
    if top.by is not None:
        try:
            value = value[top.by]
        except (TypeError, KeyError, IndexError):
            wrong = UserCodeError(f"{_said(top)}: the value {safe_repr(value)} has no item {top.by!r}")
            raise GroupFailed(key, "top") from wrong
    return _items_as_tuple(value)


def _items_as_tuple(value: Any) -> Any:
    """A list ranks as the tuple of its items does, which is also what Python's `<` says of two lists."""
    return tuple(map(_items_as_tuple, value)) if type(value) in {list, tuple} else value


def _said(top: Top) -> str:
    return f"top({top.n})" if top.by is None else f"top({top.n}, by={top.by!r})"


def reduce_top(blocks: Iterator[Block], top: Top) -> list[tuple[Any, Any]]:
    """The n best rows of all map tasks' best rows."""
    return best_rows((row for _, _, rows in blocks for row in rows), top)
