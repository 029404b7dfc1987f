"""Suspect tasks: attempts at them run isolated, and with a node for themselves, since nodes have died under them.

A job's code may end its node: it kills the parent of its process, or takes all memory of the machine. All attempts on
that node are lost, and which of them was the cause is unknown. After `node_deaths_shared_max` such losses a task is
suspect. What a node does while it has a suspect attempt concerns that one alone, so a further death is proof, and
`node_deaths_max` of them fail the job (`job_end.fail_if_exhausted`). The other tasks that were lost with it are
suspect as well, and are cleared by ending well. (Decode attempts may be on the same node: they run no code of a
job, and may wait for the suspect task to map their blocks.)

An isolated attempt leaves its position behind when its executor or node dies. Two deaths at one position are blamed
on the record or key: the next attempt names it or leaves it out.
"""

from __future__ import annotations

from mrframe.core.model.spec import FatalPosition
from mrframe.core.model.states import JobStatus, TaskState
from mrframe.core.scheduling.node_exclusion import usable
from mrframe.core.state.scheduler_state import NodeRecord, SchedulerState, Turn
from mrframe.core.state.tasks import Task


def next_with_node(state: SchedulerState, turn: Turn) -> tuple[Task, NodeRecord] | None:
    """Take the next suspect task for which a node is free out of the waiting ones.

    Where none is free, reserve the one with the fewest attempts, so that it becomes free.
    """
    for name in [name for name, task in state.suspects.items() if not _waits(state, task)]:
        del state.suspects[name]
    if state.reserved:
        state.reserved = ""
        state.may_have_room = None
    if not state.suspects:
        return None
    nodes = [node for node in usable(state, turn.now_s, state.joined()) if not node.alone]
    name, task = next(iter(state.suspects.items()))
    node = min(nodes, key=lambda node: (_others(node), node.name in task.avoid, node.name), default=None)
    if node is None:
        return None
    if _others(node):
        state.reserved = node.name
        return None
    del state.suspects[name]
    return task, node


def _others(node: NodeRecord) -> int:
    return len(node.live) - node.decodes


def _waits(state: SchedulerState, task: Task) -> bool:
    submission = state.jobs.get(task.job)
    return submission is not None and submission.state is JobStatus.RUNNING and task.state is TaskState.READY


def note_position(task: Task, position: FatalPosition, reason: str) -> None:
    """Note where an isolated attempt died with its executor or node. The second time at a position is proof."""
    if position != task.last_position:
        task.last_position = position
    elif all(position != known for known, _ in task.fatal):
        task.fatal = (*task.fatal, (position, reason))
