"""The log of a standing cluster outlives its processes, and a disk that refuses it ends none of them."""

from __future__ import annotations

import json
import os
import re

from standing import LOG, answer
from test_submissions import until

# The log leads to a device that is always full: each write to it fails in the kernel, whoever makes it.
FULL_LOG = """
import os

real_open = os.open

def open_full(path, flags, *args, **named):
    if str(path).endswith("/cluster/log"):
        return real_open("/dev/full", os.O_WRONLY | os.O_CLOEXEC)
    return real_open(path, flags, *args, **named)

os.open = open_full
"""

TALKS = """
from mrframe import Job, count, text

def talk(line):
    print("seen")
    yield "lines", 1

job = Job(read=text, map=talk, reduce=count)
"""


def test_a_log_on_a_full_disk_ends_no_process(standing, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(FULL_LOG)
    standing.environment["PYTHONPATH"] += os.pathsep + str(tmp_path)
    standing.cluster("start", "--nodes", 2, "--slots", 1)
    wanted = answer(standing, "visitors", LOG)
    for victim in ("mrframe master", "mrframe node-1"):
        job = standing.submit("visitors", LOG, "--split-bytes", 5000)
        standing.kill(victim)
        standing.run("wait", job, "--timeout-s", 50, "--dir", standing.home)
        assert standing.run("result", job, "--dir", standing.home).stdout == wanted
    standing.cluster("stop")
    assert standing.processes() == {}


def test_the_log_outlives_stop_crash_and_start_and_is_named_after_a_crash(standing, tmp_path):
    (tmp_path / "talks.py").write_text(TALKS)
    log = standing.home / "log"
    standing.cluster("start", "--nodes", 1, "--slots", 1)
    assert json.loads(standing.cluster("status", "--json").stdout)["log"] == str(log)
    job = standing.submit(tmp_path / "talks.py", LOG)
    standing.run("wait", job, "--dir", standing.home)
    standing.cluster("stop")
    first = log.read_text()
    stamped = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.search(rf"^{stamped} exec \d+\[\d+\] {job}/m0000\.1\.1: seen$", first, re.MULTILINE)
    assert re.search(rf"^{stamped} master\[\d+\] {job} is done$", first, re.MULTILINE)
    assert re.search(rf"^{stamped} super\[\d+\] stops, as it was asked to$", first, re.MULTILINE)
    assert b"ended by itself" not in standing.run("jobs", "--dir", standing.home, code=4).stderr
    standing.cluster("start", "--nodes", 1, "--slots", 1)
    standing.kill("mrframe super")
    until(lambda: not standing.processes())
    assert (
        f"ended by itself, and {log} may say why"
        in standing.run("jobs", "--dir", standing.home, code=4).stderr.decode()
    )
    standing.cluster("start", "--nodes", 1, "--slots", 1)
    assert log.read_text().startswith(first)
    assert log.read_text().count(" serves\n") == 3
    standing.cluster("stop")


def test_a_cluster_that_ended_by_itself_says_why(standing):
    standing.cluster("start", "--nodes", 1, "--slots", 1)
    until(lambda: standing.kill("mrframe master") or not standing.processes())
    log = standing.home / "log"
    assert str(log) in standing.run("jobs", "--dir", standing.home, code=4).stderr.decode()
    assert "its master process ended 100 times within 60 s, the last time: killed by SIGKILL" in log.read_text()
    assert os.listdir(standing.home / "run") == ["fault"], "the keys are gone"
