"""Whole runs of the command as processes of their own, what they are made of, and what is left of them.

A run is started in a session and a temporary directory of its own, with a mark in its environment by which all
its processes are found, wherever they hang in the tree. Its processes are told apart by the titles that they
give themselves. Nothing here judges: the tests do.
"""

import contextlib
import os
import random
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_logs"
LEAVE_S = 5.0
END_S = 60.0
LOOK_S = 0.002
MARK = "MRFRAME_CHAOS_MARK"


class Run:
    """One run of `mrframe run`: `args` are the words after it."""

    def __init__(self, folder, *args, stdin=subprocess.DEVNULL, tmp=None, **environment):
        self.mark = os.urandom(8).hex()
        self.folder = folder
        folder.mkdir()
        self.tmp = tmp or folder / "tmp"
        self.tmp.mkdir(exist_ok=True)
        self._out, self._err = folder / "out", folder / "err"
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("MRFRAME", "PYTHON"))}
        own = {MARK: self.mark, "TMPDIR": str(self.tmp), "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(folder)}
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self.started_s = time.monotonic()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mrframe", "run", *map(str, args)],
                env={**plain, **own, **environment},
                cwd=ROOT,
                stdin=stdin,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.ended_s = 0.0
        self.sockets = set()

    @property
    def out(self):
        return self._out.read_bytes()

    @property
    def err(self):
        return self._err.read_text("utf-8", "replace")

    @property
    def code(self):
        return self.process.returncode

    @property
    def took_s(self):
        return self.ended_s - self.started_s

    def runs_for(self, seconds):
        """Let it run; whether it still does."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        self.ended_s = time.monotonic()
        return False

    def to_its_end(self):
        assert not self.runs_for(END_S), f"it still runs after {END_S:g} s: {self.processes()}"
        return self

    def processes(self):
        """{pid: title} of all its living processes; the client is "client"."""
        found = {}
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
            with contextlib.suppress(OSError):
                if f"{MARK}={self.mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    found[pid] = Path(f"/proc/{pid}/comm").read_text().strip().removeprefix("mrframe ")
        if self.process.pid in found:
            found[self.process.pid] = "client"
        return found

    def pids(self, title):
        """Pids of the processes whose title begins so ("exec", "node", "master", "keeper"), in order."""
        return sorted(pid for pid, name in self.processes().items() if name.startswith(title))

    def sealed(self):
        """How many attempts its nodes have completed."""
        count = 0
        with contextlib.suppress(OSError):  # all of it may be removed while it is looked at
            for lines in self.tmp.glob("mrframe-*/cluster/node-*/job-1/sealed"):
                count += lines.read_bytes().count(b"\n")
        return count

    def note_sockets(self):
        """Remember the sockets that its processes have now, to see later that they are gone."""
        for pid in self.processes():
            with contextlib.suppress(OSError):
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(OSError):
                        kind = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}"))
                        self.sockets |= {kind[1]} if kind else set()

    def interrupt(self):
        """Ctrl-C, as a terminal does it: SIGINT for the whole process group."""
        self.note_sockets()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        return self.to_its_end()

    def kill(self):
        """`kill -9` of the client alone."""
        self.note_sockets()
        self.process.kill()
        return self.to_its_end()

    def left(self):
        """What is left of it, as text, and is ended now, so that a test that fails leaves nothing either."""
        found = self.remains()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found

    def remains(self, within_s=LEAVE_S):
        """What is left of it, as text: waits for the end of its processes at most so long since its own."""
        deadline_s = self.ended_s + within_s
        while (living := self.processes()) and time.monotonic() < deadline_s:
            wait_for_end(living, deadline_s)
        return [
            *(f"process {pid} ({title})" for pid, title in living.items()),
            *(f"socket {place}" for place in _open_sockets(self.sockets)),
            *(f"in the temporary directory: {name}" for name in os.listdir(self.tmp)),
            *(f"in the run's folder: {name}" for name in {*os.listdir(self.folder)} - {"tmp", "out", "err"}),
        ]


def wait_for_end(pids, deadline_s):
    """Wait until these processes have ended, or for the deadline."""
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue  # it has ended
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000)
        os.close(handle)


def _open_sockets(inodes):
    """The lines of these sockets in the kernel's tables: ports that listen, connections, socket files."""
    found = []
    for table, column in (("tcp", 9), ("tcp6", 9), ("unix", 6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[column] in inodes:
                found.append(f"{table} {line.strip()}")
    return found


def moments(seed, longest):
    """Endless random numbers from 0 to `longest`, the same for a seed."""
    rng = random.Random(seed)
    while True:
        yield rng.uniform(0, longest)
