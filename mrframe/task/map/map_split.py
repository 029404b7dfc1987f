"""Runs `map_split`: the user's function is called once per split, with an iterator of named tuples.

Serves lines (`feed_split`), pairs of the step before (`run_over_pairs`) and the key sample (`keys_of_split`).

How it works. The iterator remembers the last record it gave, so a failure can name it. It also knows how far the
function read: records left unread by stopping early are a class of the ledger. A read error passes through the user's
function, which might catch it and return as if the input had ended. So the iterator keeps the error, and the runner
raises it in any case.
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
from mrframe.task.map.map_output import Output
from mrframe.task.map.pair_buffer import check_pairs, map_fold
from mrframe.task.report.failures import NO_KEY, GroupFailed, HookFailed, RecordFailed

PAIRS_AT_ONCE = 16_384  # pairs taken from the user's generator at a time


class _Fields:
    """Filters records by `where` and makes named tuples of the function's fields."""

    def __init__(self, job: Job) -> None:
        names = job.map_fields()
        self._wanted = [job.projection().index(name) for name in names]
        self._make: Any = namedtuple("Record", names)  # type: ignore[misc]  # noqa: PYI024  (names of run time)
        self.where = Where(job)

    def records(self, columns: Sequence[Sequence[Any]]) -> Iterator[Any]:
        """Return the columns of the job's projection as named tuples."""
        return map(self._make, *(columns[i] for i in self._wanted))


class _Records(Protocol):
    """Iterates over the records of a function. `failure` is an error of reading or of `where`, even if caught."""

    failure: BaseException | None

    def __iter__(self) -> Iterator[Any]: ...

    def failed(self) -> HookFailed:
        """Return the failure of the function, on the record that was given last."""


class _noted_in:  # noqa: N801  (read as a function)
    """Context manager: stores an exception as the `failure` of these records, unless the iterator is being closed."""

    def __init__(self, records: _Records) -> None:
        self._records = records

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _tb: object) -> None:
        if kind is not GeneratorExit:
            self._records.failure = error


def _run(job: Job, records: _Records, add: Callable[[list[Any]], None], pairs_at_once: int) -> None:
    """Call the job's function over the records. `add` receives its pairs, `pairs_at_once` at a time."""
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
                raise records.failure  # noqa: B904  (the cause is not the error that the function made of it)
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
        self._kept: Sequence[int] = ()  # indexes of the block's records that pass `where`
        self._count = 0  # how many of them were given

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
        """Yield the same records. Notes each on the page first."""
        for index, record in zip(self._kept, records, strict=True):
            guard.page.record(index)
            yield record
        guard.page.record(NOWHERE)

    def _select(self, block: ReadBlock) -> tuple[list[list[Any]], Sequence[int]]:
        """Return (columns of the records to give, their indexes). Raises RecordFailed for `where`."""
        try:
            if self._guard is not None:
                return self._select_guarded(block, self._guard)
            columns, _, kept = self._fields.where.select(block.parsed.values, block.parsed.records)
        except EmitFailed as failed:
            raise RecordFailed(self._source.locate(block, failed.record), failed.hook) from failed.__cause__
        return columns, range(block.parsed.records) if kept is None else kept

    def _select_guarded(self, block: ReadBlock, guard: RecordGuard) -> tuple[list[list[Any]], Sequence[int]]:
        """Select record by record, without the records to be left out."""
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
        """Note that the function has ended. Records that were not given count as unread."""
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
    """Return the failure for these pairs. It names the record only for a single pair, as taken under a guard."""
    return records.failed() if len(some) == 1 else RecordFailed(None, "map_split")


# ---- pairs ----------------------------------------------------------------------------------------


class _PairRecords:
    """The pairs of a step before."""

    def __init__(self, job: Job, blocks: Iterator[Block]) -> None:
        self.failure: BaseException | None = None
        self._fields = _Fields(job)
        self._read = [("key", "value").index(name) for name in job.projection()]
        self._blocks = blocks
        self.key: Any = NO_KEY  # of the last pair given

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
    """Return the keys that the job's function yields for these records alone. Raises its exceptions."""
    assert job.map_split is not None
    fields = _Fields(job)
    given = list(fields.records(fields.where.select(columns, records).columns))
    return [key for key, _ in job.map_split(iter(given))]
