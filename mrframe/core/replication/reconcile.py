"""Block replication: decides which replicas each node must store or delete.

Part of the scheduler, and pure. The locations of replicas are never written down. Nodes report them (`BlocksHeld`
with each hello and from time to time, `BlockStored`, `BlockDamaged`), so no record of them can be wrong for long. The
blocks that are needed follow from the catalog, whose facts are in the journal, and from the puts under way.

Theory of operation. This is a reconciliation loop: each tick compares the wanted state with the reported one, block
by block, and requests one step towards it. A store request that is lost is sent again after `REQUEST_S`, and a
deletion that is lost once the node has listed the block again. So no request has to be durable. A block is checked
when something about it changed, and all are when a node comes or goes.

A node is in one of four states for this purpose:
- *joined*: it has joined and reported its blocks. It gets requests, and its replicas count.
- *away*: it had joined and is lost: its process has ended, or it was silent for its lease. It keeps its share for
  `AWAY_S`, since moving the blocks of a node that only restarts would cost more than the wait. Only replicas of a put
  under way are made elsewhere at once, because a client waits for them.
- *skipped*: it has refused a block (full disk, failure). The next best node takes its share meanwhile.
- *drained*: it should have no blocks. Its replicas count until they are on other nodes.

Rules.
- A needed block has replicas on its target nodes (`rendezvous.py`): as many as wanted, or as there are nodes. A
  missing replica is made from the file of its put or from another replica.
- No replica is deleted while the block lacks one. A replica on another node is deleted once all targets have theirs.
  So a joining node takes its share bit by bit, and a drained one gives its own away.
- A block is not deleted merely because no owner is known: the journal may be new, or an older copy. It is deleted
  when its version was removed, or when its node says that it is provisional (stored for a put that did not end in a
  version). If this master did not see that put end, it waits for `ORPHAN_S` from its start, since the put may be
  under way. All other blocks without an owner stay, and are reported as unknown. `manifest_sync.py` does the same
  for versions.
- A version is accepted only once all its blocks have their replicas (`store_events.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from mrframe.core.model.block_messages import DropBlock, StoreBlock
from mrframe.core.model.states import NodeMembership
from mrframe.core.replication import manifest_sync, puts
from mrframe.core.replication.replicas import is_replicated, is_settled, readable, target_nodes
from mrframe.core.state.block_map import BlockMap
from mrframe.core.state.scheduler_state import SchedulerState, Turn

AWAY_S = 15.0
"""Seconds for which a lost node keeps its share of the blocks: a restarted process is back before that."""
ORPHAN_S = 60.0
"""Seconds from the master's start before provisional blocks of puts that it does not know are deleted: by then the
client of a put under way has offered its blocks again."""
REQUEST_S = 30.0
"""Seconds before a store request without a reply is repeated: a block of 64 MiB takes seconds to copy."""
STORES_MAX = 4
"""Store requests per node at a time, for blocks that lack a replica: enough to keep disk and network busy."""
MOVES_MAX = 1
"""The same for blocks that only move: a joining node takes its share slowly, so that jobs hardly notice."""
CHECKS_MAX = 500
"""Blocks checked at one tick, of those that a put waits for and of all others each, so that a turn stays short."""


def reconcile(state: SchedulerState, turn: Turn) -> None:
    """Check blocks and manifests, and send the requests that follow. To be called with every tick."""
    block_map = state.block_map
    if block_map.started_s is None:
        block_map.started_s = turn.now_s
    _update_present(state, turn)
    puts.end_abandoned(block_map, turn.now_s)
    _expire_requests(block_map, turn.now_s)
    check_some(state, turn, block_map.urgent_checks, CHECKS_MAX)
    if is_settled(state, turn.now_s):
        check_some(state, turn, block_map.other_checks, CHECKS_MAX)
    manifest_sync.request_missing(state, turn)
    for put in block_map.puts.values():
        for name in [name for name in put.pending if is_replicated(state, name, put.replicas)]:
            del put.pending[name]


def check_some(state: SchedulerState, turn: Turn, names: dict[str, None], count: int) -> None:
    """Check up to `count` of these blocks, and take those that are done out of `names`."""
    for name in list(islice(names, count)):
        del names[name]
        if not _check_block(state, turn, name):
            names[name] = None  # more is to be requested than a node may be sent now


def _update_present(state: SchedulerState, turn: Turn) -> None:
    block_map = state.block_map
    joined = {node.name for node in state.joined() if block_map.reported.get(node.name) == node.incarnation}
    for name in state.nodes:
        if name in joined:
            block_map.absent_since_s.pop(name, None)
        elif name in block_map.present:
            since_s = block_map.absent_since_s.setdefault(name, turn.now_s)
            if turn.now_s - since_s > AWAY_S:
                block_map.forget_node(name)
                del block_map.absent_since_s[name]
    present = frozenset(joined | block_map.absent_since_s.keys())
    if present != block_map.present:
        for name in block_map.present - present:
            block_map.store_requests.pop(name, None)
        block_map.present = present
        block_map.schedule_all_checks()


def _expire_requests(block_map: BlockMap, now_s: float) -> None:
    for requests in block_map.store_requests.values():
        for name in [name for name, at_s in requests.items() if now_s >= at_s]:
            del requests[name]
            block_map.schedule_check(name)
    for node in [node for node, until_s in block_map.skipped_until_s.items() if now_s >= until_s]:
        del block_map.skipped_until_s[node]
        block_map.full_reasons.pop(node, None)
        block_map.schedule_all_checks()


def _check_block(state: SchedulerState, turn: Turn, name: str) -> bool:
    """Request the missing replicas of a block. Returns False if more must be requested later."""
    block_map = state.block_map
    holders = block_map.holders.get(name, set()) & block_map.present
    if not block_map.replicas_wanted(name):
        return _drop_unneeded(state, turn, name, holders)
    is_put = any(name in put.blocks for put in block_map.puts.values())
    away = {node for node in block_map.present if state.nodes[node].state is not NodeMembership.JOINED}
    live = holders - away if is_put else holders
    wanted = target_nodes(state, name)
    if not wanted:
        return True  # no node may have it: the replicas that exist stay
    targets = target_nodes(state, name, but=(away | block_map.skipped_until_s.keys()) - live)
    if len(targets) < len(wanted) and is_put:
        puts.fail_for_lack_of_room(block_map, name)
    unsure = set() if block_map.is_provisional(name) else block_map.provisional_on(name)
    if set(wanted) <= holders - away - unsure:
        _drop(state, turn, name, holders - set(wanted), moved=True)
    missing = [node for node in targets if node not in live]
    return _request_replicas(state, turn, name, missing, STORES_MAX if len(live) < len(wanted) else MOVES_MAX)


def _request_replicas(state: SchedulerState, turn: Turn, name: str, nodes: Iterable[str], stores_max: int) -> bool:
    """Send store requests, except to nodes that have `stores_max` of them. Returns False if there was one."""
    done = True
    for node in nodes:
        requests = state.block_map.store_requests.setdefault(node, {})
        if name in requests:
            continue
        if len(requests) >= stores_max:
            done = False
            continue
        source = _store_message(state, name)
        if source is None:
            return True  # no node has it: it is checked again when one does
        requests[name] = turn.now_s + REQUEST_S
        turn.send(node, source)
    return done


def _store_message(state: SchedulerState, name: str) -> StoreBlock | None:
    block_map = state.block_map
    holders = tuple(readable(state, name))
    provisional = block_map.is_provisional(name)
    if holders:
        return StoreBlock(name, block_map.lengths[name], "", 0, holders, provisional)
    for put in block_map.puts.values():
        block = put.blocks.get(name)
        if block is not None and name not in put.failed:
            return StoreBlock(name, block.length, block.path, block.offset, (), provisional)
    return None


def _drop_unneeded(state: SchedulerState, turn: Turn, name: str, nodes: set[str]) -> bool:
    """Delete replicas of a block without an owner where that is safe. Returns False when it is too early."""
    block_map = state.block_map
    assert block_map.started_s is not None
    nodes = nodes & block_map.useless_replicas(name)
    if nodes and name not in block_map.freed and turn.now_s - block_map.started_s < ORPHAN_S:
        return False
    _drop(state, turn, name, nodes, moved=False)
    return True


def _drop(state: SchedulerState, turn: Turn, name: str, nodes: Iterable[str], *, moved: bool) -> None:
    for node in sorted(nodes):
        if state.nodes[node].state is NodeMembership.JOINED:
            state.block_map.discard(node, name)
            turn.send(node, DropBlock(name, moved))
