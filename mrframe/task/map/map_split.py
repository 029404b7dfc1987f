"""`map_split`: the user's function runs once per split, over an iterator of named tuples.

The iterator says where the function is, for blame, and how far it came, for the ledger: what a function
leaves unread by stopping early is a class of its own. An error of reading passes through the user's function, which
may catch it and end as if there were no more records; it is raised all the same.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from mrframe.core.job.job import Job
from mrframe.core.job.signature import describe
from mrframe.task.isolation.hook_guard import is_refusal, no_pair, no_pairs, passes
from mrframe.task.isolation.progress_page import NOWHERE
from mrframe.task.map.emit import EmitFailed, Emitter, as_columns, is_pair
from mrframe.task.map.record_guard import Care
from mrframe.task.report.blame import Place, RecordFailed

if TYPE_CHECKING:
    from mrframe.task.map.map_task import MapTask, Output

PAIRS_AT_ONCE = 16_384  # pairs taken from the user's generator before they are buffered


class _Records:
    """The records of a split as named tuples, block by block, and where the reader of them stands.

    `failure` is what reading them, or `where`, has raised: the user's function may have caught it, and gone on.
    """

    def __init__(self, job: Job, task: MapTask) -> None:
        self._task = task
        names = job.map_fields()
        projection = job.projection()
        self._columns = [projection.index(name) for name in names]
        self._emitter = Emitter(job)
        self._make: Any = namedtuple("Record", names)  # type: ignore[misc]  # noqa: PYI024  (names are known at run time)
        self._block: tuple[int, bytes, Any] | None = None
        self._kept: Sequence[int] = ()
        self.given = 0  # of the current block
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[Any]:
        try:
            for offset, block, parsed in self._task.blocks():
                self._block, self.given = (offset, block, parsed), 0
                care = self._task.care
                columns, self._kept = self._passing(offset, block, parsed, care)
                columns = [columns[i] for i in self._columns]
                self._task.handled += parsed.records - len(self._kept)
                if care is not None:
                    yield from self._noted(map(self._make, *columns), care)
                else:
                    for record in map(self._make, *columns):
                        self.given += 1
                        yield record
                self._task.handled += self.given
            self._block = None
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise

    def _noted(self, records: Iterator[Any], care: Care) -> Iterator[Any]:
        for record in records:
            care.box.record(self._kept[self.given])
            self.given += 1
            yield record
        care.box.record(NOWHERE)

    def _passing(
        self, offset: int, block: bytes, parsed: Any, care: Care | None
    ) -> tuple[list[list[Any]], Sequence[int]]:
        """(columns of the records that are given, their indexes); raises RecordFailed for `where`."""
        try:
            if care is None:
                columns, _, kept = self._emitter.passing(parsed.values, parsed.records)
                return columns, range(parsed.records) if kept is None else kept
            return self._carefully(offset, block, parsed, care)
        except EmitFailed as failed:
            raise RecordFailed(self._task.place(offset, block, failed.record), failed.hook) from failed.__cause__

    def _carefully(self, offset: int, block: bytes, parsed: Any, care: Care) -> tuple[list[list[Any]], Sequence[int]]:
        """The same record by record, without those that are to be left out."""
        care.box.block(offset, len(block))
        bad = care.bad(offset, parsed.records)
        self._task.quarantine(offset, block, parsed, bad)
        self._task.handled -= len(bad)  # they are counted as not given
        kept, left_out = [], {index for index, _ in bad}
        for index in range(parsed.records):
            if index not in left_out:
                care.box.record(index)
                try:
                    _, passed, _ = self._emitter.passing([[column[index]] for column in parsed.values], 1)
                except EmitFailed as failed:
                    raise EmitFailed(index, failed.hook) from failed.__cause__
                kept += [index] * passed
        return [[column[index] for index in kept] for column in parsed.values], kept

    def place(self) -> Place | None:
        """The record that was given last."""
        if self._block is None or not self.given:
            return None
        offset, block, _ = self._block
        return self._task.place(offset, block, self._kept[self.given - 1])

    def stop(self) -> None:
        """The function has ended: what was not given is unread."""
        if self._block is not None:
            offset, block, parsed = self._block
            used = self._kept[self.given - 1] + 1 if self.given else 0
            if self.given == len(self._kept):
                used = parsed.records
            self._task.unread(offset, block, parsed, used)


def map_split(job: Job, task: MapTask, output: Output) -> None:
    """Run the user's function over the split of `task`; raises RecordFailed."""
    function = job.map_split
    assert function is not None
    records, who = _Records(job, task), f"map_split={describe(function)}"
    pairs: Iterator[Any] | None = None
    while True:
        try:
            if pairs is None:
                pairs = iter(function(iter(records)))
            some = list(islice(pairs, PAIRS_AT_ONCE if task.care is None else 1))
        except BaseException as error:  # the user's function runs here
            if records.failure is not None:
                raise records.failure  # noqa: B904  (what the function has made of it is not the reason)
            if passes(error):
                raise
            raise RecordFailed(records.place(), "map_split") from no_pairs(error, "map_split", function)
        if records.failure is not None:
            raise records.failure
        if not some:
            break
        _add(some, who, records, task, output)
    records.stop()


def _add(some: list[Any], who: str, records: _Records, task: MapTask, output: Output) -> None:
    """Buffer some pairs. A careful task adds one at a time: of many it is not known which record yields a bad one."""
    columns = as_columns(some)
    try:
        if columns is None:
            raise no_pair(who, next(item for item in some if not is_pair(item)))  # noqa: TRY301
        if task.care is not None:
            task.check(*columns)
        output.add(*columns)
    except BaseException as error:
        if columns is not None and not is_refusal(error):
            raise
        raise RecordFailed(records.place() if len(some) == 1 else None, "map_split") from task.named(error)
