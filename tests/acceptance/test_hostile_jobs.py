"""Jobs whose code attacks the cluster under it: the job fails alone, by name, and other jobs end right.

On a run and on a standing cluster, with real processes.
"""

from __future__ import annotations

import pytest
from standing import LOG, answer

LINES = 2000
BAD = 1234
JOB = """
import os, resource, signal
from mrframe import Job, text, total

def attack(line):
    if line == "line {bad}":
        {attack}
    yield line.split()[0], 1

job = Job(read=text, map=attack, reduce=total)
"""
PARENT = "os.kill(os.getppid(), 9); signal.pause()"
NODE = """
        pid = os.getpid()
        while not open(f"/proc/{pid}/comm").read().startswith("mrframe node-"):
            pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
        os.kill(pid, 9)"""
BOMB = """
        while True:
            os.fork()"""
CLOSE = "os.closerange(3, 4096)"
FILES = "resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))"
ATTACKS = {"parent": PARENT, "node": NODE, "bomb": BOMB, "descriptors": CLOSE, "files": FILES}


@pytest.fixture(
    params=["parent", *(pytest.param(name, marks=pytest.mark.slow) for name in ATTACKS if name != "parent")]
)
def hostile(request, tmp_path):
    """A job file and a log with one line at which the job attacks."""
    job, log = tmp_path / "hostile.py", tmp_path / "hostile.log"
    job.write_text(JOB.format(bad=BAD, attack=ATTACKS[request.param]))
    log.write_text("".join(f"line {number}\n" for number in range(1, LINES + 1)))
    return job, log


def is_named(words):
    """Return whether the message names the record at which the job attacks."""
    return f"hostile.log:{BAD}" in words and f"line {BAD}" in words


def test_a_run_fails_and_names_the_record(standing, hostile):
    job, log = hostile
    done = standing.run("run", job, log, "--engine", "local", "--nodes", 2, "--split-bytes", 5000, code=1)
    assert is_named(done.stderr.decode()), done.stderr.decode()


def test_a_cluster_fails_that_job_alone(standing, hostile):
    job, log = hostile
    standing.cluster("start", "--nodes", 2, "--slots", 1)
    bad = standing.submit(job, log, "--split-bytes", 5000)
    good = standing.submit("status_codes", LOG, "--split-bytes", 20_000)
    done = standing.run("wait", bad, "--timeout-s", 60, "--dir", standing.home, code=1)
    assert is_named(done.stderr.decode()), done.stderr.decode()
    standing.run("wait", good, "--timeout-s", 60, "--dir", standing.home)
    assert standing.run("result", good, "--dir", standing.home).stdout == answer(standing, "status_codes", LOG)
    standing.cluster("stop")
    assert standing.processes() == {}
