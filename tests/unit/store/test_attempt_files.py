"""What an attempt leaves on the disk: nothing where there is nothing to keep."""

import os
import shutil

import pytest

from mrframe import Job, count, logs, text
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import MapOrder, Split
from mrframe.errors import TooMuchScratch
from mrframe.store.attempt_files import TemporaryFiles
from mrframe.task.attempt import run_loaded
from mrframe.task.code.package import loaded
from mrframe.task.code.settings import Saving, TaskSettings
from mrframe.task.isolation import surroundings


class Silent:
    def beat(self, records, bytes_done):
        pass

    def block_sealed(self, split):
        raise AssertionError(split)


@pytest.fixture
def attempt(tmp_path):
    (tmp_path / "lines").write_bytes(b"one\ntwo\n")

    def run(job, **settings):
        split = Split("file", "lines", str(tmp_path / "lines"), 0, 8, (0, 0), content=settings.pop("content", ""))
        order = MapOrder("job-1/m0000.1.1", 0, split, 1, str(tmp_path / "out"), ())
        report = run_loaded(loaded(job, TaskSettings(job.read, **settings)), order, Silent())
        assert isinstance(report, TaskReport), report
        return report, sorted(os.listdir(tmp_path / "out")) if (tmp_path / "out").exists() else None

    return run


def none(line):
    return line == "three"


def test_a_map_without_pairs_makes_no_file_and_no_directory(attempt):
    report, files = attempt(Job(read=text, where=none, key="line", reduce=count))
    assert (report.ledger.records, report.records_out, report.bytes_out, report.partitions) == (2, 0, 0, {})
    assert files is None


def test_a_map_with_pairs_makes_its_run_file(attempt):
    report, files = attempt(Job(read=text, key="line", reduce=count))
    assert (report.records_out, report.partitions[0][0]) == (2, 2)
    assert files == ["map.mrf"]


def test_lines_that_are_wanted_are_kept_where_there_are_no_pairs(attempt):
    job = Job(read=logs.combined, key="status", reduce=count)
    report, files = attempt(job, keep_rejects=True)
    assert (report.ledger.malformed, files) == (2, ["rejects"])


def test_a_result_without_pairs_is_saved_and_loaded(attempt, tmp_path):
    job = Job(read=text, where=none, key="line", reduce=count)
    saving = Saving(str(tmp_path / "saved"), "ab" * 20, "nothing", known=True, surroundings=surroundings.digest())
    made, _ = attempt(job, saving=saving)
    shutil.rmtree(tmp_path / "out")
    found, files = attempt(job, saving=saving)
    assert (made.saved, found.saved, files) == (False, True, ["map.mrf"])
    assert found.ledger == made.ledger


def write(files, size):
    file = files.make()
    file.write(b"x" * size)
    file.flush()
    return file


def test_another_file_is_refused_when_the_open_ones_are_too_large(tmp_path):
    with TemporaryFiles(str(tmp_path / "attempt"), bytes_max=100) as files:
        write(files, 60)
        last = write(files, 60)
        with pytest.raises(TooMuchScratch, match=r"120 bytes .* --scratch-bytes-max allows 100"):
            files.make()
        last.close()
        write(files, 10)
