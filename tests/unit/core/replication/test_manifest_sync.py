"""A catalog that knows less than the nodes deletes nothing, and is made again from what they have.

The journal is lost or comes back as an older copy, while nodes come and go; `World` is in `store_world.py`.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_world import World, wanted

from mrframe.core.model.block_messages import DropBlock, StorageWanted, VersionsWanted
from mrframe.core.model.events import DatasetRemoved, NodeDrained
from mrframe.core.model.manifest_messages import DropVersion, RecoverVersions
from mrframe.core.replication.reconcile import ORPHAN_S

LONG_S = ORPHAN_S + 100


def versions(world: World) -> dict[str, int]:
    """{name of a version that the catalog has: its put}"""
    lines = world.scheduler.reply(VersionsWanted(""), world.now_s).versions
    return {f"{line.dataset}@{line.number}": line.put for line in lines}


def aside(world: World) -> list[str]:
    found = world.scheduler.reply(StorageWanted(), world.now_s).aside
    return [f"{one.line.dataset}@{one.line.number}" for one in found]


def deletions(world: World) -> list:
    return [message for _, message in world.sent if isinstance(message, DropBlock | DropVersion)]


@pytest.fixture
def world() -> World:
    made = World(3)
    made.put("access", [1, 2])
    made.put("access", [2, 3])
    made.put("error", [4])
    made.settle()
    made.sent.clear()
    return made


def test_all_nodes_have_the_manifests_before_a_version_is_acknowledged_and_a_new_node_gets_them(world):
    keys = set(world.manifests["node-1"])
    assert [key.partition(".")[0] for key in sorted(keys)] == ["access@1", "access@2", "error@1"]
    world.join("node-x")
    world.run(2)
    assert {frozenset(held) for held in world.manifests.values()} == {frozenset(keys)}


def test_a_new_journal_deletes_nothing_and_the_catalog_is_rebuilt(world):
    before = versions(world)
    held = {block: world.where(block) for block in range(1, 5)}
    world.restart_master(facts=0)
    world.run(LONG_S)
    assert deletions(world) == []
    assert {block: world.where(block) for block in range(1, 5)} == held
    assert (versions(world), aside(world)) == ({}, ["access@1", "access@2", "error@1"])
    world.handle(RecoverVersions(""))
    assert (versions(world), aside(world)) == (before, [])
    world.restart_master()
    world.run(LONG_S)
    assert versions(world) == before
    assert deletions(world) == []
    world.handle(DatasetRemoved("access", 1))
    world.settle()
    assert [len(world.where(block)) for block in range(1, 5)] == [0, 2, 2, 2]


def test_an_older_copy_of_the_journal_deletes_nothing_that_was_put_since(world):
    copy = len(world.facts)
    world.put("access", [5])
    world.put("error", [5, 6])
    world.restart_master(facts=copy)
    world.run(LONG_S)
    assert [len(world.where(block)) for block in range(1, 7)] == [2] * 6
    assert aside(world) == ["access@3", "error@2"]
    world.handle(RecoverVersions("access"))
    assert (sorted(versions(world))[2], aside(world)) == ("access@3", ["error@2"])
    world.handle(RecoverVersions("none"))
    world.handle(RecoverVersions("error", "bad/name"))
    assert aside(world) == ["error@2"]


def test_versions_put_before_the_old_journal_is_restored_are_kept(world):
    old = list(world.facts)
    world.restart_master(facts=0)
    assert world.put("access", [7]) == 1
    world.facts = old
    world.restart_master()
    world.run(LONG_S)
    assert [len(world.where(block)) for block in (1, 2, 3, 4, 7)] == [2] * 5
    assert (sorted(versions(world)), aside(world)) == (["access@1", "access@2", "error@1"], ["access@1"])
    world.handle(RecoverVersions("access"))  # its number is another version's
    assert aside(world) == ["access@1"]
    world.handle(RecoverVersions("access", "other"))
    assert (sorted(versions(world))[-1], aside(world)) == ("other@1", [])
    world.run(LONG_S)
    assert {len(held) for held in world.manifests.values()} == {4}  # that of the old name is gone
    assert [len(world.where(block)) for block in (1, 2, 3, 4, 7)] == [2] * 5
    world.handle(DatasetRemoved("other", 1))
    world.settle()
    assert world.where(7) == set()


def test_an_absent_node_deletes_removed_versions_on_its_return_also_after_a_restart(world):
    away = min(world.where(1))
    world.kill(away)
    world.handle(DatasetRemoved("access", 1))
    world.settle()
    assert world.where(1) == {away}
    world.restart_master()
    world.join(away)
    world.run(LONG_S)
    assert world.where(1) == set()
    assert {len(held) for held in world.manifests.values()} == {2}


def test_versions_that_the_catalog_does_not_know_are_copied_and_moved_as_all_others(world):
    world.restart_master(facts=0)
    world.kill("node-1")
    world.settle()
    assert all(world.where(block) - {"node-1"} == {"node-2", "node-3"} for block in range(1, 5))
    world.join("node-4")
    world.settle()
    world.handle(NodeDrained("node-2", drained=True))
    world.settle()
    assert world.disks["node-2"] == set()
    assert all(world.where(block) - {"node-1"} == {"node-3", "node-4"} for block in range(1, 5))


def test_a_put_in_a_new_catalog_that_shares_blocks_with_an_old_one_takes_none_with_it(world):
    world.restart_master(facts=0)
    assert world.put("mine", [1, 9]) == 1
    world.handle(DatasetRemoved("mine", 1))
    world.offer(77, [2, 10])
    world.settle()
    world.run(LONG_S)
    assert [len(world.where(block)) for block in (1, 2, 3, 4)] == [2] * 4
    assert world.where(9) == world.where(10) == set()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sets(st.integers(0, 9), min_size=1, max_size=4)),
        st.tuples(st.just("remove"), st.integers(1, 4)),
        st.tuples(st.just("kill"), st.integers(1, 3)),
        st.tuples(st.just("copy"), st.just(0)),
        st.tuples(st.just("older"), st.just(0)),
        st.tuples(st.just("anew"), st.just(0)),
        st.tuples(st.just("recover"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 80)),
    ),
    max_size=10,
)


@settings(max_examples=20, deadline=None)
@given(STEPS)
def test_no_fate_of_the_journal_loses_a_version_that_was_not_removed(steps):
    world = World(3)
    acknowledged: dict[int, set[int]] = {}  # put -> blocks
    copy = 0
    for what, how in steps:
        match what:
            case "put":
                if world.put("access", sorted(how)):
                    acknowledged[world.puts] = how
            case "remove":
                gone = world.scheduler.state.datasets.find("access", how)
                world.handle(DatasetRemoved("access", how))
                if gone is not None:
                    acknowledged.pop(gone.put, None)
            case "kill":
                world.kill(f"node-{how}")
                world.run(how * 8)
                world.join(f"node-{how}")
            case "copy":
                copy = len(world.facts)
            case "older" | "anew":
                world.restart_master(facts=min(copy, len(world.facts)) if what == "older" else 0)
                world.run(1)
            case "recover":
                world.handle(RecoverVersions("access"))
            case "wait":
                world.run(how)
        for blocks in acknowledged.values():
            assert all(world.where(block) for block in blocks)
    world.run(LONG_S)
    world.handle(RecoverVersions("access", "recovered"))
    world.run(LONG_S)
    assert set(versions(world).values()) >= acknowledged.keys()
    for blocks in acknowledged.values():
        assert all(world.where(block) == wanted(world, block) for block in blocks)
