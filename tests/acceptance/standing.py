"""A directory for a standing cluster, and the real command against it, each time as a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOG = ROOT / "sample_logs" / "access.log"


class StandingCluster:
    """A directory for a cluster, and commands that use it. No test may leave one of its processes running."""

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

    def ended(self, *words):
        """Run a command, however it ends."""
        return subprocess.run(
            [sys.executable, "-m", "mrframe", *map(str, words)],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def run(self, *words, code=0):
        done = self.ended(*words)
        assert done.returncode == code, done.stderr.decode()
        return done

    def cluster(self, *words, code=0):
        return self.run("cluster", *words, "--dir", self.home, code=code)

    def submit(self, *words):
        return self.run("submit", *words, "--dir", self.home).stdout.decode().strip()

    def processes(self):
        """Return {pid: title} of the processes that were started here and live."""
        found = {}
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
            with contextlib.suppress(OSError):
                mark = f"MARK_OF_TEST={self.environment['MARK_OF_TEST']}".encode()
                if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    found[pid] = Path(f"/proc/{pid}/comm").read_text().strip()
        return found

    def kill(self, title, number=signal.SIGKILL):
        for pid in [pid for pid, name in self.processes().items() if name == title]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill_all(self):
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def answer(standing, *words):
    """Return the answer of the same job, run inline."""
    return standing.run("run", *words, "--engine", "inline", "-q").stdout
