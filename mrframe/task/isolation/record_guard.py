"""Guard of an attempt that goes record by record: notes each record before its code runs, and leaves some out.

`RecordGuard` is given to map and reduce tasks when an attempt before has failed in a way that names no record, or
when records may be left out (`--max-failed`). Without it they take a block at a time. Not here: the death of
the process (`isolated_attempt.py`), a map record by record (`map/feeds.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mrframe.core.model.error_limits import tolerates
from mrframe.task.isolation.progress_page import ProgressPage

RecordId = tuple[int, int]  # (offset of the block in the source, index of the record in the block)
Bad = list[tuple[int, str]]  # (index, reason) of records of a block


class RecordGuard:
    """`skipped` are the records to leave out, with the reason. `limit` is --max-failed."""

    def __init__(self, page: ProgressPage, limit: float, skipped: Mapping[RecordId, str]) -> None:
        self.page = page
        self._limit = limit
        self._skipped = skipped
        self._left_out = len(skipped)

    def bad(self, offset: int, records: int) -> Bad:
        """The records of this block that are to be left out."""
        if not self._skipped:
            return []
        found = ((index, self._skipped.get((offset, index))) for index in range(records))
        return [(index, reason) for index, reason in found if reason is not None]

    def may_leave_out(self) -> bool:
        """Whether one more record may be left out. If not, the page says that the limit is spent."""
        self._left_out += 1
        if tolerates(self._limit, self._left_out):
            return True
        self.page.spend()
        return False

    def noted(self, groups: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        """The same groups. Each key is noted on the page before the group is given."""
        for key, values in groups:
            self.page.key(key)
            yield key, values


class PageReporter:
    """The reporter of a task in a child process: writes progress to the page."""

    def __init__(self, page: ProgressPage) -> None:
        self._page = page

    def beat(self, records: int, bytes_done: int) -> None:
        """Note the progress so far."""
        self._page.beat(records, bytes_done)

    def block_sealed(self, split: object) -> None:
        """Not for decode tasks, which run no code of a job."""
        raise AssertionError(split)
