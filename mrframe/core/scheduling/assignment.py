"""Assign ready tasks to nodes: which tasks may start, which node gets which, and repeating lost starts.

Rules. A node gets at most `slots * (1 + queued_per_slot)` attempts, and more than `slots` only while at least one
task for every slot of the cluster still waits, so that the last tasks go where a slot is free. A node has no more
attempts at decode tasks than slots, and a decode attempt that waits for maps does not count (`NodeRecord.load`). More
small tasks may be queued, but fewer as fewer still wait, because their duration is unknown. Nodes take turns, the
least loaded first, ties by name. An attempt id is `<task>.<epoch>.<number>`. The number only grows, and the epoch is
new with each start of the master, so no id is used twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from heapq import heappop, heappush

from mrframe.core.model.block_messages import STORED
from mrframe.core.model.events import StartAttempt
from mrframe.core.model.ids import attempt_id
from mrframe.core.model.shuffle_checksum import EMPTY_CHECKSUM
from mrframe.core.model.spec import Split
from mrframe.core.model.states import JobStatus, TaskState
from mrframe.core.replication.replicas import readable
from mrframe.core.scheduling.node_exclusion import usable
from mrframe.core.scheduling.suspects import next_with_node
from mrframe.core.state.queue import FairQueue
from mrframe.core.state.ready_queue import data_nodes, locality_wait_s
from mrframe.core.state.scheduler_state import NodeRecord, SchedulerState, Turn
from mrframe.core.state.submission import SubmissionRecord
from mrframe.core.state.tasks import Attempt, Task

NOBODY = "no node"
"""The holder of a block that no node has. Fetching from it fails, and is tried again for a while."""


def may_start(state: SchedulerState, submission: SubmissionRecord, task: Task) -> bool:
    """Whether all input of the task is available on joined nodes."""
    if submission.state is not JobStatus.RUNNING or not submission.inputs_ready(task):
        return False
    free = task.kind == "decode" or (task.kind == "map" and task.step == 0 and task.decode_task is None)
    stored = task.split is not None and task.split.is_stored
    return (free and not stored) or not state.settling()


def wake(state: SchedulerState, turn: Turn, tasks: Iterable[Task]) -> None:
    """Queue those of the tasks that wait and have all their inputs now."""
    for task in tasks:
        if task.state is TaskState.WAITING and may_start(state, state.jobs[task.job], task):
            task.move("inputs there")
            enqueue(state, turn, task)


def enqueue(state: SchedulerState, turn: Turn, task: Task) -> None:
    """Queue a ready task, near the joined nodes that have its data and on which it has not failed."""
    if state.is_suspect(task):
        state.suspects[task.id] = task
        return
    submission = state.jobs[task.job]
    nodes, size = data_nodes(submission, task)
    if task.split is not None and task.split.is_stored:
        nodes = tuple(readable(state, task.split.path))
    elif state.limits.by_path:  # sealed output is read in place, so near nodes are only preferred
        size = 0
    wait = locality_wait_s(state.limits, size)
    nearest = [name for name in nodes if state.is_joined(name) and name not in task.avoid]
    if not nearest and task.avoid:
        nearest = [node.name for node in state.joined() if node.name not in task.avoid]
        wait = state.limits.locality_wait_s
    state.queue(task).add(task, nearest, turn.now_s, wait)
    state.may_have_room = None  # how many a node may have depends on how many wait


def postpone(state: SchedulerState, turn: Turn, task: Task) -> None:
    """Postpone a task after a failed fetch of its input, which counts as a loss, for longer each time."""
    limits = state.limits
    _rest(state, task, turn.now_s + _pause_s(limits.fetch_pause_s, limits.fetch_pause_s_max, task.losses))


def postpone_until_room(state: SchedulerState, turn: Turn, task: Task) -> None:
    """Postpone a task after it met a full disk or table, for longer each time."""
    limits = state.limits
    _rest(state, task, turn.now_s + _pause_s(limits.full_pause_s, limits.full_pause_s_max, task.refusals))


def _pause_s(first_s: float, most_s: float, number: int) -> float:
    return min(first_s * 2.0 ** min(number - 1, 16), most_s)


def _rest(state: SchedulerState, task: Task, until_s: float) -> None:
    heappush(state.postponed, (until_s, task.id))


def wake_postponed(state: SchedulerState, turn: Turn) -> None:
    """Queue the postponed tasks at the end of their pause."""
    while state.postponed and state.postponed[0][0] <= turn.now_s:
        _, name = heappop(state.postponed)
        submission = state.jobs.get(name.partition("/")[0])
        if submission:
            wake(state, turn, [submission.tasks[name]])


def assign(state: SchedulerState, turn: Turn) -> None:
    """Give waiting tasks to nodes until no node has room, or no waiting task suits one."""
    if state.suspects or state.reserved:
        _assign_suspects(state, turn)
    if len(state.decoding):
        _assign_decodes(state, turn)
    if not len(state.waiting):
        return
    slots = state.slots()
    if state.may_have_room is None:
        state.may_have_room = {node.name for node in state.joined()}
    if not state.may_have_room:
        return
    nodes = usable(state, turn.now_s, [state.nodes[name] for name in state.may_have_room if state.is_joined(name)])
    while nodes and len(state.waiting):
        if len(nodes) > 1:
            nodes.sort(key=_load)
        nodes = [node for node in nodes if _offer(state, turn, node, slots)]


def _assign_suspects(state: SchedulerState, turn: Turn) -> None:
    """Give suspect tasks to nodes that have no other attempt."""
    while (found := next_with_node(state, turn)) is not None:
        task, node = found
        submission = state.jobs[task.job]
        if may_start(state, submission, task):
            start_task(state, turn, submission, task, node)
        else:
            task.move("inputs gone")


def _assign_decodes(state: SchedulerState, turn: Turn) -> None:
    """Give decode tasks to nodes that have room, and fewer of them than slots."""
    slots, nodes = state.slots(), usable(state, turn.now_s, state.joined())
    while nodes and len(state.decoding):
        nodes.sort(key=lambda node: (node.decodes / node.slots, _load(node)))
        some = [node for node in nodes if node.decodes < node.slots and _has_room(state, node, slots)]
        nodes = [node for node in some if _assign_next(state, turn, node, state.decoding, idle=True)]


def _offer(state: SchedulerState, turn: Turn, node: NodeRecord, slots: int) -> bool:
    """Offer a node a task. Returns whether it took one.

    A node without room is skipped until it may have some. One that no task suits is passed over until the next tick:
    time alone changes that, and everything else makes `may_have_room` anew or puts the node into it again.
    """
    has_room = _has_room(state, node, slots)
    if has_room and _assign_next(state, turn, node, state.waiting, idle=node.load < node.slots):
        return True
    if state.may_have_room is not None:
        state.may_have_room.discard(node.name)
        if has_room and len(state.waiting):
            state.passed_over.add(node.name)
    return False


def offer_again(state: SchedulerState) -> None:
    """Consider the nodes again that were passed over. To be called with every tick."""
    if state.may_have_room is not None:
        state.may_have_room |= state.passed_over
    state.passed_over.clear()


def _load(node: NodeRecord) -> tuple[float, str]:
    return node.load / node.slots, node.name


def _has_room(state: SchedulerState, node: NodeRecord, slots: int) -> bool:
    load, waiting, limits = node.load, len(state.waiting), state.limits
    if node.alone or node.name == state.reserved:
        return False
    if load < node.slots:
        return True
    if waiting < slots:
        return False
    if load < node.slots * (1 + limits.queued_per_slot):
        return True
    return load < node.slots * (1 + _small_queued(state, node, waiting // slots)) and _has_small_ones(state, node)


def _small_queued(state: SchedulerState, node: NodeRecord, waiting_per_slot: int) -> int:
    """Return the limit of small attempts queued per slot of a node. It is higher if recent ones there were quick."""
    limits = state.limits
    usual = min(limits.small_queued_per_slot, waiting_per_slot // limits.small_waiting)
    if not 0 < node.recent_s * limits.small_queued_per_slot < limits.quick_queued_s:
        return usual
    quick = int(min(limits.quick_queued_per_slot, limits.quick_queued_s / node.recent_s))
    return max(usual, min(quick, waiting_per_slot // limits.quick_waiting))


def _has_small_ones(state: SchedulerState, node: NodeRecord) -> bool:
    return not node.unpredictable and node.queued_bytes <= state.limits.small_bytes


def _assign_next(state: SchedulerState, turn: Turn, node: NodeRecord, queue: FairQueue, *, idle: bool) -> bool:
    while (task := queue.take(node.name, turn.now_s, state.jobs, idle=idle)) is not None:
        submission = state.jobs.get(task.job)
        if submission is None or submission.state is not JobStatus.RUNNING or task.state is not TaskState.READY:
            continue
        if not may_start(state, submission, task):
            task.move("inputs gone")
            continue
        start_task(state, turn, submission, task, node)
        return True
    return False


def start_task(state: SchedulerState, turn: Turn, submission: SubmissionRecord, task: Task, node: NodeRecord) -> None:
    """Give a first attempt at a ready task to a node."""
    task.move("start")
    start_attempt(state, turn, submission, task, node)


def start_attempt(
    state: SchedulerState, turn: Turn, submission: SubmissionRecord, task: Task, node: NodeRecord
) -> None:
    """Give a node a new attempt at a task, which may have others."""
    task.number += 1
    name = attempt_id(task.id, state.epoch, task.number)
    spec = submission.steps[task.step].spec
    message = StartAttempt(
        attempt=name,
        job=task.job,
        step=task.step,
        partitions=spec.partitions,
        split=resolve_split(state, submission, task, node),
        partition=task.partition,
        sources=submission.inputs(task) if task.kind == "reduce" else (),
        block_bytes=spec.block_bytes,
        isolated=task.failures > 0 or state.is_suspect(task),
        stall_s=spec.stall_s,
        fatal=task.fatal,
        near=task.last_position,
    )
    expected_read = (
        submission.steps[task.step].map_checksums.get(task.partition, EMPTY_CHECKSUM)
        if task.kind == "reduce"
        else EMPTY_CHECKSUM
    )
    state.begin(Attempt(task, node.name, message, turn.now_s, expected_read=expected_read))
    turn.send(node.name, message)


def resolve_split(state: SchedulerState, submission: SubmissionRecord, task: Task, node: NodeRecord) -> Split | None:
    """Return the split of a map or decode task with the nodes that hold it now.

    For a stored block this is one replica: the node's own, or else a different one with each attempt.
    """
    if task.split is not None and task.split.is_stored:
        nodes = readable(state, task.split.path)
        task.split = replace(task.split, locations=tuple(nodes))
        holder = node.name if node.name in nodes else nodes[task.losses % len(nodes)] if nodes else NOBODY
        return replace(task.split, held_by=((STORED, holder),))
    if task.split is None or not task.split.is_pairs:
        return task.split
    size = sum(feeder.report.bytes_out for feeder in submission.upstream_reduces(task) if feeder.report)
    return replace(task.split, held_by=submission.inputs(task), length=size)


def resend(state: SchedulerState, turn: Turn, node: NodeRecord, unknown: Iterable[str]) -> None:
    """Repeat the starts of these attempts, which the node does not know, if they were sent long enough ago."""
    for name in sorted(unknown):
        attempt = node.live[name]
        if turn.now_s - attempt.sent_s >= state.limits.resend_s:
            attempt.sent_s = turn.now_s
            turn.send(node.name, attempt.start)
