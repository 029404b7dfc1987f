"""The progress of a job, from the running sums of its steps and the last heartbeats of its attempts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from mrframe.core.model.reports import JobProgress
from mrframe.core.state.scheduler_state import SchedulerState
from mrframe.core.state.submission import SubmissionRecord
from mrframe.core.state.tasks import Attempt, Step


def progress(state: SchedulerState, job: str) -> JobProgress | None:
    """Return the progress of a job, or None if it does not exist. Takes time in proportion to its live attempts."""
    submission = state.jobs.get(job)
    if submission is None:
        return None
    step = max((s for s in submission.steps if s.planned), key=lambda s: s.index)
    live = [a for node in state.joined() for a in node.live.values() if _of_step(a, job, step)]
    stage, done, total = _stage(step, live)
    maps = _furthest(a for a in live if a.task.kind == "map")
    return JobProgress(
        job=job,
        step=step.index,
        steps=len(submission.steps),
        stage=stage,
        tasks_done=done,
        tasks_total=total,
        records=step.records + sum(a.records for a in maps),
        bytes_done=step.bytes_in + sum(a.bytes_done for a in maps),
        malformed=_malformed(submission),
    )


def _stage(step: Step, live: list[Attempt]) -> tuple[Literal["map", "shuffle", "reduce"], int, int]:
    if not step.reduces:
        return "map", len(step.maps) - step.open_maps, len(step.maps)
    total, done = len(step.reduces), len(step.reduces) - step.open_reduces
    begun = done or any(a.records or a.bytes_done for a in live if a.task.kind == "reduce")
    return "reduce" if begun else "shuffle", done, total


def _furthest(attempts: Iterable[Attempt]) -> Iterable[Attempt]:
    """Of each task the attempt that has come furthest: a speculative one does the same work again."""
    best: dict[str, Attempt] = {}
    for one in attempts:
        other = best.setdefault(one.task.id, one)
        if one.records > other.records:
            best[one.task.id] = one
    return best.values()


def _of_step(attempt: Attempt, job: str, step: Step) -> bool:
    return attempt.task.job == job and attempt.task.step == step.index


def _malformed(submission: SubmissionRecord) -> int:
    return sum(step.malformed for step in submission.steps)
