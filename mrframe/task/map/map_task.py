"""A map task: turns one split of lines into a sealed run file, with its ledger.

The task only connects its parts: the path that suits the job (`path.py`), the input with its ledger (`map_input.py`)
and the output (`map_output.py`). Not here: pairs of the step before (`pair_map_task.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mrframe.core.job.job import Job
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import MapOrder
from mrframe.shuffle.columns import decode
from mrframe.task.code.settings import TaskSettings
from mrframe.task.isolation.record_guard import RecordGuard
from mrframe.task.map.map_input import InputDigest, MapInput
from mrframe.task.map.map_output import Output
from mrframe.task.map.path import choose
from mrframe.task.report.task_progress import TaskProgress


class MapTask:
    """One attempt at a map task over lines. For a join, `job` is the view of source number `source`.

    `digest` receives the bytes of the input. After `run`, `digests` has the digest of each slot of the run file.
    """

    def __init__(
        self,
        job: Job,
        order: MapOrder,
        settings: TaskSettings,
        progress: TaskProgress,
        *,
        source: int = 0,
        guard: RecordGuard | None = None,
        digest: InputDigest | None = None,
    ) -> None:
        self._job = job
        self._guard = guard
        self._path = path = choose(job, order.split, settings, guarded=guard is not None)
        cuts: Sequence[Any] = decode(settings.cuts, unpickle=False) if settings.cuts else ()
        self._output = Output(job, order, settings, path.buffer, source=source, cuts=cuts)
        self.input = MapInput(
            order,
            path.reader,
            settings,
            progress,
            forms=path.forms,
            after_block=self._output.after_block,
            digest=digest,
        )
        self.digests = self._output.digests

    def run(self) -> TaskReport:
        """Map the split. Raises RecordFailed for the user's code, and the errors of reading and writing."""
        report = self.input.report
        try:
            self._path.feed(self._job, self.input, self._output, self._guard)
            self._output.seal(report)
            report.fixed = report.fixed and self._guard is None  # a guard fills buffers record by record
            self.input.add_bad_fields(self._path.bad_fields)
            self.input.seal()
        finally:
            self._output.close()
            self.input.close()
        return report
