"""Restart: rebuild the scheduler's state from the facts of the journal, without attempts.

The facts go through the same methods that made them, in the same order. The outputs that nodes hold are not known
until the nodes join. Nodes that the journal names are *expected* for one lease. Until they have joined or been given
up, tasks that read outputs wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mrframe.core.model.actions import SchedulerAction
from mrframe.core.model.events import (
    CancelRequested,
    DatasetPut,
    DatasetRemoved,
    InputsClosed,
    JobReleased,
    JobSubmitted,
    NodeDrained,
    SplitsAdded,
)
from mrframe.core.model.facts import AttemptCommitted, BlockRecorded, Fact, JobFinished, OutputLost, VersionRemoved
from mrframe.core.model.ids import parse_attempt
from mrframe.core.model.states import JobStatus
from mrframe.core.replication import store_events
from mrframe.core.scheduling.assignment import wake
from mrframe.core.scheduling.job_end import advance_job, ended_action, forget
from mrframe.core.state.scheduler_state import SchedulerState, Turn
from mrframe.core.state.submission import SubmissionRecord
from mrframe.core.state.tasks import Task


def recover(state: SchedulerState, facts: Iterable[Fact]) -> None:
    """Fill an empty state from the journal's facts."""
    for fact in facts:
        _apply(state, fact)


def resume(state: SchedulerState, turn: Turn) -> list[SchedulerAction]:
    """Start a recovered scheduler: notify clients of ended jobs again, and resume the others.

    Leases of expected nodes count from here.
    """
    for node in state.nodes.values():
        node.seen_s = turn.now_s
    for submission in list(state.jobs.values()):
        if submission.state is not JobStatus.RUNNING:
            turn.end(ended_action(submission))
            continue
        submission.reopen_needed()
        advance_job(state, turn, submission, [])
        if submission.state is JobStatus.RUNNING:
            wake(state, turn, submission.tasks.values())
    return turn.actions()


def _apply(state: SchedulerState, fact: Fact) -> None:
    match fact:
        case JobSubmitted():
            accept(state, fact)
        case SplitsAdded(job, splits):
            state.jobs[job].add_splits(splits)
        case InputsClosed(job, splits):
            state.jobs[job].close(splits)
            state.jobs[job].advance()
        case BlockRecorded(name, split):
            decode = _task(state, name)
            state.jobs[decode.job].add_block(decode, split)
        case AttemptCommitted(attempt, node, report):
            task = _task(state, parse_attempt(attempt).task)
            submission = state.jobs[task.job]
            submission.commit(task, (attempt, node), report, "recall")
            state.node(node).outputs[attempt] = task
            submission.advance()
        case OutputLost(attempt, node):
            task = _task(state, parse_attempt(attempt).task)
            state.nodes[node].outputs.pop(attempt, None)
            state.jobs[task.job].lose(task)
        case JobFinished(job, failure, ended_s):
            state.jobs[job].move("done" if failure is None else "fail")
            state.jobs[job].failure = failure
            state.jobs[job].ended_s = ended_s
        case JobReleased(job):
            _release(state, job)
        case DatasetPut(version):
            store_events.add(state, version)
        case VersionRemoved(dataset, number, put):
            store_events.remove(state, dataset, number, put)
        case DatasetRemoved(dataset, number):
            store_events.remove(state, dataset, number, 0)
        case NodeDrained():
            store_events.drain(state, fact)
        case CancelRequested():
            pass  # the `JobFinished` of the same turn is sufficient


def _release(state: SchedulerState, job: str) -> None:
    """Forget a job. Of one that is not known, all other facts were compacted away, and this one stands for them."""
    if job in state.jobs:
        forget(state, state.jobs[job])
    elif job not in state.released:
        state.released.add(job)
        state.accepted += 1


def _task(state: SchedulerState, name: str) -> Task:
    return state.jobs[name.partition("/")[0]].tasks[name]


def accept(state: SchedulerState, event: JobSubmitted) -> SubmissionRecord:
    """Enter a new job into the state."""
    submission = state.jobs[event.job] = SubmissionRecord(event.job, event.steps, state.accepted, event.priority)
    state.accepted += 1
    return submission


def snapshot(state: SchedulerState) -> dict[str, Any]:
    """Return the lasting part of the state as plain values, which `recover` must restore."""
    return {
        "released": sorted(state.released),
        "datasets": list(state.datasets.versions()),
        "removed": sorted(state.datasets.removed()),
        "drained": sorted(state.block_map.drained),
        "jobs": {job: _snapshot_job(submission) for job, submission in sorted(state.jobs.items())},
    }


def _snapshot_job(submission: SubmissionRecord) -> dict[str, Any]:
    return {
        "rank": submission.rank,
        "priority": submission.priority,
        "state": submission.state.value,
        "failure": submission.failure,
        "ended": submission.ended_s,
        "added": submission.added,
        "closed": submission.closed_at,
        "steps": [
            (s.spec, s.planned, s.open_maps, s.open_reduces, s.lines, s.malformed, dict(s.map_checksums))
            for s in submission.steps
        ],
        "tasks": {task.id: (task.step, task.partition, task.commit) for task in submission.tasks.values()},
        "splits": {order: task.id for order, task in sorted(submission.by_position.items())},
    }
