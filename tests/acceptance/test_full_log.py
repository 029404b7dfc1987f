"""A standing cluster whose log cannot be written goes on; the log of one that ended by itself is kept, and named."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest
from test_standing_cluster import LOG, Place, answer
from test_submissions import until

# The log leads to a device that is always full: each write to it fails in the kernel, whoever makes it.
FULL_LOG = """
import os

real_open = os.open

def open_full(path, flags, *args, **named):
    if str(path).endswith("/run/log"):
        return real_open("/dev/full", os.O_WRONLY | os.O_CLOEXEC)
    return real_open(path, flags, *args, **named)

os.open = open_full
"""


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    for pid in place.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_log_on_a_full_disk_ends_no_process(place, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(FULL_LOG)
    place.environment["PYTHONPATH"] += os.pathsep + str(tmp_path)
    place.cluster("start", "--nodes", 2, "--slots", 1)
    wanted = answer(place, "visitors", LOG)
    for victim in ("mrframe master", "mrframe node-1"):
        job = place.submit("visitors", LOG, "--split-bytes", 5000)
        place.kill(victim)
        place.run("wait", job, "--timeout-s", 50, "--dir", place.home)
        assert place.run("result", job, "--dir", place.home).stdout == wanted
    place.cluster("stop")
    assert place.processes() == {}


def test_the_log_of_a_cluster_that_ended_by_itself_is_kept_and_named(place):
    place.cluster("start", "--nodes", 1, "--slots", 1)
    place.kill("mrframe keeper")
    until(lambda: not place.processes())
    last = place.home / "last.log"
    assert str(last) in place.run("jobs", "--dir", place.home, code=4).stderr.decode()
    assert "keeper process has ended" in last.read_text()
    place.cluster("start", "--nodes", 1, "--slots", 1)
    place.kill("mrframe super")
    until(lambda: not place.processes())
    assert str(place.home / "run" / "log") in place.run("jobs", "--dir", place.home, code=4).stderr.decode()
    place.cluster("start", "--nodes", 1, "--slots", 1)
    assert last.exists()
    place.cluster("stop")
    assert b"ended by itself" not in place.run("jobs", "--dir", place.home, code=4).stderr
    assert not last.exists()
