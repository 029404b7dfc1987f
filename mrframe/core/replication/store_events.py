"""Events about the block store: requests of clients and reports of nodes.

They change the block map and the catalog. `reconcile.py` then decides which replicas to store and delete.
"""

from __future__ import annotations

from mrframe.core.model.block_messages import (
    BlockDamaged,
    BlockRefused,
    BlocksHeld,
    BlocksJudged,
    BlocksOffered,
    BlockStored,
    Fault,
    JudgeBlocks,
    JudgingWanted,
    PutEnded,
)
from mrframe.core.model.catalog import Version
from mrframe.core.model.events import DatasetPut, DatasetRemoved, NodeDrained
from mrframe.core.model.facts import VersionRemoved
from mrframe.core.model.manifest_messages import RecoverVersions
from mrframe.core.replication import manifest_sync, puts
from mrframe.core.replication.reconcile import STORES_MAX, check_some, reconcile
from mrframe.core.replication.replicas import is_replicated, readable
from mrframe.core.state.block_map import BlockMap
from mrframe.core.state.scheduler_state import NodeRecord, SchedulerState, Turn

SKIP_S = 10.0
"""Seconds for which a node that refused a block gets no others: a full disk does not become free in a moment."""
SKIP_GONE_S = 1.0
"""The same if the other node was at fault, which verifies its replica in the meantime."""


def handle_client(
    state: SchedulerState,
    turn: Turn,
    event: DatasetPut | DatasetRemoved | NodeDrained | BlocksOffered | PutEnded | JudgingWanted | RecoverVersions,
) -> None:
    """Handle a client's request about the store."""
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
            manifest_sync.prune_aside(state)
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
    """Handle a joined node's report about its store."""
    block_map = state.block_map
    match event:
        case BlocksHeld():
            _held(block_map, event)
            if not event.to and block_map.reported.get(node.name) != event.incarnation:
                block_map.reported[node.name] = event.incarnation
                block_map.store_requests.pop(node.name, None)  # they were sent to a process that has ended
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
            check_some(state, turn, block_map.urgent_checks, STORES_MAX)  # the node has room for another one
        case BlockRefused():
            _refused(state, turn, node, event)
        case BlockDamaged():
            block_map.faults.append(Fault(event.number, node.name, event.name, event.reason))
            block_map.discard(node.name, event.name)
        case BlocksJudged():
            block_map.verified[node.name] = event.number, event.blocks


def _held(block_map: BlockMap, event: BlocksHeld) -> None:
    """Replace the blocks of a node within one range of names."""
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
    if event.kind == "changed":  # the file is at fault, whichever node reads it
        for put in block_map.puts.values():
            if event.name in put.blocks:
                put.failed[event.name] = event.kind, event.reason
    elif event.kind == "gone":  # a replica could not be fetched: its holders verify theirs
        for holder in sorted(readable(state, event.name)):
            turn.send(holder, JudgeBlocks(0, (event.name,)))
        block_map.skipped_until_s[node.name] = turn.now_s + SKIP_GONE_S
    else:
        block_map.skipped_until_s[node.name] = turn.now_s + SKIP_S
        block_map.full_reasons[node.name] = event.reason


# ---- versions and drained nodes ------------------------------------------------------------------------


def _put(state: SchedulerState, turn: Turn, version: Version) -> None:
    if not state.datasets.may_put(version):
        return
    lacking = [b.name for b in version.blocks() if not is_replicated(state, b.name, version.replicas)]
    if not lacking:
        turn.persist(DatasetPut(version))
        add(state, version)
    elif (put := state.block_map.puts.get(version.put)) is not None:
        for name in lacking:  # a node was lost since: the client waits for these again
            put.pending[name] = None
            state.block_map.schedule_check(name)


def add(state: SchedulerState, version: Version) -> None:
    """Add a version that a client has put, or that the journal has."""
    state.datasets.put(version)
    state.block_map.need_version(version, (version.dataset, version.number))
    state.block_map.manifests_missing = True


def remove(state: SchedulerState, dataset: str, number: int, put: int) -> None:
    """Remove a version, and release its blocks."""
    version = state.datasets.find(dataset, number)
    if version is not None:
        state.block_map.release((dataset, number), [block.name for block in version.blocks()], removed=True)
    state.datasets.remove(dataset, number, put)


def drain(state: SchedulerState, event: NodeDrained) -> None:
    """Move all blocks away from a node, or let it have blocks again."""
    (state.block_map.drained.add if event.drained else state.block_map.drained.discard)(event.node)
    state.block_map.schedule_all_checks()
