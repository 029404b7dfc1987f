"""Which whole results are cached: never one that left out records, nor one whose code read a file."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from mrframe import Job, RunOptions, count, text
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Split, StepSpec
from mrframe.engines.cache.whole_results import load_whole_result, save_whole_result
from mrframe.engines.protocol import CommittedAttempt, Outcome
from mrframe.store.result_store import ResultStore
from mrframe.task.code.settings import Saving, TaskSettings

SPLIT = Split("file", "a.log", "a.log", 0, 8, (0, 0), content="c" * 64)


class SavedRun:
    """A run of one map and one reduce that is done, and the folder of saved results."""

    def __init__(self, tmp_path) -> None:
        self.results = ResultStore(str(tmp_path / "results"))
        self.map, self.reduce = TaskReport(content=SPLIT.content), TaskReport()
        (tmp_path / "part").write_bytes(b"sealed")
        self._tmp_path = tmp_path
        self.plan = SimpleNamespace(
            settings=TaskSettings(text, saving=Saving(self.results.path, "a" * 40, "name")),
            feed=None,
            job=Job(read=text, key="line", reduce=count),
            steps=(StepSpec(1),),
            splits=(SPLIT,),
            options=RunOptions(),
            scratch=SimpleNamespace(make=lambda: os.fspath(tmp_path)),
        )

    def is_saved(self) -> bool:
        done = [CommittedAttempt("map", 0, SPLIT, self.map), CommittedAttempt("reduce", 0, None, self.reduce)]
        assert save_whole_result(self.plan, Outcome([str(self._tmp_path / "part")], done), self.results) == ""
        return load_whole_result(self.plan, self.results) is not None


@pytest.fixture
def saved_run(tmp_path):
    return SavedRun(tmp_path)


def test_a_result_of_all_records_is_saved(saved_run):
    assert saved_run.is_saved()


def test_a_result_that_left_out_records_is_not_saved(saved_run):
    saved_run.map.ledger.quarantined = 1
    assert not saved_run.is_saved()


@pytest.mark.parametrize("part", ["map", "reduce"])
def test_a_result_whose_code_did_more_than_compute_is_not_saved(saved_run, part):
    getattr(saved_run, part).effect = "job.py:3 opens 'table'"
    assert not saved_run.is_saved()


def test_a_map_result_or_a_result_of_another_job_is_not_loaded(saved_run, tmp_path):
    assert saved_run.is_saved()
    folder = tmp_path / "results" / "jobs" / ("a" * 40)
    (name,) = (name for name in os.listdir(folder) if name.endswith("-0"))
    saved_run.results.save("a" * 40, "b" * 40, b"report of a map", [str(tmp_path / "part")], {})
    os.rename(tmp_path / "result", tmp_path / "first")
    (folder / name).write_bytes((folder / ("b" * 40)).read_bytes())
    assert load_whole_result(saved_run.plan, saved_run.results) is None
