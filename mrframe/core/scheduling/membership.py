"""Membership of nodes: hellos, heartbeats, leases.

Rules.
- A node belongs to the cluster from its hello on. `Welcome` answers the hello and every heartbeat. A node that gets
  no `Welcome` says hello again.
- The same name with a new incarnation has restarted. Its attempts are lost, and of its outputs those remain that the
  hello names. A hello that is repeated changes nothing, since its list may be older than the last commits.
- An incarnation that has ended, as reported by its keeper, is never listened to again. One that was replaced is
  listened to only when its successor has been silent for its lease, because the hello of a dead incarnation may
  arrive after its successor's.
- A node that the scheduler does not know (after a restart, say) gets a `Welcome` that names no incarnation, and says
  hello again.
- A node that was silent for its lease and speaks again is taken back with nothing: its attempts and outputs are
  discarded, as other nodes have them now.
- The transport must not deliver messages to a master that were sent to an earlier process of it.
"""

from __future__ import annotations

from mrframe.core.model.events import NodeBeat, NodeGone, NodeJoined, Welcome
from mrframe.core.model.states import NodeMembership
from mrframe.core.scheduling.assignment import resend, wake
from mrframe.core.scheduling.lost_output import lose_node
from mrframe.core.scheduling.suspects import note_position
from mrframe.core.state.scheduler_state import NodeRecord, SchedulerState, Turn

_LEASED = (NodeMembership.JOINED, NodeMembership.EXPECTED)


def on_joined(state: SchedulerState, turn: Turn, event: NodeJoined) -> None:
    """Handle a node's hello."""
    node = state.node(event.node)
    if node.is_past(event.incarnation):
        return
    welcome = Welcome(node.name, state.epoch, event.incarnation)
    turn.send(node.name, welcome)
    node.seen_s = turn.now_s
    if node.state is NodeMembership.JOINED and node.incarnation == event.incarnation:
        return
    if node.incarnation and node.incarnation != event.incarnation:
        node.replaced.add(node.incarnation)
        node.replaced.discard(event.incarnation)
    settling = state.settling()
    node.incarnation = event.incarnation
    node.welcome = welcome
    node.slots = max(1, event.slots)
    state.move_node(node, "hello")
    lose_node(state, turn, node, except_for=frozenset(event.held), died=not event.blameless)
    for name, position in event.interrupted:
        task = state.task_of(name)
        if task is not None:
            note_position(task, position, f"{node.name} ended")
    check_held(state, turn, node, event.held)
    wake_once_settled(state, turn, was_settling=settling)


def sender(state: SchedulerState, turn: Turn, name: str, incarnation: str) -> NodeRecord | None:
    """Return the joined node that sent a message, or None when the message is to be ignored.

    Renews the lease. A node that is unknown in this epoch is asked to say hello.
    """
    node = state.nodes.get(name)
    if node is not None and node.is_past(incarnation):
        return None
    if node is None or node.incarnation != incarnation:
        turn.send(name, Welcome(name, state.epoch))
        return None
    node.seen_s = turn.now_s
    if node.state is NodeMembership.SILENT:
        state.move_node(node, "heard")
    return node


def on_heartbeat(state: SchedulerState, turn: Turn, event: NodeBeat) -> None:
    """Handle a heartbeat: note progress, discard useless attempts, repeat starts that seem lost."""
    node = sender(state, turn, event.node, event.incarnation)
    if node is None:
        return
    turn.send(node.name, node.welcome or Welcome(node.name, state.epoch, node.incarnation))
    for name, records, bytes_done in event.progress:
        attempt = node.live.get(name)
        if attempt is not None:
            attempt.records, attempt.bytes_done = records, bytes_done
            if attempt.began_s is None:
                attempt.began_s = turn.now_s
    for name in event.working:
        if name not in node.live:
            task = state.task_of(name)
            if task is None or task.commit != (name, node.name):
                state.refuse(turn, node.name, name)
    check_held(state, turn, node, event.held)
    if unknown := node.live.keys() - event.working:
        resend(state, turn, node, unknown.difference(event.held))


def check_held(state: SchedulerState, turn: Turn, node: NodeRecord, held: tuple[str, ...]) -> None:
    """Have the node delete sealed attempts that are neither a result nor wait for a reply."""
    for name in held:
        if name not in node.outputs and name not in node.live:
            state.refuse_sealed(turn, node.name, name)


def on_process_ended(state: SchedulerState, turn: Turn, event: NodeGone) -> None:
    """Handle the end of a node's process, as its keeper reported it."""
    node = state.nodes.get(event.node)
    if node is None or event.incarnation in node.ended:
        return
    if node.incarnation == event.incarnation:
        settling = state.settling()
        state.move_node(node, "ended")
        node.ended.add(event.incarnation)
        lose_node(state, turn, node, died=True)
        wake_once_settled(state, turn, was_settling=settling)
    else:
        node.ended.add(event.incarnation)


def check_leases(state: SchedulerState, turn: Turn) -> None:
    """Give up the nodes that were silent for the lease.

    The nodes are visited only when the oldest lease may be over, which messages since the last visit have put off.
    """
    if turn.now_s - state.leases_from_s <= state.limits.lease_s:
        return
    settling = state.settling()
    for name in sorted(state.nodes):
        node = state.nodes[name]
        if node.state in _LEASED and turn.now_s - node.seen_s > state.limits.lease_s:
            state.move_node(node, "lease over")
            lose_node(state, turn, node, died=False)
    seen_s = [node.seen_s for node in state.nodes.values() if node.state in _LEASED]
    state.leases_from_s = min(seen_s, default=turn.now_s)
    wake_once_settled(state, turn, was_settling=settling)


def wake_once_settled(state: SchedulerState, turn: Turn, *, was_settling: bool) -> None:
    """When the last expected node has joined or been given up, tasks that read outputs may start."""
    if was_settling and not state.settling():
        for submission in sorted(state.jobs.values(), key=lambda s: s.rank):
            wake(state, turn, submission.tasks.values())
