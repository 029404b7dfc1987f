"""A node on which tasks fail that others can do is set aside for a while."""

from __future__ import annotations

from mrframe.core.model import events as e
from mrframe.core.model.block_messages import BlocksHeld
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.model.spec import MIB
from mrframe.testing.manual_scheduler import ManualScheduler, file_split


def two_nodes(tasks: int = 60) -> ManualScheduler:
    cluster = ManualScheduler(limits=SchedulerLimits(queued_per_slot=0, tries_max=100))
    cluster.join("node-1", "node-2")
    cluster.submit(*(file_split(i, length=MIB << 6) for i in range(tasks)))
    return cluster


def running(cluster: ManualScheduler, node: str) -> str:
    (name,) = cluster.scheduler.state.nodes[node].live
    return name


def fail_on(cluster: ManualScheduler, node: str, times: int) -> None:
    for _ in range(times):
        cluster.fail(running(cluster, node))


def test_a_node_that_fails_five_tasks_gets_no_more_for_a_minute():
    cluster = two_nodes()
    fail_on(cluster, "node-1", 4)
    assert cluster.scheduler.state.nodes["node-1"].live
    fail_on(cluster, "node-1", 1)
    assert not cluster.scheduler.state.nodes["node-1"].live
    for _ in range(4):
        cluster.seal(running(cluster, "node-2"))
        assert not cluster.started("node-1")
    for _ in range(7):
        cluster.wait(9.0)
        cluster.beat("node-1")
        cluster.beat("node-2", running(cluster, "node-2"))
    assert cluster.scheduler.state.nodes["node-1"].live


def test_if_all_nodes_fail_alike_none_is_excluded():
    cluster = two_nodes()
    for _ in range(8):
        fail_on(cluster, "node-1", 1)
        fail_on(cluster, "node-2", 1)
    assert all(node.live for node in cluster.scheduler.state.nodes.values())


def test_the_only_node_is_never_excluded():
    cluster = ManualScheduler(limits=SchedulerLimits(queued_per_slot=0, tries_max=100))
    cluster.join("node-1")
    cluster.submit(*(file_split(i, length=MIB << 6) for i in range(60)))
    fail_on(cluster, "node-1", 12)
    assert cluster.scheduler.state.nodes["node-1"].live


def test_faults_that_are_long_past_do_not_count():
    cluster = two_nodes()
    for _ in range(12):
        fail_on(cluster, "node-1", 1)
        for _ in range(3):
            cluster.wait(8.0)
            cluster.beat("node-1", running(cluster, "node-1"))
            cluster.beat("node-2", running(cluster, "node-2"))
    assert cluster.scheduler.state.nodes["node-1"].live


def test_repeated_failures_of_one_task_do_not_exclude_the_node():
    cluster = ManualScheduler(limits=SchedulerLimits(queued_per_slot=0, tries_max=100))
    cluster.join("node-1", "node-2")
    cluster.submit(*(file_split(i, length=MIB << 6) for i in range(3)))
    for _ in range(3):
        cluster.fail("job-1/m0000.1.1" if "job-1/m0000.1.2" not in cluster.starts else list(cluster.starts)[-1])
    assert not cluster.scheduler.state.nodes["node-1"].excluded_until_s
    assert not cluster.scheduler.state.nodes["node-2"].excluded_until_s


def test_the_sealed_output_of_an_excluded_node_is_read():
    cluster = two_nodes(7)
    cluster.seal("job-1/m0000.1.1")
    fail_on(cluster, "node-1", 5)
    while not cluster.ended:
        cluster.seal(running(cluster, "node-2"))
    assert ("job-1/m0000.1.1", "node-1") in cluster.starts["job-1/r0000.1.1"][1].sources


def test_a_drained_node_gets_no_attempts_until_the_draining_ends():
    cluster = two_nodes()
    for node in ("node-1", "node-2"):  # they have stores, as in a standing cluster
        cluster.handle(BlocksHeld(node, f"{node}#1", "", "", ()))
    cluster.wait(0.1)
    cluster.handle(e.NodeDrained("node-1", drained=True))
    cluster.seal(running(cluster, "node-1"))
    for _ in range(3):
        cluster.seal(running(cluster, "node-2"))
    assert not cluster.scheduler.state.nodes["node-1"].live
    cluster.handle(e.NodeDrained("node-1", drained=False))
    cluster.wait(0.1)
    assert cluster.scheduler.state.nodes["node-1"].live


def test_the_last_node_that_is_left_is_given_work_though_it_is_drained():
    cluster = two_nodes()
    cluster.scheduler.state.block_map.drained.add("node-1")
    cluster.handle(e.NodeGone("node-2", "node-2#1"))
    cluster.seal(running(cluster, "node-1"))
    assert cluster.started("node-1")
