"""The node's executors: pipes to them, and the warm parent that forks and reaps them.

Messages of an executor are checked, since it runs user code. An executor that sends a malformed message or one in the
name of another is killed. So is one with too many processes below it: the system's own limit counts all processes of
a user, and does not apply to root. The death of an executor is reported after all of its messages.
"""

from __future__ import annotations

from collections.abc import Callable

from mrframe.cluster.node.fork_server import name_of
from mrframe.cluster.transport import process
from mrframe.cluster.transport.pipes import Pipe, make_pair
from mrframe.cluster.transport.transport import Loop
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.block_messages import BlockDone, JudgeOrder, StoreOrder
from mrframe.core.model.events import (
    ExecutorBeat,
    ExecutorBlock,
    ExecutorDied,
    ExecutorFailed,
    ExecutorReady,
    ExecutorSealed,
)
from mrframe.core.model.spec import DecodeOrder, Order
from mrframe.task.isolation.progress_page import page_path, take_page
from mrframe.wire import channels, messages
from mrframe.wire.codec import BadMessage

BLOCK_EXECUTOR = 0
"""The number of the block executor (`block_executor.py`) among the executors, which count from 1."""
BELOW_MAX = 64
"""Most processes that may live below an executor at a time."""

ExecutorEvent = (
    ExecutorReady | ExecutorDied | ExecutorSealed | ExecutorFailed | ExecutorBlock | ExecutorBeat | BlockDone
)


@dataclass(slots=True, eq=False)
class ExecutorHandle:
    """One executor process as the node sees it. `page`: path of the page of its isolated attempt."""

    number: int
    pipe: Pipe
    pid: int = 0
    fault: str = ""
    page: str = ""


class Pool:
    """The executors of a node. `report` gets their events, `gone` is called when the warm parent ends."""

    def __init__(
        self, loop: Loop, warm: Pipe, report: Callable[[ExecutorEvent], None], gone: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._warm = warm
        self._report = report
        self._gone = gone
        self._executors: dict[str, ExecutorHandle] = {}
        loop.watch(warm.fileno(), self._receive_warm, warm)

    def pids(self) -> list[tuple[str, int]]:
        """Return (name, pid) of the executors that are up."""
        return [(name, executor.pid) for name, executor in sorted(self._executors.items()) if executor.pid]

    def spawn(self, number: int) -> None:
        """Start an executor. `ExecutorReady` follows."""
        here, there = make_pair()
        pipe = Pipe(here, receives=channels.FROM_EXECUTOR, sends=channels.TO_EXECUTOR)
        executor = self._executors[name_of(number)] = ExecutorHandle(number, pipe)
        self._warm.send(messages.ForkExecutor(number), [there.fileno()])
        there.close()
        self._loop.watch(pipe.fileno(), lambda: self._receive(executor), pipe)

    def kill(self, number: int) -> None:
        """Kill an executor. `ExecutorDied` follows."""
        self._warm.send(messages.EndExecutor(number))

    def execute(self, number: int, package: str, order: Order) -> None:
        """Send an order to an executor."""
        executor = self._executors.get(name_of(number))
        if executor is not None:
            executor.page = "" if isinstance(order, DecodeOrder) or not order.isolated else page_path(order.out_dir)
            executor.pipe.send(messages.Work(package, order))

    def block_deleted(self, number: int, attempt: str) -> None:
        """Tell the executor that decodes in this attempt that there is room for another block."""
        executor = self._executors.get(name_of(number))
        if executor is not None:
            executor.pipe.send(messages.BlockDeleted(attempt))

    def work_on(self, number: int, order: StoreOrder | JudgeOrder) -> None:
        """Send an order to a block executor."""
        executor = self._executors.get(name_of(number))
        if executor is not None:
            executor.pipe.send(messages.BlockWork(order))

    def tick(self) -> None:
        """Kill executors with too many processes."""
        for executor in self._executors.values():
            if executor.pid and not executor.fault and process.count_below(executor.pid, BELOW_MAX) > BELOW_MAX:
                executor.fault = f"it had more than {BELOW_MAX} processes below it; start fewer at a time"
                self.kill(executor.number)

    def _receive_warm(self) -> None:
        for message in self._warm.receive():
            executor = self._executors.get(message.name)
            if executor is None:
                continue
            if isinstance(message, messages.ChildStarted):
                executor.pid = message.pid
                self._report(ExecutorReady(executor.number))
            else:
                self._remove(executor, message.reason)
        if self._warm.ended:
            self._gone()

    def _receive(self, executor: ExecutorHandle) -> None:
        try:
            for event in executor.pipe.receive():
                if event.executor == executor.number:
                    self._report(event)
                else:
                    self._kill_for(executor, f"it sent a message in the name of executor {event.executor}")
        except BadMessage as error:
            self._kill_for(executor, f"it sent a malformed message ({error})")
        if executor.pipe.ended:
            self._loop.forget(executor.pipe.fileno())

    def _kill_for(self, executor: ExecutorHandle, fault: str) -> None:
        executor.fault = fault
        executor.pipe.ended = True
        self.kill(executor.number)

    def _remove(self, executor: ExecutorHandle, reason: str) -> None:
        if not executor.pipe.ended:
            self._receive(executor)
        self._loop.forget(executor.pipe.fileno())
        executor.pipe.close()
        del self._executors[name_of(executor.number)]
        position = take_page(executor.page) if executor.page else None
        self._report(ExecutorDied(executor.number, executor.fault or reason, position))
