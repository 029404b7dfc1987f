"""Saved map results of earlier runs: list, bound and delete them. Deleting them costs only time."""

from __future__ import annotations

import os
from typing import Any

from mrframe.api.html_table import Listing
from mrframe.api.units import bytes_text, counted
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.settings.options import RunOptions
from mrframe.engines.cache.run_cache import folders


@dataclass(frozen=True, slots=True)
class SavedJobInfo:
    """A job of which results are saved: `job` is its fingerprint, `used_s` the time of their last use (epoch)."""

    job: str
    name: str
    results: int
    bytes: int
    used_s: float

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "job": self.job,
            "name": self.name,
            "results": self.results,
            "bytes": self.bytes,
            "used": self.used_s,
        }

    def cells(self) -> dict[str, object]:
        """As a row of a table."""
        return {
            "job": self.job[:12],
            "name": self.name,
            "results": counted(self.results, "result"),
            "bytes": bytes_text(self.bytes),
        }


class SavedResults:
    """The cached results in the folder that these options name.

    >>> from mrframe.api import RunOptions, SavedResults
    >>> SavedResults(RunOptions(cache_dir=directory)).jobs()
    []
    """

    def __init__(self, options: RunOptions = RunOptions()) -> None:  # noqa: B008  (frozen)
        self._options = options
        self._results, self._files = folders(options)

    @property
    def directory(self) -> str:
        """Where they are."""
        return os.path.dirname(self._results.path)

    def jobs(self) -> Listing[SavedJobInfo]:
        """The jobs with cached results, last used first."""
        return Listing(SavedJobInfo(j.job, j.name, j.entries, j.size_bytes, j.used_s) for j in self._results.jobs())

    def trim(self) -> int:
        """Delete the least recently used until the rest is within `cache_bytes_max`. Returns the bytes deleted."""
        self._files.trim()
        return self._results.evict(self._options.cache_bytes_max)

    def clear(self) -> tuple[int, int]:
        """Delete all, unless a run is using them now. Returns (bytes deleted, bytes left)."""
        freed = self._results.clear()
        left = sum(job.size_bytes for job in self._results.jobs())
        if not left:
            self._files.clear()
        return freed, left

    def __repr__(self) -> str:
        return f"<SavedResults in {self.directory}>"
