"""A run whose answer cannot be fetched waits for the job to end a second time, as it does when a node was lost."""

from __future__ import annotations

from functools import partial

import pytest

import mrframe
from mrframe import Job, RunOptions, count, text
from mrframe.core.model.actions import JobEnded
from mrframe.engines import local
from mrframe.errors import JobFailed

JOB = Job(read=text, key="line", reduce=count)


class Losing:
    """A cluster whose first fetch fails; `again`: the end of the job is then told a second time."""

    def __init__(self, cluster, *, again):
        self._cluster, self._again = cluster, again
        self._ended, self.failed = None, False

    def __getattr__(self, name):
        return getattr(self._cluster, name)

    def fetch(self, node, attempt, name):
        if not self.failed:
            self.failed = True
            raise JobFailed("the node is not there; run the job again")
        return self._cluster.fetch(node, attempt, name)

    def poll(self, timeout_s):
        if self.failed and self._again:
            self._again = False
            return self._ended
        event = self._cluster.poll(timeout_s)
        if isinstance(event, JobEnded):
            self._ended = event
        return event


def run(monkeypatch, tmp_path, *, again):
    def start(*how):
        return Losing(local.start_cluster(*how), again=again)

    monkeypatch.setattr(local, "LocalEngine", partial(local.LocalEngine, start))
    (tmp_path / "log").write_text("one\ntwo\none\n")
    with mrframe.run(JOB, [str(tmp_path / "log")], RunOptions(engine="local", nodes=1)) as result:
        return dict(result)


def test_the_second_end_of_a_job_is_waited_for(monkeypatch, tmp_path):
    assert run(monkeypatch, tmp_path, again=True) == {"one": 2, "two": 1}


def test_without_a_second_end_the_first_failure_is_reported(monkeypatch, tmp_path):
    monkeypatch.setattr(local, "AGAIN_S", 0.3)
    with pytest.raises(JobFailed, match="run the job again"):
        run(monkeypatch, tmp_path, again=False)
