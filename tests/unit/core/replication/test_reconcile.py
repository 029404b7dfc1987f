"""The keeping of blocks, against nodes that only remember: whatever they go through, what was put stays there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_world import TICK_S, World, name_of, wanted

from mrframe.core.model.block_messages import (
    BlockDamaged,
    DropBlock,
    PutEnded,
    StorageWanted,
    StoreBlock,
    UnknownBlocks,
)
from mrframe.core.model.catalog import DatasetBlock, DatasetFile, Version
from mrframe.core.model.events import DatasetPut, DatasetRemoved, NodeDrained
from mrframe.core.replication.reconcile import ORPHAN_S
from mrframe.core.replication.rendezvous import replica_nodes


def test_a_put_lies_on_its_homes_and_is_a_version_only_then():
    world = World(4)
    world.full = set(world.disks) - {"node-1"}
    assert world.put("access", [1, 2]) == 0
    world.full = set()
    world.run(15)
    assert world.put("access", [1, 2]) == 1
    for block in (1, 2):
        assert world.where(block) == wanted(world, block)


def test_a_put_that_lost_a_node_before_its_version_was_written_waits_for_another_replica():
    world = World(4)
    world.offer(1, range(8))
    world.run(5)
    assert not world.state(1).pending
    held = {name_of(block) for block in range(8)} & world.disks["node-2"]
    assert held
    world.kill("node-2")
    files = tuple(DatasetFile(f"{block}", (DatasetBlock(name_of(block), 10),)) for block in range(8))
    wish = DatasetPut(Version("logs", 1, 1, 2, files))
    world.handle(wish)
    assert world.scheduler.state.datasets.find("logs") is None
    assert set(world.state(1).pending) == held
    world.run(2)
    assert not world.state(1).pending
    world.handle(wish)
    assert world.scheduler.state.datasets.find("logs").number == 1


def test_a_second_put_stores_only_what_is_new_and_the_last_version_that_goes_takes_its_blocks():
    world = World(3)
    world.put("access", [1, 2, 3])
    world.offer(9, [1, 2, 3, 4])
    world.run(5)
    assert (world.state(9).stored, world.state(9).pending) == (2, ())
    world.handle(PutEnded(9))
    assert world.put("access", [2, 3]) == 2
    world.handle(DatasetRemoved("access", 1))
    world.settle()
    assert [len(world.where(block)) for block in (1, 2, 3, 4)] == [0, 2, 2, 0]


@pytest.mark.parametrize("nodes", [2, 10])
def test_one_node_more_takes_its_share_and_nothing_else_moves(nodes):
    world = World(nodes)
    world.put("access", range(200))
    world.settle()
    before = {block: world.where(block) for block in range(200)}
    world.sent.clear()
    world.join("node-x")
    moves = []
    for _ in range(1000):
        world.sent.clear()
        world.run(TICK_S)
        stores = [node for node, message in world.sent if isinstance(message, StoreBlock)]
        moves.append(stores)
        if world.scheduler.reply(StorageWanted(), world.now_s).lacking_count == 0:
            break
    world.settle()
    for block in range(200):
        assert world.where(block) == wanted(world, block)
        assert world.where(block) - before[block] <= {"node-x"}
    assert {node for stores in moves for node in stores} == {"node-x"}
    assert len(moves) > 10  # bit by bit


def test_a_node_that_is_gone_for_a_moment_keeps_its_place_and_one_that_stays_away_does_not():
    world = World(4)
    world.put("access", range(20))
    world.settle()
    world.sent.clear()
    world.kill("node-2")
    world.run(7)
    world.join("node-2")
    world.settle()
    assert not [message for _, message in world.sent if isinstance(message, StoreBlock | DropBlock)]
    world.kill("node-3")
    world.settle()
    assert all(len(world.where(block) & set(world.alive)) == 2 for block in range(20))


def test_a_new_master_moves_nothing_before_all_nodes_have_listed_their_blocks():
    world = World(4)
    world.put("access", range(20))
    world.settle()
    nodes, world.alive = dict(world.alive), {}
    world.restart_master()
    world.sent.clear()
    for node in nodes:
        world.join(node)
        world.run(1)
    world.settle()
    assert not [message for _, message in world.sent if isinstance(message, StoreBlock | DropBlock)]


def test_requests_to_a_dead_node_are_sent_to_its_next_process_at_once():
    world = World(2)
    world.lose = 1
    world.offer(1, [1])
    world.run(1)
    (lost,) = set(world.disks) - world.where(1)
    world.kill(lost)
    world.join(lost)
    world.run(2)
    assert world.where(1) == {"node-1", "node-2"}


def test_a_disk_that_comes_back_empty_is_filled_again():
    world = World(2)
    world.put("access", range(20))
    world.kill("node-1")
    world.disks["node-1"] = set()
    world.join("node-1")
    world.settle()
    assert all(len(world.where(block)) == 2 for block in range(20))


def test_a_node_that_is_drained_gives_its_blocks_away_and_the_last_one_is_not_drained():
    world = World(3)
    world.put("access", range(30))
    for node in ("node-1", "node-2", "node-3"):
        world.handle(NodeDrained(node, drained=True))
        world.settle()
    assert (world.disks["node-1"], world.disks["node-2"], len(world.disks["node-3"])) == (set(), set(), 30)
    world.handle(NodeDrained("node-1", drained=False))
    world.restart_master()
    world.settle()
    assert (len(world.disks["node-1"]), world.disks["node-2"], len(world.disks["node-3"])) == (30, set(), 30)


def test_blocks_of_an_abandoned_put_are_deleted_but_not_right_after_a_start():
    world = World(2)
    world.offer(1, [1])
    world.run(5)
    assert world.where(1) == {"node-1", "node-2"}
    world.restart_master()
    world.run(ORPHAN_S - 5)
    assert world.where(1) == {"node-1", "node-2"}
    world.run(10)
    assert world.where(1) == set()


def test_an_unknown_block_is_kept_and_reported():
    world = World(2)
    world.disks["node-1"] = {name_of(1)}
    world.run(ORPHAN_S + 100)
    assert world.where(1) == {"node-1"}
    state = world.scheduler.reply(StorageWanted(), world.now_s)
    assert state.unknown == (UnknownBlocks("node-1", 1, 5, (name_of(1),)),)
    assert state.extra == 0
    assert world.put("access", [1]) == 1  # it is of use again
    assert world.scheduler.reply(StorageWanted(), world.now_s).unknown == ()


def test_a_put_without_its_client_is_dropped_and_a_failed_put_is_reported():
    world = World(2)
    world.full = {"node-2"}
    world.offer(7, [1])
    world.run(3)
    assert [(kind, reason) for _, kind, reason in world.state(7).failed] == [("full", "no room")]
    world.run(200)
    assert world.where(1) == set()
    assert world.state(7).known == 0


def test_a_master_that_starts_again_asks_for_the_put_again_and_stores_nothing_twice():
    world = World(3)
    world.offer(5, range(10))
    world.run(5)
    world.restart_master()
    assert world.state(5).known == 0
    world.sent.clear()
    world.offer(5, range(10))
    world.run(5)
    assert (world.state(5).known, world.state(5).pending, world.state(5).stored) == (10, (), 0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sets(st.integers(0, 12), min_size=1, max_size=5)),
        st.tuples(st.just("remove"), st.integers(1, 4)),
        st.tuples(st.just("kill"), st.integers(1, 4)),
        st.tuples(st.just("rot"), st.integers(0, 12)),
        st.tuples(st.just("master"), st.just(0)),
        st.tuples(st.just("drain"), st.integers(1, 4)),
        st.tuples(st.just("fill"), st.integers(1, 4)),
        st.tuples(st.just("lose"), st.integers(1, 5)),
        st.tuples(st.just("wait"), st.integers(1, 40)),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_happens_one_at_a_time_all_versions_end_on_their_homes_and_nothing_else_is_left(steps):
    world = World(4)
    versions: dict[int, set[int]] = {}
    for what, how in steps:
        node = f"node-{how}"
        match what:
            case "put":
                number = world.put("access", sorted(how))
                if number:
                    versions[number] = how
            case "remove":
                world.handle(DatasetRemoved("access", how))
                versions.pop(how, None)
            case "kill":
                world.kill(node)
                world.run(how * 6)
                world.join(node)
                world.settle()
            case "rot":
                holders = world.where(how)
                if len(holders) > 1:  # of a single replica nobody can make another
                    victim = min(holders)
                    world.disks[victim].discard(name_of(how))
                    world.handle(BlockDamaged(victim, world.alive[victim], name_of(how), 0, "rot"))
                    world.settle()
            case "master":
                world.restart_master()
            case "drain":
                world.handle(NodeDrained(node, drained=how % 2 == 0))
                world.settle()
            case "fill":
                world.full = {node}
            case "lose":
                world.lose = how
            case "wait":
                world.run(how)
    world.full, world.lose = set(), 0
    world.settle()
    world.run(ORPHAN_S + 100)
    needed = {block for blocks in versions.values() for block in blocks}
    drained = world.scheduler.state.block_map.drained
    for block in range(13):
        usable = dict.fromkeys(set(world.alive) - drained, 1.0)
        assert world.where(block) == (set(replica_nodes(name_of(block), usable, 2)) if block in needed else set())
