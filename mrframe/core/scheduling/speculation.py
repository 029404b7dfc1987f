"""Speculative attempts: a slow task gets a second attempt on another node, and the first one to seal wins.

Once nothing waits any more and a node has a free slot, the running attempts of each step are examined. The usual
duration of a task is the mean of those of its step that are done. The end of an attempt is extrapolated from the part
of its input that it has read. Where that is unknown (a reduce, or nothing read yet), the attempt is assumed to run
for as long again as it has run. The attempt that will end last gets the second try, if a new one would probably end
before it.
(Zaharia et al., "Improving MapReduce Performance in Heterogeneous Environments", OSDI 2008, which estimates the end
by rate. Ours compares it with the mean of the tasks that are done.)

It never stops an attempt. The losers are discarded when the first is committed
(`attempt_end.commit`). Decode tasks get no speculative attempts, since others already read their blocks. Neither do
tasks that have failed: their attempts look for the record at fault.
"""

from __future__ import annotations

from collections.abc import Iterator

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.states import JobStatus
from mrframe.core.scheduling.assignment import may_start, start_attempt
from mrframe.core.scheduling.node_exclusion import usable
from mrframe.core.state.ready_queue import data_nodes
from mrframe.core.state.scheduler_state import NodeRecord, SchedulerState, Turn
from mrframe.core.state.submission import SubmissionRecord
from mrframe.core.state.tasks import Attempt, Step, Task


@dataclass(frozen=True, slots=True)
class Straggler:
    """A task with a late attempt, and the estimated seconds until that attempt ends."""

    left_s: float
    task: Task


def speculate(state: SchedulerState, turn: Turn) -> None:
    """Give the tasks of the slowest attempts another, as far as slots are free and there are not too many already."""
    if len(state.waiting) or len(state.decoding) or turn.now_s < state.next_speculation_s:
        return
    state.next_speculation_s = turn.now_s + state.limits.speculate_every_s
    nodes = usable(state, turn.now_s, state.joined())
    free = [node for node in nodes if node.load < node.slots and not node.alone and node.name != state.reserved]
    if not free or len(nodes) < 2:
        return
    twice = {a.task.id for node in state.joined() for a in node.live.values() if len(a.task.attempts) > 1}
    allowed = max(1, int(sum(node.slots for node in nodes) * state.limits.speculative_share)) - len(twice)
    late = sorted(_stragglers(state, turn, nodes), key=lambda one: (-one.left_s, one.task.id)) if allowed > 0 else []
    for one in late:
        node = _pick_node(state.jobs[one.task.job], one.task, free) if allowed > 0 else None
        if node is not None:
            one.task.speculative += 1
            start_attempt(state, turn, state.jobs[one.task.job], one.task, node)
            free = [other for other in free if other.load < other.slots]
            allowed -= 1


def _stragglers(state: SchedulerState, turn: Turn, nodes: list[NodeRecord]) -> Iterator[Straggler]:
    for node in nodes:
        for attempt in node.live.values():
            submission = state.jobs[attempt.task.job]
            left_s = _left_s(state, turn, submission, attempt, node)
            if left_s is not None and _may_have_another(state, submission, attempt.task):
                yield Straggler(left_s, attempt.task)


def _may_have_another(state: SchedulerState, submission: SubmissionRecord, task: Task) -> bool:
    return (
        submission.state is JobStatus.RUNNING
        and submission.steps[task.step].spec.speculate
        and task.kind != "decode"
        and len(task.attempts) == 1
        and not task.failures
        and not state.is_suspect(task)
        and task.speculative < state.limits.speculative_max
        and may_start(state, submission, task)
    )


def _left_s(
    state: SchedulerState, turn: Turn, submission: SubmissionRecord, attempt: Attempt, node: NodeRecord
) -> float | None:
    """Return the estimated seconds until a late attempt ends, or None if it is not late."""
    task, limits = attempt.task, state.limits
    began_s = attempt.began_s
    if began_s is None and node.load <= node.slots and turn.now_s - node.seen_s >= limits.speculate_after_s:
        began_s = max(attempt.sent_s, node.seen_s)  # its node is silent, and nothing was before it
    if began_s is None or turn.now_s - began_s < limits.speculate_after_s:
        return None
    typical_s = _typical_s(submission.steps[task.step], task)
    if typical_s is None:
        return None
    run_s = turn.now_s - began_s
    size = task.split.length if task.split is not None else 0
    known = 0 < attempt.bytes_done < size
    left_s = run_s * (size - attempt.bytes_done) / attempt.bytes_done if known else run_s
    takes_s = run_s + left_s if known else run_s
    late = takes_s > limits.speculate_times * typical_s
    return left_s if late and left_s > typical_s else None


def _typical_s(step: Step, task: Task) -> float | None:
    """Return the usual seconds of a task of this step and kind, or None until half of them are done."""
    tasks = step.maps if task.kind == "map" else step.reduces
    done = step.timed[task.kind]
    if not done.tasks or 2 * done.tasks < len(tasks):
        return None
    return done.seconds / done.tasks


def _pick_node(submission: SubmissionRecord, task: Task, free: list[NodeRecord]) -> NodeRecord | None:
    """The node for a speculative attempt: near the data if one of those is free, the least loaded of them."""
    nearest, _ = data_nodes(submission, task)
    others = [node for node in free if node.name not in task.avoid and not _runs_on(task, node)]
    return min(others, key=lambda node: (node.name not in nearest, node.load, node.name), default=None)


def _runs_on(task: Task, node: NodeRecord) -> bool:
    return any(attempt.node == node.name for attempt in task.attempts)
