"""A map task of a later step: the output of the step before is its input, as the fields `key` and `value`.

`StepTask` maps pairs; of the ready step `top(n)` it keeps the n best of its own, and `reduce_top` in the one reduce
task the n best of all, in their rank.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from mrframe.core.job import Job, Top
from mrframe.core.records import TaskReport
from mrframe.core.signature import describe
from mrframe.core.spec import MapOrder
from mrframe.errors import KeyRefused, UserCodeError
from mrframe.shuffle.buffers import PairBuffer, buffer_for
from mrframe.shuffle.keys import kind_of, sort_keys, sort_order
from mrframe.shuffle.merge import merge
from mrframe.shuffle.ranges import choose_cuts
from mrframe.shuffle.reducers import as_fold
from mrframe.shuffle.runfile import Block, RunReader
from mrframe.task.blame import GroupFailed
from mrframe.task.care import Care
from mrframe.task.emit import EmitFailed, Emitter, as_columns, no_pair
from mrframe.task.manyfiles import ManyFiles
from mrframe.task.mapping import Output, Reporter
from mrframe.task.package import TaskSettings
from mrframe.task.temporary import TemporaryFiles

TOP_BUFFER_ROWS = 65_536  # rows held beyond the n best before they are cut to n again


def read_pairs(sources: Sequence[str], stack: ExitStack, temporary: TemporaryFiles) -> Iterator[Block]:
    """The pairs of sealed reduce output: of one partition as it is, of several merged by key."""
    files = stack.enter_context(ManyFiles())
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
        name = describe(job.combine) if job.combine else ""
        fold = None if job.sort_values else as_fold(job.reduce)
        buffer = PairBuffer() if job.top is not None else buffer_for(fold, job.combine, name)
        cuts = self._cuts() if job.key_order == "total" and map_order.partitions > 1 else ()
        self._output = Output(job, map_order, settings, buffer, cuts=cuts)
        self._report = TaskReport()

    def _cuts(self) -> list[Any]:
        """Of its own keys: a step in total order has one map task, which has all the pairs."""
        from mrframe.task.sampling import sample_pairs

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
                raise GroupFailed(keys[failed.record], "map") from failed.__cause__
            except (KeyRefused, TypeError) as error:
                raise GroupFailed(keys[0], "map") from error

    def _map_split(self, blocks: Iterator[Block]) -> None:
        names = self._job.map_fields()
        make: Any = namedtuple("Record", names)  # type: ignore[misc]  # noqa: PYI024  (names are known at run time)
        wanted = [self._columns.index(name) for name in names]
        rows = ((k, v) for _, ks, vs in blocks for k, v in zip(ks, vs, strict=True))
        records = (make(*(row[i] for i in wanted)) for row in rows if self._passes(row))
        assert self._job.map_split is not None
        try:
            for pair in self._job.map_split(records):
                if as_columns([pair]) is None:
                    raise no_pair(f"map_split={describe(self._job.map_split)}", pair)  # noqa: TRY301
                self._output.add([pair[0]], [pair[1]])
        except Exception as error:  # the user's function runs here
            raise GroupFailed(None, "map_split") from error

    def _map_batch(self, blocks: Iterator[Block]) -> None:
        from mrframe.task.mapbatch import Batches, add_table

        batches = Batches(self._job)
        wanted = [self._columns.index(name) for name in self._job.projection()]
        for _, keys, values in blocks:
            try:
                for table in batches.tables([(keys, values)[i] for i in wanted], len(keys))[0]:
                    add_table(self._output, table)
            except EmitFailed as failed:
                raise GroupFailed(keys[failed.record], "where") from failed.__cause__
            except Exception as error:  # the user's function runs here
                raise GroupFailed(None, "map_batch") from error

    def _passes(self, row: tuple[Any, Any]) -> bool:
        where = self._job.where
        return where is None or bool(where(*(row[self._columns.index(name)] for name in self._job.where_fields())))


def _rows(blocks: Iterator[Block], care: Care) -> Iterator[Block]:
    """Blocks of one row each, noted before it is given."""
    for kind, keys, values in blocks:
        for key, value in zip(keys, values, strict=True):
            care.box.key(key)
            yield kind, [key], [value]


def best_rows(rows: Iterator[tuple[Any, Any]], top: Top) -> list[tuple[Any, Any]]:
    """The n rows with the largest value, best first, ties by key; UserCodeError when `by` fits no value."""
    best: list[tuple[Any, Any]] = []
    for row in rows:
        best.append(row)
        if len(best) >= top.n + TOP_BUFFER_ROWS:
            best = _ranked(best, top)
    return _ranked(best, top)


def _ranked(rows: list[tuple[Any, Any]], top: Top) -> list[tuple[Any, Any]]:
    keys = [key for key, _ in rows]
    measures = [_measure(value, top) for _, value in rows]
    try:
        sortable = sort_keys(measures, kind_of(measures))
    except KeyRefused as refused:
        raise UserCodeError(f"{_said(top)} ranks what a key can be: {refused.key} cannot be ranked") from None
    indexes = sort_order(keys, kind_of(keys))
    indexes.sort(key=sortable.__getitem__, reverse=True)  # keeps the order of equals, so ties stay by key
    return [rows[i] for i in indexes[: top.n]]


def _measure(value: Any, top: Top) -> Any:
    if top.by is not None:
        try:
            value = value[top.by]
        except (TypeError, KeyError, IndexError):
            raise UserCodeError(f"{_said(top)}: the value {value!r} has no item {top.by!r}") from None
    return _items_as_tuple(value)


def _items_as_tuple(value: Any) -> Any:
    """A list ranks as the tuple of its items does, which is also what Python's `<` says of two lists."""
    return tuple(map(_items_as_tuple, value)) if type(value) in {list, tuple} else value


def _said(top: Top) -> str:
    return f"top({top.n})" if top.by is None else f"top({top.n}, by={top.by!r})"


def reduce_top(blocks: Iterator[Block], top: Top) -> list[tuple[Any, Any]]:
    """The n best rows of all map tasks' best rows."""
    return best_rows((row for _, _, rows in blocks for row in rows), top)
