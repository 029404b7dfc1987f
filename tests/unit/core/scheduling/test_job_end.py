"""The end of a job is kept with its time and its rows, and both survive a restart of the master."""

from __future__ import annotations

import gc

import pytest

from mrframe.core.model import actions as a
from mrframe.core.model import events as e
from mrframe.core.model.facts import JobFinished
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Split, StepSpec
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.core.state.tasks import Task
from mrframe.testing.manual_scheduler import ManualScheduler, file_split

SPLIT = Split("file", "x", "x", 0, 1, (0, 0))
ENDED_S = 1_796_067_017.5


class Driver:
    """A scheduler, and the facts that it has persisted."""

    def __init__(self):
        self.scheduler, self.facts = Scheduler(1), []

    def handle(self, *events, wall_s=0.0):
        """The ids of the attempts that are started."""
        actions = [action for event in events for action in self.scheduler.handle(event, 0.0, wall_s)]
        self.facts += [action.fact for action in actions if isinstance(action, a.Persist)]
        sent = [action.message for action in actions if isinstance(action, a.SendNode)]
        return [message.attempt for message in sent if isinstance(message, e.StartAttempt)]

    def restarted(self):
        again = Scheduler(2)
        again.recover(self.facts)
        return again.state.jobs["job-1"]


@pytest.fixture
def driver():
    made = Driver()
    events = e.JobSubmitted("job-1", (StepSpec(1),)), e.SplitsAdded("job-1", (SPLIT,)), e.InputsClosed("job-1")
    assert made.handle(e.NodeJoined("node-1", "x", 1), *events) == ["job-1/m0000.1.1"]
    return made


def test_the_time_of_the_end_and_the_rows_survive_a_restart(driver):
    (reduce,) = driver.handle(e.AttemptSealed("node-1", "x", "job-1/m0000.1.1", TaskReport(records_out=9)))
    driver.handle(e.AttemptSealed("node-1", "x", reduce, TaskReport(records_out=7)), wall_s=ENDED_S)
    for submission in (driver.scheduler.state.jobs["job-1"], driver.restarted()):
        assert (submission.state.value, submission.ended_s, submission.rows) == ("done", ENDED_S, 7)


def test_a_cancelled_job_has_the_time_of_its_end(driver):
    driver.handle(e.CancelRequested("job-1"), wall_s=ENDED_S)
    assert driver.restarted().ended_s == ENDED_S


def test_the_end_in_an_older_journal_has_no_time(driver):
    driver.facts.append(JobFinished("job-1", None))
    assert driver.restarted().ended_s == 0.0


def test_a_released_job_is_freed_without_a_collection_of_garbage():
    cluster = ManualScheduler()
    cluster.join("node-1")
    cluster.submit(Split("gzip", "a.gz", "a.gz", 0, 100, (0, 0)), file_split(0, source=1))
    decode = next(iter(cluster.starts))
    block = Split("held", "a.gz", "block-00000", 0, 10, (0, 0), held_by=((decode, "node-1"),))
    cluster.handle(e.BlockSealed("node-1", "node-1#1", decode, block))
    gc.collect()
    before = count_tasks()
    gc.disable()
    try:
        for attempt in cluster.starts.copy():
            cluster.seal(attempt)
        cluster.handle(e.JobReleased("job-1"))
        cluster.starts.clear()
        assert before == 3
        assert count_tasks() == 0
    finally:
        gc.enable()


def count_tasks():
    return sum(isinstance(one, Task) for one in gc.get_objects())
