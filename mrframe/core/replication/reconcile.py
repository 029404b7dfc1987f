"""The keeping of blocks: what nodes are asked to store and to drop, so that each block is where it is to be.

Part of the scheduler, and pure. Where replicas lie is never written down: nodes say it (`BlocksHeld` with each hello
and from time to time, `BlockStored`, `BlockDamaged`), so that no record of it can be wrong for long. What is needed
follows from the catalog, whose facts are in the journal, and from the puts that are under way.

Rules.
- A block that is needed has replicas on its homes (`rendezvous.py`), as many as are wanted or as there are nodes.
  What it lacks is made from the file of whoever puts it, or from another replica, and asked for again until it is
  there. A node that is full or fails is passed over for a while, for the next best one.
- Nothing is dropped while there is too little of it: a replica that is not on a home goes once all homes have it. So
  a node that joins takes its share bit by bit, and one that is drained gives its own away.
- A node counts once it has said what it has. One that is away for a moment keeps its place: only after `AWAY_S` are
  its replicas made again elsewhere.
- That nobody is known to need a block is no reason to delete it: the journal may have been begun anew, or be an older
  copy. It is dropped when its version was removed, or when the node says that it is provisional, that is stored for a
  put that came to nothing; then not before `ORPHANS_S` after the master's start: the put may be under way. All other
  blocks of which nobody knows stay, and are told as unknown. See `manifest_sync.py` for versions.
- A version is taken only when all its blocks lie on disks as often as they are to.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from mrframe.core.model.block_messages import (
    BlockDamaged,
    BlockRefused,
    BlocksHeld,
    BlocksJudged,
    BlocksOffered,
    BlockStored,
    DropBlock,
    Fault,
    JudgeBlocks,
    JudgingWanted,
    PutEnded,
    StoreBlock,
)
from mrframe.core.model.catalog import Version
from mrframe.core.model.events import DatasetPut, DatasetRemoved, NodeDrained
from mrframe.core.model.facts import VersionRemoved
from mrframe.core.model.manifest_messages import RecoverVersions
from mrframe.core.model.states import NodeMembership
from mrframe.core.replication import manifest_sync, puts
from mrframe.core.state.block_map import BlockMap
from mrframe.core.state.scheduler_state import NodeRecord, SchedulerState, Turn

AWAY_S = 15.0
SETTLE_S = 5.0
"""So long after the master's start nothing but puts is looked after, unless all nodes have said what they have."""
ORPHANS_S = 60.0
ORDER_S = 30.0
"""What a node was asked to store, and neither has nor refused, is asked for again after so long."""
PASS_OVER_S = 10.0
STORES_MAX = 4
"""Blocks that a node is asked to store at a time …"""
MOVES_MAX = 1
"""… and if only since they are to be there and not elsewhere: a joining node takes its share slowly."""
LOOKS_MAX = 500
"""Blocks that are looked at in one turn."""

# ---- what is told -----------------------------------------------------------------------------------


def handle_client(
    state: SchedulerState,
    turn: Turn,
    event: DatasetPut | DatasetRemoved | NodeDrained | BlocksOffered | PutEnded | JudgingWanted | RecoverVersions,
) -> None:
    """A client wants something of the store."""
    block_map = state.block_map
    match event:
        case DatasetPut(version):
            _put(state, turn, version)
        case DatasetRemoved(dataset, number):
            gone = state.datasets.find(dataset, number) if number else None
            if gone is not None:
                turn.persist(VersionRemoved(dataset, number, gone.put))
                remove(state, dataset, number, gone.put)
                manifest_sync.drop_manifests(state, turn, gone)
        case RecoverVersions():
            for version in manifest_sync.recover(state, turn, event):
                add(state, version)
            manifest_sync.forget_uncatalogued(state)
        case NodeDrained(node, drained):
            last = not (block_map.present - block_map.drained - {node})
            if node in state.nodes and drained != (node in block_map.drained) and not (drained and last):
                turn.persist(event)
                drain(state, event)
        case BlocksOffered():
            puts.offer(block_map, event, turn.now_s)
            reconcile(state, turn)
        case PutEnded(number):
            puts.end(block_map, number)
        case JudgingWanted(number):
            for there in state.joined():
                if block_map.verified.get(there.name, (0, 0))[0] == number:
                    continue
                turn.send(there.name, JudgeBlocks(number, tuple(sorted(block_map.held.get(there.name, ())))))


def handle_node(
    state: SchedulerState,
    turn: Turn,
    node: NodeRecord,
    event: BlocksHeld | BlockStored | BlockRefused | BlockDamaged | BlocksJudged,
) -> None:
    """A joined node says something of its store."""
    block_map = state.block_map
    match event:
        case BlocksHeld():
            _held(block_map, event)
            if not event.to and block_map.reported.get(node.name) != event.incarnation:
                block_map.reported[node.name] = event.incarnation
                block_map.store_requests.pop(node.name, None)  # they were given to a process that is over
                block_map.manifests_missing = True
                block_map.schedule_all_checks()
        case BlockStored():
            block_map.store_requests.get(node.name, {}).pop(event.name, None)
            block_map.add(node.name, event.name)
            if event.new and block_map.is_provisional(event.name):
                block_map.provisional.setdefault(node.name, set()).add(event.name)
            for put in block_map.puts.values():
                if event.name in put.blocks and event.new:
                    put.stored += 1
                    put.stored_bytes += event.file_bytes
            _look_at_some(state, turn, block_map.urgent_checks, STORES_MAX)  # the node has room for another one
        case BlockRefused():
            _refused(state, turn, node, event)
        case BlockDamaged():
            block_map.faults.append(Fault(event.number, node.name, event.name, event.reason))
            block_map.discard(node.name, event.name)
        case BlocksJudged():
            block_map.verified[node.name] = event.number, event.blocks


def _held(block_map: BlockMap, event: BlocksHeld) -> None:
    """The names in a part of the range of all names, and no others there."""
    named = set(event.names)
    known = {name for name in block_map.held.get(event.node, ()) if _is_between(event, name)}
    for name in known - named:
        block_map.discard(event.node, name)
    for name in named - known:
        block_map.add(event.node, name)
    provisional = block_map.provisional.get(event.node, set())
    block_map.provisional[event.node] = {one for one in provisional if not _is_between(event, one)}
    block_map.provisional[event.node].update(event.provisional)
    unknown = block_map.unknown.get(event.node, {})
    block_map.unknown[event.node] = {one: size for one, size in unknown.items() if not _is_between(event, one)}
    block_map.unknown[event.node].update(event.unknown)
    for name in event.provisional:
        if not block_map.replicas_wanted(name):
            block_map.schedule_check(name)


def _is_between(event: BlocksHeld, name: str) -> bool:
    return event.after < name and (not event.to or name <= event.to)


def _refused(state: SchedulerState, turn: Turn, node: NodeRecord, event: BlockRefused) -> None:
    block_map = state.block_map
    block_map.store_requests.get(node.name, {}).pop(event.name, None)
    block_map.schedule_check(event.name)
    if event.kind == "changed":  # the file is at fault, whoever reads it
        for put in block_map.puts.values():
            if event.name in put.blocks:
                put.failed[event.name] = event.kind, event.reason
    elif event.kind == "gone":  # a replica that could not be had: its holder is to look
        for holder in sorted(readable(state, event.name)):
            turn.send(holder, JudgeBlocks(0, (event.name,)))
        block_map.skipped_until_s[node.name] = turn.now_s + 1.0
    else:
        block_map.skipped_until_s[node.name] = turn.now_s + PASS_OVER_S
        block_map.full_reasons[node.name] = event.reason


def suspect(state: SchedulerState, turn: Turn, node: str, name: str) -> None:
    """A reader could not use this replica: nobody is sent to it until its node has judged it."""
    if node in state.block_map.holders.get(name, ()):
        state.block_map.discard(node, name)
        turn.send(node, JudgeBlocks(0, (name,)))


def readable(state: SchedulerState, name: str) -> list[str]:
    """The nodes that are there and have a block, by name."""
    nodes = state.block_map.holders.get(name, ())
    return sorted(node for node in nodes if state.nodes[node].state is NodeMembership.JOINED)


# ---- datasets and puts ------------------------------------------------------------------------------


def _put(state: SchedulerState, turn: Turn, version: Version) -> None:
    if not state.datasets.may_put(version):
        return
    lacking = [b.name for b in version.blocks() if not _is_kept(state, b.name, version.replicas)]
    if not lacking:
        turn.persist(DatasetPut(version))
        add(state, version)
    elif (put := state.block_map.puts.get(version.put)) is not None:
        for name in lacking:  # a node was lost since: the client waits for these again
            put.pending[name] = None
            state.block_map.schedule_check(name)


def add(state: SchedulerState, version: Version) -> None:
    """A version is there: as a client has put it, or as the journal says."""
    state.datasets.put(version)
    state.block_map.need_version(version, (version.dataset, version.number))
    state.block_map.manifests_missing = True


def remove(state: SchedulerState, dataset: str, number: int, put: int) -> None:
    """A version is there no more."""
    version = state.datasets.find(dataset, number)
    if version is not None:
        state.block_map.release((dataset, number), [block.name for block in version.blocks()], removed=True)
    state.datasets.remove(dataset, number, put)


def drain(state: SchedulerState, event: NodeDrained) -> None:
    """A node is to keep no blocks, or to keep them again."""
    (state.block_map.drained.add if event.drained else state.block_map.drained.discard)(event.node)
    state.block_map.schedule_all_checks()


# ---- what is done about it --------------------------------------------------------------------------


def reconcile(state: SchedulerState, turn: Turn) -> None:
    """Look at blocks and manifests, and ask nodes for what is to be done; to be called with every tick."""
    block_map = state.block_map
    if block_map.started_s is None:
        block_map.started_s = turn.now_s
    _see_who_is_there(state, turn)
    puts.end_abandoned(block_map, turn.now_s)
    _expire_orders(block_map, turn.now_s)
    _look_at_some(state, turn, block_map.urgent_checks, LOOKS_MAX)
    if is_settled(state, turn.now_s):
        _look_at_some(state, turn, block_map.other_checks, LOOKS_MAX)
    manifest_sync.request_missing(state, turn)
    for put in block_map.puts.values():
        for name in [name for name in put.pending if _is_kept(state, name, put.replicas)]:
            del put.pending[name]


def is_settled(state: SchedulerState, now_s: float) -> bool:
    """Whether all nodes have said what they have, or have had the time to."""
    block_map = state.block_map
    all_there = bool(block_map.expected) and block_map.expected <= block_map.present
    return all_there or (block_map.started_s is not None and now_s - block_map.started_s >= SETTLE_S)


def _look_at_some(state: SchedulerState, turn: Turn, names: dict[str, None], count: int) -> None:
    for name in list(islice(names, count)):
        del names[name]
        if not _look(state, turn, name):
            names[name] = None  # there is more to do than may be asked for now


def _see_who_is_there(state: SchedulerState, turn: Turn) -> None:
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


def _expire_orders(block_map: BlockMap, now_s: float) -> None:
    for orders in block_map.store_requests.values():
        for name in [name for name, at_s in orders.items() if now_s >= at_s]:
            del orders[name]
            block_map.schedule_check(name)
    for node in [node for node, until_s in block_map.skipped_until_s.items() if now_s >= until_s]:
        del block_map.skipped_until_s[node]
        block_map.full_reasons.pop(node, None)
        block_map.schedule_all_checks()


def target_nodes(state: SchedulerState, name: str, *, but: Iterable[str] = ()) -> tuple[str, ...]:
    """The nodes that are to have a block, out of those that are there; `but` for these."""
    from mrframe.core.replication.rendezvous import (
        replica_nodes,  # it loads OpenSSL, which a cluster without blocks does not need
    )

    block_map = state.block_map
    weights = dict.fromkeys(block_map.present - block_map.drained - set(but), 1.0)
    return replica_nodes(name, weights, block_map.replicas_wanted(name))


def _is_kept(state: SchedulerState, name: str, replicas: int) -> bool:
    """Whether as many nodes that are there have it as can."""
    usable = {node.name for node in state.joined()} - state.block_map.drained
    return len(readable(state, name)) >= max(1, min(replicas, len(usable)))


def _look(state: SchedulerState, turn: Turn, name: str) -> bool:
    """Ask for what a block needs; False when more is to be asked for later."""
    block_map = state.block_map
    holders = block_map.holders.get(name, set()) & block_map.present
    if not block_map.replicas_wanted(name):
        return _drop_unneeded(state, turn, name, holders)
    is_put = any(name in put.blocks for put in block_map.puts.values())
    away = {node for node in block_map.present if state.nodes[node].state is not NodeMembership.JOINED}
    live = holders - away if is_put else holders
    wanted = target_nodes(state, name)
    if not wanted:
        return True  # there is nobody to keep it: what there is of it stays
    targets = target_nodes(state, name, but=(away | block_map.skipped_until_s.keys()) - live)
    if len(targets) < len(wanted) and is_put:
        puts.fail_for_lack_of_room(block_map, name)
    unsure = set() if block_map.is_provisional(name) else block_map.provisional_on(name)
    if set(wanted) <= holders - away - unsure:
        _drop(state, turn, name, holders - set(wanted), moved=True)
    missing = [node for node in targets if node not in live]
    return _ask(state, turn, name, missing, STORES_MAX if len(live) < len(wanted) else MOVES_MAX)


def _ask(state: SchedulerState, turn: Turn, name: str, nodes: Iterable[str], stores_max: int) -> bool:
    """Ask nodes to store a block, unless they are storing so many; False when one of them is."""
    done = True
    for node in nodes:
        orders = state.block_map.store_requests.setdefault(node, {})
        if name in orders:
            continue
        if len(orders) >= stores_max:
            done = False
            continue
        source = _source(state, name)
        if source is None:
            return True  # nobody has it: it is looked at again when somebody does
        orders[name] = turn.now_s + ORDER_S
        turn.send(node, source)
    return done


def _source(state: SchedulerState, name: str) -> StoreBlock | None:
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
    """Have a block that nobody needs dropped where it may be; False when it is too early for that."""
    block_map = state.block_map
    assert block_map.started_s is not None
    nodes = nodes & block_map.useless_replicas(name)
    if nodes and name not in block_map.freed and turn.now_s - block_map.started_s < ORPHANS_S:
        return False
    _drop(state, turn, name, nodes, moved=False)
    return True


def _drop(state: SchedulerState, turn: Turn, name: str, nodes: Iterable[str], *, moved: bool) -> None:
    for node in sorted(nodes):
        if state.nodes[node].state is NodeMembership.JOINED:
            state.block_map.discard(node, name)
            turn.send(node, DropBlock(name, moved))
