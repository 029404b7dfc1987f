"""Runs work in a watched child process, which returns an outcome or leaves its last position behind when it dies.

The child shares a `ProgressPage` with this process. It is killed if the page does not change for `stall_s`. Before
that it is asked for its stack (faulthandler writes the Python stack on a signal, also when the interpreter hangs in
C, and on a fatal fault). Not here: judging the outcome (`isolated_attempt.py`).

Rules. The child never returns into the code that forked it. It stays in this process's group, so that killing the
group kills both. The work's outcome comes over a pipe, as msgpack of plain values, never as a pickle.
"""

from __future__ import annotations

import faulthandler
import linecache
import os
import re
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from tempfile import TemporaryFile
from typing import IO, NoReturn

import msgpack

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.reader import Reader
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Failure
from mrframe.task.isolation import own_state
from mrframe.task.isolation.process_log import flush_prints, log
from mrframe.task.isolation.progress_page import ProgressPage
from mrframe.task.report.failures import is_own

POLL_MS = 50  # between two looks at a silent child
KILLED = "it was killed by SIGKILL"
STACK_S = 1.0  # for a child to write its stack
_FRAME = re.compile(r'  File "(.*)", line (\d+) in (.*)')

Outcome = TaskReport | Failure | None


@dataclass(frozen=True, slots=True)
class Death:
    """The end of a child without an outcome: the reason for people, and the user's part of its stack, or ""."""

    reason: str
    stack: str


def watched(
    work: Callable[[], Outcome], page: ProgressPage, stall_s: float | None, alive: Callable[[], None], directory: str
) -> Outcome | Death:
    """Run `work` in a child and return its outcome. Calls `alive` now and then while there is progress.

    `directory` is for a nameless file. To find a directory itself, `tempfile` would create test files, which stay if
    this process is killed meanwhile.
    """
    with TemporaryFile(dir=directory) as stack:
        readable, writable = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(readable)
            page.watch(own_state.watch(writable))
            _be(work, writable, stack)
        os.close(writable)
        try:
            output, status, fault = _Watch(pid, readable, page, stall_s, stack).wait(alive)
        finally:
            os.close(readable)
        if not fault and output and os.waitstatus_to_exitcode(status) == 0:
            return _decoded(output)
        return Death(fault or _described(status), _user_stack(stack))


class _Watch:
    """The parent's side of one child."""

    def __init__(self, pid: int, readable: int, page: ProgressPage, stall_s: float | None, stack: IO[bytes]) -> None:
        self._pid = pid
        self._readable = readable
        self._page = page
        self._stall_s = stall_s
        self._stack = stack
        self._output = bytearray()

    def wait(self, alive: Callable[[], None]) -> tuple[bytes, int, str]:
        """Return (bytes that it sent, its wait status, why it was killed or "")."""
        poller = select.poll()
        poller.register(self._readable, select.POLLIN)
        seen, moved_s = self._page.raw(), time.monotonic()
        while True:
            open_still = not poller.poll(POLL_MS) or self._take()
            ended, status = os.waitpid(self._pid, 0 if not open_still else os.WNOHANG)
            if ended:
                while poller.poll(0) and self._take():
                    pass  # bytes written before it ended; a process that it left behind may hold the pipe open
                return bytes(self._output), status, ""
            alive()
            now, now_s = self._page.raw(), time.monotonic()
            if now != seen or self._output:
                seen, moved_s = now, now_s
            elif self._stall_s is not None and now_s - moved_s > self._stall_s:
                return b"", self._kill(alive), f"no progress for {self._stall_s:g} s"

    def _take(self) -> bool:
        """Read the available bytes. Returns whether there may be more."""
        some = os.read(self._readable, 1 << 20)
        self._output += some
        return bool(some)

    def _kill(self, alive: Callable[[], None]) -> int:
        """Ask the child for its stack, kill it and return its wait status. A stopped child writes no stack."""
        os.kill(self._pid, signal.SIGUSR2)
        poller = select.poll()
        poller.register(self._readable, select.POLLIN)
        until_s = time.monotonic() + STACK_S
        while not os.fstat(self._stack.fileno()).st_size and time.monotonic() < until_s:
            alive()
            poller.poll(POLL_MS)
        poller.poll(POLL_MS)  # the stack is written line by line
        os.kill(self._pid, signal.SIGKILL)
        return os.waitpid(self._pid, 0)[1]


def _be(work: Callable[[], Outcome], writable: int, stack: IO[bytes]) -> NoReturn:
    """Do the work in the child, send the outcome, exit."""
    status = 1
    try:
        faulthandler.enable(stack, all_threads=False)
        faulthandler.register(signal.SIGUSR2, stack, all_threads=False)
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        _send(writable, _encoded(work()))
        status = 0
    except BaseException:  # the boundary of the process
        log(traceback.format_exc())
    finally:
        flush_prints()
        os._exit(status)


def _send(writable: int, output: bytes) -> None:
    while output:
        try:
            output = output[os.write(writable, output) :]
        except BrokenPipeError:  # the parent is gone, and a traceback would have no reader
            return


def _encoded(outcome: Outcome) -> bytes:
    plain = None if outcome is None else [type(outcome).__name__, asdict(outcome)]
    return bytes(msgpack.packb(plain, unicode_errors="surrogatepass"))


def _decoded(output: bytes) -> Outcome:
    plain = msgpack.unpackb(output, unicode_errors="surrogatepass", strict_map_key=False)
    if plain is None:
        return None
    name, fields = plain
    if name == TaskReport.__name__:
        return TaskReport.from_plain(fields)
    lost, reader = fields.pop("lost"), fields.pop("reader")
    return Failure(**fields, lost=tuple(lost) if lost else None, reader=Reader(**reader) if reader else None)


def _described(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"it ended the process with exit status {code}"
    try:
        return f"it was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was killed by signal {-code}"


def _user_stack(stack: IO[bytes]) -> str:
    """Return the user's frames of the stack that faulthandler wrote, in the order and form of a traceback."""
    stack.seek(0)
    frames = []
    for line in stack.read(1 << 20).decode("utf-8", "replace").splitlines():
        match = _FRAME.fullmatch(line)
        if match and match[1] == __file__:
            break  # frames below belong to mrframe, which called the work
        if match and not is_own(match[1]):
            name, number, function = match.groups()
            text = linecache.getline(name, int(number)).strip()
            frames.append(f'  File "{name}", line {number}, in {function}\n' + (f"    {text}\n" if text else ""))
    return "Stack (most recent call last):\n" + "".join(reversed(frames)) if frames else ""
