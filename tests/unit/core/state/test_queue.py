"""Jobs share a cluster: by priority, and among equals by what each has under way."""

from __future__ import annotations

from mrframe.core.model.limits import SchedulerLimits
from mrframe.testing.manual_scheduler import ManualScheduler, file_split


def jobs_of(cluster: ManualScheduler) -> list[str]:
    """The jobs of all attempts, in the order in which these were started."""
    return [name.partition("/")[0] for name in cluster.starts]


def test_a_small_job_does_not_wait_for_a_large_one():
    cluster = ManualScheduler()
    cluster.join("node-1", slots=2)
    cluster.submit(*(file_split(i) for i in range(10)), job="job-1")
    cluster.submit(file_split(0), file_split(1), job="job-2")
    assert jobs_of(cluster) == ["job-1", "job-1"]
    cluster.seal("job-1/m0000.1.1")
    assert jobs_of(cluster)[2:] == ["job-2"], "it has nothing under way, the other one has"
    cluster.seal("job-1/m0001.1.1")
    assert jobs_of(cluster)[3:] == ["job-1"], "now both have one"


def test_jobs_share_the_slots_equally_whatever_each_has_waiting():
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2", slots=6)
    for number, tasks in enumerate((50, 20, 12), 1):
        cluster.submit(*(file_split(i) for i in range(tasks)), job=f"job-{number}")
    for name in list(cluster.starts):
        cluster.seal(name)
    live = {job: submission.live for job, submission in cluster.scheduler.state.jobs.items()}
    assert live == {"job-1": 4, "job-2": 4, "job-3": 4}


def test_a_higher_priority_goes_first_and_a_lower_one_last():
    cluster = ManualScheduler()
    cluster.join("node-1", slots=1)
    cluster.submit(*(file_split(i) for i in range(2)), job="job-1", priority=-5)
    cluster.submit(*(file_split(i) for i in range(2)), job="job-2")
    cluster.submit(*(file_split(i) for i in range(2)), job="job-3", priority=7)
    for _ in range(9):
        cluster.seal(list(cluster.starts)[-1])
    assert jobs_of(cluster) == ["job-1", *["job-3"] * 3, *["job-2"] * 3, *["job-1"] * 2]


def test_the_priority_is_there_after_a_restart():
    before = ManualScheduler()
    before.submit(file_split(0), job="job-1")
    before.submit(file_split(0), job="job-2", priority=3)
    after = ManualScheduler(2, before.journal, SchedulerLimits(queued_per_slot=0))
    after.join("node-1", slots=1)
    assert jobs_of(after) == ["job-2"]
