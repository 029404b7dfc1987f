"""Finds the processes of a standing cluster by its directory's path, and ends them, whatever that directory holds.

A supervisor has the path among its arguments, and it and all its descendants have it in `MARK` in their environment.
Both are read from /proc. So a cluster can be stopped when its files, or its whole directory, are gone or damaged.
Only processes of this user are found. A number that belongs to another process by now is not signalled, since each is
searched for again after a handle on it (pidfd) was opened.

Not here: asking a cluster to do anything but end (`visitor.py`).
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack

MARK = "_MRFRAME_CLUSTER"
"""Variable with the real path of the cluster's directory, in the environment of all its processes."""
SUPERVISOR = "mrframe.cluster.client.supervisor"
AGAIN_S = 0.5  # how soon processes are searched for again, for those that were started meanwhile


def marked(path: str) -> dict[str, str]:
    """Return the part of the environment that marks the processes of the cluster in this directory."""
    return {MARK: os.path.realpath(path)}


def supervisors(path: str) -> list[int]:
    """Return the pids of the supervisors that were started for this directory."""
    return [pid for pid in _own_pids() if _supervised(pid) == os.path.realpath(path)]


def members(path: str) -> list[int]:
    """Return the pids of all processes of the cluster in this directory, without the caller."""
    mark = os.fsencode(f"{MARK}={os.path.realpath(path)}")
    found = [pid for pid in _own_pids() if mark in _words(pid, "environ")]
    return sorted({*found, *supervisors(path)} - {os.getpid()})


def end(find: Callable[[], list[int]], number: signal.Signals, wait_s: float) -> bool:
    """Signal each process that `find` gives, until it gives none. Returns whether all of them ended in time."""
    signalled: set[int] = set()

    def send(pid: int, handle: int) -> None:
        if pid not in signalled:
            signalled.add(pid)
            _send(handle, number)

    return _wait(find, send, lambda: False, wait_s)


def wait(find: Callable[[], list[int]], until: Callable[[], bool], wait_s: float) -> bool:
    """Wait until `find` gives no process or `until()` is true. Returns False when neither happens in time."""
    return _wait(find, lambda _pid, _handle: None, until, wait_s)


def _wait(
    find: Callable[[], list[int]], seen: Callable[[int, int], None], until: Callable[[], bool], wait_s: float
) -> bool:
    deadline_s = time.monotonic() + wait_s
    while not until():
        with ExitStack() as stack:
            handles = _handles(find, stack)
            if not handles:
                return True
            for pid, handle in handles.items():
                seen(pid, handle)
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            _wait_for_one(handles.values(), min(left_s, AGAIN_S))
    return True


def _handles(find: Callable[[], list[int]], stack: ExitStack) -> dict[int, int]:
    """Open a handle on each process that is found. They are closed with the stack."""
    handles = {}
    for pid in find():
        try:
            handles[pid] = os.pidfd_open(pid)
        except OSError:
            continue  # it has ended
        stack.callback(os.close, handles[pid])
    found = set(find()) if handles else set()
    return {pid: handle for pid, handle in handles.items() if pid in found}


def _send(handle: int, number: signal.Signals) -> None:
    for one in (number, signal.SIGCONT):  # a process that is suspended would not handle it
        try:
            signal.pidfd_send_signal(handle, one)
        except OSError:
            return  # it has ended


def _wait_for_one(handles: Iterable[int], seconds: float) -> None:
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    poll.poll(seconds * 1000)


def _supervised(pid: int) -> str:
    """Return the real path of the directory that this process supervises, "" for any other process."""
    words = _words(pid, "cmdline")
    for before, word, path in zip(words, words[1:], words[2:], strict=False):
        if before == b"-m" and word == SUPERVISOR.encode():
            return os.path.realpath(os.fsdecode(path))
    return ""


def _own_pids() -> list[int]:
    """Return the pids of this user's processes, none where the system has no /proc."""
    found = []
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in filter(str.isdecimal, names):
        try:
            if os.stat(f"/proc/{name}").st_uid == os.geteuid():
                found.append(int(name))
        except OSError:
            continue  # it has ended
    return found


def _words(pid: int, name: str) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []  # it has ended, or is another user's
