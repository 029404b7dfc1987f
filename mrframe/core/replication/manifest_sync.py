"""Manifests of versions: copies them to all nodes, and finds versions that nodes have but the catalog lacks.

Part of the scheduler, and pure. The journal is the catalog, but it can be lost or replaced by an older copy. So each
node stores the manifest of each version beside its blocks, and the catalog can be rebuilt from them.

Rules.
- All nodes get the manifests of all versions. `put` returns only when the nodes with its blocks have its manifest.
- A manifest is deleted only when its version was removed according to the journal (`fs rm`), or is in the catalog
  under another name or number and the node has the manifest of that.
- A version is *aside* if a node has a manifest of it but the journal has no record. It cannot be read, but its blocks
  and its manifest are replicated as those of all others, until it is recovered. This happens with a new journal, or
  with an older copy of one.
- The versions of a dataset are recovered together, with their old numbers. If one of these numbers has been used
  since, they need another name, under which they are numbered anew.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from mrframe.core.model.catalog import Version, is_key, is_name, is_sound, put_of
from mrframe.core.model.events import DatasetPut
from mrframe.core.model.manifest_messages import (
    DropVersion,
    KeepVersion,
    RecoverVersions,
    VersionAsked,
    VersionKept,
    VersionsHeld,
    VersionTold,
)
from mrframe.core.state.block_map import BlockMap, Owner
from mrframe.core.state.scheduler_state import NodeRecord, SchedulerState, Turn

AGAIN_S = 30.0
"""Pause before an unconfirmed manifest is sent again. A node confirms as soon as it has written it."""
WRITES_MAX = 16
"""Most unconfirmed manifests per node, so that a node that lacks thousands is not flooded."""


def handle_node(
    state: SchedulerState, turn: Turn, node: NodeRecord, event: VersionsHeld | VersionTold | VersionKept
) -> None:
    """Handle a report of a joined node about its manifests."""
    block_map = state.block_map
    match event:
        case VersionsHeld():
            _held(state, turn, event)
        case VersionTold(version=version):
            if is_sound(version) and _is_aside(state, version.key):
                block_map.manifests.setdefault(node.name, set()).add(version.key)
                _add_aside(block_map, version)
        case VersionKept(key=key) if is_key(key):
            block_map.manifests.setdefault(node.name, set()).add(key)
            block_map.manifest_requests.get(node.name, {}).pop(key, None)
            named = state.datasets.by_key().get(key) or block_map.aside.get(key)
            for block in named.blocks() if named else ():
                block_map.provisional.get(node.name, set()).discard(block.name)
                block_map.unknown.get(node.name, {}).pop(block.name, None)
                block_map.schedule_check(block.name)


def _held(state: SchedulerState, turn: Turn, event: VersionsHeld) -> None:
    block_map = state.block_map
    held = block_map.manifests.setdefault(event.node, set())
    held -= {key for key in held if event.after < key and (not event.to or key <= event.to)}
    keys = [key for key in event.keys if is_key(key)]
    held |= set(keys)
    for key in keys:
        put = put_of(key)
        named = state.datasets.key_of_put(put)
        if key in state.datasets.by_key() or key in block_map.aside:
            continue
        if put in state.datasets.removed() or (named and named in held):
            turn.send(event.node, DropVersion(key))
        elif not named:
            turn.send(event.node, VersionAsked(key))
    block_map.manifests_missing = True
    prune_aside(state)


def _is_aside(state: SchedulerState, key: str) -> bool:
    """Return whether the catalog has no record of a version, not even of its removal."""
    catalog = state.datasets
    return (
        key not in catalog.by_key() and put_of(key) not in catalog.removed() and not catalog.key_of_put(put_of(key))
    )


def _owner(key: str) -> Owner:
    return f"?{key}", 0


def _add_aside(block_map: BlockMap, version: Version) -> None:
    if version.key not in block_map.aside:
        block_map.aside[version.key] = version
        block_map.need_version(version, _owner(version.key))
        block_map.manifests_missing = True


def prune_aside(state: SchedulerState) -> None:
    """Drop versions from the list of those aside that are in the catalog by now or have lost their last manifest."""
    block_map = state.block_map
    for key, version in list(block_map.aside.items()):
        if not _is_aside(state, key) or not any(key in held for held in block_map.manifests.values()):
            del block_map.aside[key]
            block_map.release(_owner(key), [block.name for block in version.blocks()])


def all_known(state: SchedulerState) -> bool:
    """Return whether the master knows all versions of which nodes have manifests."""
    block_map = state.block_map
    return all(
        key in block_map.aside or not _is_aside(state, key) for held in block_map.manifests.values() for key in held
    )


def unrecorded(state: SchedulerState, version: Version, holders: set[str]) -> tuple[str, ...]:
    """Return the joined nodes that have blocks of a version (all nodes if it has no blocks) but no manifest of it."""
    joined = {node.name for node in state.joined()}
    having = joined & holders if version.blocks() else joined
    manifests = state.block_map.manifests
    return tuple(sorted(node for node in having if version.key not in manifests.get(node, ())))


def drop_manifests(state: SchedulerState, turn: Turn, version: Version) -> None:
    """Delete the manifests of a removed version, on joined nodes now, on others when they report them."""
    for node in state.joined():
        if version.key in state.block_map.manifests.get(node.name, ()):
            state.block_map.manifests[node.name].discard(version.key)
            turn.send(node.name, DropVersion(version.key))


def request_missing(state: SchedulerState, turn: Turn) -> None:
    """Send nodes the manifests that they lack. Called at every tick."""
    block_map = state.block_map
    if not block_map.manifests_missing:
        return
    wanted = {**state.datasets.by_key(), **block_map.aside}
    block_map.manifests_missing = False
    for node in state.joined():
        if block_map.reported.get(node.name) != node.incarnation:
            block_map.manifests_missing = True
            continue
        lacking = wanted.keys() - block_map.manifests.get(node.name, set())
        block_map.manifests_missing |= bool(lacking)
        asked = block_map.manifest_requests.get(node.name, {})
        orders = block_map.manifest_requests[node.name] = {
            key: at_s for key, at_s in asked.items() if key in lacking and at_s > turn.now_s
        }
        for key in sorted(lacking - orders.keys())[: WRITES_MAX - len(orders)]:
            orders[key] = turn.now_s + AGAIN_S
            turn.send(node.name, KeepVersion(wanted[key]))


def recover(state: SchedulerState, turn: Turn, event: RecoverVersions) -> list[Version]:
    """Persist the versions that are aside, where possible. Returns them, to be added to the catalog."""
    found = sorted(
        (one for one in state.block_map.aside.values() if event.dataset in ("", one.dataset)),
        key=lambda one: (one.dataset, one.number, one.put),
    )
    recovered: list[Version] = []
    for dataset, versions in groupby(found, key=lambda one: one.dataset):
        recovered += _recovered(state, list(versions), event.name or dataset, renumber=bool(event.name))
    for version in recovered:
        turn.persist(DatasetPut(version))
    return recovered


def _recovered(state: SchedulerState, versions: list[Version], name: str, *, renumber: bool) -> list[Version]:
    if not is_name(name):
        return []
    if renumber:
        next_number = state.datasets.last(name) + 1
        return [replace(one, dataset=name, number=next_number + i) for i, one in enumerate(versions)]
    distinct = len({one.number for one in versions}) == len(versions)
    return versions if distinct and all(map(state.datasets.is_free, versions)) else []
