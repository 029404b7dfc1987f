"""Whatever is deleted, emptied or garbled in a cluster's directory: it stops with no process left, and starts again.

Where the next start is refused the message names the damaged path, and the remedy that it names lets it start.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest
from chaos import wait_for_end
from standing import LOG

DAMAGES = ("deleted", "emptied", "garbled")
PATHS = [
    "",
    "blocks",
    "blocks/node-1",
    "blocks/node-1/blocks",
    "blocks/node-1/manifests",
    "blocks/node-1/provisional",
    "blocks/node-1/staging",
    "journal",
    "journal/journal.db",
    "journal/journal.db-wal",
    "journal/journal.mark",
    "log",
    "nodes",
    "nodes/node-1",
    "nodes/node-1/job-1",
    "nodes/node-1/job-1/package",
    "nodes/node-1/job-1/sealed",
    "run",
    "run/access",
    "run/fault",
    "submissions",
    "submissions/job-1",
    "submissions/job-1/package",
    "submissions/job-1/record",
]
END_S = 15.0


@pytest.fixture
def running(standing):
    """A cluster of one node with a submission that is done and a dataset."""
    standing.cluster("start", "--nodes", 1, "--slots", 1)
    standing.run("wait", standing.submit("status_codes", LOG), "--dir", standing.home)
    standing.run("fs", "put", "access", LOG, "--dir", standing.home)
    return standing


def damage(path: Path, how: str) -> None:
    folder = path.is_dir()
    size = path.stat().st_size
    if how == "emptied" and folder:
        for one in path.iterdir():
            shutil.rmtree(one) if one.is_dir() else one.unlink()
    elif how == "emptied":
        os.truncate(path, 0)
    elif folder:
        shutil.rmtree(path)
    elif how == "deleted":
        path.unlink()
    if how == "garbled":
        path.write_bytes(random.Random(size).randbytes(max(size, 100)))
        path.chmod(0o600)


def all_have_ended(standing) -> bool:
    until_s = time.monotonic() + END_S
    while (living := standing.processes()) and time.monotonic() < until_s:
        wait_for_end(living, until_s)
    return not standing.processes()


def stop(standing) -> None:
    """Stop it, by the command if it still runs: a cluster without a directory ends by itself."""
    done = standing.ended("cluster", "stop", "--dir", standing.home)
    assert done.returncode == 0 or all_have_ended(standing), done.stderr.decode()
    assert standing.processes() == {}


def check_stop_and_start(standing, name: str, how: str) -> None:
    path = standing.home / name
    damage(path, how)
    stop(standing)
    start = ("cluster", "start", "--nodes", 1, "--slots", 1, "--dir", standing.home)
    started = standing.ended(*start)
    if started.returncode:
        aside = path if name.partition("/")[0] != "journal" else standing.home / "journal"
        assert str(aside).encode() in started.stderr, started.stderr.decode()
        aside.rename(standing.home.with_name("aside"))  # "move it away", "remove it"
        started = standing.ended(*start)
    assert started.returncode == 0, started.stderr.decode()
    standing.run("jobs", "--dir", standing.home)
    job = standing.submit("status_codes", LOG)
    standing.run("wait", job, "--dir", standing.home)
    standing.cluster("stop")
    assert standing.processes() == {}


def test_it_stops_and_starts_again_when_its_access_file_is_garbled(running):
    check_stop_and_start(running, "run/access", "garbled")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", PATHS)
def test_it_stops_and_starts_again_whatever_was_damaged(running, name, how):
    check_stop_and_start(running, name, how)


@pytest.mark.slow
def test_the_table_names_all_that_a_cluster_makes(running):
    found = {""} | {str(path.relative_to(running.home)) for path in running.home.rglob("*")}
    apart = ("blocks/node-1/blocks/", "blocks/node-1/manifests/", "nodes/node-1/job-1/m", "nodes/node-1/job-1/r")
    assert {name for name in found if not name.startswith(apart)} == set(PATHS)


def test_a_cluster_without_its_directory_ends_and_makes_nothing_there(running):
    shutil.rmtree(running.home)
    assert all_have_ended(running)
    assert not running.home.exists()


@pytest.mark.slow
def test_a_moved_directory_ends_its_cluster_and_starts_again_where_it_is(running):
    moved = running.home.with_name("moved")
    running.home.rename(moved)
    assert all_have_ended(running)
    running.home = moved
    running.cluster("start", "--nodes", 1, "--slots", 1)
    assert running.run("result", "job-1", "--dir", moved).stdout
    running.cluster("stop")


@pytest.mark.slow
def test_a_start_beside_a_live_cluster_leaves_its_files_alone(running):
    before = sorted(running.home.rglob("*"))
    (running.home / "lock").write_text("")  # as earlier versions had it
    (running.home / "lock").unlink()
    refused = running.cluster("start", code=4)
    assert b"runs in" in refused.stderr
    assert sorted(running.home.rglob("*")) == before
    running.cluster("stop")


@pytest.mark.slow
def test_a_suspended_supervisor_is_stopped(running):
    running.kill("mrframe super", 19)
    running.cluster("stop")
    assert running.processes() == {}


@pytest.mark.slow
def test_processes_that_a_killed_supervisor_left_are_ended_by_the_next_start(running):
    running.kill("mrframe keeper", 19)  # so that it cannot end them
    running.kill("mrframe super")
    running.cluster("start", "--nodes", 1, "--slots", 1)
    titles = sorted(running.processes().values())
    assert titles.count("mrframe keeper") == titles.count("mrframe master") == 1, titles
    running.cluster("stop")
    assert running.processes() == {}
