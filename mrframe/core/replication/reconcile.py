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
from mrframe.core.state.block_map import Keepers
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


def of_client(
    state: SchedulerState,
    turn: Turn,
    event: DatasetPut | DatasetRemoved | NodeDrained | BlocksOffered | PutEnded | JudgingWanted | RecoverVersions,
) -> None:
    """A client wants something of the store."""
    keepers = state.keepers
    match event:
        case DatasetPut(version):
            _put(state, turn, version)
        case DatasetRemoved(dataset, number):
            gone = state.datasets.find(dataset, number) if number else None
            if gone is not None:
                turn.persist(VersionRemoved(dataset, number, gone.put))
                remove(state, dataset, number, gone.put)
                manifest_sync.dropped(state, turn, gone)
        case RecoverVersions():
            for version in manifest_sync.recover(state, turn, event):
                add(state, version)
            manifest_sync.forget_aside(state)
        case NodeDrained(node, drained):
            last = not (keepers.present - keepers.drained - {node})
            if node in state.nodes and drained != (node in keepers.drained) and not (drained and last):
                turn.persist(event)
                drain(state, event)
        case BlocksOffered():
            puts.offered(keepers, event, turn.now_s)
            tend(state, turn)
        case PutEnded(number):
            puts.end(keepers, number)
        case JudgingWanted(number):
            for there in state.joined():
                if keepers.judged.get(there.name, (0, 0))[0] == number:
                    continue
                turn.send(there.name, JudgeBlocks(number, tuple(sorted(keepers.held.get(there.name, ())))))


def of_node(
    state: SchedulerState,
    turn: Turn,
    node: NodeRecord,
    event: BlocksHeld | BlockStored | BlockRefused | BlockDamaged | BlocksJudged,
) -> None:
    """A joined node says something of its store."""
    keepers = state.keepers
    match event:
        case BlocksHeld():
            _held(keepers, event)
            if not event.to and keepers.told.get(node.name) != event.incarnation:
                keepers.told[node.name] = event.incarnation
                keepers.orders.pop(node.name, None)  # they were given to a process that is over
                keepers.unwritten = True
                keepers.look_at_all()
        case BlockStored():
            keepers.orders.get(node.name, {}).pop(event.name, None)
            keepers.add(node.name, event.name)
            if event.new and keepers.is_provisional(event.name):
                keepers.provisional.setdefault(node.name, set()).add(event.name)
            for put in keepers.puts.values():
                if event.name in put.blocks and event.new:
                    put.stored += 1
                    put.stored_bytes += event.file_bytes
            _look_at_some(state, turn, keepers.urgent, STORES_MAX)  # the node has room for another one
        case BlockRefused():
            _refused(state, turn, node, event)
        case BlockDamaged():
            keepers.faults.append(Fault(event.number, node.name, event.name, event.reason))
            keepers.discard(node.name, event.name)
        case BlocksJudged():
            keepers.judged[node.name] = event.number, event.blocks


def _held(keepers: Keepers, event: BlocksHeld) -> None:
    """The names in a part of the range of all names, and no others there."""
    said = set(event.names)
    known = {name for name in keepers.held.get(event.node, ()) if _is_between(event, name)}
    for name in known - said:
        keepers.discard(event.node, name)
    for name in said - known:
        keepers.add(event.node, name)
    provisional = keepers.provisional.get(event.node, set())
    keepers.provisional[event.node] = {one for one in provisional if not _is_between(event, one)}
    keepers.provisional[event.node].update(event.provisional)
    unknown = keepers.unknown.get(event.node, {})
    keepers.unknown[event.node] = {one: size for one, size in unknown.items() if not _is_between(event, one)}
    keepers.unknown[event.node].update(event.unknown)
    for name in event.provisional:
        if not keepers.wanted(name):
            keepers.look_at(name)


def _is_between(event: BlocksHeld, name: str) -> bool:
    return event.after < name and (not event.to or name <= event.to)


def _refused(state: SchedulerState, turn: Turn, node: NodeRecord, event: BlockRefused) -> None:
    keepers = state.keepers
    keepers.orders.get(node.name, {}).pop(event.name, None)
    keepers.look_at(event.name)
    if event.kind == "changed":  # the file is at fault, whoever reads it
        for put in keepers.puts.values():
            if event.name in put.blocks:
                put.failed[event.name] = event.kind, event.reason
    elif event.kind == "gone":  # a replica that could not be had: its holder is to look
        for holder in sorted(readable(state, event.name)):
            turn.send(holder, JudgeBlocks(0, (event.name,)))
        keepers.passed_over[node.name] = turn.now_s + 1.0
    else:
        keepers.passed_over[node.name] = turn.now_s + PASS_OVER_S
        keepers.full[node.name] = event.reason


def suspect(state: SchedulerState, turn: Turn, node: str, name: str) -> None:
    """A reader could not use this replica: nobody is sent to it until its node has judged it."""
    if node in state.keepers.holders.get(name, ()):
        state.keepers.discard(node, name)
        turn.send(node, JudgeBlocks(0, (name,)))


def readable(state: SchedulerState, name: str) -> list[str]:
    """The nodes that are there and have a block, by name."""
    nodes = state.keepers.holders.get(name, ())
    return sorted(node for node in nodes if state.nodes[node].state is NodeMembership.JOINED)


# ---- datasets and puts ------------------------------------------------------------------------------


def _put(state: SchedulerState, turn: Turn, version: Version) -> None:
    if not state.datasets.may_put(version):
        return
    lacking = [b.name for b in version.blocks() if not _is_kept(state, b.name, version.replicas)]
    if not lacking:
        turn.persist(DatasetPut(version))
        add(state, version)
    elif (put := state.keepers.puts.get(version.put)) is not None:
        for name in lacking:  # a node was lost since: the client waits for these again
            put.pending[name] = None
            state.keepers.look_at(name)


def add(state: SchedulerState, version: Version) -> None:
    """A version is there: as a client has put it, or as the journal says."""
    state.datasets.put(version)
    state.keepers.need_version(version, (version.dataset, version.number))
    state.keepers.unwritten = True


def remove(state: SchedulerState, dataset: str, number: int, put: int) -> None:
    """A version is there no more."""
    version = state.datasets.find(dataset, number)
    if version is not None:
        state.keepers.release((dataset, number), [block.name for block in version.blocks()], removed=True)
    state.datasets.remove(dataset, number, put)


def drain(state: SchedulerState, event: NodeDrained) -> None:
    """A node is to keep no blocks, or to keep them again."""
    (state.keepers.drained.add if event.drained else state.keepers.drained.discard)(event.node)
    state.keepers.look_at_all()


# ---- what is done about it --------------------------------------------------------------------------


def tend(state: SchedulerState, turn: Turn) -> None:
    """Look at blocks and manifests, and ask nodes for what is to be done; to be called with every tick."""
    keepers = state.keepers
    if keepers.began_s is None:
        keepers.began_s = turn.now_s
    _see_who_is_there(state, turn)
    puts.end_silent(keepers, turn.now_s)
    _expire_orders(keepers, turn.now_s)
    _look_at_some(state, turn, keepers.urgent, LOOKS_MAX)
    if is_settled(state, turn.now_s):
        _look_at_some(state, turn, keepers.later, LOOKS_MAX)
    manifest_sync.tend(state, turn)
    for put in keepers.puts.values():
        for name in [name for name in put.pending if _is_kept(state, name, put.replicas)]:
            del put.pending[name]


def is_settled(state: SchedulerState, now_s: float) -> bool:
    """Whether all nodes have said what they have, or have had the time to."""
    keepers = state.keepers
    all_there = bool(keepers.expected) and keepers.expected <= keepers.present
    return all_there or (keepers.began_s is not None and now_s - keepers.began_s >= SETTLE_S)


def _look_at_some(state: SchedulerState, turn: Turn, names: dict[str, None], count: int) -> None:
    for name in list(islice(names, count)):
        del names[name]
        if not _look(state, turn, name):
            names[name] = None  # there is more to do than may be asked for now


def _see_who_is_there(state: SchedulerState, turn: Turn) -> None:
    keepers = state.keepers
    joined = {node.name for node in state.joined() if keepers.told.get(node.name) == node.incarnation}
    for name in state.nodes:
        if name in joined:
            keepers.away_s.pop(name, None)
        elif name in keepers.present:
            since_s = keepers.away_s.setdefault(name, turn.now_s)
            if turn.now_s - since_s > AWAY_S:
                keepers.forget_node(name)
                del keepers.away_s[name]
    present = frozenset(joined | keepers.away_s.keys())
    if present != keepers.present:
        for name in keepers.present - present:
            keepers.orders.pop(name, None)
        keepers.present = present
        keepers.look_at_all()


def _expire_orders(keepers: Keepers, now_s: float) -> None:
    for orders in keepers.orders.values():
        for name in [name for name, at_s in orders.items() if now_s >= at_s]:
            del orders[name]
            keepers.look_at(name)
    for node in [node for node, until_s in keepers.passed_over.items() if now_s >= until_s]:
        del keepers.passed_over[node]
        keepers.full.pop(node, None)
        keepers.look_at_all()


def homes_of(state: SchedulerState, name: str, *, but: Iterable[str] = ()) -> tuple[str, ...]:
    """The nodes that are to have a block, out of those that are there; `but` for these."""
    from mrframe.core.replication.rendezvous import (
        homes,  # it loads OpenSSL, which a cluster without blocks does not need
    )

    keepers = state.keepers
    weights = dict.fromkeys(keepers.present - keepers.drained - set(but), 1.0)
    return homes(name, weights, keepers.wanted(name))


def _is_kept(state: SchedulerState, name: str, replicas: int) -> bool:
    """Whether as many nodes that are there have it as can."""
    usable = {node.name for node in state.joined()} - state.keepers.drained
    return len(readable(state, name)) >= max(1, min(replicas, len(usable)))


def _look(state: SchedulerState, turn: Turn, name: str) -> bool:
    """Ask for what a block needs; False when more is to be asked for later."""
    keepers = state.keepers
    holders = keepers.holders.get(name, set()) & keepers.present
    if not keepers.wanted(name):
        return _drop_unneeded(state, turn, name, holders)
    is_put = any(name in put.blocks for put in keepers.puts.values())
    away = {node for node in keepers.present if state.nodes[node].state is not NodeMembership.JOINED}
    live = holders - away if is_put else holders
    wanted = homes_of(state, name)
    if not wanted:
        return True  # there is nobody to keep it: what there is of it stays
    targets = homes_of(state, name, but=(away | keepers.passed_over.keys()) - live)
    if len(targets) < len(wanted) and is_put:
        puts.fail(keepers, name)
    unsure = set() if keepers.is_provisional(name) else keepers.provisional_on(name)
    if set(wanted) <= holders - away - unsure:
        _drop(state, turn, name, holders - set(wanted), moved=True)
    missing = [node for node in targets if node not in live]
    return _ask(state, turn, name, missing, STORES_MAX if len(live) < len(wanted) else MOVES_MAX)


def _ask(state: SchedulerState, turn: Turn, name: str, nodes: Iterable[str], stores_max: int) -> bool:
    """Ask nodes to store a block, unless they are storing so many; False when one of them is."""
    done = True
    for node in nodes:
        orders = state.keepers.orders.setdefault(node, {})
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
    keepers = state.keepers
    holders = tuple(readable(state, name))
    provisional = keepers.is_provisional(name)
    if holders:
        return StoreBlock(name, keepers.lengths[name], "", 0, holders, provisional)
    for put in keepers.puts.values():
        block = put.blocks.get(name)
        if block is not None and name not in put.failed:
            return StoreBlock(name, block.length, block.path, block.offset, (), provisional)
    return None


def _drop_unneeded(state: SchedulerState, turn: Turn, name: str, nodes: set[str]) -> bool:
    """Have a block that nobody needs dropped where it may be; False when it is too early for that."""
    keepers = state.keepers
    assert keepers.began_s is not None
    nodes = nodes & keepers.of_no_use(name)
    if nodes and name not in keepers.freed and turn.now_s - keepers.began_s < ORPHANS_S:
        return False
    _drop(state, turn, name, nodes, moved=False)
    return True


def _drop(state: SchedulerState, turn: Turn, name: str, nodes: Iterable[str], *, moved: bool) -> None:
    for node in sorted(nodes):
        if state.nodes[node].state is NodeMembership.JOINED:
            state.keepers.discard(node, name)
            turn.send(node, DropBlock(name, moved))
