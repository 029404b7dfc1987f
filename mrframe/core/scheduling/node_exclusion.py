"""Nodes that fail more than others: they are set aside for a while, and their tasks are tried elsewhere.

A node is blamed when attempts at several tasks have ended on it by themselves ("died", "io") within a short time,
and hardly any on some other node: a disk that refuses, memory that is gone, a processor that errs. It keeps what it
has sealed and serves it, but gets no new attempts until its time is over. Where all nodes fail alike none is set
aside: then it is the job.

A node that is drained (`mrframe fs decommission`) is treated in the same way, for as long as it is.

What it is not: a node that is silent or has ended is `membership`'s business.
"""

from __future__ import annotations

from mrframe.core.state.scheduler_state import NodeRecord, SchedulerState, Turn

_TIMES = 3
"""A node is worse than another when as many times as many tasks have failed on it."""


def record_fault(state: SchedulerState, turn: Turn, node: NodeRecord, task: str) -> None:
    """An attempt at this task has ended by itself on this node; set the node aside when that is one too many."""
    limits = state.limits
    node.faults[task] = turn.now_s
    for one in state.joined():
        one.faults = {name: at_s for name, at_s in one.faults.items() if turn.now_s - at_s < limits.faults_window_s}
    least = min((len(one.faults) for one in state.joined() if one is not node), default=len(node.faults))
    if len(node.faults) >= max(limits.faults_max, _TIMES * least):
        node.excluded_until_s = turn.now_s + limits.exclusion_s
        state.excluded.add(node.name)
        node.faults = {}


def usable(state: SchedulerState, now_s: float, nodes: list[NodeRecord]) -> list[NodeRecord]:
    """Those of the joined nodes that are neither set aside nor drained; all of them when every joined node is."""
    drained = state.block_map.drained
    if not state.excluded and not drained:
        return nodes
    state.excluded = {name for name in state.excluded if now_s < state.nodes[name].excluded_until_s}
    unusable = state.excluded | drained
    if all(node.name in unusable for node in state.joined()):
        return nodes
    return [node for node in nodes if node.name not in unusable]
