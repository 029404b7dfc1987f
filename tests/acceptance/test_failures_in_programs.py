"""A failing job shows in Python, pytest and IPython as in the command: the user's frames, the line, the record."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys

import pytest

LINE = '192.0.2.1 - - [17/May/2026:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl/8"'
JOB = """\
import mrframe
from mrframe import Job, RunOptions, logs, total


def share(size):
    return size / 0


def by_path(path, size):
    yield path, share(size)


JOB = Job(read=logs.access, map=by_path, reduce=total)
"""
RUN = 'mrframe.run(JOB, ["access.log"], RunOptions(engine="{engine}"))\n'
TEST = """
def test_run(mr_run):
    mr_run(JOB, [{line!r}])


def test_cluster(mr_cluster):
    mr_cluster(JOB, [{line!r}])


def test_direct():
    mrframe.run(JOB, ["access.log"])
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "access.log").write_text(LINE + "\n")
    return tmp_path


def output(folder, *words):
    """Standard output and error of a Python program, which fails, without colours.

    With `CI` pytest does not cut the lines of its summary, which then shows each record a second time.
    """
    environment = {**os.environ, "NO_COLOR": "1", "HOME": str(folder), "COLUMNS": "200"}
    environment.pop("CI", None)
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)


def in_order(text, *parts):
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is not behind byte {at} of\n{text}"
        at = found + len(part)


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_program_shows_the_users_frames_first_then_the_line_and_the_record(folder, engine):
    (folder / "program.py").write_text(JOB + RUN.format(engine=engine))
    text = output(folder, "program.py")
    in_order(
        text,
        f'File "{folder}/program.py", line 10, in by_path\n    yield path, share(size)\n',
        f'File "{folder}/program.py", line 6, in share\n    return size / 0\n',
        "ZeroDivisionError: division by zero",
        "mrframe.errors.UserCodeError: ZeroDivisionError: division by zero",
        "in      access.log:1",
        f"record  {LINE!r}",
        "replay  mrframe replay run-",
    )
    frames = re.findall(r'File ".*/mrframe/\w+/.*"', text)
    assert len(frames) == 1, text  # of the function that the program called


def test_debugging_brings_mrframes_frames_back(folder, monkeypatch):
    monkeypatch.setenv("MRFRAME_DEBUG", "1")
    (folder / "program.py").write_text(JOB + RUN.format(engine="inline"))
    assert "engines/stages.py" in output(folder, "program.py")


def test_the_failure_of_a_program_can_be_replayed(folder):
    (folder / "program.py").write_text(JOB + RUN.format(engine="inline"))
    kept = re.search(r"mrframe replay (run-\d+)", output(folder, "program.py"))
    assert kept is not None
    assert "in share" in output(folder, "-m", "mrframe", "replay", kept[1])


def test_pytest_shows_the_users_frames_and_none_of_mrframes(folder):
    (folder / "test_it.py").write_text(JOB + TEST.format(line=LINE))
    text = output(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    assert text.count("UserCodeError: ZeroDivisionError: division by zero") >= 3
    assert text.count("return size / 0") == 3
    assert text.count(f"record  {LINE!r}") == 3
    assert "mrframe/engines" not in text
    assert "mrframe/api" not in text
    assert "mrframe/testing" not in text


@pytest.mark.skipif(importlib.util.find_spec("IPython") is None, reason="IPython is not installed")
def test_ipython_shows_the_users_frames_and_none_of_mrframes(folder):
    (folder / "program.ipy").write_text(JOB + RUN.format(engine="local"))
    text = output(folder, "-m", "IPython", "--colors=NoColor", "--no-banner", "program.ipy")
    in_order(text, "return size / 0", "UserCodeError: ZeroDivisionError", "in      access.log:1", "record  ")
    assert "mrframe/engines" not in text
