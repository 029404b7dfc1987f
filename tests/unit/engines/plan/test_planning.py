"""The steps of a plan follow from the job and the bytes of its inputs."""

from __future__ import annotations

from mrframe import Job, RunOptions, count, logs, top
from mrframe.engines.plan import planning


def test_partitions_follow_from_the_bytes_alone():
    job = Job(read=logs.combined, key="status", reduce=count)
    steps = planning.plan_steps(job.then(top(3)), RunOptions(nodes=7), 200 << 20)
    assert [step.partitions for step in steps] == [4, 1]
    assert [step.max_bad for step in steps] == [0.1, None]
