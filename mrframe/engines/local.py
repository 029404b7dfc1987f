"""The local engine: a private master and nodes on this machine, for one job.

It feeds splits to the cluster, passes progress on, and gathers the output from the nodes. Not here: starting,
messages and ending (`cluster/`), and the work of a task (`task/`).
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Protocol

from mrframe.bootstrap import start_cluster
from mrframe.core.model.actions import JobEnded
from mrframe.core.model.reports import JobProgress
from mrframe.core.model.spec import Split, StepSpec
from mrframe.core.settings.options import RunOptions
from mrframe.engines.gather import outcome_of, raise_end
from mrframe.engines.plan.key_ranges import SAMPLE_ID, sample_plan, with_cuts
from mrframe.engines.protocol import (
    JOB_ID,
    Feature,
    OnProgress,
    Outcome,
    Plan,
    Progress,
    cores,
    limited,
)
from mrframe.errors import CorruptData, JobFailed, TimedOut, TooManyFailed, TooManyMalformed
from mrframe.store.scratch import Scratch
from mrframe.task.code.package import pack

POLL_S = 0.1
AGAIN_S = 60.0
"""The time that lost output is given to be made again: longer than a lease."""


class JobCluster(Protocol):
    """The part of `cluster.client.client.LocalCluster` that this engine needs; see there."""

    # ruff: noqa: D102
    def submit(self, job: str, steps: tuple[StepSpec, ...], package: bytes) -> None: ...
    def add_splits(self, job: str, splits: tuple[Split, ...]) -> None: ...
    def close_inputs(self, job: str) -> None: ...
    def poll(self, timeout_s: float) -> JobProgress | JobEnded | None: ...
    def fetch(self, node: str, attempt: str, name: str) -> str: ...
    def forget(self, job: str) -> None: ...
    def end_work(self) -> None: ...
    def close(self) -> None: ...


StartCluster = Callable[[RunOptions, int, int, Scratch], JobCluster]


def default_nodes(options_nodes: int | None) -> int:
    """Two nodes, or one where there is one core."""
    return options_nodes or (2 if cores() > 1 else 1)


class LocalEngine:
    """See `engines.protocol.Engine`. `start(options, nodes, slots, scratch)` gives a running cluster."""

    name = "local"
    lacks: frozenset[Feature] = frozenset()

    def __init__(self, start: StartCluster = start_cluster) -> None:
        self._start = start

    def run(self, plan: Plan, on_progress: OnProgress | None) -> Outcome:
        """Run the job on a cluster of its own."""
        options = plan.options
        nodes = default_nodes(options.nodes)
        slots = options.slots or max(1, cores() // nodes)
        plan, sample = sample_plan(limited(plan, nodes * slots))
        package = _package(sample or plan)
        started_s = time.monotonic()
        cluster = self._start(options, nodes, slots, plan.scratch)
        try:
            if sample is not None:
                first = _JobRun(cluster, sample, None, started_s, SAMPLE_ID)
                first.submit(package)
                plan = with_cuts(plan, first.wait().parts)
                cluster.forget(SAMPLE_ID)
                package = _package(plan)
            run = _JobRun(cluster, plan, on_progress, started_s, JOB_ID)
            run.submit(package)
            outcome = run.wait()
            cluster.end_work()  # while the result is read from its files and written
            outcome.nodes = nodes
            outcome.seconds["start"] = run.submitted_s - started_s
        except (TooManyMalformed, TooManyFailed) as error:
            if error.outcome is None:
                cluster.close()
            else:
                error.outcome.close = cluster.close  # its files are on the nodes
            raise
        except BaseException:
            cluster.close()
            raise
        outcome.close = cluster.close
        return outcome


def _package(plan: Plan) -> bytes:
    return pack(plan.job, plan.settings, plan.file, plan.job_options)


class _JobRun:
    """One job on a running cluster."""

    def __init__(
        self, cluster: JobCluster, plan: Plan, on_progress: OnProgress | None, started_s: float, job: str
    ) -> None:
        self._cluster = cluster
        self._job = job
        self._plan = plan
        self._on_progress = on_progress
        self._started_s = started_s
        self.submitted_s = started_s
        self._stage_s: dict[str, float] = {}
        self._stage, self._since_s = "map", started_s
        self._ended: JobEnded | None = None

    def submit(self, package: bytes) -> None:
        """Give the job and all its inputs to the cluster, standard input as it arrives."""
        self._cluster.submit(self._job, self._plan.steps, package)
        if self._plan.splits:
            self._cluster.add_splits(self._job, self._plan.splits)
        self.submitted_s = self._since_s = time.monotonic()
        if self._plan.feed is not None:
            self._feed()
        if self._ended is None:
            self._cluster.close_inputs(self._job)

    def _feed(self) -> None:
        assert self._plan.feed is not None
        for split in self._plan.feed:
            self._cluster.add_splits(self._job, (split,))
            while self._ended is None:
                self._poll(0)
                if self._plan.feed_fd < 0 or select.select([self._plan.feed_fd], [], [], 0)[0]:
                    break
                self._poll(POLL_S)
                self._check_time()
            if self._ended is not None:
                return

    def wait(self) -> Outcome:
        """Until the job has ended, however it does, and its output is here."""
        while True:
            ended = self._end()
            if ended.failure is not None:
                raise_end(ended.failure, ended.reports, self._cluster.fetch, self._plan.settings.reader, self._plan)
            try:
                return self._gather(ended)
            except (CorruptData, JobFailed):
                if not self._runs_again():
                    raise

    def _end(self) -> JobEnded:
        while self._ended is None:
            self._poll(POLL_S)
            self._check_time()
        self._count_stage("output")
        return self._ended

    def _check_time(self) -> None:
        timeout_s = self._plan.options.timeout_s
        if timeout_s is not None and self._ended is None and time.monotonic() - self._started_s > timeout_s:
            raise TimedOut(f"the job did not end within {timeout_s:g} s; give it more with --timeout-s")

    def _runs_again(self) -> bool:
        """Wait for a second end of the job: the node that had its output may have been lost meanwhile."""
        self._ended = None
        until_s = time.monotonic() + AGAIN_S
        if self._plan.options.timeout_s is not None:
            until_s = min(until_s, self._started_s + self._plan.options.timeout_s)
        while self._ended is None and time.monotonic() < until_s:
            self._poll(POLL_S)
        return self._ended is not None

    def _poll(self, wait_s: float) -> None:
        event = self._cluster.poll(wait_s)
        if event is None or event.job != self._job:
            return  # a job that was done can end again
        if isinstance(event, JobEnded):
            self._ended = event
        else:
            self._count_stage(event.stage)
            if self._on_progress is not None:
                self._on_progress(self._as_progress(event))

    def _count_stage(self, stage: str) -> None:
        now_s = time.monotonic()
        self._stage_s[self._stage] = self._stage_s.get(self._stage, 0.0) + now_s - self._since_s
        self._stage, self._since_s = stage, now_s

    def _as_progress(self, event: JobProgress) -> Progress:
        return Progress(
            event.stage,
            event.step,
            event.tasks_done,
            event.tasks_total,
            event.records,
            event.bytes_done,
            self._plan.bytes_total if event.step == 0 else 0,
            event.malformed,
            time.monotonic() - self._started_s,
        )

    def _gather(self, ended: JobEnded) -> Outcome:
        """Fetch the output from the nodes that hold it."""
        settings = self._plan.settings
        outcome = outcome_of(
            ended.reports,
            ended.outputs,
            self._cluster.fetch,
            keep_rejects=settings.keep_rejects,
            keep_quarantine=settings.keep_quarantine,
        )
        if self._plan.options.shuffle != "zmq":  # blocks are read by path, so none is moved
            outcome.data_local += outcome.other_map
            outcome.other_map = 0
        self._count_stage("done")
        outcome.seconds = self._stage_s
        return outcome
