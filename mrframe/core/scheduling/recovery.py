"""Restart: the book from the facts of the journal, without attempts.

The facts go through the same methods that made them, in the same order. What the nodes hold is not known
until they join: nodes that the journal names are *expected*, for one lease; until they have joined or been
given up, tasks that read outputs wait.
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
from mrframe.core.model.states import JobState
from mrframe.core.replication import reconcile
from mrframe.core.scheduling.assignment import wake
from mrframe.core.scheduling.job_end import ended, follow, forget
from mrframe.core.state.scheduler_state import Book, Turn
from mrframe.core.state.submission import Submission
from mrframe.core.state.tasks import Task


def recover(book: Book, facts: Iterable[Fact]) -> None:
    """Fill an empty book from the journal's facts."""
    for fact in facts:
        _apply(book, fact)


def resume(book: Book, turn: Turn) -> list[SchedulerAction]:
    """What a restarted master begins with: the ends of jobs are told again, the rest goes on.

    Leases of expected nodes count from here.
    """
    for node in book.nodes.values():
        node.seen_s = turn.now_s
    for submission in list(book.jobs.values()):
        if submission.state is not JobState.RUNNING:
            turn.end(ended(submission))
            continue
        submission.needed()
        follow(book, turn, submission, [])
        if submission.state is JobState.RUNNING:
            wake(book, turn, submission.tasks.values())
    return turn.actions()


def _apply(book: Book, fact: Fact) -> None:
    match fact:
        case JobSubmitted():
            accept(book, fact)
        case SplitsAdded(job, splits):
            book.jobs[job].add_splits(splits)
        case InputsClosed(job, splits):
            book.jobs[job].close(splits)
            book.jobs[job].advance()
        case BlockRecorded(name, split):
            decode = _task(book, name)
            book.jobs[decode.job].add_block(decode, split)
        case AttemptCommitted(attempt, node, report):
            task = _task(book, parse_attempt(attempt).task)
            submission = book.jobs[task.job]
            submission.commit(task, (attempt, node), report, "recall")
            book.node(node).outputs[attempt] = task
            submission.advance()
        case OutputLost(attempt, node):
            task = _task(book, parse_attempt(attempt).task)
            book.nodes[node].outputs.pop(attempt, None)
            book.jobs[task.job].lose(task)
        case JobFinished(job, failure):
            book.jobs[job].move("done" if failure is None else "fail")
            book.jobs[job].failure = failure
        case JobReleased(job):
            _release(book, job)
        case DatasetPut(version):
            reconcile.add(book, version)
        case VersionRemoved(dataset, number, put):
            reconcile.remove(book, dataset, number, put)
        case DatasetRemoved(dataset, number):
            reconcile.remove(book, dataset, number, 0)
        case NodeDrained():
            reconcile.drain(book, fact)
        case CancelRequested():
            pass  # the `JobFinished` of the same turn says it all


def _release(book: Book, job: str) -> None:
    """Forget a job. Of one that is not known, all other facts were compacted away, and this one stands for them."""
    if job in book.jobs:
        forget(book, book.jobs[job])
    elif job not in book.released:
        book.released.add(job)
        book.accepted += 1


def _task(book: Book, name: str) -> Task:
    return book.jobs[name.partition("/")[0]].tasks[name]


def accept(book: Book, event: JobSubmitted) -> Submission:
    """Enter a new job into the book."""
    submission = book.jobs[event.job] = Submission(event.job, event.steps, book.accepted, event.priority)
    book.accepted += 1
    return submission


def snapshot(book: Book) -> dict[str, Any]:
    """The lasting part of the book as plain values: what `recover` must bring back."""
    return {
        "released": sorted(book.released),
        "datasets": list(book.datasets.versions()),
        "removed": sorted(book.datasets.removed()),
        "drained": sorted(book.keepers.drained),
        "jobs": {job: _snapshot_job(submission) for job, submission in sorted(book.jobs.items())},
    }


def _snapshot_job(submission: Submission) -> dict[str, Any]:
    return {
        "place": submission.place,
        "priority": submission.priority,
        "state": submission.state.value,
        "failure": submission.failure,
        "added": submission.added,
        "closed": submission.closed_at,
        "steps": [
            (s.spec, s.planned, s.open_maps, s.open_reduces, s.lines, s.malformed, dict(s.made))
            for s in submission.steps
        ],
        "tasks": {task.id: (task.step, task.partition, task.commit) for task in submission.tasks.values()},
        "splits": {order: task.id for order, task in sorted(submission.by_order.items())},
    }
