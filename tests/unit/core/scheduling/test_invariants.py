"""The checks themselves: each speaks when what it forbids is shown to it."""

from __future__ import annotations

import pytest

from mrframe.core.model import actions as a
from mrframe.core.model import events as e
from mrframe.core.model.facts import AttemptCommitted, JobFinished, OutputLost
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Split, StepSpec
from mrframe.core.scheduling.invariants import Checker, InvariantBroken, recovers, repeat_changes_nothing
from mrframe.core.scheduling.scheduler import Scheduler

SPLIT = Split("file", "x", "x", 0, 1, (0, 0))
COMMITTED = AttemptCommitted("job-1/m0000.1.1", "node-1", TaskReport())
START = e.StartAttempt("job-1/m0000.1.1", "job-1", 0, 1, SPLIT)


@pytest.fixture
def scheduler():
    made = Scheduler(1)
    for event in (
        e.NodeJoined("node-1", "x", 1),
        e.JobSubmitted("job-1", (StepSpec(1),)),
        e.SplitsAdded("job-1", (SPLIT,)),
    ):
        made.handle(event, 0.0)
    return made


@pytest.fixture
def checker(scheduler):
    made = Checker()
    made.turn(
        scheduler, [a.Persist(e.JobSubmitted("job-1", (StepSpec(1),))), a.Persist(e.SplitsAdded("job-1", (SPLIT,)))]
    )
    return made


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("I1", [a.Persist(COMMITTED), a.Persist(AttemptCommitted("job-1/m0000.1.2", "node-1", TaskReport()))]),
        ("I1", [a.Persist(OutputLost("job-1/m0000.1.1", "node-1"))]),
        ("I1", [a.Persist(COMMITTED), a.SendNode("node-1", START)]),
        ("I2", [a.SendNode("node-1", START), a.SendNode("node-2", START)]),
        ("I2", [a.SendNode("node-1", e.StartAttempt("job-1/m0000.2.1", "job-1", 0, 1, SPLIT))]),
        ("I3", [a.SendNode("node-1", e.StartAttempt("job-1/r0000.1.1", "job-1", 0, 1, partition=0))]),
        (
            "I3",
            [a.SendNode("n", e.StartAttempt("job-1/r0000.1.1", "job-1", 0, 1, None, 0, (("job-1/m0000.1.1", "n"),)))],
        ),
        ("I5", [a.SendNode("node-1", START), a.Persist(COMMITTED)]),
        ("I5", [a.SendNode("node-1", e.CommitAttempt("job-1/m0000.1.1"))]),
        ("I5", [a.SendNode("node-1", e.AcknowledgeBlock("job-1/d0000.1.1", (0, 0)))]),
        ("I5", [a.JobEnded("job-1", (), (), None)]),
        ("I5", [a.SendNode("node-1", e.StartAttempt("job-9/m0000.1.1", "job-9", 0, 1, SPLIT))]),
    ],
)
def test_a_forbidden_action_is_noticed(checker, scheduler, name, actions):
    with pytest.raises(InvariantBroken, match=f"^{name}: "):
        checker.turn(scheduler, actions)


def test_allowed_actions_break_no_invariant(checker, scheduler):
    checker.turn(scheduler, [a.SendNode("node-1", START), a.SendNode("node-1", START)])
    checker.turn(scheduler, [a.Persist(COMMITTED), a.SendNode("node-1", e.CommitAttempt("job-1/m0000.1.1"))])
    checker.turn(scheduler, [a.Persist(OutputLost("job-1/m0000.1.1", "node-1"))])
    checker.turn(scheduler, [a.Persist(JobFinished("job-1", None)), a.JobEnded("job-1", (), (), None)])


def test_too_many_attempts_on_a_node_are_noticed(checker, scheduler):
    node = scheduler.state.nodes["node-1"]
    node.live.update({f"job-1/m000{i}.1.1": next(iter(node.live.values())) for i in range(5)})
    with pytest.raises(InvariantBroken, match=r"^I4: "):
        checker.turn(scheduler, [])


def test_attempts_without_end_are_noticed(checker, scheduler):
    with pytest.raises(InvariantBroken, match=r"^I7: "):
        for number in range(1, 1000):
            start = e.StartAttempt(f"job-1/m0000.1.{number}", "job-1", 0, 1, SPLIT)
            checker.turn(scheduler, [a.SendNode("node-1", start)])


def test_a_repeat_that_matters_is_noticed(scheduler):
    repeat_changes_nothing(scheduler, e.SplitsAdded("job-1", (SPLIT,)), 0.0)
    with pytest.raises(InvariantBroken, match=r"^I6: "):
        repeat_changes_nothing(scheduler, e.InputsClosed("job-1"), 0.0)


def test_a_journal_that_says_something_else_is_noticed(scheduler):
    journal = [e.JobSubmitted("job-1", (StepSpec(1),)), e.SplitsAdded("job-1", (SPLIT,))]
    recovers(scheduler, journal)
    with pytest.raises(InvariantBroken, match=r"^I8: "):
        recovers(scheduler, journal[:1])
