"""Calls to a cluster that take several steps: wait for the end of a submission, and find the splits it mapped."""

from __future__ import annotations

import time

from mrframe.cluster.client.cluster_dir import ClusterDir
from mrframe.cluster.client.standing_session import StandingSession
from mrframe.core.model.actions import JobEnded
from mrframe.engines.datasets.datasets import replica_of
from mrframe.engines.history.kept_runs import SubmittedMaps
from mrframe.errors import TimedOut, UsageError

POLL_S = 1.0
REPLY_S = 30.0
"""How long a master may take to answer, its restart included."""


def ended(session: StandingSession, job: str, timeout_s: float | None, known: dict[str, JobEnded]) -> JobEnded:
    """Wait for the end of this job. TimedOut when it does not come in time, UsageError when there is no such job.

    Ends of other jobs that arrive meanwhile are added to `known`.
    """
    started_s = time.monotonic()
    session.follow(job)
    try:
        while True:
            left_s = POLL_S if timeout_s is None else timeout_s - (time.monotonic() - started_s)
            event = session.poll(0.0 if job in known else max(0.0, min(POLL_S, left_s)))
            if isinstance(event, JobEnded):
                known[event.job] = event
            elif event is None and job in known:
                return known[job]
            elif event is None and timeout_s is not None and left_s <= 0:
                raise TimedOut(f"{job} did not end within {timeout_s:g} s; it goes on, and can be waited for again")
    except UsageError:
        session.unfollow(job)  # the session goes on
        raise


def submitted_maps(
    cluster_dir: ClusterDir, session: StandingSession, job: str, reply_s: float, known: dict[str, JobEnded]
) -> SubmittedMaps:
    """The splits that a submission mapped, and its job. UsageError when it is not done."""
    if any(one.job == job and one.state != "done" for one in session.state(reply_s).jobs):
        raise UsageError(f"{job} is not done, so there are no lines yet; wait for it with: mrframe wait {job}")
    reports = ended(session, job, reply_s, known).reports
    return SubmittedMaps(reports, cluster_dir.record(job), cluster_dir.package(job), replica_of(session))
