"""Node exclusion: a node on which tasks keep failing gets no attempts for a while, and they are tried elsewhere.

(Hadoop and Spark do the same under the names blacklist and exclude on failure.) A fault is recorded against a node
when an attempt ends on it by itself ("died", "io"). It is excluded when several tasks have failed on it within a
short time, and hardly any on some other node: a disk that refuses, memory that is gone, a processor that errs. It
keeps its sealed outputs and serves them. Where all nodes fail alike none is excluded, because then the job is at
fault.

A drained node (`mrframe fs decommission`) is treated in the same way for as long as it is drained.

Not here: silent and ended nodes are handled in `membership.py`.
"""

from __future__ import annotations

from mrframe.core.state.scheduler_state import NodeRecord, SchedulerState, Turn

_TIMES = 3
"""A node is worse than another if at least this many times as many tasks have failed on it."""


def record_fault(state: SchedulerState, turn: Turn, node: NodeRecord, task: str) -> None:
    """Record a fault: an attempt at this task ended by itself on this node. Exclude the node after too many."""
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
    """Return the nodes that are neither excluded nor drained, or all of them if no joined node is usable."""
    drained = state.block_map.drained
    if not state.excluded and not drained:
        return nodes
    state.excluded = {name for name in state.excluded if now_s < state.nodes[name].excluded_until_s}
    unusable = state.excluded | drained
    if all(node.name in unusable for node in state.joined()):
        return nodes
    return [node for node in nodes if node.name not in unusable]
