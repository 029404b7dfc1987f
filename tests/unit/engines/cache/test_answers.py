"""Which whole answers are saved: never one of which records were left out, nor one for which a file was read."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from mrframe import Job, RunOptions, count, text
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Split, StepSpec
from mrframe.engines.cache.answers import load_answer, save_answer
from mrframe.engines.protocol import CommittedAttempt, Outcome
from mrframe.store.result_store import ResultStore
from mrframe.task.code.settings import Saving, TaskSettings

SPLIT = Split("file", "a.log", "a.log", 0, 8, (0, 0), content="c" * 64)


class Answer:
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
        assert save_answer(self.plan, Outcome([str(self._tmp_path / "part")], done), self.results) == ""
        return load_answer(self.plan, self.results) is not None


@pytest.fixture
def answer(tmp_path):
    return Answer(tmp_path)


def test_an_answer_of_all_records_is_saved(answer):
    assert answer.is_saved()


def test_an_answer_of_which_records_were_left_out_is_not(answer):
    answer.map.ledger.quarantined = 1
    assert not answer.is_saved()


@pytest.mark.parametrize("part", ["map", "reduce"])
def test_an_answer_for_which_code_did_something_beside_computing_is_not(answer, part):
    getattr(answer, part).effect = "job.py:3 opens 'table'"
    assert not answer.is_saved()


def test_a_map_in_the_place_of_an_answer_and_an_answer_of_another_job_are_none(answer, tmp_path):
    assert answer.is_saved()
    folder = tmp_path / "results" / "jobs" / ("a" * 40)
    (name,) = (name for name in os.listdir(folder) if name.endswith("-0"))
    answer.results.save("a" * 40, "b" * 40, b"report of a map", [str(tmp_path / "part")], {})
    os.rename(tmp_path / "answer", tmp_path / "first")
    (folder / name).write_bytes((folder / ("b" * 40)).read_bytes())
    assert load_answer(answer.plan, answer.results) is None
