"""Saved results from the command line: a second run, what it says, `mrframe cache`, and `--no-cache`."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys

import pytest

LINE = '192.0.2.{} - - [17/May/2026:10:05:03 +0000] "GET /{} HTTP/1.1" 200 1000\n'


@pytest.fixture
def mrframe(tmp_path):
    (tmp_path / "access.log").write_text("".join(LINE.format(n % 250, n % 7) for n in range(2000)))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MRFRAME")}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")

    def run(*args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mrframe", *args]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


QUESTION = ("count", "path", "access.log", "--split-bytes", "20000", "--cache", "on")


def test_a_repeated_question_uses_saved_results(mrframe, tmp_path):
    first, second = mrframe(*QUESTION), mrframe(*QUESTION)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout == second.stdout != ""
    assert "from the cache" not in first.stderr
    cached = "the result was cached|8 map results from the cache"
    assert re.search(cached, second.stderr), "the log is too fresh to be known unread"
    (tmp_path / "access.log").write_text((tmp_path / "access.log").read_text() + LINE.format(1, 2))
    assert "7 map results from the cache" in mrframe(*QUESTION).stderr
    assert "from the cache" not in mrframe(*QUESTION, "--no-cache").stderr
    assert mrframe("run", "status_codes", "access.log").returncode == 0
    assert len(list((tmp_path / "cache/mrframe/results/jobs").iterdir())) == 1, "small inputs are not cached"


def test_listing_and_deleting_what_is_saved(mrframe):
    assert mrframe("cache", "ls").stdout.startswith("0 jobs, 0 B in ")
    mrframe(*QUESTION)
    listed = mrframe("cache", "ls")
    assert "9 results" in listed.stdout and "used today" in listed.stdout, listed.stderr
    plain = json.loads(mrframe("cache", "ls", "--json").stdout)
    assert [(job["results"], job["bytes"] > 0) for job in plain["jobs"]] == [(9, True)]
    assert mrframe("cache", "gc").stdout == "0 B deleted\n"
    assert mrframe("cache", "gc", "--cache-bytes-max", "1").stdout != "0 B deleted\n"
    mrframe(*QUESTION)
    assert mrframe("cache", "clear").returncode == 0
    assert json.loads(mrframe("cache", "ls", "--json").stdout)["jobs"] == []


@pytest.mark.parametrize("share", ["x", "200%", "-1"])
def test_an_impossible_share_to_verify_is_refused(mrframe, share):
    done = mrframe(*QUESTION, f"--verify={share}")
    assert done.returncode == 2
    assert "--verify" in done.stderr


@pytest.mark.parametrize("home", ["/proc", "/proc/nobody"])
def test_a_home_that_cannot_be_written_costs_a_warning_and_not_the_answer(mrframe, home):
    """Also for root: nobody makes a directory in /proc."""
    expected = mrframe("count", "path", "access.log", "--format", "jsonl").stdout
    done = mrframe(*QUESTION, "--format", "jsonl", HOME=home, XDG_CACHE_HOME="", XDG_STATE_HOME="")
    assert done.returncode == 0
    assert done.stdout == expected != ""
    assert "Traceback" not in done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: the results")]
    assert len(warnings) == 1
    assert f"{home}/.cache/mrframe/results cannot be made" in warnings[0]


IMPURE = """
import gzip
from mrframe import Job, count, logs
def known(path):
    return path not in gzip.open("known.gz").read().decode()
job = Job(read=logs.access, where=known, key="path", reduce=count)
"""


def test_why_results_are_not_saved_is_said_with_verbose(mrframe, tmp_path):
    (tmp_path / "job.py").write_text(IMPURE)
    with gzip.open(tmp_path / "known.gz", "wb") as file:
        file.write(b"/1")
    said = f"{tmp_path}/job.py:5 (known) uses gzip.open, which is not known to be pure"
    run = ("run", "job.py", "access.log", "--cache", "on")
    assert f"not cached: {said}" in mrframe(*run, "-v").stderr
    assert "not saved" not in mrframe(*run).stderr
    assert json.loads(mrframe(*run, "--json").stdout)["summary"]["not_saved"].startswith(said)
