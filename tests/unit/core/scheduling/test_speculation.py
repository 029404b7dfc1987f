"""Which tasks get a speculative attempt, on which node, and what becomes of the two."""

from __future__ import annotations

import pytest

from mrframe.core.model import events as e
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.model.spec import MIB, Split, StepSpec
from mrframe.testing.manual_scheduler import ManualScheduler, file_split, report

LATE = "job-1/m0001.1.1"
SECOND = "job-1/m0001.1.2"


def started(*, steps: tuple[StepSpec, ...] = (StepSpec(1),), length: int = 1000) -> ManualScheduler:
    """Two nodes with a slot each; of two maps the first took a second, the other one still runs on node-2."""
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    cluster.submit(file_split(0, length=length), file_split(1, length=length), steps=steps)
    cluster.beat("node-2", LATE, progress=((LATE, 0, 0),))
    cluster.now_s = 1.0
    cluster.seal("job-1/m0000.1.1", report(seconds=1.0))
    return cluster


def passes(cluster: ManualScheduler, seconds: float, bytes_done: int = 0) -> list[str]:
    """Time passes, the late attempt says how far it is; the attempts that this starts."""
    cluster.now_s += seconds
    cluster.beat("node-2", LATE, progress=((LATE, bytes_done // 10, bytes_done),))
    node = cluster.scheduler.state.nodes["node-1"]
    cluster.handle(e.NodeBeat("node-1", node.incarnation, tuple(node.live), tuple(node.outputs)))
    cluster.handle(e.Tick())
    return cluster.started()


def test_an_attempt_that_takes_far_longer_than_the_others_gets_another_elsewhere():
    cluster = started()
    assert not passes(cluster, 0.5)
    assert passes(cluster, 1.0) == [SECOND], "it has run for 2.5 s, and others took one"
    assert cluster.starts[SECOND][0] == "node-1"
    assert cluster.starts[SECOND][1].split == cluster.starts[LATE][1].split


def test_an_attempt_that_will_soon_have_ended_gets_none():
    cluster = started()
    assert not passes(cluster, 1.5, bytes_done=900), "0.28 s are left of it, and a new one takes a second"
    assert not passes(cluster, 0.2, bytes_done=999)


def test_an_attempt_that_reads_slowly_gets_one_whatever_its_progress():
    cluster = started()
    assert passes(cluster, 1.5, bytes_done=100) == [SECOND]


@pytest.mark.parametrize("winner", [LATE, SECOND])
def test_the_first_that_seals_is_the_result_and_the_other_is_discarded(winner):
    cluster = started()
    passes(cluster, 2.0)
    loser = SECOND if winner == LATE else LATE
    cluster.seal(winner)
    assert cluster.messages(e.CommitAttempt) == [e.CommitAttempt(winner)]
    assert cluster.messages(e.DiscardAttempt) == [e.DiscardAttempt(loser)]
    assert cluster.started() == ["job-1/r0000.1.1"]
    cluster.seal(loser)
    assert not cluster.facts
    assert cluster.messages(e.DiscardAttempt) == [e.DiscardAttempt(loser)]


def test_one_of_two_that_fails_leaves_the_task_to_the_other():
    cluster = started()
    passes(cluster, 2.0)
    cluster.fail(SECOND)
    assert not cluster.started()
    cluster.seal(LATE)
    assert cluster.messages(e.CommitAttempt) == [e.CommitAttempt(LATE)]


def test_a_node_that_is_lost_leaves_the_task_to_the_speculative_attempt():
    cluster = started()
    passes(cluster, 2.0)
    cluster.handle(e.NodeGone("node-2", "node-2#1"))
    assert not cluster.started()
    cluster.seal(SECOND)
    assert cluster.messages(e.CommitAttempt) == [e.CommitAttempt(SECOND)]


def test_there_is_none_where_the_job_does_not_want_it():
    cluster = started(steps=(StepSpec(1, speculate=False),))
    assert not passes(cluster, 100.0)


def test_there_is_none_while_other_tasks_wait():
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    cluster.submit(*(file_split(i, length=MIB << 6) for i in range(6)))
    for number in (0, 2, 3):
        cluster.now_s += 5.0
        cluster.beat("node-2", LATE, progress=((LATE, 0, 0),))
        cluster.seal(f"job-1/m{number:04d}.1.1", report(seconds=1.0))
        cluster.handle(e.Tick())
        assert not cluster.started()
    assert set(cluster.starts) == {f"job-1/m{number:04d}.1.1" for number in range(5)}


def test_no_attempt_is_late_until_half_of_the_tasks_are_done():
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2", slots=3)
    cluster.submit(*(file_split(i) for i in range(3)))
    cluster.now_s = 1.0
    cluster.seal("job-1/m0000.1.1", report(seconds=1.0))
    for _ in range(20):
        cluster.wait(0.4)
        cluster.beat("node-1")
        cluster.beat("node-2")
    assert len(cluster.starts) == 3


def test_reduces_are_compared_with_reduces():
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    cluster.submit(file_split(0), steps=(StepSpec(2),))
    cluster.seal("job-1/m0000.1.1", report({0: 1, 1: 1}, seconds=50.0))
    late = "job-1/r0001.1.1"
    node = cluster.starts[late][0]
    cluster.beat(node, late, progress=((late, 5, 0),))
    cluster.now_s += 1.0
    cluster.seal("job-1/r0000.1.1", report(seconds=1.0))
    cluster.now_s += 1.5
    cluster.beat(node, late, progress=((late, 6, 0),))
    cluster.handle(e.Tick())
    assert cluster.started() == ["job-1/r0001.1.2"]
    assert cluster.starts["job-1/r0001.1.2"][0] != node


def test_a_task_has_two_at_most_and_one_at_a_time():
    cluster = started()
    assert passes(cluster, 2.0) == [SECOND]
    for number in range(3, 20):
        assert not passes(cluster, 5.0), "one at a time"
        cluster.join("node-1", start=number - 1, held=("job-1/m0000.1.1",))
        cluster.now_s += 1.0
        cluster.beat("node-2", LATE, progress=((LATE, 0, 0),))
        cluster.handle(e.Tick())
        assert cluster.started() == ([f"job-1/m0001.1.{number}"] if number == 3 else [])


def test_of_many_slots_a_tenth_work_on_them_and_the_latest_comes_first():
    cluster = ManualScheduler(limits=SchedulerLimits(queued_per_slot=0))
    cluster.join(*(f"node-{i:02d}" for i in range(20)))
    cluster.submit(*(file_split(i, length=100) for i in range(20)))
    cluster.now_s = 1.0
    late = {f"job-1/m{i:04d}.1.1" for i in range(15, 20)}
    for name in set(cluster.starts) - late:
        cluster.seal(name, report(seconds=1.0))
    cluster.now_s = 5.0
    for name in sorted(late):
        cluster.beat(cluster.starts[name][0], name, progress=((name, 0, 0),))
    cluster.now_s = 9.0
    for done, name in enumerate(sorted(late), 1):
        cluster.beat(cluster.starts[name][0], name, progress=((name, 0, 5 * done),))
    cluster.handle(e.Tick())
    assert cluster.started() == ["job-1/m0015.1.2", "job-1/m0016.1.2"]


def test_an_attempt_that_waited_for_another_one_has_not_run_for_so_long():
    cluster = ManualScheduler(limits=SchedulerLimits())
    cluster.join("node-1", "node-2")
    cluster.submit(*(file_split(i, length=MIB << 6) for i in range(6)))
    for first in (0, 2):
        cluster.now_s += 5.0
        for number in (first, first + 1):
            cluster.seal(f"job-1/m{number:04d}.1.1", report(seconds=1.0))
    cluster.seal("job-1/m0005.1.1", report(seconds=1.0))
    assert cluster.scheduler.state.nodes["node-1"].live["job-1/m0004.1.1"].sent_s == 5.0, "it had to wait"
    cluster.wait(0.1)
    assert len(cluster.starts) == 6


def test_attempts_on_a_silent_node_count_from_its_last_message():
    cluster = started()
    late = cluster.scheduler.state.nodes["node-2"].live[LATE]
    late.began_s = None
    for _ in range(5):
        cluster.now_s += 0.5
        cluster.beat("node-1", held=("job-1/m0000.1.1",))
        cluster.handle(e.Tick())
    assert SECOND in cluster.starts


def test_decode_tasks_are_left_alone():
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    cluster.submit(*(Split("gzip", f"i-{i}", f"i-{i}", 0, 100, (i, 0)) for i in range(2)))
    cluster.now_s = 1.0
    cluster.seal("job-1/d0000.1.1", report({}, seconds=1.0))
    for _ in range(10):
        cluster.wait(1.0)
        cluster.beat("node-1")
        cluster.beat("node-2")
    assert len(cluster.starts) == 2


def test_progress_counts_two_attempts_at_a_task_once():
    cluster = started()
    passes(cluster, 2.0, bytes_done=100)
    cluster.beat("node-1", SECOND, progress=((SECOND, 50, 500),))
    progress = cluster.scheduler.progress("job-1")
    assert progress is not None
    assert progress.records == 50
