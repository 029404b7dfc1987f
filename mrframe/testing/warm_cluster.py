"""One cluster of processes for many runs. `mrframe run` starts one each time. This one stays.

A run asks for `job-1`. Each gets an id of its own here, and all else is passed on. For tests that run many small jobs
with `engine="local"` and do not care about starting and ending. After `RUNS` runs another cluster replaces it, with
another number of nodes, another transport of the shuffle and another `PYTHONHASHSEED`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self
from unittest.mock import patch

from mrframe.cluster.client.client import LocalCluster
from mrframe.core.model.actions import JobEnded
from mrframe.core.model.reports import JobProgress
from mrframe.core.model.spec import Split, StepSpec
from mrframe.core.settings.options import RunOptions
from mrframe.engines import local
from mrframe.store.scratch import Scratch

RUNS = 40
"""Runs on one cluster."""


class WarmCluster:
    """A context manager that starts a cluster on first use."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._cluster: LocalCluster | None = None
        self._jobs = self._clusters = 0

    @contextmanager
    def used(self) -> Iterator[None]:
        """Have the local engine use this cluster in folder of one of its own."""
        with patch.object(local, "LocalEngine", partial(local.LocalEngine, self._start)):
            yield

    def end(self) -> None:
        """End the cluster. The next run starts another."""
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()

    def _start(self, _options: RunOptions, _nodes: int, _slots: int, scratch: Scratch) -> _SharedCluster:
        if self._jobs % RUNS == 0:
            self.end()
        if self._cluster is None:
            number = self._clusters
            self._clusters += 1
            folder = os.path.join(self._folder, f"cluster-{number}")
            with patch.dict(os.environ, {"PYTHONHASHSEED": str(number)}):
                self._cluster = LocalCluster.start(
                    nodes=2 - number % 2, slots=1, scratch=folder, shuffle="zmq" if number % 3 == 2 else "auto"
                )
        scratch.make()
        self._jobs += 1
        return _SharedCluster(self._cluster, self._jobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()


class _SharedCluster:
    """The cluster as one run sees it, with job ids of its own: `engines.local.JobCluster` documents each method."""

    def __init__(self, cluster: LocalCluster, number: int) -> None:
        self._cluster = cluster
        self._number = number
        self._names: dict[str, str] = {}  # of ours: theirs

    def _ours(self, job: str) -> str:
        ours = f"{job}{self._number:06d}"
        self._names[ours] = job
        return ours

    def submit(self, job: str, steps: tuple[StepSpec, ...], package: bytes) -> None:
        self._cluster.submit(self._ours(job), steps, package)

    def add_splits(self, job: str, splits: tuple[Split, ...]) -> None:
        self._cluster.add_splits(self._ours(job), splits)

    def close_inputs(self, job: str) -> None:
        self._cluster.close_inputs(self._ours(job))

    def poll(self, timeout_s: float) -> JobProgress | JobEnded | None:
        event = self._cluster.poll(timeout_s)
        return event if event is None else replace(event, job=self._names.get(event.job, "another"))

    def fetch(self, node: str, attempt: str, name: str) -> str:
        return self._cluster.fetch(node, attempt, name)

    def forget(self, job: str) -> None:
        self._cluster.forget(self._ours(job))

    def end_work(self) -> None:
        """Do nothing: the cluster stays."""

    def close(self) -> None:
        for ours in self._names:
            self._cluster.forget(ours)
