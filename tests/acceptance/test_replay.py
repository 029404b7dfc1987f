"""`mrframe replay` through the real command: what failed, run again alone, later, elsewhere, mended."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time

import pytest

JOB = """
import os, signal
from mrframe import Job, text

def by_word(line):
    for word in line.split():
        if word == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        yield word, 10 // (len(word) - 3)

def add(word, values):
    values = list(values)
    if word == "group":
        raise KeyError(values)
    yield word, sum(values)

job = Job(read=text, map=by_word, reduce=add)
"""
COMMAND = [sys.executable, "-m", "mrframe"]


@pytest.fixture
def environment(tmp_path):
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MRFRAME")}
    return {**plain, "XDG_STATE_HOME": str(tmp_path / "state"), "TERM": "xterm", "NO_COLOR": "1"}


@pytest.fixture
def mrframe(tmp_path, environment):
    (tmp_path / "words.py").write_text(JOB)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *args], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    return run


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_record_is_run_again_after_its_input_and_its_job_are_gone(mrframe, tmp_path, engine):
    (tmp_path / "a.log").write_text("hello there\nthis bad line\nfine\n")
    failed = mrframe("run", "words.py", "a.log", "--engine", engine)
    assert failed.returncode == 1
    assert "replay  mrframe replay run-1" in failed.stderr
    (tmp_path / "a.log").unlink()
    (tmp_path / "words.py").unlink()
    again = mrframe("replay", "run-1")
    assert again.returncode == 1
    assert "a.log:2 (byte 12)" in again.stderr
    assert "record  this bad line" in again.stderr
    assert "yield word, 10 // (len(word) - 3)" in again.stderr
    assert again.stderr.rstrip().endswith("it fails again")
    (tmp_path / "mended.py").write_text(JOB.replace("len(word) - 3", "len(word)"))
    mended = mrframe("replay", "@", "--job", "mended.py")
    assert mended.returncode == 0
    assert "does not fail on it any more" in mended.stderr


def test_a_record_of_many_lines_is_run_again_whole(mrframe, tmp_path):
    first = "2019-03-05 10:57:51.112 INFO "
    (tmp_path / "a.log").write_text(
        f"{first}fine\n{first}failed\n"
        + "\tat org.example.Some.method(Some.java:1)\n" * 8_000
        + f"the end\n{first}fine\n"
    )
    (tmp_path / "traces.py").write_text(
        "from mrframe import Job, logs, total\n"
        "def by_end(message):\n"
        "    lines = message.count('\\n')\n"
        "    if message.endswith('the end'):\n"
        "        raise ValueError(f'{lines} lines follow')\n"
        "    yield lines, 1\n"
        "job = Job(read=logs.format('%d %p %m%n'), map=by_end, reduce=total)\n"
    )
    failed = mrframe("run", "traces.py", "a.log", "--engine", "inline")
    assert "ValueError: 8001 lines follow" in failed.stderr
    again = mrframe("replay", "@")
    assert again.returncode == 1
    assert again.stderr.endswith("\nValueError: 8001 lines follow\nit fails again\n"), again.stderr[-500:]


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_group_is_run_again_with_all_its_values(mrframe, tmp_path, engine):
    (tmp_path / "a.log").write_text("group word\n" * 3 + "other\n")
    failed = mrframe("run", "words.py", "a.log", "--engine", engine, "--splits", "2")
    assert failed.returncode == 1
    (tmp_path / "a.log").unlink()
    again = mrframe("replay", "@")
    assert again.returncode == 1
    assert "KeyError: [5, 5, 5]" in again.stderr
    (tmp_path / "words.py").write_text(JOB.replace('"group"', '"none"'))
    mended = mrframe("replay", "@", "--job", "words.py")
    assert mended.returncode == 0
    assert "'group': 15" in mended.stderr


def test_a_crash_is_a_crash_again(mrframe, tmp_path):
    (tmp_path / "a.log").write_text("hello there\ncrash here\n")
    failed = mrframe("run", "words.py", "a.log", "--engine", "local")
    assert failed.returncode == 1, failed.stderr
    assert "mrframe replay run-1" in failed.stderr
    again = mrframe("replay", "run-1")
    assert again.returncode == 1
    assert "killed by SIGSEGV" in again.stderr


def test_records_that_were_left_out_are_listed_and_run_one_by_one(mrframe, tmp_path):
    (tmp_path / "a.log").write_text("fine line\nbad\nfine too long\nold\n")
    done = mrframe("run", "words.py", "a.log", "--max-failed", "3", "-o", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert "mrframe replay run-1 (--list shows which)" in done.stderr
    listed = mrframe("replay", "run-1", "--list").stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [["1", "a.log:2"], ["2", "a.log:3"], ["3", "a.log:4"]]
    plain = json.loads(mrframe("replay", "@", "--list", "--json").stdout)
    assert [one["line"] for one in plain["failures"]] == [2, 3, 4]
    assert "record  old" in mrframe("replay", "@", "--failure", "3").stderr
    assert mrframe("replay", "@", "--failure", "4").returncode == 2


def test_a_run_that_did_not_fail_has_nothing_to_replay(mrframe, tmp_path):
    assert mrframe("replay", "@").returncode == 2
    (tmp_path / "a.log").write_text("fine line\n")
    assert mrframe("run", "words.py", "a.log").returncode == 0
    done = mrframe("replay", "@")
    assert done.returncode == 2
    assert "run-1 has no failure" in done.stderr


def test_a_state_directory_that_cannot_be_used_costs_a_warning(mrframe, tmp_path):
    (tmp_path / "state").write_text("a file")
    (tmp_path / "a.log").write_text("fine line\n")
    done = mrframe("run", "words.py", "a.log")
    assert done.returncode == 0
    assert "warning: nothing of this run is kept" in done.stderr
    assert done.stdout == '{"key": "fine", "value": 10}\n{"key": "line", "value": 10}\n'
    (tmp_path / "a.log").write_text("bad\n")
    failed = mrframe("run", "words.py", "a.log")
    assert failed.returncode == 1
    assert "nothing of this run is kept" in failed.stderr


def test_the_debugger_stops_in_the_frame_of_the_job(mrframe, tmp_path, environment):
    (tmp_path / "a.log").write_text("this bad line\n")
    assert mrframe("run", "words.py", "a.log").returncode == 1
    main, other = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "replay", "@", "--pdb"], cwd=tmp_path, env=environment, stdin=other, stdout=other, stderr=other
    )
    os.close(other)
    assert b"-> yield word" in read_until(main, b"(Pdb) ")
    os.write(main, b"p word.upper()\n")
    assert b"'BAD'" in read_until(main, b"(Pdb) ")
    os.write(main, b"q\n")
    assert process.wait(30) == 1
    os.close(main)


def read_until(fd: int, end: bytes) -> bytes:
    """What a terminal shows until it shows this at its end."""
    seen, deadline_s = b"", time.monotonic() + 30
    while not seen.endswith(end):
        assert select.select([fd], [], [], max(0.0, deadline_s - time.monotonic()))[0], seen
        seen += os.read(fd, 4096)
    return seen


def test_a_submission_that_failed_can_be_replayed(mrframe, tmp_path):
    (tmp_path / "a.log").write_text("hello there\nthis bad line\n")
    home = ("--dir", str(tmp_path / "home"))
    assert mrframe("cluster", "start", "--nodes", "1", *home).returncode == 0
    try:
        job = mrframe("submit", "words.py", "a.log", *home).stdout.strip()
        assert mrframe("wait", job, *home).returncode == 1
        (tmp_path / "a.log").unlink()
        again = mrframe("replay", job, *home)
        assert again.returncode == 1
        assert "record  this bad line" in again.stderr
        assert "ZeroDivisionError" in again.stderr
    finally:
        assert mrframe("cluster", "stop", *home).returncode == 0
