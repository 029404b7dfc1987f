"""Checks the store of a standing cluster from its client: damaged and missing replicas, balance, decommission.

Nothing is repaired here. The master and its nodes do that by themselves (`core/replication/reconcile.py`). The client
asks and waits.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.block_messages import (
    AsideVersion,
    Fault,
    JudgingWanted,
    Lacking,
    StorageState,
    StorageWanted,
    UnknownBlocks,
    VersionsWanted,
    VersionWanted,
)
from mrframe.core.model.events import NodeDrained
from mrframe.core.model.manifest_messages import RecoverVersions
from mrframe.engines.datasets.datasets import POLL_S, REPLY_S, STALL_S, StoreClient
from mrframe.errors import ClusterUnreachable, UsageError

AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class BlockPosition:
    """Where a block belongs: the version, the file, and the offset in its content."""

    dataset: str
    file: str
    offset: int


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of a check of the whole store.

    faults   damaged replicas, with the positions of their blocks and whether the block has all its replicas again
    lacking  blocks with fewer replicas than they are to have, or none, with their positions
    blocks   replicas that were read
    aside    versions that nodes have manifests of, and the catalog does not know
    unknown  blocks that belong to no version at all, by node
    """

    faults: list[tuple[Fault, list[BlockPosition], bool]]
    lacking: list[tuple[Lacking, list[BlockPosition]]]
    blocks: int
    aside: tuple[AsideVersion, ...] = ()
    unknown: tuple[UnknownBlocks, ...] = ()

    @property
    def lost(self) -> list[tuple[Lacking, list[BlockPosition]]]:
        """The blocks that have no replica left."""
        return [(one, positions) for one, positions in self.lacking if not one.nodes]


def fsck(cluster: StoreClient, *, repair: bool) -> Report:
    """Have all joined nodes read and verify all their replicas. With `repair`, wait until all faults are repaired."""
    number = secrets.randbits(62) or 1
    _watch(cluster, lambda _: True)
    state = _watch(cluster, lambda state: _is_verified(state, number), JudgingWanted(number))
    if repair:
        state = _watch(cluster, lambda state: all(not one.nodes for one in state.lacking), give_up=False)
    positions = _positions(cluster, state.aside)
    missing = {one.name for one in state.lacking}
    faults = [one for one in state.faults if one.number == number]
    return Report(
        [(one, positions.get(one.name, []), one.name not in missing) for one in faults],
        [(one, positions.get(one.name, [])) for one in state.lacking],
        sum(blocks for _, check, blocks in state.verified if check == number),
        state.aside,
        state.unknown,
    )


def _is_verified(state: StorageState, number: int) -> bool:
    done = {node for node, check, _ in state.verified if check == number}
    return all(node.node in done for node in state.nodes if node.state == "joined")


def _watch(
    cluster: StoreClient, is_over: Callable[[StorageState], bool], want: Any = None, *, give_up: bool = True
) -> StorageState:
    """Wait until the state of the store is as wanted, and return it.

    When nothing changes for `STALL_S`, raise ClusterUnreachable, or without `give_up` return the state as it is. The
    request `want` is sent again from time to time, since a node or the master may have restarted.
    """
    moved_s, before, sent_s = time.monotonic(), None, -AGAIN_S
    while True:
        if want is not None and time.monotonic() - sent_s > AGAIN_S:
            sent_s = time.monotonic()
            cluster.want(want, REPLY_S)
        state: StorageState = cluster.ask(StorageWanted(), REPLY_S)
        if state.settled and is_over(state):
            return state
        if state != before:
            moved_s, before = time.monotonic(), state
        elif time.monotonic() - moved_s > STALL_S:
            if not give_up:
                return state
            raise ClusterUnreachable(f"nothing moved in the store for {STALL_S:g} s; the cluster's log says more")
        cluster.rest(POLL_S)


def _positions(cluster: StoreClient, aside: tuple[AsideVersion, ...]) -> dict[str, list[BlockPosition]]:
    """For each block that is needed, where it belongs."""
    positions: dict[str, list[BlockPosition]] = {}
    known = [(line, "") for line in cluster.ask(VersionsWanted(""), REPLY_S).versions]
    for line, key in [*known, *((one.line, one.key) for one in aside)]:
        version = cluster.ask(VersionWanted(line.dataset, line.number, key), REPLY_S).version
        for file in version.files if version else ():
            offset = 0
            for block in file.blocks:
                position = BlockPosition(f"mrfs:{line.dataset}@{line.number}", file.name, offset)
                positions.setdefault(block.name, []).append(position)
                offset += block.length
    return positions


def aside(cluster: StoreClient) -> tuple[AsideVersion, ...]:
    """The versions that nodes have manifests of, and the catalog does not know."""
    return _watch(cluster, lambda _: True).aside


def recover(cluster: StoreClient, dataset: str, *, name: str = "") -> tuple[list[str], tuple[AsideVersion, ...]]:
    """Put the versions of a dataset ("": of all) that only nodes know into the catalog again, or into that of `name`.

    Returns the names of those that are in the catalog now, and the versions that could not be put there. UsageError
    when no node knows any.
    """
    before = aside(cluster)
    wanted = [one for one in before if dataset in ("", one.line.dataset)]
    if not wanted:
        known = ", ".join(sorted({one.line.dataset for one in before}))
        raise UsageError(
            f"no node knows a version of mrfs:{dataset} that the catalog lacks; there are some of: {known}"
            if known
            else "no node knows a version that the catalog lacks, so there is nothing to recover"
        )
    cluster.want(RecoverVersions(dataset, name), REPLY_S)
    puts = {one.line.put for one in wanted}
    found = [line for line in cluster.ask(VersionsWanted(""), REPLY_S).versions if line.put in puts]
    left = tuple(one for one in wanted if one.line.put not in {line.put for line in found})
    return [f"mrfs:{line.dataset}@{line.number}" for line in found], left


def balance(cluster: StoreClient) -> StorageState:
    """Wait until all blocks are where they are to be, and nowhere else."""
    return _watch(cluster, lambda state: not state.lacking_count and not state.extra)


def decommission(cluster: StoreClient, node: str, *, undo: bool) -> StorageState:
    """Have a node give its blocks to the others, and wait until it has none. UsageError: it is none, or the last."""
    state: StorageState = cluster.ask(StorageWanted(), REPLY_S)
    names = [one.node for one in state.nodes]
    if node not in names:
        raise UsageError(f"the cluster has no node {node!r}; it has: {', '.join(names)}")
    if not undo and not [
        one for one in state.nodes if one.node != node and not one.drained and one.state == "joined"
    ]:
        raise UsageError(f"{node} is the last node that keeps blocks; there is none to give them to")
    cluster.want(NodeDrained(node, not undo), REPLY_S)
    if undo:
        return balance(cluster)
    return _watch(
        cluster, lambda state: all(one.drained and not one.blocks for one in state.nodes if one.node == node)
    )
