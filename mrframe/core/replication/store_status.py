"""Replies to clients about the store: the status of a put, of a version, and of all blocks. No decisions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mrframe.core.model.block_messages import (
    LISTED_MAX,
    AsideVersion,
    Lacking,
    NodeStorage,
    PutState,
    PutWanted,
    StorageState,
    StorageWanted,
    UnknownBlocks,
    VersionLine,
    VersionsState,
    VersionState,
    VersionsWanted,
    VersionWanted,
)
from mrframe.core.model.catalog import Version
from mrframe.core.replication import manifest_sync, puts
from mrframe.core.replication.replicas import is_settled, readable, target_nodes
from mrframe.core.state.block_map import BlockMap
from mrframe.core.state.scheduler_state import SchedulerState

Question = PutWanted | VersionsWanted | VersionWanted | StorageWanted
Reply = PutState | VersionsState | VersionState | StorageState


def reply(state: SchedulerState, question: Question, now_s: float) -> Reply:
    """The answer to a client's question."""
    match question:
        case PutWanted(put):
            return _put(state, put, now_s)
        case VersionsWanted(dataset):
            return _versions(state, dataset)
        case VersionWanted(dataset, number, key):
            return _version(state, dataset, number, key)
        case StorageWanted():
            return _storage(state, now_s)


def _put(state: SchedulerState, number: int, now_s: float) -> PutState:
    put = puts.touch(state.block_map, number, now_s)
    if put is None:
        return PutState(number, 0, (), 0, 0, ())
    failed = tuple((name, *reason) for name, reason in list(put.failed.items())[:LISTED_MAX])
    pending = tuple(list(put.pending)[:LISTED_MAX])
    return PutState(number, len(put.blocks), pending, put.stored, put.stored_bytes, failed)


def _versions(state: SchedulerState, dataset: str) -> VersionsState:
    lines = [_line(version) for version in state.datasets.versions() if dataset in ("", version.dataset)]
    return VersionsState(dataset, state.datasets.last(dataset), tuple(lines))


def _line(version: Version) -> VersionLine:
    length = sum(file.length for file in version.files)
    counts = len(version.files), length, len(version.blocks())
    return VersionLine(version.dataset, version.number, version.put, version.replicas, *counts)


def _version(state: SchedulerState, dataset: str, number: int, key: str) -> VersionState:
    version = state.block_map.aside.get(key) if key else state.datasets.find(dataset, number)
    if version is None:
        return VersionState(dataset, number, None, ())
    holders = tuple(tuple(readable(state, block.name)) for block in version.blocks())
    having = {node for nodes in holders for node in nodes}
    return VersionState(dataset, number, version, holders, manifest_sync.unrecorded(state, version, having))


def _storage(state: SchedulerState, now_s: float) -> StorageState:
    block_map = state.block_map
    nodes = []
    for name, node in sorted(state.nodes.items()):
        held = block_map.held.get(name, set())
        length = sum(block_map.lengths.get(block, 0) for block in held)
        nodes.append(NodeStorage(name, node.state.value, name in block_map.drained, len(held), length))
    lacking: list[Lacking] = []
    count = extra = 0
    for name in sorted(block_map.needs):
        have, wanted = tuple(readable(state, name)), target_nodes(state, name)
        extra += len(set(have) - set(wanted))
        if not set(wanted) <= set(have) or not have:
            count += 1
            if len(lacking) < LISTED_MAX:
                lacking.append(Lacking(name, have, wanted))
    extra += sum(len(block_map.useless_replicas(name)) for name in block_map.holders if name not in block_map.needs)
    verified = tuple((node, *result) for node, result in sorted(block_map.verified.items()))
    return StorageState(
        is_settled(state, now_s) and manifest_sync.all_known(state),
        tuple(nodes),
        tuple(lacking),
        count,
        extra,
        tuple(block_map.faults),
        verified,
        tuple(_aside(block_map)),
        tuple(_unknown(block_map)),
    )


def _aside(block_map: BlockMap) -> Iterator[AsideVersion]:
    for key in sorted(block_map.aside)[:LISTED_MAX]:
        nodes = sorted(node for node, held in block_map.manifests.items() if key in held)
        yield AsideVersion(key, _line(block_map.aside[key]), tuple(nodes))


def _unknown(block_map: BlockMap) -> Iterator[UnknownBlocks]:
    for node, found in sorted(block_map.unknown.items()):
        blocks = {name: size for name, size in sorted(found.items()) if name not in block_map.needs}
        if blocks:
            yield UnknownBlocks(node, len(blocks), sum(blocks.values()), tuple(islice(blocks, LISTED_MAX)))
