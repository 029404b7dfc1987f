"""Which splits of a plan need not be mapped, because the results of mapping them are saved.

The client's read-only view of the map results that executors save (`task/cache/map_results.py`): it tells whether a
split with known content has a result, and how much work a plan leaves. Not here: how content becomes known
(`input_records.py`, `content_scan.py`), and whole results (`whole_results.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from mrframe.core.model.spec import Split
from mrframe.engines.protocol import Plan
from mrframe.formats.inputs.splits import COMPRESSION_RATIO
from mrframe.formats.readers.time_window import INSIDE, OUTSIDE
from mrframe.store.result_store import ResultStore
from mrframe.task.cache.map_results import identity, spans_of
from mrframe.task.code.settings import Saving


class SavedMaps:
    """The saved map results for the job of one plan; `saving` says where they are."""

    def __init__(self, plan: Plan, saving: Saving, results: ResultStore) -> None:
        self._plan = plan
        self._saving = saving
        self._results = results

    def has_whole(self, split: Split) -> bool:
        """Return whether a split of known content needs no reading.

        Either its result is saved and undamaged, or a window of time leaves out all of its records.
        """
        if self._saving.windowed:
            if self._is_outside(split):
                return True
            if self._position(split) != INSIDE:
                return False
        key = self._key(split)
        return self._results.load(self._saving.job, key, None) is not None and self._size_bytes(key) is not None

    def work_bytes(self, splits: Sequence[Split]) -> int:
        """The bytes that executors could share: splits without a result, but for the longest, and saved results.

        The longest split takes an executor as long as this process, so a cluster saves no more than the rest.
        At least 1, as `inline_bytes_max=0` is never inline.
        """
        work = longest = 0
        for split in splits:
            if self._saving.windowed and split.content and self._is_outside(split):
                continue
            size = self._size_bytes(self._key(split)) if split.content else None
            work += size if size is not None else split.length * (COMPRESSION_RATIO if split.is_compressed else 1)
            if size is None and split.is_file:  # the blocks of a compressed one are shared
                longest = max(longest, split.length)
        return max(1, work - longest)

    def _position(self, split: Split) -> int:
        """Where a split of known content lies relative to the window of time that is asked for."""
        return spans_of(split, self._plan.settings, self._results).relation(split, split.content)

    def _is_outside(self, split: Split) -> bool:
        return self._position(split) == OUTSIDE and self._plan.job.map_batch is None

    def _key(self, split: Split) -> str:
        view = self._plan.job.sources()[split.input_name]
        return identity(view, split, self._plan.steps[0].partitions, split.content)

    def _size_bytes(self, key: str) -> int | None:
        return self._results.size_bytes(self._saving.job, key)
