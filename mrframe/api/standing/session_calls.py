"""Calls to a cluster that take several steps: wait for the end of a submission, and find the splits it mapped.

The progress of a submission is that of the cluster, which knows neither the size of the inputs nor when the work
began. The record has the one. The other is reckoned from the pace since the wait began (`Pace`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from mrframe.cluster.client.cluster_dir import ClusterDir
from mrframe.cluster.client.standing_session import StandingSession
from mrframe.core.model.actions import JobEnded
from mrframe.core.model.reports import JobProgress
from mrframe.engines.datasets.datasets import replica_of
from mrframe.engines.history.kept_runs import SubmittedMaps
from mrframe.engines.protocol import OnProgress, Progress
from mrframe.errors import TimedOut, UsageError, UserCodeError

POLL_S = 1.0
REPLY_S = 30.0
"""How long a master may take to answer, its restart included."""


class Pace:
    """Makes the progress of a run from that of a submission over inputs of `bytes_total`, and passes it on."""

    def __init__(self, bytes_total: int, on_progress: OnProgress) -> None:
        self._bytes_total = bytes_total
        self._on_progress = on_progress
        self._from = 0, 0, 0.0  # step, bytes done and time at which the pace begins

    def __call__(self, event: JobProgress, now_s: float) -> None:
        """Pass this on, with the seconds that all of it takes at the pace since the wait began. 0 is not known."""
        step, done, at_s = self._from
        if not at_s or event.step != step or event.bytes_done < done or not event.bytes_done:
            self._from = event.step, event.bytes_done, now_s
        step, done, at_s = self._from
        gained = event.bytes_done - done
        seconds = (now_s - at_s) * event.bytes_done / gained if gained else 0.0
        total = self._bytes_total if event.step == 0 else 0
        tasks = event.tasks_done, event.tasks_total
        counts = event.records, event.bytes_done, total, event.malformed
        self._on_progress(Progress(event.stage, event.step, *tasks, *counts, seconds))


def ended(
    session: StandingSession,
    job: str,
    timeout_s: float | None,
    known: dict[str, JobEnded],
    pace: Pace | None = None,
) -> JobEnded:
    """Wait for the end of this job. TimedOut when it does not come in time, UsageError when there is no such job.

    Ends of other jobs that arrive meanwhile are added to `known`. `pace` gets the job's progress.
    """
    started_s = time.monotonic()
    session.follow(job)
    try:
        while True:
            left_s = POLL_S if timeout_s is None else timeout_s - (time.monotonic() - started_s)
            event = session.poll(0.0 if job in known else max(0.0, min(POLL_S, left_s)))
            if isinstance(event, JobEnded):
                known[event.job] = event
            elif event is not None and event.job == job and pace is not None:
                pace(event, time.monotonic())
            elif event is None and job in known:
                return known[job]
            elif event is None and timeout_s is not None and left_s <= 0:
                raise TimedOut(f"{job} did not end within {timeout_s:g} s; it goes on, and can be waited for again")
    except UsageError:
        session.unfollow(job)  # the session goes on
        raise


@contextmanager
def replay_named(job: str) -> Iterator[None]:
    """Give an error of the job's code the submission that `mrframe replay` takes."""
    try:
        yield
    except UserCodeError as error:
        if error.record is not None or error.group:
            error.kept = job
        raise


def submitted_maps(
    cluster_dir: ClusterDir, session: StandingSession, job: str, reply_s: float, known: dict[str, JobEnded]
) -> SubmittedMaps:
    """The splits that a submission mapped, and its job. UsageError when it is not done."""
    if any(one.job == job and one.state != "done" for one in session.state(reply_s).jobs):
        raise UsageError(f"{job} is not done, so there are no lines yet; wait for it with: mrframe wait {job}")
    reports = ended(session, job, reply_s, known).reports
    return SubmittedMaps(reports, cluster_dir.record(job), cluster_dir.package(job), replica_of(session))
