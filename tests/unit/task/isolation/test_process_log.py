"""Lines of the log of a standing cluster: each begins with the time and the process, also those that jobs print."""

import os
import re

import pytest

from mrframe.task.isolation import process_log
from mrframe.task.isolation.print_limit import PrintBudget, PrintLimit

STAMP = rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z node-1\[{os.getpid()}\] "


@pytest.fixture
def stamped(monkeypatch):
    monkeypatch.setattr(process_log, "_stamped", True)
    monkeypatch.setattr(process_log, "_name", "node-1")


def test_a_stamp_is_the_time_in_utc_with_the_process(stamped):
    assert process_log.stamp(1_796_067_017.25) == f"2026-11-30T19:30:17.250Z node-1[{os.getpid()}] "


def test_every_line_of_a_traceback_has_a_stamp(stamped, capfd):
    process_log.log("one\ntwo\x1b\n")
    lines = capfd.readouterr().err.splitlines()
    assert [re.sub(f"^{STAMP}", "", line) for line in lines] == ["one", "two\\x1b"]
    assert all(re.match(STAMP, line) for line in lines)


def test_without_a_log_lines_are_as_they_were(capfd):
    process_log.log("one")
    assert capfd.readouterr().err == "one\n"


def test_a_line_that_a_job_prints_in_pieces_has_one_stamp_with_its_attempt(stamped, tmp_path):
    with open(tmp_path / "log", "w+b", buffering=0) as file:
        limit = PrintLimit(PrintBudget(), file.fileno())
        limit.begin("job-1/m0000.1.1")
        for piece in (b"one ", b"more\ntwo\nthr", b"ee", b"\n", b"end"):
            limit.write(piece)
        assert limit.end("job-1/m0000.1.1") == 0
        limit.begin("job-2/m0000.1.1")
        limit.write(b"next\n")
    lines = (tmp_path / "log").read_text().splitlines()
    assert [re.sub(f"^{STAMP}", "", line) for line in lines] == [
        "job-1/m0000.1.1: one more",
        "job-1/m0000.1.1: two",
        "job-1/m0000.1.1: three",
        "job-1/m0000.1.1: end",
        "job-2/m0000.1.1: next",
    ]


def test_stamps_do_not_count_as_printed(stamped, tmp_path):
    with open(tmp_path / "log", "w+b", buffering=0) as file:
        limit = PrintLimit(PrintBudget(), file.fileno())
        limit.begin("job-1/m0000.1.1")
        assert limit.write(b"x\n" * 1000) == 2000
        assert limit.end("job-1/m0000.1.1") == 0
        assert file.tell() > 40_000
