"""Measure a run of a command from outside: wall time, CPU and peak memory of it and all its children.

Wall time is from start to exit of the command. CPU is that of all its processes, also those that outlive it: they
become children of this process (Linux: subreaper), which waits for them and ends those that stay. Memory is the
highest sum of PSS (a page that two processes share counts half for each) that polling saw. Processes that live for
a few milliseconds escape it. Not here: the commands (`contestants.py`), and judging answers (`answers.py`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

PR_SET_CHILD_SUBREAPER = 36
POLL_S = (0.01, 0.2)  # the first time between two looks at memory, which then doubles up to the second
ENDING_S = 5.0  # for processes that outlive their command


@dataclass(frozen=True)
class Measured:
    """The cost of one run. `code` is its exit code, negative for a signal. `others_s` is CPU of other processes."""

    wall_s: float
    cpu_s: float
    memory_bytes: int
    code: int
    errors: str = ""
    others_s: float = 0.0


def adopt_orphans() -> None:
    """Become the parent of whatever is started from here and loses its own."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def measure(
    command: Sequence[str], *, env: dict[str, str] | None = None, limit_s: float = 600, orphans: bool = False
) -> Measured:
    """Run a command to its end, or for `limit_s` seconds.

    With `orphans`, after `adopt_orphans`, wait for processes left behind. This process must have no children
    but those.
    """
    before_s, machine_s = _children_cpu_s(), _machine_cpu_s()
    started_s = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    watch = _Memory()
    watch.start()
    stop = threading.Timer(limit_s, process.kill)  # a wait with a timeout would poll
    stop.start()
    assert process.stderr is not None
    with process.stderr as stream:
        told = stream.read()
    code = process.wait()
    wall_s = time.perf_counter() - started_s
    stop.cancel()
    if orphans:
        _end_orphans()
    watch.finish()
    cpu_s = _children_cpu_s() - before_s
    others_s = max(0.0, _machine_cpu_s() - machine_s - cpu_s)
    return Measured(wall_s, cpu_s, watch.peak_bytes, code, told.decode("utf-8", "replace")[-2000:], others_s)


def _end_orphans() -> None:
    """Wait for processes that the command left behind. End those that take long."""
    give_up_s = time.monotonic() + ENDING_S
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if time.monotonic() > give_up_s:
                for left in descendants(os.getpid()):
                    _kill(left)
            time.sleep(0.005)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _machine_cpu_s() -> float:
    """Return CPU seconds of all processes of the machine but ours, without waiting and idling."""
    with open("/proc/stat", "rb") as file:
        user, nice, system, _, _, irq, softirq, *_ = map(int, file.readline().split()[1:])
    own = resource.getrusage(resource.RUSAGE_SELF)
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK") - own.ru_utime - own.ru_stime


def descendants(root: int) -> list[int]:
    """The processes below one."""
    below: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:  # it has just ended
                continue
            below.setdefault(parent, []).append(int(name))
    found = list(below.get(root, ()))
    for pid in found:
        found += below.get(pid, ())
    return found


def pss_bytes(pid: int) -> int:
    """Return the proportional set size of a process, or 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class _Memory(threading.Thread):
    """Looks at the memory of everything below this process until told to finish."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._finished = threading.Event()

    def run(self) -> None:
        wait_s, longest_s = POLL_S
        while not self._finished.wait(wait_s):
            self.peak_bytes = max(self.peak_bytes, sum(map(pss_bytes, descendants(os.getpid()))))
            wait_s = min(longest_s, 2 * wait_s)

    def finish(self) -> None:
        self._finished.set()
        self.join()


def processor() -> str:
    """Return the name of the processor."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
