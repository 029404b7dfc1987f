"""`map_split`: the user's function runs once per split, over an iterator of named tuples.

The iterator says where the function is, for blame, and how far it came, for the ledger: what a function
leaves unread by stopping early is a class of its own.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Collection, Iterator
from itertools import compress, islice
from typing import TYPE_CHECKING, Any

from mrframe.core.job import Job
from mrframe.core.signature import describe
from mrframe.errors import KeyRefused, MrframeError
from mrframe.task.blame import Place, RecordFailed
from mrframe.task.box import NOWHERE
from mrframe.task.care import Care
from mrframe.task.emit import as_columns, no_pair

if TYPE_CHECKING:
    from mrframe.task.mapping import MapTask, Output

PAIRS_AT_ONCE = 16_384  # pairs taken from the user's generator before they are buffered


class _Records:
    """The records of a split as named tuples, block by block, and where the reader of them stands."""

    def __init__(self, job: Job, task: MapTask) -> None:
        self._task = task
        names = job.map_fields()
        projection = job.projection()
        self._columns = [projection.index(name) for name in names]
        self._where = job.where
        self._where_columns = [projection.index(name) for name in job.where_fields()]
        self._make: Any = namedtuple("Record", names)  # type: ignore[misc]  # noqa: PYI024  (names are known at run time)
        self._block: tuple[int, bytes, Any] | None = None
        self._kept: list[int] = []
        self.given = 0  # of the current block

    def __iter__(self) -> Iterator[Any]:
        left_out: Collection[int] = ()
        for offset, block, parsed in self._task.blocks():
            self._block, self.given = (offset, block, parsed), 0
            care = self._task.care
            if care is not None:
                care.box.block(offset, len(block))
                bad = care.bad(offset, parsed.records)
                self._task.quarantine(offset, block, parsed, bad)
                left_out = {index for index, _ in bad}
            self._kept = self._passing(parsed, care, left_out)
            columns = [parsed.columns[i] for i in self._columns]
            if len(self._kept) < parsed.records:
                columns = [[column[i] for i in self._kept] for column in columns]
            if care is not None:
                yield from self._noted(map(self._make, *columns), care)
                continue
            for record in map(self._make, *columns):
                self.given += 1
                yield record
        self._block = None

    def _noted(self, records: Iterator[Any], care: Care) -> Iterator[Any]:
        for record in records:
            care.box.record(self._kept[self.given])
            self.given += 1
            yield record
        care.box.record(NOWHERE)

    def _passing(self, parsed: Any, care: Care | None, left_out: Collection[int]) -> list[int]:
        everything = range(parsed.records)
        if self._where is None:
            return [index for index in everything if index not in left_out] if left_out else list(everything)
        kept = []
        for index, arguments in enumerate(zip(*(parsed.columns[i] for i in self._where_columns), strict=True)):
            if care is not None:
                care.box.record(index)
            self.given, self._kept = 1, [index]
            kept.append(index not in left_out and bool(self._where(*arguments)))
        self.given = 0
        return list(compress(everything, kept))

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
    records = _Records(job, task)
    iterator = iter(records)
    try:
        pairs = iter(function(iterator))
        while some := list(islice(pairs, PAIRS_AT_ONCE)):
            columns = as_columns(some)
            if columns is None:
                wrong = next(item for item in some if as_columns([item]) is None)
                raise no_pair(f"map_split={describe(function)}", wrong)  # noqa: TRY301
            output.add(*columns)
    except (MrframeError, OSError) as error:
        if isinstance(error, KeyRefused) or getattr(error, "slug", "") == "user-code":
            raise RecordFailed(records.place()) from error
        raise
    except BaseException as error:  # the user's function runs here
        raise RecordFailed(records.place()) from error
    records.stop()
