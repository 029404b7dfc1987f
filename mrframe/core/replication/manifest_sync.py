"""Manifests of versions: which nodes are to keep which, and what nodes know that the catalog does not.

Part of the scheduler, and pure. The journal is the catalog; but it can be lost, or come back as an older copy. So
each node keeps the manifest of each version beside its blocks, from which the catalog can be made again.

Rules.
- All nodes have the manifests of all versions. `put` returns when the nodes that have its blocks do, and not before.
- A manifest goes when the journal says that its version was removed (`fs rm`), and for no other reason.
- A version that a node has a manifest of and the journal knows nothing of is *aside*: nobody can read it, but its
  blocks and its manifest are kept, copied and moved as those of all others, until it is recovered. A journal that was
  begun anew, and an older copy of one, know less than the nodes.
- Recovered, a version has its old number, unless its dataset has used that number since: then it takes another name.
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
"""A manifest that a node was asked to keep, and has not said that it does, is sent again after so long."""
WRITES_MAX = 16
"""Manifests that a node is asked to keep at a time."""


def handle_node(
    state: SchedulerState, turn: Turn, node: NodeRecord, event: VersionsHeld | VersionTold | VersionKept
) -> None:
    """A joined node says something of its manifests."""
    block_map = state.block_map
    match event:
        case VersionsHeld():
            _held(state, turn, event)
        case VersionTold(version=version):
            if is_sound(version) and _is_uncatalogued(state, version.key):
                block_map.manifests.setdefault(node.name, set()).add(version.key)
                _add_uncatalogued(block_map, version)
        case VersionKept(key=key) if is_key(key):
            block_map.manifests.setdefault(node.name, set()).add(key)
            block_map.manifest_requests.get(node.name, {}).pop(key, None)
            kept = state.datasets.by_key().get(key) or block_map.uncatalogued.get(key)
            for block in kept.blocks() if kept else ():
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
        if key in state.datasets.by_key() or key in block_map.uncatalogued:
            continue
        if put in state.datasets.removed() or (named and named in held):
            turn.send(event.node, DropVersion(key))
        elif not named:
            turn.send(event.node, VersionAsked(key))
    block_map.manifests_missing = True
    forget_uncatalogued(state)


def _is_uncatalogued(state: SchedulerState, key: str) -> bool:
    """Whether the catalog knows nothing of a version, neither that it is there, nor that it was removed."""
    catalog = state.datasets
    return (
        key not in catalog.by_key() and put_of(key) not in catalog.removed() and not catalog.key_of_put(put_of(key))
    )


def _owner(key: str) -> Owner:
    return f"?{key}", 0


def _add_uncatalogued(block_map: BlockMap, version: Version) -> None:
    if version.key not in block_map.uncatalogued:
        block_map.uncatalogued[version.key] = version
        block_map.need_version(version, _owner(version.key))
        block_map.manifests_missing = True


def forget_uncatalogued(state: SchedulerState) -> None:
    """Versions that are aside are no more, once they are in the catalog, or no node has a manifest of them."""
    block_map = state.block_map
    for key, version in list(block_map.uncatalogued.items()):
        if not _is_uncatalogued(state, key) or not any(key in held for held in block_map.manifests.values()):
            del block_map.uncatalogued[key]
            block_map.release(_owner(key), [block.name for block in version.blocks()])


def all_known(state: SchedulerState) -> bool:
    """Whether all that nodes have manifests of is known."""
    block_map = state.block_map
    return all(
        key in block_map.uncatalogued or not _is_uncatalogued(state, key)
        for held in block_map.manifests.values()
        for key in held
    )


def unrecorded(state: SchedulerState, version: Version, holders: set[str]) -> tuple[str, ...]:
    """The joined nodes that have blocks of a version (of one without blocks: all) and no manifest of it."""
    joined = {node.name for node in state.joined()}
    having = joined & holders if version.blocks() else joined
    manifests = state.block_map.manifests
    return tuple(sorted(node for node in having if version.key not in manifests.get(node, ())))


def drop_manifests(state: SchedulerState, turn: Turn, version: Version) -> None:
    """A version was removed: nodes that are there delete its manifest now, all others when they tell of it."""
    for node in state.joined():
        if version.key in state.block_map.manifests.get(node.name, ()):
            state.block_map.manifests[node.name].discard(version.key)
            turn.send(node.name, DropVersion(version.key))


def request_missing(state: SchedulerState, turn: Turn) -> None:
    """Ask nodes for the manifests that they lack; to be called with every tick."""
    block_map = state.block_map
    if not block_map.manifests_missing:
        return
    wanted = {**state.datasets.by_key(), **block_map.uncatalogued}
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
    """Put what is aside into the catalog; the versions, to be added. What cannot be stays aside."""
    found = sorted(
        (one for one in state.block_map.uncatalogued.values() if event.dataset in ("", one.dataset)),
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
