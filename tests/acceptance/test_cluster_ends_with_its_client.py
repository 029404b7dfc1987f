"""However the client of a cluster ends, nothing of the cluster is left: no process, no directory.

The clients are processes of their own: a script that forks the keeper, one that starts it by exec, and the
real command. They are ended by SIGKILL, SIGTERM and SIGINT at random moments, while they start included.
"""

import os
import random
import re
import select
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEAVE_S = 5.0
MARK = "MRFRAME_TEST_MARK"
SCRIPT = textwrap.dedent(
    """
    import sys
    from mrframe.cluster.client.client import LocalCluster
    from mrframe.core.model.spec import Split, StepSpec
    from mrframe.store.scratch import Scratch

    run = Scratch(later=True)
    cluster = LocalCluster.start(
        nodes=2,
        slots=1,
        scratch=f"{run.path}/cluster",
        run_scratch=run.path,
        make_run_scratch=run.make,
        exec_keeper=sys.argv[1] == "exec",
        work="fake_work:run",
    )
    cluster.submit("job-1", (StepSpec(2),), b'{"busy_s": 0.05}')
    cluster.add_splits("job-1", tuple(Split("file", "s", "/none", 0, 1, (i, 0)) for i in range(1000)))
    while True:
        cluster.poll(10)
    """
)


class Client:
    """A client process, its temporary directory and a mark by which its descendants are known."""

    def __init__(self, folder, *command):
        self.mark = f"{MARK}={os.urandom(8).hex()}"
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        name, _, value = self.mark.partition("=")
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "integration" / "cluster")])
        self.process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, name: value, "TMPDIR": str(self.tmp), "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )

    def run_for(self, seconds):
        """Let it run; whether it still does."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def handles_signals(self):
        """Wait until it has its own handler for SIGTERM, which a command installs once its modules are loaded."""
        deadline = time.monotonic() + 20
        while not self._caught() & 1 << (signal.SIGTERM - 1):
            assert self.run_for(0.01)
            assert time.monotonic() < deadline

    def _caught(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^SigCgt:\s+(\w+)", status, re.MULTILINE)[1], 16)

    def others(self):
        """Pids of the processes of its cluster."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                marked = self.mark.encode() in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if marked and int(entry) != self.process.pid:
                found.append(int(entry))
        return found

    def end(self, number):
        """End it with a signal; (its exit status, what it printed as errors)."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.returncode, errors.decode()

    def left(self):
        """What is left of it within the time it has: pids, and entries of its temporary directory."""
        deadline = time.monotonic() + LEAVE_S
        for pid in self.others():
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            poll.poll(max(0, deadline - time.monotonic()) * 1000)
            os.close(handle)
        return self.others(), os.listdir(self.tmp)


@pytest.mark.parametrize("how", ["fork", "exec"])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_outlives_a_killed_client(tmp_path, how, seed):
    client = Client(tmp_path, "-c", SCRIPT, how)
    assert client.run_for(random.Random(seed).uniform(0.1, 0.8)), client.process.stderr.read().decode()
    client.end(signal.SIGKILL)
    assert client.left() == ([], [])


def test_leftovers_would_be_found(tmp_path):
    """The other tests here look for processes by a mark; a living cluster has it."""
    client = Client(tmp_path, "-c", SCRIPT, "fork")
    deadline = time.monotonic() + 10
    while len(client.others()) < 8:  # keeper, master, 2 nodes, 2 warm parents, 2 executors
        assert client.run_for(0.02)
        assert time.monotonic() < deadline
    assert os.listdir(client.tmp) != []
    client.end(signal.SIGKILL)
    assert client.left() == ([], [])


NEVER_ENDING = """
from mrframe import Job, text, total


def busy(line):
    while True:
        pass
    yield line, 1


job = Job(read=text, map=busy, reduce=total)
"""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
@pytest.mark.parametrize("seed", range(2))
def test_nothing_outlives_the_command(tmp_path, number, status, seed):
    job = tmp_path / "busy.py"
    job.write_text(NEVER_ENDING)
    command = ("-m", "mrframe", "run", str(job), "sample_logs/access.log.1", "--engine", "local", "--splits", "4")
    client = Client(tmp_path, *command)
    client.handles_signals()
    assert client.run_for(random.Random(seed).uniform(0.1, 0.7))
    ended, errors = client.end(number)
    assert ended == status, errors
    assert "Traceback" not in errors
    assert client.left() == ([], [])
