"""The real command against a standing cluster: submit, wait, result; the master killed; nothing left after stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOG = ROOT / "sample_logs" / "access.log"


class Place:
    """A home for a cluster, and the command as a process of its own."""

    def __init__(self, folder):
        self.home = folder / "cluster"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MRFRAME", "PYTHON"))},
            "PYTHONPATH": str(ROOT),
            "XDG_CONFIG_HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "TMPDIR": str(folder),
            "MARK_OF_TEST": str(folder),
        }

    def run(self, *words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "mrframe", *map(str, words)],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr.decode()
        return done

    def cluster(self, *words, code=0):
        return self.run("cluster", *words, "--dir", self.home, code=code)

    def submit(self, *words):
        return self.run("submit", *words, "--dir", self.home).stdout.decode().strip()

    def processes(self):
        """{pid: title} of all that was started here and lives."""
        found = {}
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
            with contextlib.suppress(OSError):
                mark = f"MARK_OF_TEST={self.environment['MARK_OF_TEST']}".encode()
                if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    found[pid] = Path(f"/proc/{pid}/comm").read_text().strip()
        return found

    def kill(self, title):
        for pid in [pid for pid, name in self.processes().items() if name == title]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    for pid in place.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def answer(place, *words):
    return place.run("run", *words, "--engine", "inline", "-q").stdout


def test_submit_wait_result_and_nothing_is_left(place):
    place.cluster("start", "--nodes", 2, "--slots", 1)
    refused = place.cluster("start", code=4)
    assert b"runs in" in refused.stderr
    assert b"already" in refused.stderr
    job = place.submit("top_urls", LOG, "--limit", 5, "--split-bytes", 20_000)
    assert job == "job-1"
    place.run("wait", job, "--dir", place.home)
    got = place.run("result", "@", "--dir", place.home)
    assert got.stdout == answer(place, "top_urls", LOG, "--limit", 5)
    state = json.loads(place.cluster("status", "--json").stdout)
    assert [(node["node"], node["state"]) for node in state["nodes"]] == [("node-1", "joined"), ("node-2", "joined")]
    assert [(one["job"], one["state"]) for one in state["submissions"]] == [("job-1", "done")]
    place.run("wait", "job-9", "--dir", place.home, code=2)
    place.cluster("stop")
    assert place.processes() == {}
    assert sorted(os.listdir(place.home)) == ["blocks", "journal", "nodes", "submissions"]
    assert not list(Path(place.environment["TMPDIR"]).glob("mrframe-*"))
    place.cluster("start", "--nodes", 2, "--slots", 1)
    assert place.run("result", job, "--dir", place.home).stdout == got.stdout
    place.cluster("stop")


def test_the_master_and_a_node_are_killed_and_the_answer_is_the_same(place):
    place.cluster("start", "--nodes", 2, "--slots", 1)
    jobs = []
    for victim in ("mrframe master", "mrframe node-1"):
        jobs.append(place.submit("visitors", LOG, "--split-bytes", 3000))
        place.kill(victim)
    wanted = answer(place, "visitors", LOG)
    for job in jobs:
        place.run("wait", job, "--timeout-s", 50, "--dir", place.home)
        assert place.run("result", job, "--dir", place.home).stdout == wanted
    assert json.loads(place.cluster("status", "--json").stdout)["epoch"] == 2
    place.cluster("stop")
    assert place.processes() == {}


@pytest.mark.slow
@pytest.mark.parametrize("kills", [30])
def test_the_master_is_killed_again_and_again(place, kills):
    place.cluster("start", "--nodes", 2, "--slots", 1)
    wanted = answer(place, "visitors", LOG)
    for number in range(kills // 2):
        job = place.submit("visitors", LOG, "--split-bytes", 1000 + 137 * number)
        for _ in range(2):
            place.kill("mrframe master")
            place.cluster("status")  # the next one answers
        place.run("wait", job, "--timeout-s", 50, "--dir", place.home)
        assert place.run("result", job, "--dir", place.home).stdout == wanted
    state = json.loads(place.cluster("status", "--json").stdout)
    assert [one["state"] for one in state["submissions"]] == ["done"] * (kills // 2)
    place.cluster("stop")
    assert place.processes() == {}


@pytest.mark.slow
def test_everything_is_killed_and_the_next_cluster_goes_on(place):
    place.cluster("start", "--nodes", 2, "--slots", 1)
    job = place.submit("status_codes", LOG, "--split-bytes", 3000)
    place.kill("mrframe super")  # its keeper ends all the rest
    place.cluster("start", "--nodes", 2, "--slots", 1)
    place.run("wait", job, "--timeout-s", 50, "--dir", place.home)
    assert place.run("result", job, "--dir", place.home).stdout == answer(place, "status_codes", LOG)
    place.cluster("stop")
    assert place.processes() == {}


def test_without_a_cluster_there_is_an_error_with_the_remedy(place):
    for words in (("submit", "status_codes", LOG), ("cluster", "stop")):
        refused = place.run(*words, "--dir", place.home, code=4)
        assert b"no cluster runs in" in refused.stderr
        assert b"mrframe cluster start" in refused.stderr


@pytest.mark.slow
def test_wait_reports_the_failure_of_a_job(place, tmp_path):
    job = tmp_path / "bad.py"
    job.write_text(
        "from mrframe import Job, logs, count\n\n\ndef fail(status):\n    raise ValueError('no good')\n"
        "    yield status, 1\n\n\njob = Job(read=logs.combined, map=fail, reduce=count)\n"
    )
    place.cluster("start", "--nodes", 1, "--slots", 1)
    name = place.submit(job, LOG)
    assert b"no good" in place.run("wait", name, "--dir", place.home, code=1).stderr
    assert b"no good" in place.run("result", name, "--dir", place.home, code=1).stderr
    place.cluster("stop")


@pytest.mark.slow
def test_a_damaged_journal_is_an_error_and_not_an_empty_one(place):
    place.cluster("start", "--nodes", 1, "--slots", 1)
    place.cluster("stop")
    with open(place.home / "journal" / "journal.mark", "r+b") as file:
        file.write(b"\xff")
    refused = place.cluster("start", code=1)
    assert b"is damaged" in refused.stderr
    assert place.processes() == {}


def test_a_cluster_directory_open_to_others_is_refused(place):
    place.home.mkdir(mode=0o755)
    assert b"lets others in" in place.cluster("start", code=2).stderr
