"""The client's handle on the keeper and its children: start, fork, end.

The client makes a pipe for every child and has the keeper hand it down. Keys go over that pipe only. The keeper is
forked from a single-threaded process of the client's own. Otherwise it is started by exec, since forking a caller's
process with threads or ZeroMQ contexts is unsafe.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence

from mrframe.cluster.client import keeper
from mrframe.cluster.client.keeper import KeeperSpec
from mrframe.cluster.transport import process
from mrframe.cluster.transport.pipes import Pipe, make_pair
from mrframe.cluster.transport.transport import Loop
from mrframe.core.fast_dataclass import dataclass
from mrframe.paths import python_path
from mrframe.task.isolation.process_log import flush_prints
from mrframe.wire import channels, messages
from mrframe.wire.codec import BadMessage


@dataclass(slots=True, eq=False)
class Child:
    """A master or node: its pipe, and its pid once the keeper has reported it."""

    pipe: Pipe
    read: Callable[[], None]
    pid: int = 0


class ProcessTree:
    """The processes of a cluster.

    Calls `ended` with (name, reason) when one ends, `lost` when the keeper has ended. All others end then, too: the
    kernel kills them, and `clear` kills processes that user code has started.
    """

    def __init__(
        self,
        spec: KeeperSpec,
        *,
        exec_keeper: bool,
        loop: Loop,
        ended: Callable[[str, str], None],
        lost: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._ended = ended
        self._lost = lost
        self.children: dict[str, Child] = {}
        here, there = make_pair()
        by_exec = exec_keeper or not _may_fork()
        if by_exec:
            self.keeper_pid = _exec_keeper(there)
        else:
            self.keeper_pid = _fork_keeper(here, there, spec)
        there.close()
        self._pipe = Pipe(here, receives=channels.FROM_PARENT, sends=channels.TO_KEEPER)
        if by_exec:
            self._send_setup(spec)
        loop.watch(here.fileno(), self._receive, self._pipe)

    def _send_setup(self, spec: KeeperSpec) -> None:
        python_path = os.environ.get("PYTHONPATH")
        self._pipe.send(
            messages.KeeperSetup(
                spec.client_pid,
                spec.scratch,
                spec.run_scratch,
                spec.work,
                tuple(sys.path),
                python_path,
                spec.standing,
            )
        )

    def fork(self, names: Sequence[str], on_message: Callable[[str, Pipe], None]) -> None:
        """Have these children forked.

        `on_message` is called with a child's name and pipe when a message has arrived.
        """
        theirs = []
        for name in names:
            here, there = make_pair()
            pipe = Pipe(here, receives=channels.FROM_CHILD, sends=channels.TO_CHILD)
            read = self._reader(name, pipe, on_message)
            self.children[name] = Child(pipe, read)
            self._loop.watch(pipe.fileno(), read, pipe)
            theirs.append(there)
        self._pipe.send(messages.ForkChildren(tuple(names)), [there.fileno() for there in theirs])
        for there in theirs:
            there.close()

    def _reader(self, name: str, pipe: Pipe, on_message: Callable[[str, Pipe], None]) -> Callable[[], None]:
        def read() -> None:
            on_message(name, pipe)
            if pipe.ended:
                self._loop.forget(pipe.fileno())

        return read

    def _receive(self) -> None:
        for message in self._pipe.receive():
            child = self.children.get(message.name)
            if child is None:
                continue
            if isinstance(message, messages.ChildStarted):
                child.pid = message.pid
            elif child.pid == message.pid:
                if not child.pipe.ended:
                    child.read()  # messages that it sent before it ended
                self._loop.forget(child.pipe.fileno())
                child.pipe.close()
                del self.children[message.name]
                self._ended(message.name, message.reason)
        if self._pipe.ended:
            self._loop.forget(self._pipe.fileno())
            self._lost()

    def end_children(self) -> None:
        """Have all processes but the keeper ended, without waiting for it. Their ends are not told."""
        if self.keeper_pid:
            self._pipe.send(messages.EndChildren())

    def end(self) -> None:
        """End all processes and wait until the keeper is gone. May be called again."""
        if not self.keeper_pid:
            return
        self._pipe.send(messages.EndAll())
        self._pipe.socket.settimeout(process.END_S)
        try:
            while not self._pipe.ended:
                self._pipe.receive()
        except (TimeoutError, BadMessage):
            os.kill(self.keeper_pid, signal.SIGKILL)
        self.clear()

    def clear(self) -> int | None:
        """End what is left when the keeper has ended, in whatever way. Returns its wait status if that is known."""
        for child in self.children.values():
            self._loop.forget(child.pipe.fileno())
            child.pipe.close()
        self.children.clear()
        self._loop.forget(self._pipe.fileno())
        self._pipe.close()
        pid, self.keeper_pid = self.keeper_pid, 0
        try:
            if hasattr(os, "waitid") and not _left_orderly(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)):
                process.end_session(pid)
            return os.waitpid(pid, 0)[1]
        except ChildProcessError:
            return None  # the caller's process reaps its children itself


def _left_orderly(end: os.waitid_result | None) -> bool:
    """Return whether a keeper has ended by itself, and all its children before."""
    return end is not None and end.si_code == os.CLD_EXITED and end.si_status == 0


def _may_fork() -> bool:
    """Return whether this process has a single thread, as far as can be known."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return sys.platform != "darwin"


def _fork_keeper(here: socket.socket, there: socket.socket, spec: KeeperSpec) -> int:
    flush_prints()
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pid = os.fork()
        if pid == 0:
            here.close()
            os.setsid()
            keeper.serve(keeper.make_pipe(there), spec)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
    return pid


def _exec_keeper(there: socket.socket) -> int:
    import subprocess  # a command forks its keeper, and does without

    started = subprocess.Popen(  # noqa: S603 -- runs this Python with this package, nothing named by a user
        [sys.executable, "-m", keeper.__name__, str(there.fileno())],
        env={**os.environ, "PYTHONPATH": python_path()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[there.fileno()],
        start_new_session=True,
    )
    started.returncode = 0  # `ProcessTree.end` waits for it by its pid
    return started.pid
