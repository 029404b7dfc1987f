"""A standing cluster whose log cannot be written goes on; the log of one that ended by itself is kept, and named."""

from __future__ import annotations

import os

from standing import LOG, answer
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


def test_the_log_of_a_cluster_that_ended_by_itself_is_kept_and_named(standing):
    standing.cluster("start", "--nodes", 1, "--slots", 1)
    until(lambda: standing.kill("mrframe master") or not standing.processes())
    last = standing.home / "last.log"
    assert str(last) in standing.run("jobs", "--dir", standing.home, code=4).stderr.decode()
    assert "its master process ended 100 times within 60 s, the last time: killed by SIGKILL" in last.read_text()
    standing.cluster("start", "--nodes", 1, "--slots", 1)
    standing.kill("mrframe super")
    until(lambda: not standing.processes())
    assert str(standing.home / "run" / "log") in standing.run("jobs", "--dir", standing.home, code=4).stderr.decode()
    standing.cluster("start", "--nodes", 1, "--slots", 1)
    assert last.exists()
    standing.cluster("stop")
    assert b"ended by itself" not in standing.run("jobs", "--dir", standing.home, code=4).stderr
    assert not last.exists()
