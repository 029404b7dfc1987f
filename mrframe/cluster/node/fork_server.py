"""The fork server of a node ("warm parent"): forks executors that have everything imported already.

How it works. A node forks it before it makes its ZeroMQ context, since a process with ZeroMQ's threads cannot be
forked safely. All modules are imported by then, so a new executor costs a fork and no import, and shares their
memory. On request it forks an executor and hands it its end of a pipe to the node, which came with the request. It
reports each executor's end to the node, and ends with its node.
"""

from __future__ import annotations

import gc
import os
import select
import socket

from mrframe.cluster.node import executor
from mrframe.cluster.transport import process
from mrframe.cluster.transport.pipes import Pipe
from mrframe.core.fast_dataclass import dataclass
from mrframe.task.isolation import secret_variables
from mrframe.task.isolation.print_limit import PrintBudget
from mrframe.wire import channels, messages


def name_of(number: int) -> str:
    """Return the name of executor `number`."""
    return f"executor-{number}"


@dataclass(slots=True)
class WarmParent:
    """The fork server's loop."""

    pipe: Pipe
    children: process.Children
    work: str
    budget: PrintBudget

    def run(self) -> None:
        """Serve until the node goes."""
        poll = select.poll()
        poll.register(self.pipe.fileno(), select.POLLIN)
        poll.register(self.children.fileno(), select.POLLIN)
        while not self.pipe.ended:
            ready = {fd for fd, _ in poll.poll()}
            if self.children.fileno() in ready:
                for one in self.children.reap():
                    self.pipe.send(messages.ChildEnded(one.name, one.pid, one.reason))
            if self.pipe.fileno() in ready:
                for message in self.pipe.receive():
                    self._do(message)
        self.children.end_all()

    def _do(self, message: messages.ForkExecutor | messages.EndExecutor) -> None:
        if isinstance(message, messages.ForkExecutor):
            self._fork(message.number)
            return
        pid = self.children.pid_of(name_of(message.number))
        if pid is not None:
            process.kill_group(pid)

    def _fork(self, number: int) -> None:
        """Fork an executor. If that is impossible now, it is reported as ended."""
        if not self.pipe.fds:  # this process had no descriptor left for it
            self.pipe.send(messages.ChildEnded(name_of(number), 0, "was not started, as too many files are open"))
            return
        fd = self.pipe.fds.popleft()
        try:
            self._fork_with(fd, number)
        except OSError as error:
            self.pipe.send(messages.ChildEnded(name_of(number), 0, f"was not started: {error.strerror}"))
        finally:
            os.close(fd)

    def _fork_with(self, fd: int, number: int) -> None:
        waiting = list(self.pipe.fds)

        def be() -> None:
            self.pipe.socket.close()
            for other in waiting:
                os.close(other)
            process.set_title(f"mrframe exec {number}")
            executor.serve(socket.socket(fileno=fd), number, self.work, self.budget)

        pid = self.children.fork(name_of(number), be)
        self.pipe.send(messages.ChildStarted(name_of(number), pid))


def start(others: list[socket.socket], work: str) -> tuple[Pipe, int]:
    """Fork the warm parent, which closes `others`. Returns the node's pipe to it, and its pid."""
    here, there = socket.socketpair()

    def be() -> None:
        here.close()
        for other in others:
            other.close()
        process.set_title("mrframe warm")
        secret_variables.prepare()
        gc.freeze()
        pipe = Pipe(there, receives=channels.TO_WARM_PARENT, sends=channels.FROM_PARENT, blocking=True)
        WarmParent(pipe, process.Children(), work, PrintBudget()).run()

    pid = process.fork(be)
    there.close()
    return Pipe(here, receives=channels.FROM_PARENT, sends=channels.TO_WARM_PARENT), pid
