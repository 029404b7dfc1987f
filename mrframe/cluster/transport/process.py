"""Processes of the operating system: fork a child, bind its life to its parent's, see it end.

Used by the two processes that fork, the keeper and a node's warm parent. Both are single-threaded and never have a
ZeroMQ context. The client uses it to end what a killed keeper has left. Messages are not known here.

Rules.
- A child never returns into the code that forked it: it leaves by `os._exit`, after flushing.
- A child dies with its parent. On Linux it sets the parent-death signal and then checks its parent's id, since the
  parent may have died before. Elsewhere the end of its pipe ends it.
- Every child leads a process group, so that processes started by user code can be killed with it.
- Ctrl-C is for the client alone: SIGINT is ignored everywhere below it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from mrframe.core.fast_dataclass import dataclass
from mrframe.task.isolation import stdout
from mrframe.task.isolation.process_log import flush_prints, log, name_process

END_S = 5.0
"""Time that processes are given to end."""
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_ARG_START = 45  # of the fields of /proc/PID/stat after the name; see proc(5), arg_start and arg_end


@functools.cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _prctl(option: int, value: Any) -> None:
    libc = _libc()
    if libc is not None:
        libc.prctl(option, value, 0, 0, 0)


def prepare() -> None:
    """Load the library for `die_with`, `set_title` and `adopt_orphans` before the first fork."""
    _libc()
    _arguments()


def die_with(parent: int) -> None:
    """Have the kernel kill this process when `parent`, which forked it, ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Adopt descendants when their own parent ends (subreaper), so that none can escape."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_title(title: str, *, keep_arguments: bool = False) -> None:
    """Show this name in ps and top: in place of the command line, and as the name (15 characters on Linux).

    Without "mrframe" it is the name in the log of a standing cluster. `keep_arguments`: the command line stays, since
    others find the process by it.
    """
    name_process(title.removeprefix("mrframe "))
    _prctl(_PR_SET_NAME, title.encode()[:15])
    start, length = (0, 0) if keep_arguments else _arguments()
    if length:
        ctypes.memmove(start, title.encode()[: length - 1].ljust(length, b"\0"), length)


@functools.cache
def _arguments() -> tuple[int, int]:
    """Return (address, bytes) of this process's command line, which ps shows. (0, 0) where it cannot be found.

    Python has copied it to `sys.argv`, and a forked child has it at the same address.
    """
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[_ARG_START]), int(fields[_ARG_START + 1])
    except (OSError, IndexError, ValueError):
        return 0, 0
    return (start, end - start) if 0 < start < end else (0, 0)


def settle_streams() -> None:
    """Close standard input and send standard output to standard error: the former belongs to the client's data."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    stdout.release()
    os.dup2(2, 1)


def describe_status(status: int) -> str:
    """Describe a wait status for people: "killed by SIGKILL", "exited with status 1"."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def kill_group(pid: int) -> None:
    """Kill a child and the rest of its process group. Does nothing when it has ended."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def fork(main: Callable[[], None]) -> int:
    """Fork a child that runs `main`, leads a process group, dies with this process and leaves. Returns its pid."""
    parent = os.getpid()

    def be() -> None:
        _lead_group(0)
        die_with(parent)
        main()

    pid = os.fork()
    if pid == 0:
        run_and_leave(be)
    _lead_group(pid)
    return pid


def run_and_leave(main: Callable[[], None]) -> NoReturn:
    """Run `main` as the whole rest of this process and print the exception that it raises."""
    status = 1
    try:
        main()
        status = 0
    except BaseException:  # the boundary of the process: nothing may run back into a caller's frames
        import traceback  # takes 2 ms to load

        log(traceback.format_exc())
    finally:
        leave(status)


@dataclass(frozen=True, slots=True)
class ChildExit:
    """A child that has ended. `name` is empty for an adopted orphan."""

    name: str
    pid: int
    reason: str


class Children:
    """The children that this process forks. `fileno()` is readable when one of them may have ended."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._readable, self._wake = os.pipe()
        os.set_blocking(self._readable, False)
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def fileno(self) -> int:
        """Return the descriptor, for a poll."""
        return self._readable

    def fork(self, name: str, main: Callable[[], None]) -> int:
        """Fork a child that runs `main` and leaves. Returns its pid."""

        def be() -> None:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._readable)
            os.close(self._wake)
            main()

        pid = fork(be)
        self._names[pid] = name
        return pid

    def pid_of(self, name: str) -> int | None:
        """Return the pid of a living child of this name, or None."""
        return next((pid for pid, known in self._names.items() if known == name), None)

    def reap(self) -> list[ChildExit]:
        """Return the children that have ended since the last call."""
        try:
            while os.read(self._readable, 4096):
                pass
        except BlockingIOError:
            pass
        exits = []
        while (one := _wait(os.WNOHANG)) is not None:
            pid, status = one
            _kill_rest(pid)
            exits.append(ChildExit(self._names.pop(pid, ""), pid, describe_status(status)))
        return exits

    def kill_orphans(self) -> None:
        """Kill adopted descendants of children that have ended (Linux)."""
        for pid in _children_of(os.getpid()):
            if pid not in self._names:
                _kill_tree(pid)

    def end_all(self) -> None:
        """Kill all children and all their descendants, and wait until none is left."""
        while True:
            pids = set(self._names) | set(_children_of(os.getpid()))
            for pid in pids:
                _kill_tree(pid)
            one = _wait(0)
            if one is None:
                return
            self._names.pop(one[0], None)


def end_session(leader: int) -> None:
    """Kill what is left of the session of a process that has ended, and wait for its end (Linux).

    The leader is not reaped yet, so nobody else can have its number. Gives up after `END_S`.
    """
    until_s = time.monotonic() + END_S
    while (pids := _in_session(leader)) and (left_s := until_s - time.monotonic()) > 0:
        for pid in pids:
            _kill_and_wait(pid, left_s)


def _kill_and_wait(pid: int, timeout_s: float) -> None:
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return  # it has ended
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(timeout_s * 1000)
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        os.close(handle)


def _in_session(leader: int) -> list[int]:
    """Return the pids of the living processes of a session."""
    found = []
    for name in os.listdir("/proc") if sys.platform == "linux" else ():
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    words = file.read().rpartition(b")")[2].split()
            except OSError:
                continue  # it has ended
            if int(words[3]) == leader and words[0] not in (b"Z", b"X"):
                found.append(int(name))
    return found


def leave(status: int) -> NoReturn:
    """End this process at once, after flushing the output of user code."""
    flush_prints()
    os._exit(status)


def _kill_rest(pid: int) -> None:
    """Kill the rest of the process group of a child that has ended."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nothing is left


def _lead_group(pid: int) -> None:
    try:
        os.setpgid(pid, 0 if pid == 0 else pid)
    except (PermissionError, ProcessLookupError):
        pass  # the child, which does the same, was first, or has ended


def _wait(options: int) -> tuple[int, int] | None:
    """Return (pid, status) of a child that has ended, or None."""
    try:
        pid, status = os.waitpid(-1, options)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def count_below(pid: int, enough: int) -> int:
    """Count the descendants of a process (Linux only, elsewhere 0). Counting stops above `enough`."""
    count, waiting = 0, [pid]
    while waiting and count <= enough:
        found = _children_of(waiting.pop())
        count += len(found)
        waiting += found
    return count


def _children_of(pid: int) -> list[int]:
    """Return the pids of the children that its threads have started."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += [int(word) for word in file.read().split()]
    except (OSError, ValueError):
        pass  # it has ended
    return found


def _kill_tree(pid: int) -> None:
    below = _children_of(pid)
    kill_group(pid)
    for child in below:
        _kill_tree(child)
