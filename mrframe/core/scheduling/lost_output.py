"""Lost output: forget output that was lost with a node or cannot be fetched, and rerun the tasks still needed.

An attempt that ran on a lost node is forgotten and its task tried again. The loss does not count as a failure of the
task. A committed output is withdrawn by a fact (`OutputLost`). Its task runs again only if a task that is not done
yet reads the output (`SubmissionRecord.reopen_needed`), or if the output is that of a job not yet released.
"""

from __future__ import annotations

from collections.abc import Collection

from mrframe.core.model.events import OutputUnreadable
from mrframe.core.model.facts import OutputLost
from mrframe.core.model.spec import Failure
from mrframe.core.model.states import JobStatus
from mrframe.core.scheduling.assignment import wake
from mrframe.core.scheduling.job_end import fail_if_exhausted
from mrframe.core.state.scheduler_state import NodeRecord, SchedulerState, Turn
from mrframe.core.state.submission import Holder, SubmissionRecord
from mrframe.core.state.tasks import Attempt, Task


def lose_node(
    state: SchedulerState, turn: Turn, node: NodeRecord, except_for: Collection[str] = (), *, died: bool
) -> None:
    """Lose all attempts on a node, and its outputs except those of the attempts in `except_for`.

    `died`: its process has ended, and one of its attempts may be the cause.
    """
    live, alone = [node.live[name] for name in sorted(node.live)], node.alone
    for attempt in live:
        if attempt.start.attempt in node.live:  # not stopped with its job by an earlier one
            blamed = died and alone in ("", attempt.start.attempt)
            lose_attempt(state, turn, attempt, died=blamed)
    lost = [(name, node.outputs[name]) for name in sorted(node.outputs) if name not in except_for]
    for name, task in lost:
        withdraw_commit(state, turn, task, (name, node.name))
    jobs = {attempt.task.job for attempt in live} | {task.job for _, task in lost}
    for job in sorted(jobs, key=lambda name: state.jobs[name].rank):
        requeue_lost(state, turn, state.jobs[job])


def lose_attempt(state: SchedulerState, turn: Turn, attempt: Attempt, *, died: bool) -> None:
    """Lose an attempt with its node. Its task waits again, unless another attempt works on it.

    `died`: it may have ended the node.
    """
    task = attempt.task
    task.node_deaths += died and task.kind != "decode"  # which runs no code of the job
    state.drop(turn, attempt, notify=False)
    task.losses += 1
    gone = Failure("died", "the node was lost: its process ended, hung, or could not be reached")
    if not task.attempts:
        task.move("attempt over")
    fail_if_exhausted(state, turn, task, attempt.node, gone)


def withdraw_commit(state: SchedulerState, turn: Turn, task: Task, holder: Holder) -> None:
    """Withdraw the commit of a lost output."""
    turn.persist(OutputLost(*holder))
    state.nodes[holder[1]].outputs.pop(holder[0], None)
    state.jobs[task.job].lose(task)


def requeue_lost(state: SchedulerState, turn: Turn, submission: SubmissionRecord) -> None:
    """Queue the tasks that are needed again or have lost their attempt, if they can start."""
    submission.reopen_needed()
    if submission.state is JobStatus.RUNNING:
        wake(state, turn, submission.tasks.values())


def on_unreadable(state: SchedulerState, turn: Turn, event: OutputUnreadable) -> None:
    """Lose an output that a client cannot read, and have its node delete what is left of it.

    Nothing happens when it is no longer the result of its task: it is being produced again.
    """
    task = state.task_of(event.attempt)
    if task is None or task.commit != (event.attempt, event.node):
        return
    withdraw_commit(state, turn, task, task.commit)
    state.refuse(turn, event.node, event.attempt)
    requeue_lost(state, turn, state.jobs[task.job])


def report_unfetchable(state: SchedulerState, turn: Turn, submission: SubmissionRecord, source: Holder) -> None:
    """Note that a reader could not fetch an output, and lose it after `fetch_reports_max` reports.

    A node that is down is noticed by its lease or its keeper. This finds output that is gone from a node that is
    up. Nothing happens when `source` is no longer the result of its task: the reader's next attempt names the new
    one.
    """
    task = state.task_of(source[0])
    if task is None or task.job != submission.job:
        return
    making = next((attempt for attempt in task.attempts if attempt.start.attempt == source[0]), None)
    if task.commit != source and making is None:
        return
    reports = submission.fetch_reports.get(source, 0) + 1
    submission.fetch_reports[source] = reports
    if reports < state.limits.fetch_reports_max:
        return
    del submission.fetch_reports[source]
    if task.commit == source:
        withdraw_commit(state, turn, task, source)
        requeue_lost(state, turn, submission)
    elif making is not None:
        state.drop(turn, making)
        task.losses += 1
        unreadable = Failure("fetch", f"the blocks it made on {source[1]} could not be fetched", lost=source)
        if not task.attempts:
            task.move("attempt over")
        if not fail_if_exhausted(state, turn, task, source[1], unreadable):
            wake(state, turn, [task])
