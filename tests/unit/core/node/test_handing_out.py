"""Batches: what an executor gets beside its current attempt, and what becomes of it when the executor ends."""

from __future__ import annotations

import pytest

from mrframe.core.model import actions as a
from mrframe.core.model import events as e
from mrframe.core.model.limits import NodeLimits
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Failure, Split
from mrframe.core.node.attempts import ExecutorRecord, NodeAttempt
from mrframe.core.node.handing_out import Batches
from mrframe.core.node.node_core import NodeCore

FILE = Split("file", "log", "log", 0, 10, (0, 0))


def name(number: int, job: str = "job-1") -> str:
    return f"{job}/m{number:04}.1.1"


class BusyNode:
    """A node with one slot that has finished an attempt of so many seconds, and is busy with the next one."""

    def __init__(self, took_s: float, slots: int = 1, **limits: float) -> None:
        self.core = NodeCore("node-1", "x", slots, NodeLimits(**limits))
        self.now_s = 0.0
        for event in (e.Tick(), *(e.ExecutorReady(n + 1) for n in range(slots)), e.Welcome("node-1", 1, "x")):
            self.handle(event)
        for number in range(slots):
            self.start(number)
        for number in range(slots):
            self.sealed(number, executor=number + 1, took_s=took_s)
            self.start(number + 10)

    def handle(self, event) -> list[a.NodeAction]:
        return self.core.handle(event, self.now_s)

    def start(self, number: int, length: int = 10, job: str = "job-1", **how) -> list[list[str]]:
        split = Split("file", "log", "log", 0, length, (0, number))
        return given(self.handle(e.StartAttempt(name(number, job), job, 0, 2, split, **how)))

    def sealed(self, number: int, executor: int = 1, took_s: float = 0.001) -> list[a.NodeAction]:
        return self.handle(e.ExecutorSealed(executor, name(number), TaskReport(seconds=took_s)))

    def failures(self, actions: list[a.NodeAction]) -> list[tuple[str, str]]:
        sent = [x.message for x in actions if isinstance(x, a.SendMaster)]
        return [(m.attempt, m.failure.kind) for m in sent if isinstance(m, e.AttemptFailed)]


def given(actions: list[a.NodeAction]) -> list[list[str]]:
    return [[order.attempt for order in x.orders] for x in actions if isinstance(x, a.Execute)]


def test_quick_attempts_follow_the_current_one_up_to_a_time():
    node = BusyNode(0.005)  # four of them take 20 ms
    assert node.start(20) == [[name(20)]]
    assert node.start(21) == [[name(21)]]
    assert node.start(22) == []
    assert node.start(23) == [], "it has enough until half of them are done"
    assert given(node.sealed(10, took_s=0.005)) == [[name(22), name(23)]]


def test_slow_attempts_go_one_by_one():
    node = BusyNode(0.011)
    assert node.start(20) == []
    assert given(node.sealed(10, took_s=0.011)) == [[name(20)]]


@pytest.mark.parametrize("how", [{"isolated": True}, {"length": 2 << 20}, {"job": "job-2"}])
def test_an_attempt_is_alone_that_is_isolated_large_or_of_another_job(how):
    node = BusyNode(0.001)
    assert node.start(20, **how) == []
    assert node.start(21) == [], "none overtakes it"


def test_executors_get_their_share():
    batches = Batches(2, NodeLimits())
    attempts = {n: NodeAttempt(n, "job-1", e.StartAttempt(n, "job-1", 0, 2, FILE)) for n in map(name, range(12))}
    for one in attempts.values():
        batches.took(one, 0.0001)
    first, *waiting = attempts
    executor = ExecutorRecord(1, up=True, attempt=first, job="job-1")
    found = batches.following(executor, attempts, {n: attempts[n] for n in waiting})
    assert [one.name for one in found] == waiting[:6], "the other slot gets as many of the eleven"


def test_an_attempt_that_follows_begins_when_the_one_before_is_sealed():
    node = BusyNode(0.001)
    node.start(20, stall_s=5.0)
    node.now_s = 100.0
    assert not any(isinstance(x, a.KillExecutor) for x in node.handle(e.Tick())), "it has not begun"
    node.sealed(10)
    node.now_s = 104.0
    assert not any(isinstance(x, a.KillExecutor) for x in node.handle(e.Tick()))
    node.now_s = 106.0
    assert a.KillExecutor(1) in node.handle(e.Tick())


def test_after_a_death_only_the_first_without_a_report_has_failed():
    node = BusyNode(0.001)
    node.start(20)
    node.start(21)
    node.sealed(10)
    died = node.handle(e.ExecutorDied(1, "killed by SIGKILL"))
    assert node.failures(died) == [(name(20), "died")]
    assert given(node.handle(e.ExecutorReady(2))) == [[name(21)]]


def test_after_a_failure_none_that_follows_has_begun():
    node = BusyNode(0.001)
    node.start(20)
    failed = node.handle(e.ExecutorFailed(1, name(10), Failure("io", "a bad disk")))
    assert node.failures(failed) == [(name(10), "io")]
    assert a.KillExecutor(1) in failed
    assert node.failures(node.handle(e.ExecutorDied(1, "killed"))) == []
    assert given(node.handle(e.ExecutorReady(2))) == [[name(20)]]


def test_a_discarded_one_that_has_not_begun_costs_the_current_one_no_try():
    node = BusyNode(0.001)
    node.start(20)
    node.start(21)
    assert node.handle(e.DiscardAttempt(name(20))) == [a.KillExecutor(1)]
    died = node.handle(e.ExecutorDied(1, "killed"))
    assert a.DeleteAttempt(name(20)) in died
    assert node.failures(died) == [(name(10), "recalled")]
    assert given(node.handle(e.ExecutorReady(2))) == [[name(21)]]


def test_the_one_behind_a_stalled_attempt_that_ends_after_all_is_not_at_fault():
    node = BusyNode(0.001)
    node.handle(e.DiscardAttempt(name(10)))
    node.handle(e.ExecutorDied(1, "killed"))
    node.start(11, stall_s=1.0)
    node.handle(e.ExecutorReady(2))
    node.start(20)
    node.now_s = 9.0
    assert a.KillExecutor(2) in node.handle(e.Tick())
    node.sealed(11, executor=2)
    assert node.failures(node.handle(e.ExecutorDied(2, "killed"))) == [(name(20), "recalled")]


def test_a_forgotten_job_takes_its_batch_along():
    node = BusyNode(0.001)
    node.start(20)
    assert a.KillExecutor(1) in node.handle(e.ForgetJob("job-1"))
    died = node.handle(e.ExecutorDied(1, "killed"))
    assert node.failures(died) == []
    assert given(node.handle(e.ExecutorReady(2))) == []
