"""`map_split`: the user's function runs once per split, over an iterator of named tuples.

One runner serves lines (`feed_split`), the pairs of a step before (`run_over_pairs`) and the key sample
(`keys_of_split`). The iterator knows which record it gave last, so a failure names it, and how far the function came:
records that it leaves unread by stopping early are a class of the ledger. An error of reading passes through the
user's function, which may catch it and end as if there were no more records. It is raised all the same.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from mrframe.core.job.job import Job
from mrframe.core.job.signature import describe
from mrframe.errors import UserCodeError
from mrframe.shuffle.run_file.pair_blocks import Block
from mrframe.task.isolation.hook_guard import is_refusal, named_refusal, no_pairs, passes
from mrframe.task.isolation.progress_page import NOWHERE
from mrframe.task.isolation.record_guard import RecordGuard
from mrframe.task.map.calls import EmitFailed, Where
from mrframe.task.map.emit import pairs_as_columns
from mrframe.task.map.map_input import MapInput, ReadBlock
from mrframe.task.map.output import Output
from mrframe.task.map.pair_buffer import check_pairs, map_fold
from mrframe.task.report.failures import NO_KEY, GroupFailed, HookFailed, RecordFailed

PAIRS_AT_ONCE = 16_384  # pairs taken from the user's generator before they are buffered


class _Fields:
    """The records that `where` keeps, as named tuples of the fields that the function is given."""

    def __init__(self, job: Job) -> None:
        names = job.map_fields()
        self._wanted = [job.projection().index(name) for name in names]
        self._make: Any = namedtuple("Record", names)  # type: ignore[misc]  # noqa: PYI024  (names of run time)
        self.where = Where(job)

    def records(self, columns: Sequence[Sequence[Any]]) -> Iterator[Any]:
        """Columns of the job's projection as named tuples."""
        return map(self._make, *(columns[i] for i in self._wanted))


class _Records(Protocol):
    """Gives a function its records. It may catch a `failure` of reading them, or of `where`, and go on."""

    failure: BaseException | None

    def __iter__(self) -> Iterator[Any]: ...

    def failed(self) -> HookFailed:
        """The failure of the function, on the record that was given last."""


class _noted_in:  # noqa: N801  (read as a function)
    """Keeps an exception inside as the `failure` of these records, unless the iterator is only closed."""

    def __init__(self, records: _Records) -> None:
        self._records = records

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _tb: object) -> None:
        if kind is not GeneratorExit:
            self._records.failure = error


def _run(job: Job, records: _Records, add: Callable[[list[Any]], None], pairs_at_once: int) -> None:
    """Call the job's function over the records. `add` takes the items that it yields, so many at a time."""
    function = job.map_split
    assert function is not None
    pairs: Iterator[Any] | None = None
    while True:
        try:
            if pairs is None:
                pairs = iter(function(iter(records)))
            some = list(islice(pairs, pairs_at_once))
        except BaseException as error:  # the user's function runs here
            if records.failure is not None:
                raise records.failure  # noqa: B904  (the function's own exception is not the reason)
            if passes(error):
                raise
            raise records.failed() from no_pairs(error, "map_split", function)
        if records.failure is not None:
            raise records.failure
        if not some:
            return
        add(some)


def _who(job: Job) -> str:
    assert job.map_split is not None
    return f"map_split={describe(job.map_split)}"


# ---- lines ----------------------------------------------------------------------------------------


class _LineRecords:
    """The records of the blocks of a split."""

    def __init__(self, job: Job, source: MapInput, guard: RecordGuard | None) -> None:
        self.failure: BaseException | None = None
        self._fields = _Fields(job)
        self._source = source
        self._guard = guard
        self._block: ReadBlock | None = None
        self._kept: Sequence[int] = ()  # indexes of the records of the block that are given
        self._count = 0  # of them that were given

    def __iter__(self) -> Iterator[Any]:
        source = self._source
        with _noted_in(self):
            for block in source.blocks():
                self._block, self._count = block, 0
                columns, self._kept = self._select(block)
                source.handled += block.parsed.records - len(self._kept)
                records = self._fields.records(columns)
                for record in records if self._guard is None else self._noted(records, self._guard):
                    self._count += 1
                    yield record
                source.handled += self._count
            self._block = None

    def _noted(self, records: Iterator[Any], guard: RecordGuard) -> Iterator[Any]:
        """The same records. Each is noted on the page before it is given."""
        for index, record in zip(self._kept, records, strict=True):
            guard.page.record(index)
            yield record
        guard.page.record(NOWHERE)

    def _select(self, block: ReadBlock) -> tuple[list[list[Any]], Sequence[int]]:
        """(columns of the records that are given, their indexes). Raises RecordFailed for `where`."""
        try:
            if self._guard is not None:
                return self._select_guarded(block, self._guard)
            columns, _, kept = self._fields.where.select(block.parsed.values, block.parsed.records)
        except EmitFailed as failed:
            raise RecordFailed(self._source.locate(block, failed.record), failed.hook) from failed.__cause__
        return columns, range(block.parsed.records) if kept is None else kept

    def _select_guarded(self, block: ReadBlock, guard: RecordGuard) -> tuple[list[list[Any]], Sequence[int]]:
        """The same record by record, without those that are to be left out."""
        parsed, columns = block.parsed, block.parsed.values
        guard.page.block(block.offset, len(block.data))
        bad = guard.bad(block.offset, parsed.records)
        self._source.quarantine(block, bad)
        self._source.handled -= len(bad)  # they are counted as not given
        kept, left_out = [], {index for index, _ in bad}
        for index in range(parsed.records):
            if index not in left_out:
                guard.page.record(index)
                try:
                    _, passed, _ = self._fields.where.select([[column[index]] for column in columns], 1)
                except EmitFailed as failed:
                    raise EmitFailed(index, failed.hook) from failed.__cause__
                kept += [index] * passed
        return [[column[index] for index in kept] for column in columns], kept

    def failed(self) -> RecordFailed:
        """See `_Records`."""
        if self._block is None or not self._count:
            return RecordFailed(None, "map_split")
        return RecordFailed(self._source.locate(self._block, self._kept[self._count - 1]), "map_split")

    def stop(self) -> None:
        """Note that the function has ended: records that were not given are unread."""
        if self._block is not None:
            used = self._kept[self._count - 1] + 1 if self._count else 0
            if self._count == len(self._kept):
                used = self._block.parsed.records
            self._source.leave_unread(self._block, used)


def feed_split(job: Job, source: MapInput, output: Output, guard: RecordGuard | None) -> None:
    """Run the job's function over a split of lines. A `Feed` (see `feeds.py`)."""
    records, fold, who = _LineRecords(job, source, guard), map_fold(job), _who(job)

    def add(some: list[Any]) -> None:
        try:
            columns = pairs_as_columns(some, who)
        except UserCodeError as error:
            raise _failed(records, some) from error
        try:
            if guard is not None:
                check_pairs(fold, *columns)
            output.add(*columns)
        except BaseException as error:
            if not is_refusal(error):
                raise
            raise _failed(records, some) from named_refusal(error, fold)

    _run(job, records, add, PAIRS_AT_ONCE if guard is None else 1)
    records.stop()


def _failed(records: _LineRecords, some: list[Any]) -> RecordFailed:
    """The failure of one of these pairs. Of many it is not known which record yields it, so a guard takes one."""
    return records.failed() if len(some) == 1 else RecordFailed(None, "map_split")


# ---- pairs ----------------------------------------------------------------------------------------


class _PairRecords:
    """The pairs of a step before."""

    def __init__(self, job: Job, blocks: Iterator[Block]) -> None:
        self.failure: BaseException | None = None
        self._fields = _Fields(job)
        self._read = [("key", "value").index(name) for name in job.projection()]
        self._blocks = blocks
        self.key: Any = NO_KEY  # of the pair that was given last

    def __iter__(self) -> Iterator[Any]:
        with _noted_in(self):
            for _, keys, values in self._blocks:
                try:
                    given = [(keys, values)[i] for i in self._read]
                    columns, records, kept = self._fields.where.select(given, len(keys))
                except EmitFailed as failed:
                    raise GroupFailed(keys[failed.record], failed.hook) from failed.__cause__
                indexes = range(records) if kept is None else kept
                for index, record in zip(indexes, self._fields.records(columns), strict=True):
                    self.key = keys[index]
                    yield record

    def failed(self) -> GroupFailed:
        """See `_Records`."""
        return GroupFailed(self.key, "map_split")


def run_over_pairs(job: Job, blocks: Iterator[Block], output: Output) -> None:
    """Run the job's function over the pairs of the step before. Raises GroupFailed."""
    records, who = _PairRecords(job, blocks), _who(job)

    def add(some: list[Any]) -> None:
        try:
            columns = pairs_as_columns(some, who)
        except UserCodeError as error:
            raise records.failed() from error
        try:
            output.add(*columns)
        except BaseException as error:
            if not is_refusal(error):
                raise
            raise records.failed() from error

    _run(job, records, add, 1)


# ---- a sample -------------------------------------------------------------------------------------


def keys_of_split(job: Job, columns: list[list[Any]], records: int) -> list[Any]:
    """The keys that the job's function yields for these records alone. Raises whatever it raises."""
    assert job.map_split is not None
    fields = _Fields(job)
    given = list(fields.records(fields.where.select(columns, records).columns))
    return [key for key, _ in job.map_split(iter(given))]
