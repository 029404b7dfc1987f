"""Where tasks run: near their data, but not at the price of waiting long; all nodes get their part."""

from __future__ import annotations

from random import Random
from time import process_time

import pytest

from mrframe.core.model import events as e
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import MIB, Split, StepSpec
from mrframe.core.replication.rendezvous import replica_nodes
from mrframe.core.state.ready_queue import Locality, ReadyQueue, locality, locality_wait_s
from mrframe.core.state.tasks import Task
from mrframe.testing.manual_scheduler import ManualScheduler, file_split, report


def test_tasks_go_where_their_data_is():
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2", slots=2)
    cluster.submit(*(file_split(i, locations=(f"node-{1 + i % 2}",), length=64 * MIB) for i in range(4)))
    assert {a: node for a, (node, _) in cluster.starts.items()} == {
        "job-1/m0000.1.1": "node-1",
        "job-1/m0001.1.1": "node-2",
        "job-1/m0002.1.1": "node-1",
        "job-1/m0003.1.1": "node-2",
    }


def test_a_task_waits_a_while_for_a_near_node_and_is_then_taken_by_another():
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    cluster.submit(*(file_split(i, locations=("node-1",), length=64 * MIB) for i in range(2)))
    assert [node for node, _ in cluster.starts.values()] == ["node-1"]
    cluster.wait(0.2)
    assert not cluster.started()
    cluster.wait(0.15)
    assert cluster.started("node-2") == ["job-1/m0001.1.1"]


def test_a_node_that_has_work_leaves_the_maps_of_others_to_them():
    cluster = ManualScheduler(limits=SchedulerLimits())
    cluster.join("node-1", "node-2")
    near_1 = [file_split(i, locations=("node-1",), length=64 * MIB) for i in range(4)]
    near_2 = [file_split(i, locations=("node-2",), length=64 * MIB) for i in range(4, 6)]
    cluster.submit(*near_1, *near_2)
    cluster.wait(5)
    assert [node for node, _ in cluster.starts.values()].count("node-2") == 2
    cluster.seal("job-1/m0004.1.1")
    cluster.seal("job-1/m0005.1.1")
    assert not cluster.started(), "it has just become idle"
    cluster.wait(0.35)
    assert cluster.started("node-2") == ["job-1/m0002.1.1"]
    cluster.seal("job-1/m0002.1.1")
    assert cluster.started("node-2") == ["job-1/m0003.1.1"], "what starves already does not wait again"


def test_small_maps_are_left_to_their_node_while_there_is_work():
    cluster = ManualScheduler(limits=SchedulerLimits())
    cluster.join("node-1", "node-2")
    small = [file_split(i, locations=("node-1",), length=2 * MIB) for i in range(6)]
    cluster.submit(file_split(6, locations=("node-2",), length=64 * MIB), *small)
    assert [node for node, _ in cluster.starts.values()].count("node-2") == 1
    cluster.seal("job-1/m0000.1.1")
    assert len(cluster.started("node-2")) == 1, "its slot is free, and they are not worth any waiting"


def test_small_data_is_not_waited_for():
    limits = SchedulerLimits()
    assert locality_wait_s(limits, 0) == 0
    assert locality_wait_s(limits, MIB) == 0
    assert locality_wait_s(limits, 20 * MIB) == 0.1
    assert locality_wait_s(limits, 10**12) == limits.locality_wait_s
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    cluster.submit(*(file_split(i, locations=("node-1",), length=0) for i in range(2)))
    assert sorted(node for node, _ in cluster.starts.values()) == ["node-1", "node-2"]


def held_block(decode: str, node: str) -> Split:
    return Split("held", "a.gz", "block-00000", 0, 64 * MIB, (0, 0), held_by=((decode, node),))


@pytest.mark.parametrize(("by_path", "taken"), [(False, []), (True, ["node-2"])], ids=["waits", "read by path"])
def test_a_decoded_block_waits_for_its_node_unless_others_read_it_by_path(by_path, taken):
    cluster = ManualScheduler(limits=SchedulerLimits(queued_per_slot=0, by_path=by_path))
    cluster.join("node-1", "node-2")
    cluster.submit(Split("gzip", "a.gz", "a.gz", 0, 100, (0, 0)))
    decode = "job-1/d0000.1.1"
    assert cluster.starts[decode][0] == "node-1"
    cluster.handle(e.BlockSealed("node-1", "node-1#1", decode, held_block(decode, "node-1")))
    assert [node for a, (node, _) in cluster.starts.items() if a != decode] == taken


def test_compressed_files_are_decoded_on_all_nodes():
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    cluster.submit(*(Split("gzip", f"{i}.gz", f"{i}.gz", 0, 100, (i, 0)) for i in range(4)))
    assert sorted(node for node, _ in cluster.starts.values()) == ["node-1", "node-2"]


def test_no_task_waits_for_a_location_that_is_not_a_node():
    cluster = ManualScheduler()
    cluster.join("node-1")
    cluster.submit(file_split(0, locations=("elsewhere",), length=64 * MIB))
    assert list(cluster.starts) == ["job-1/m0000.1.1"]


def test_reduces_go_where_most_of_their_partition_is():
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    cluster.submit(file_split(0), file_split(1), steps=(StepSpec(2),))
    cluster.seal("job-1/m0000.1.1", report({0: 1, 1: 90 * MIB}))
    cluster.seal("job-1/m0001.1.1", report({0: 90 * MIB, 1: 1}))
    assert cluster.starts["job-1/r0000.1.1"][0] == "node-2"
    assert cluster.starts["job-1/r0001.1.1"][0] == "node-1"


def test_nodes_take_turns_and_are_not_given_more_than_they_have_room_for():
    cluster = ManualScheduler(limits=SchedulerLimits())
    cluster.join("node-1", "node-2", slots=2)
    cluster.submit(*(file_split(i) for i in range(20)))
    given = [node for node, _ in cluster.starts.values()]
    assert given.count("node-1") == given.count("node-2") == 4, "two slots, and one more attempt for each"
    assert given[:4] == ["node-1", "node-2"] * 2


def test_the_last_tasks_go_only_where_a_slot_is_free():
    cluster = ManualScheduler(limits=SchedulerLimits())
    cluster.join("node-1", "node-2", slots=2)
    cluster.submit(*(file_split(i) for i in range(6)))
    assert len(cluster.starts) == 4
    cluster.seal("job-1/m0001.1.1")
    assert cluster.started() == ["job-1/m0004.1.1"]


def test_older_jobs_and_maps_come_first():
    cluster = ManualScheduler()
    cluster.submit(file_split(0), job="job-1")
    cluster.submit(file_split(0), job="job-2")
    cluster.join("node-1")
    assert cluster.started() == ["job-1/m0000.1.1"]
    cluster.seal("job-1/m0000.1.1")
    assert cluster.started() == ["job-1/r0000.1.1"]
    cluster.seal("job-1/r0000.1.1")
    assert cluster.started() == ["job-2/m0000.1.1"]


def test_locality_is_counted_by_where_maps_ran():
    reports = [
        ("a", 0, "node-1", file_split(0, locations=("node-1", "node-2")), TaskReport()),
        ("b", 0, "node-3", file_split(1, locations=("node-1",)), TaskReport()),
        ("c", 0, "node-1", file_split(2), TaskReport()),
        ("d", 0, "node-2", Split("held", "x", "b", 0, 1, (0, 0), held_by=(("d", "node-2"),)), TaskReport()),
        ("e", 0, "node-2", Split("gzip", "x", "b", 0, 1, (0, 0)), TaskReport()),
        ("f", 0, "node-2", None, TaskReport()),
    ]
    assert locality(reports) == Locality(data_local=2, other=1, anywhere=1)


def seconds_for(tasks: int) -> float:
    """Processor time of the scheduler for so many empty tasks on two nodes."""
    begun = process_time()
    cluster = ManualScheduler(limits=SchedulerLimits())
    cluster.join("node-1", "node-2", slots=2)
    cluster.submit(*(file_split(i) for i in range(tasks)))
    while not cluster.ended:
        name = next(iter(cluster.starts))
        node, _ = cluster.starts.pop(name)
        cluster.handle(e.AttemptSealed(node, f"{node}#1", name, report()))
    return process_time() - begun


def test_a_thousand_tasks_cost_the_scheduler_a_tenth_of_a_second_and_more_cost_no_more_each():
    small = min(seconds_for(1000) for _ in range(3))
    assert small < 0.2, "twice what is wanted, for slow machines"
    assert seconds_for(10_000) < 40 * small


def test_tasks_that_come_late_are_taken_in_their_order():
    queue, tasks = ReadyQueue(), [Task("job-1", f"job-1/m{i:04}", "map", 0, i) for i in range(6)]
    for index in (2, 4, 5, 3, 0):
        queue.add(tasks[index], (), 0.0, 0.0)
    queue.remove(tasks[4])
    assert [queue.take("a", 0.0), queue.take("a", 0.0)] == [tasks[0], tasks[2]]
    queue.add(tasks[1], (), 0.0, 0.0)
    queue.add(tasks[3], (), 0.0, 0.0)
    assert [queue.take("a", 0.0) for _ in range(4)] == [tasks[1], tasks[3], tasks[5], None]
    assert not len(queue)


def test_a_node_that_no_task_suits_is_asked_again_with_the_next_tick_only():
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2", "node-3")
    cluster.submit(*(file_split(i, locations=("node-1",), length=64 * MIB) for i in range(2)))
    assert cluster.scheduler.state.may_have_room == set()
    assert cluster.scheduler.state.passed_over == {"node-2", "node-3"}
    cluster.beat("node-1", "job-1/m0000.1.1")
    assert cluster.scheduler.state.may_have_room == set()
    cluster.wait(0.35)
    assert cluster.started() == ["job-1/m0001.1.1"]


def share_of_local(sizes: list[int], nodes: int, seed: int, task_s: float = 1.2) -> float:
    """Of tasks over blocks of these sizes with two replicas, on so many idle nodes; 64 MiB take `task_s` on each."""
    cluster, chance = ManualScheduler(limits=SchedulerLimits()), Random(seed)
    names = [f"node-{number}" for number in range(1, nodes + 1)]
    cluster.join(*names)
    kept = [replica_nodes(f"{seed}-{number}", dict.fromkeys(names, 1.0), 2) for number in range(len(sizes))]
    cluster.submit(*(file_split(i, locations=nodes, length=sizes[i]) for i, nodes in enumerate(kept)))
    given: set[str] = set()
    queued: dict[str, list[e.StartAttempt]] = {name: [] for name in names}
    ends: dict[str, tuple[float, str]] = {}
    local, tick = 0, 0.1
    while len(given) < len(sizes) or ends:
        for attempt, (node, start) in cluster.starts.items():
            if attempt not in given and start.split is not None:
                given.add(attempt)
                queued[node].append(start)
                local += node in start.split.locations
        for node in [node for node in names if queued[node] and node not in ends]:
            start = queued[node].pop(0)
            seconds = task_s * chance.lognormvariate(0, 0.15) * start.split.length / (64 * MIB)
            ends[node] = (cluster.now_s + seconds, start.attempt)
        node = min(ends, key=ends.__getitem__)
        if ends[node][0] <= tick:
            cluster.now_s, attempt = ends.pop(node)
            cluster.seal(attempt)
        else:
            cluster.wait(tick - cluster.now_s)
            tick += 0.1
    return local / len(sizes)


@pytest.mark.parametrize(
    ("sizes", "nodes", "seeds", "least"),
    [
        pytest.param([64 * MIB] * 16, 4, 60, 0.985, id="16 blocks on 4 nodes"),
        pytest.param(([64 * MIB] * 4 + [600_000]) * 4, 4, 60, 0.985, id="20 blocks, 4 of them short, on 4 nodes"),
        pytest.param([64 * MIB] * 80, 4, 15, 0.995, id="80 blocks on 4 nodes"),
        pytest.param([64 * MIB] * 64, 10, 15, 0.985, id="64 blocks on 10 nodes"),
    ],
)
def test_on_idle_nodes_nearly_all_tasks_run_where_a_replica_is(sizes, nodes, seeds, least):
    shares = [share_of_local(sizes, nodes, seed) for seed in range(seeds)]
    assert sum(shares) / len(shares) >= least
