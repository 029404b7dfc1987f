"""The end of attempts: sealed, committed, discarded, failed. Also the blocks that decode attempts make.

Rules. The first sealed attempt of a task wins: the fact first, then `CommitAttempt` to its node and `DiscardAttempt`
to all others. Any other report (a second seal, a stale attempt, another epoch) is answered with a discard, so that
nodes may repeat their reports until they get an answer. "raised" and "refused" end the job at once, because they
would happen again. "died" and "io" are tried `tries_max` times, on other nodes if there are any. "fetch", "full" and
"recalled" are not the task's fault: it is tried again, after a pause for the first two, on a full disk for `full_s`.
A reduce that did not read exactly the pairs that its maps made has no result: it counts as "io".
"""

from __future__ import annotations

from dataclasses import replace

from mrframe.core.model.events import AcknowledgeBlock, AttemptFailed, AttemptSealed, BlockSealed, CommitAttempt
from mrframe.core.model.facts import AttemptCommitted, BlockRecorded
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.shuffle_checksum import shuffle_mismatch
from mrframe.core.model.spec import Failure
from mrframe.core.replication.replicas import suspect
from mrframe.core.scheduling.assignment import postpone, postpone_until_room, wake
from mrframe.core.scheduling.job_end import advance_job, fail, fail_if_exhausted
from mrframe.core.scheduling.lost_output import report_unfetchable
from mrframe.core.scheduling.node_exclusion import record_fault
from mrframe.core.scheduling.suspects import note_position
from mrframe.core.state.scheduler_state import NodeRecord, SchedulerState, Turn
from mrframe.core.state.tasks import Attempt, Task
from mrframe.errors import NotRepeatable, ShuffleUnbalanced


def on_sealed(state: SchedulerState, turn: Turn, node: NodeRecord, event: AttemptSealed) -> None:
    """Handle a sealed attempt: commit it, confirm it again, or discard it."""
    attempt = node.live.get(event.attempt)
    if attempt is not None:
        commit(state, turn, attempt, event)
        return
    task = state.task_of(event.attempt)
    if task is not None and task.commit == (event.attempt, node.name):
        turn.send(node.name, CommitAttempt(event.attempt))
    else:
        state.refuse(turn, node.name, event.attempt)


def commit(state: SchedulerState, turn: Turn, attempt: Attempt, event: AttemptSealed) -> None:
    """Make a sealed attempt the result of its task, and advance the job."""
    task = attempt.task
    node = state.nodes[attempt.node]
    submission = state.jobs[task.job]
    if differs(attempt, event.report):
        message = (
            f"{task.id} was run again after its output was lost, and gave another result: the job's code is not a "
            "function of its input alone, so no answer would be right; `mrframe check` may say where"
        )
        fail(state, turn, submission, Failure("refused", message, error_slug=NotRepeatable.slug))
        return
    wrong = shuffle_mismatch(attempt.expected_read, event.report) if task.kind == "reduce" else ""
    if wrong:
        _end_without_result(state, turn, attempt, Failure("io", wrong, error_slug=ShuffleUnbalanced.slug))
        return
    turn.persist(AttemptCommitted(event.attempt, node.name, event.report))
    state.end(attempt)
    if task.kind == "map":
        node.took(event.report.seconds)
    turn.send(node.name, CommitAttempt(event.attempt))
    task.refusals = 0
    for other in task.attempts:
        state.drop(turn, other)
    submission.commit(task, (event.attempt, node.name), event.report, "commit")
    node.outputs[event.attempt] = task
    _release_block(turn, task)
    advance_job(state, turn, submission, submission.readers(task))


def _release_block(turn: Turn, task: Task) -> None:
    """Delete a decoded block that has been mapped. If the map's output is lost, the input is decoded again."""
    split = task.split
    if task.kind == "map" and split is not None and split.is_decoded and split.held_by:
        ((attempt, node),) = split.held_by
        turn.send(node, AcknowledgeBlock(attempt, split.order, mapped=True))


def differs(attempt: Attempt, report: TaskReport) -> bool:
    """Whether an attempt shows that the code of the job does not give the same for the same input.

    An isolated attempt is no witness: it may leave out records.
    """
    first = attempt.task.first_report
    witness = not attempt.start.isolated and not report.ledger.quarantined
    return first is not None and witness and report.differs(first)


def on_failed(state: SchedulerState, turn: Turn, node: NodeRecord, event: AttemptFailed) -> None:
    """Handle a failed attempt: fail the job, or try the task again."""
    attempt = node.live.get(event.attempt)
    if attempt is None:
        state.refuse(turn, node.name, event.attempt)
    else:
        _end_without_result(state, turn, attempt, event.failure)


def _end_without_result(state: SchedulerState, turn: Turn, attempt: Attempt, failure: Failure) -> None:
    """End an attempt that is not the result, and fail the job or try the task again."""
    task = attempt.task
    submission = state.jobs[task.job]
    state.drop(turn, attempt)
    if not task.attempts:
        task.move("attempt over")
    if failure.kind in ("raised", "refused"):
        fail(state, turn, submission, failure)
        return
    fetch = failure.kind == "fetch" and failure.lost is not None
    full = failure.kind == "full"
    if fetch or failure.kind == "recalled":
        task.losses += 1
    elif full:
        task.full_since_s = task.full_since_s if task.refusals else turn.now_s
        task.refusals += 1
    else:
        task.failures += 1
        if failure.position is not None:
            note_position(task, failure.position, failure.message)
        task.avoid |= {attempt.node}
        record_fault(state, turn, state.nodes[attempt.node], task.id)
    if fail_if_exhausted(state, turn, task, attempt.node, failure):
        return
    if fetch and failure.lost is not None:
        postpone(state, turn, task)
        if task.split is not None and task.split.is_stored:
            suspect(state, turn, failure.lost[1], task.split.path)
        else:
            report_unfetchable(state, turn, submission, failure.lost)
    elif full:
        postpone_until_room(state, turn, task)
    else:
        wake(state, turn, [task])


def on_block_sealed(state: SchedulerState, turn: Turn, node: NodeRecord, event: BlockSealed) -> None:
    """Handle a block of a decode attempt: record it, have it mapped, acknowledge it."""
    decode = state.task_of(event.attempt)
    holder = (event.attempt, node.name)
    if decode is None or (event.attempt not in node.live and decode.commit != holder):
        state.refuse(turn, node.name, event.attempt)
        return
    submission = state.jobs[decode.job]
    task = submission.by_position.get(event.split.order)
    if task is None:
        turn.persist(BlockRecorded(decode.id, event.split))
        task = submission.add_block(decode, event.split)
    assert task.split is not None
    if not task.split.held_by:
        task.split = replace(task.split, held_by=(holder,))
        wake(state, turn, [task])
    turn.send(node.name, AcknowledgeBlock(event.attempt, event.split.order, mapped=task.commit is not None))
