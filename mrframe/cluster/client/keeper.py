"""The keeper: forks master and nodes, reports to the client when one ends, and ends them all when the client goes.

It is the root of a cluster's processes, in a session of its own. The command line forks it before anything else. A
process that may have threads or ZeroMQ contexts starts it by exec (`python -m mrframe.cluster.client.keeper FD`). It
is single-threaded, never makes a ZeroMQ context and never knows a key: each child gets its keys over a pipe of its
own, which the client makes and the keeper only hands down.

The client decides which processes are forked, and which of the dead are forked again. The keeper decides only the
end: when the client's pipe closes, the client's process ends (kill -9 included), or the client asks for it, the
keeper kills every descendant, also those adopted from dead children, removes the scratch directory and leaves. When
the keeper itself is killed, or fails, the directory stays: the client starts another keeper, which goes on there.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

from mrframe.cluster.transport import process
from mrframe.cluster.transport.pipes import Pipe
from mrframe.core.fast_dataclass import dataclass
from mrframe.store import open_files
from mrframe.store.scratch import remove_tree
from mrframe.task.isolation.gc_policy import STARTING, USUAL
from mrframe.task.isolation.process_log import stamp_lines
from mrframe.wire import channels, messages
from mrframe.wire.codec import BadMessage

Main = Callable[[socket.socket, str], None]
_MASTER = "mrframe.cluster.master.master"
_NODE = "mrframe.cluster.node.node"
_STORAGE = "mrframe.cluster.node.block_service"

DEATH_MS = 1000
"""A client may still be seen alive for this long after the end of its pipe."""


@dataclass(frozen=True, slots=True)
class KeeperSpec:
    """The keeper's task: the client to watch, the function that executors run, and the directories to remove.

    `scratch` is the cluster's directory. `run_scratch` contains it and more of the client's files. It is removed too,
    unless the client lives and has only lost its pipe. Neither need exist yet. `standing`: the nodes
    have storage, and standard error is the cluster's log (`process_log.stamp_lines`).
    """

    client_pid: int
    scratch: str
    run_scratch: str
    work: str
    standing: bool = False


class Keeper:
    """The keeper's loop."""

    def __init__(self, pipe: Pipe, spec: KeeperSpec) -> None:
        self._pipe = pipe
        self._spec = spec
        self._dismissed = False
        self._children = process.Children()
        self._poll = select.poll()
        self._client_fd = _watch_process(spec.client_pid)
        for fd in (pipe.fileno(), self._children.fileno(), self._client_fd):
            if fd >= 0:
                self._poll.register(fd, select.POLLIN)

    def run(self) -> None:
        """Serve until the client goes, then end everything."""
        try:
            going = not self._pipe.buffered or self._serve()
            while going:
                going = self._turn()
        finally:
            self._children.end_all()
        over = self._dismissed or self._client_is_dead()
        remove_tree(self._spec.run_scratch if over else self._spec.scratch)

    def _client_is_dead(self) -> bool:
        """Return whether the client has ended. Its pipe closes shortly before that can be seen."""
        if self._client_fd < 0:
            return not _is_there(self._spec.client_pid)
        poll = select.poll()
        poll.register(self._client_fd, select.POLLIN)
        return bool(poll.poll(DEATH_MS))

    def _turn(self) -> bool:
        ready = {fd for fd, _ in self._poll.poll()}
        if self._children.fileno() in ready:
            self._report()
        if self._client_fd in ready:
            return False
        return self._pipe.fileno() not in ready or self._serve()

    def _report(self) -> None:
        ended = self._children.reap()
        for one in ended:
            if one.name:
                self._pipe.send(messages.ChildEnded(one.name, one.pid, one.reason))
        self._children.kill_orphans()

    def _serve(self) -> bool:
        try:
            received = self._pipe.receive()
        except BadMessage:
            return False
        for message in received:
            match message:
                case messages.ForkChildren():
                    self._start(message.names)
                case messages.EndChildren():
                    self._children.end_all()
                case messages.EndAll():
                    self._dismissed = True
                    return False
        return not self._pipe.ended

    def _start(self, names: tuple[str, ...]) -> None:
        """Fork children. One that cannot be forked now is reported as ended."""
        fds = self._pipe.fds
        if len(fds) < len(names):  # this process has too many open to receive them all, so it cannot tell them apart
            while fds:
                os.close(fds.popleft())
            for name in names:
                self._pipe.send(messages.ChildEnded(name, 0, "was not started, as too many files are open"))
            return
        for name in names:
            fd = fds.popleft()
            try:
                self._fork(name, fd)
            except OSError as error:
                os.close(fd)
                self._pipe.send(messages.ChildEnded(name, 0, f"was not started: {error.strerror}"))

    def _fork(self, name: str, fd: int) -> None:
        waiting = list(self._pipe.fds)

        def be() -> None:
            self._pipe.socket.close()
            for other in [*waiting, self._client_fd]:
                if other >= 0:
                    os.close(other)
            process.set_title(f"mrframe {name}")
            _main_of(name)(socket.socket(fileno=fd), self._spec.work)

        pid = self._children.fork(name, be)
        os.close(fd)
        self._pipe.send(messages.ChildStarted(name, pid))


def _main_of(name: str) -> Main:
    """Return the main function of the child of this name, from a module that `_preload` has imported."""
    main: Main = sys.modules[_MASTER if name == "master" else _NODE].__dict__["main"]
    return main


def _preload(work: str, *, storage: bool) -> None:
    """Import all modules that children need: it is paid for once, and the memory is shared."""
    gc.set_threshold(STARTING)
    for name in (_MASTER, _NODE, *((_STORAGE,) if storage else ()), work.partition(":")[0]):
        importlib.import_module(name)
    process.prepare()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*USUAL)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _watch_process(pid: int) -> int:
    """Return a descriptor that becomes readable when the process ends, or -1 where the system has none."""
    if not hasattr(os, "pidfd_open"):
        return -1
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def make_pipe(end: socket.socket) -> Pipe:
    """Return the keeper's end of its pipe to the client."""
    return Pipe(end, receives=channels.TO_KEEPER, sends=channels.FROM_PARENT, blocking=True)


def serve(pipe: Pipe, spec: KeeperSpec) -> NoReturn:
    """Run the keeper in a process that was forked or started for it. Never returns."""

    def main_loop() -> None:
        os.umask(0o077)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        process.settle_streams()
        if spec.standing:
            stamp_lines()
        process.adopt_orphans()
        open_files.raise_limit()
        process.set_title("mrframe keeper")
        _preload(spec.work, storage=spec.standing)
        Keeper(pipe, spec).run()

    process.run_and_leave(main_loop)


def main() -> None:
    """Run a keeper that was started by exec. The argument is the descriptor of its end of the client's pipe."""
    end = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(end.fileno(), False)  # noqa: FBT003 -- as the function is
    pipe = make_pipe(end)
    setup = pipe.wait()
    if setup is None:
        process.leave(1)
    sys.path[:] = setup.module_path
    if setup.python_path is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = setup.python_path
    serve(pipe, KeeperSpec(setup.client_pid, setup.scratch, setup.run_scratch, setup.work, setup.standing))


if __name__ == "__main__":
    main()
