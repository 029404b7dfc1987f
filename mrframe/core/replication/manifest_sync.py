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
from mrframe.core.state.block_map import Keepers, Owner
from mrframe.core.state.scheduler_state import NodeRecord, SchedulerState, Turn

AGAIN_S = 30.0
"""A manifest that a node was asked to keep, and has not said that it does, is sent again after so long."""
WRITES_MAX = 16
"""Manifests that a node is asked to keep at a time."""


def of_node(
    state: SchedulerState, turn: Turn, node: NodeRecord, event: VersionsHeld | VersionTold | VersionKept
) -> None:
    """A joined node says something of its manifests."""
    keepers = state.keepers
    match event:
        case VersionsHeld():
            _held(state, turn, event)
        case VersionTold(version=version):
            if is_sound(version) and _is_aside(state, version.key):
                keepers.manifests.setdefault(node.name, set()).add(version.key)
                _set_aside(keepers, version)
        case VersionKept(key=key) if is_key(key):
            keepers.manifests.setdefault(node.name, set()).add(key)
            keepers.writing.get(node.name, {}).pop(key, None)
            kept = state.datasets.by_key().get(key) or keepers.aside.get(key)
            for block in kept.blocks() if kept else ():
                keepers.provisional.get(node.name, set()).discard(block.name)
                keepers.unknown.get(node.name, {}).pop(block.name, None)
                keepers.look_at(block.name)


def _held(state: SchedulerState, turn: Turn, event: VersionsHeld) -> None:
    keepers = state.keepers
    held = keepers.manifests.setdefault(event.node, set())
    held -= {key for key in held if event.after < key and (not event.to or key <= event.to)}
    keys = [key for key in event.keys if is_key(key)]
    held |= set(keys)
    for key in keys:
        put = put_of(key)
        named = state.datasets.key_of_put(put)
        if key in state.datasets.by_key() or key in keepers.aside:
            continue
        if put in state.datasets.removed() or (named and named in held):
            turn.send(event.node, DropVersion(key))
        elif not named:
            turn.send(event.node, VersionAsked(key))
    keepers.unwritten = True
    forget_aside(state)


def _is_aside(state: SchedulerState, key: str) -> bool:
    """Whether the catalog knows nothing of a version, neither that it is there, nor that it was removed."""
    catalog = state.datasets
    return (
        key not in catalog.by_key() and put_of(key) not in catalog.removed() and not catalog.key_of_put(put_of(key))
    )


def _owner(key: str) -> Owner:
    return f"?{key}", 0


def _set_aside(keepers: Keepers, version: Version) -> None:
    if version.key not in keepers.aside:
        keepers.aside[version.key] = version
        keepers.need_version(version, _owner(version.key))
        keepers.unwritten = True


def forget_aside(state: SchedulerState) -> None:
    """Versions that are aside are no more, once they are in the catalog, or no node has a manifest of them."""
    keepers = state.keepers
    for key, version in list(keepers.aside.items()):
        if not _is_aside(state, key) or not any(key in held for held in keepers.manifests.values()):
            del keepers.aside[key]
            keepers.release(_owner(key), [block.name for block in version.blocks()])


def settled(state: SchedulerState) -> bool:
    """Whether all that nodes have manifests of is known."""
    keepers = state.keepers
    return all(
        key in keepers.aside or not _is_aside(state, key) for held in keepers.manifests.values() for key in held
    )


def unrecorded(state: SchedulerState, version: Version, holders: set[str]) -> tuple[str, ...]:
    """The joined nodes that have blocks of a version (of one without blocks: all) and no manifest of it."""
    joined = {node.name for node in state.joined()}
    having = joined & holders if version.blocks() else joined
    manifests = state.keepers.manifests
    return tuple(sorted(node for node in having if version.key not in manifests.get(node, ())))


def dropped(state: SchedulerState, turn: Turn, version: Version) -> None:
    """A version was removed: nodes that are there delete its manifest now, all others when they tell of it."""
    for node in state.joined():
        if version.key in state.keepers.manifests.get(node.name, ()):
            state.keepers.manifests[node.name].discard(version.key)
            turn.send(node.name, DropVersion(version.key))


def tend(state: SchedulerState, turn: Turn) -> None:
    """Ask nodes for the manifests that they lack; to be called with every tick."""
    keepers = state.keepers
    if not keepers.unwritten:
        return
    wanted = {**state.datasets.by_key(), **keepers.aside}
    keepers.unwritten = False
    for node in state.joined():
        if keepers.told.get(node.name) != node.incarnation:
            keepers.unwritten = True
            continue
        lacking = wanted.keys() - keepers.manifests.get(node.name, set())
        keepers.unwritten |= bool(lacking)
        asked = keepers.writing.get(node.name, {})
        orders = keepers.writing[node.name] = {
            key: at_s for key, at_s in asked.items() if key in lacking and at_s > turn.now_s
        }
        for key in sorted(lacking - orders.keys())[: WRITES_MAX - len(orders)]:
            orders[key] = turn.now_s + AGAIN_S
            turn.send(node.name, KeepVersion(wanted[key]))


def recover(state: SchedulerState, turn: Turn, event: RecoverVersions) -> list[Version]:
    """Put what is aside into the catalog; the versions, to be added. What cannot be stays aside."""
    found = sorted(
        (one for one in state.keepers.aside.values() if event.dataset in ("", one.dataset)),
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
