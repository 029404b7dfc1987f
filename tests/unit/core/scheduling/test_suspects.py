"""Which task ended a node, when several had attempts on it; and which record."""

from __future__ import annotations

import pytest

from mrframe.core.model import events as e
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.model.spec import Failure, FatalPosition
from mrframe.testing.manual_scheduler import ManualScheduler, file_split

LIMITS = SchedulerLimits()
HERE, THERE = FatalPosition(0, 10, 3), FatalPosition(0, 10, 4)


class Cluster(ManualScheduler):
    """Nodes with two slots that die and come back."""

    def __init__(self, *nodes: str) -> None:
        super().__init__()
        self.times = dict.fromkeys(nodes, 1)
        self.join(*nodes, slots=2)

    def kill(self, node: str, *, blameless: bool = False, position: FatalPosition | None = None) -> list[str]:
        """End the process of a node, which starts again. Returns the attempts that were on it."""
        live = sorted(self.scheduler.state.nodes[node].live)
        self.times[node] += 1
        left = tuple((name, position) for name in live) if position else ()
        incarnation = f"{node}#{self.times[node]}"
        self.handle(e.NodeJoined(node, incarnation, 2, (), left, blameless=blameless))
        return live

    def live(self, node: str) -> list[str]:
        return sorted(name.partition(".")[0] for name in self.scheduler.state.nodes[node].live)


@pytest.fixture
def shared():
    """One node, on which a job has a task and another one has, too. The node has died twice under both."""
    cluster = Cluster("node-1")
    cluster.submit(file_split(0))
    cluster.submit(file_split(0), job="job-2")
    for _ in range(LIMITS.node_deaths_shared_max):
        assert len(cluster.kill("node-1")) == 2
    return cluster


def test_after_two_deaths_a_task_has_the_node_for_itself_and_is_isolated(shared):
    assert shared.live("node-1") == ["job-1/m0000"]
    assert shared.starts["job-1/m0000.1.3"][1].isolated
    shared.seal("job-1/m0000.1.3", start=3)
    assert shared.live("node-1") == ["job-2/m0000"]


def test_what_ends_its_node_alone_fails_its_job_and_no_other(shared):
    while shared.scheduler.state.jobs["job-1"].failure is None:
        ((name, attempt),) = shared.scheduler.state.nodes["node-1"].live.items()
        if attempt.task.job == "job-2":  # it had its turn, alone as well
            shared.seal(name, start=shared.times["node-1"])
        else:
            shared.kill("node-1")
    assert shared.times["node-1"] == 1 + LIMITS.node_deaths_max
    (failed,) = shared.ended
    assert failed.job == "job-1"
    assert "job-1/m0000 (10 bytes of input-0 from byte 0) is given up after 6 nodes ended" in failed.failure.message


def test_a_node_is_kept_free_for_a_task_that_waits_for_one(shared):
    cluster = Cluster("node-1", "node-2")
    cluster.submit(*(file_split(number) for number in range(8)))
    for _ in range(LIMITS.node_deaths_shared_max):
        cluster.kill("node-1")
    suspects = set(cluster.scheduler.state.suspects) | {
        name for name in cluster.live("node-1") if cluster.scheduler.state.nodes["node-1"].alone
    }
    assert suspects
    for _ in range(40):
        for node, number in cluster.times.items():
            for name in sorted(cluster.scheduler.state.nodes[node].live)[:1]:
                task = name.partition(".")[0]
                if task in suspects:
                    assert cluster.live(node) == [task]
                cluster.seal(name, start=number)
    assert cluster.scheduler.progress("job-1").stage != "map"


@pytest.mark.parametrize("case", ["lease", "blameless"])
def test_a_node_that_no_attempt_can_have_ended_is_not_counted(case):
    cluster = Cluster("node-1")
    cluster.submit(file_split(0))
    for _ in range(10):
        if case == "lease":
            cluster.wait(LIMITS.lease_s + 1)
        cluster.kill("node-1", blameless=case == "blameless")
    assert not cluster.ended
    assert cluster.scheduler.state.jobs["job-1"].tasks["job-1/m0000"].node_deaths == 0


def test_two_deaths_of_executors_at_one_record_are_blamed_on_it():
    cluster = Cluster("node-1")
    cluster.submit(file_split(0))
    for number, position in enumerate((None, THERE, HERE, HERE), 1):
        died = Failure("died", "it broke", position=position)
        cluster.handle(e.AttemptFailed("node-1", "node-1#1", f"job-1/m0000.1.{number}", died))
    start = cluster.starts["job-1/m0000.1.5"][1]
    assert start.fatal == ((HERE, "it broke"),)
    assert start.near == HERE


def test_two_deaths_of_nodes_at_one_record_are_blamed_on_it(shared):
    shared.handle(e.JobReleased("job-2"))
    shared.kill("node-1", position=HERE)
    assert not shared.starts["job-1/m0000.1.4"][1].fatal
    shared.kill("node-1", position=HERE)
    assert shared.starts["job-1/m0000.1.5"][1].fatal == ((HERE, "node-1 ended"),)
