"""Replicas of blocks: which nodes have one, which should have one, and whether there are enough.

Questions about the state, without decisions. `reconcile.py` acts on the answers.
"""

from __future__ import annotations

from collections.abc import Iterable

from mrframe.core.model.block_messages import JudgeBlocks
from mrframe.core.model.states import NodeMembership
from mrframe.core.state.scheduler_state import SchedulerState, Turn

SETTLE_S = 5.0
"""Seconds from its start for which the master waits for the block lists of all nodes, before it moves or deletes any.
Nodes say hello every 0.5 s (`NodeLimits.beat_s`), so this is ten tries."""


def readable(state: SchedulerState, name: str) -> list[str]:
    """Return the joined nodes that have a block, by name."""
    nodes = state.block_map.holders.get(name, ())
    return sorted(node for node in nodes if state.nodes[node].state is NodeMembership.JOINED)


def target_nodes(state: SchedulerState, name: str, *, but: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the nodes that should have a replica, out of those that are present and not in `but`."""
    from mrframe.core.replication.rendezvous import (
        replica_nodes,  # it loads OpenSSL, which a cluster without blocks does not need
    )

    block_map = state.block_map
    weights = dict.fromkeys(block_map.present - block_map.drained - set(but), 1.0)
    return replica_nodes(name, weights, block_map.replicas_wanted(name))


def is_replicated(state: SchedulerState, name: str, replicas: int) -> bool:
    """Whether a block has as many readable replicas as wanted, or as there are nodes for."""
    usable = {node.name for node in state.joined()} - state.block_map.drained
    return len(readable(state, name)) >= max(1, min(replicas, len(usable)))


def is_settled(state: SchedulerState, now_s: float) -> bool:
    """Whether all nodes have reported their blocks, or have had `SETTLE_S` to do so."""
    block_map = state.block_map
    all_there = bool(block_map.expected) and block_map.expected <= block_map.present
    return all_there or (block_map.started_s is not None and now_s - block_map.started_s >= SETTLE_S)


def suspect(state: SchedulerState, turn: Turn, node: str, name: str) -> None:
    """Stop using a replica that a reader could not read, and have its node verify it."""
    if node in state.block_map.holders.get(name, ()):
        state.block_map.discard(node, name)
        turn.send(node, JudgeBlocks(0, (name,)))
