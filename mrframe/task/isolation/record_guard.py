"""Guards an attempt that works record by record: notes each record before the job's code runs, and leaves some out.

Map and reduce tasks get a `RecordGuard` after an attempt failed without naming a record, or if records may be left
out (`--max-failed`). Without it they take a block at a time. Not here: the death of the process
(`isolated_attempt.py`), mapping record by record (`map/feeds.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mrframe.core.model.error_limits import tolerates
from mrframe.task.isolation.progress_page import ProgressPage

RecordId = tuple[int, int]  # (offset of the block in the source, index of the record in the block)
Bad = list[tuple[int, str]]  # (index, reason) of records of a block


class RecordGuard:
    """`skipped` maps the records to leave out to the reason. `limit` is --max-failed."""

    def __init__(self, page: ProgressPage, limit: float, skipped: Mapping[RecordId, str]) -> None:
        self.page = page
        self._limit = limit
        self._skipped = skipped
        self._left_out = len(skipped)

    def bad(self, offset: int, records: int) -> Bad:
        """Return the records of this block to leave out."""
        if not self._skipped:
            return []
        found = ((index, self._skipped.get((offset, index))) for index in range(records))
        return [(index, reason) for index, reason in found if reason is not None]

    def may_leave_out(self) -> bool:
        """Return whether one more record may be left out. If not, note on the page that the limit is spent."""
        self._left_out += 1
        if tolerates(self._limit, self._left_out):
            return True
        self.page.spend()
        return False

    def noted(self, groups: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        """Yield the same groups, noting each key on the page first."""
        for key, values in groups:
            self.page.key(key)
            yield key, values


class PageReporter:
    """The reporter of a task in a child process: writes progress to the page."""

    def __init__(self, page: ProgressPage) -> None:
        self._page = page

    def beat(self, records: int, bytes_done: int) -> None:
        """Note the records and bytes done so far."""
        self._page.beat(records, bytes_done)

    def block_sealed(self, split: object) -> None:
        """Do nothing: decode tasks run no code of a job."""
        raise AssertionError(split)
