"""What a map attempt saves: never what left out records, nor what did something beside computing."""

from __future__ import annotations

import os

import pytest

from mrframe import Job, count, text
from mrframe.core.model.reports import Malformed, TaskReport
from mrframe.core.model.spec import MapOrder, Split
from mrframe.shuffle.run_file.run_writer import RunWriter
from mrframe.store.result_store import ResultStore
from mrframe.task.cache.map_results import Digest, map_or_load
from mrframe.task.code.settings import Saving, TaskSettings
from mrframe.task.isolation import effects

JOB = Job(read=text, key="line", reduce=count)
CONTENT = b"one\ntwo\n"


def saved_by(tmp_path, report: TaskReport, **saving) -> list[str]:
    """The entries that an attempt with this report has saved."""
    log = tmp_path / "a.log"
    log.write_bytes(CONTENT)
    results = ResultStore(str(tmp_path / "results"))
    split = Split("file", str(log), str(log), 0, len(CONTENT), (0, 0))
    order = MapOrder("a", 0, split, 1, str(tmp_path / "attempt"))
    settings = TaskSettings(text, saving=Saving(results.path, "a" * 40, "name", **saving))

    def run(content: Digest, order: MapOrder):
        content.update(CONTENT)
        with open(os.path.join(order.out_dir, "map.mrf"), "wb") as file:
            RunWriter(file, slots=64).close()
        return report, {}

    assert map_or_load(JOB, order, settings, run) is report
    folder = tmp_path / "results" / "jobs" / ("a" * 40)
    return sorted(name for name in os.listdir(folder) if name != "about") if folder.exists() else []


def test_a_result_with_all_of_its_records_is_saved(tmp_path):
    assert len(saved_by(tmp_path, TaskReport())) == 1


@pytest.mark.parametrize("left_out", ["quarantined", "outside_time", "without_time"])
def test_a_result_that_left_out_records_is_not_saved(tmp_path, left_out):
    report = TaskReport()
    setattr(report.ledger, left_out, 1)
    assert saved_by(tmp_path, report) == []


def test_a_result_that_reports_failed_records_is_not_saved(tmp_path):
    assert saved_by(tmp_path, TaskReport(failed=[Malformed(0, 0, b"one", "why")])) == []


@pytest.mark.parametrize("watched", [False, True])
def test_a_result_of_code_with_effects_is_not_saved_if_they_are_watched(tmp_path, watched):
    effects.forget()
    with effects.watched():
        exec(compile("import os\nos.listdir('/')", "/logs/job.py", "exec"), {})
    assert len(saved_by(tmp_path, TaskReport(), watched=watched)) == (0 if watched else 1)
    effects.forget()


def test_a_folder_that_cannot_be_written_is_named_in_the_report(tmp_path):
    (tmp_path / "results").write_bytes(b"")
    report = TaskReport()
    assert saved_by(tmp_path, report) == []
    assert str(tmp_path / "results") in report.save_fault
