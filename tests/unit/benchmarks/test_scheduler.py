"""The benchmark of the scheduler runs jobs to their end, and an event costs no look at every node."""

from __future__ import annotations

import pytest
import scheduler

from mrframe.core.scheduling import assignment


@pytest.mark.parametrize("tasks", [1, 50, 300])
def test_every_task_of_a_job_is_done(tasks):
    cluster = scheduler.measured(20, tasks)
    assert len(cluster.committed) == tasks + 1
    assert scheduler.row(20, tasks).startswith(f"| {tasks} |")


def test_a_seal_in_a_busy_cluster_has_few_nodes_looked_at(monkeypatch):
    looks = 0
    has_room = assignment._has_room

    def counted(*arguments):
        nonlocal looks
        looks += 1
        return has_room(*arguments)

    monkeypatch.setattr(assignment, "_has_room", counted)
    cluster = scheduler.measured(100, 2000)
    assert looks < sum(cluster.events.values())  # it is 83 for each event when all are asked
