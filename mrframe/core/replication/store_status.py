"""What clients are told of the store: how a put, a version, and all blocks are. Nothing is decided here."""

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
from mrframe.core.replication.reconcile import homes_of, is_settled, readable
from mrframe.core.state.block_map import Keepers
from mrframe.core.state.scheduler_state import SchedulerState

Question = PutWanted | VersionsWanted | VersionWanted | StorageWanted
Answer = PutState | VersionsState | VersionState | StorageState


def answer(state: SchedulerState, question: Question, now_s: float) -> Answer:
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
    put = puts.hear(state.keepers, number, now_s)
    if put is None:
        return PutState(number, 0, (), 0, 0, ())
    failed = tuple((name, *said) for name, said in list(put.failed.items())[:LISTED_MAX])
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
    version = state.keepers.aside.get(key) if key else state.datasets.find(dataset, number)
    if version is None:
        return VersionState(dataset, number, None, ())
    holders = tuple(tuple(readable(state, block.name)) for block in version.blocks())
    having = {node for nodes in holders for node in nodes}
    return VersionState(dataset, number, version, holders, manifest_sync.unrecorded(state, version, having))


def _storage(state: SchedulerState, now_s: float) -> StorageState:
    keepers = state.keepers
    nodes = []
    for name, node in sorted(state.nodes.items()):
        held = keepers.held.get(name, set())
        length = sum(keepers.lengths.get(block, 0) for block in held)
        nodes.append(NodeStorage(name, node.state.value, name in keepers.drained, len(held), length))
    lacking: list[Lacking] = []
    count = extra = 0
    for name in sorted(keepers.needs):
        have, wanted = tuple(readable(state, name)), homes_of(state, name)
        extra += len(set(have) - set(wanted))
        if not set(wanted) <= set(have) or not have:
            count += 1
            if len(lacking) < LISTED_MAX:
                lacking.append(Lacking(name, have, wanted))
    extra += sum(len(keepers.of_no_use(name)) for name in keepers.holders if name not in keepers.needs)
    judged = tuple((node, *said) for node, said in sorted(keepers.judged.items()))
    return StorageState(
        is_settled(state, now_s) and manifest_sync.settled(state),
        tuple(nodes),
        tuple(lacking),
        count,
        extra,
        tuple(keepers.faults),
        judged,
        tuple(_aside(keepers)),
        tuple(_unknown(keepers)),
    )


def _aside(keepers: Keepers) -> Iterator[AsideVersion]:
    for key in sorted(keepers.aside)[:LISTED_MAX]:
        nodes = sorted(node for node, held in keepers.manifests.items() if key in held)
        yield AsideVersion(key, _line(keepers.aside[key]), tuple(nodes))


def _unknown(keepers: Keepers) -> Iterator[UnknownBlocks]:
    for node, found in sorted(keepers.unknown.items()):
        blocks = {name: size for name, size in sorted(found.items()) if name not in keepers.needs}
        if blocks:
            yield UnknownBlocks(node, len(blocks), sum(blocks.values()), tuple(islice(blocks, LISTED_MAX)))
