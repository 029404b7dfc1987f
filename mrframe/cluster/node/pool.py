"""The node's executors: pipes to them, and the warm parent that forks and reaps them.

Messages of an executor are checked, since it runs user code. An executor that sends a malformed message or one in the
name of another is killed. So is one with too many processes below it: the system's own limit counts all processes of
a user, and does not apply to root. The death of an executor is reported after all of its messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

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

TOGETHER_S = 0.005
"""Interval at which the reports of an executor with several orders are read."""

ExecutorEvent = (
    ExecutorReady | ExecutorDied | ExecutorSealed | ExecutorFailed | ExecutorBlock | ExecutorBeat | BlockDone
)


@dataclass(slots=True, eq=False)
class ExecutorHandle:
    """One executor process as the node sees it.

    page  path of the page of its isolated attempt
    left  number of orders without a report
    read_s  when its reports are read next, 0.0 if as they arrive
    """

    number: int
    pipe: Pipe
    pid: int = 0
    fault: str = ""
    page: str = ""
    left: int = 0
    read_s: float = 0.0


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

    def execute(self, number: int, package: str, orders: Sequence[Order]) -> None:
        """Send an executor orders, which it carries out after those that it has."""
        executor = self._executors.get(name_of(number))
        if executor is not None:
            first = orders[0]  # an isolated attempt is alone
            executor.page = "" if isinstance(first, DecodeOrder) or not first.isolated else page_path(first.out_dir)
            executor.left += len(orders)
            executor.pipe.send(messages.Work(package, tuple(orders)))

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

    def due_s(self, otherwise_s: float) -> float:
        """Return when `read_due` has work next, or `otherwise_s` if that is earlier."""
        return min([otherwise_s, *(one.read_s for one in self._executors.values() if one.read_s)])

    def read_due(self, now_s: float) -> None:
        """Read the reports of executors with several orders."""
        for executor in [one for one in self._executors.values() if one.read_s and one.read_s <= now_s]:
            self._receive(executor)

    def _watch(self, executor: ExecutorHandle) -> None:
        """Watch the pipe of an executor with one order, and poll that of one with several.

        Most of the cost of a small attempt on the node is waking this process for its report.
        """
        together = executor.left > 1 and not executor.pipe.pending
        if together and not executor.read_s:
            self._loop.forget(executor.pipe.fileno())
        elif not together and executor.read_s:
            self._loop.watch(executor.pipe.fileno(), lambda: self._receive(executor), executor.pipe)
        executor.read_s = time.monotonic() + TOGETHER_S if together else 0.0

    def _receive(self, executor: ExecutorHandle) -> None:
        try:
            for event in executor.pipe.receive():
                if event.executor == executor.number:
                    executor.left -= isinstance(event, ExecutorSealed | ExecutorFailed)
                    self._report(event)
                else:
                    self._kill_for(executor, f"it sent a message in the name of executor {event.executor}")
        except BadMessage as error:
            self._kill_for(executor, f"it sent a malformed message ({error})")
        if executor.pipe.ended:
            executor.read_s = 0.0
            self._loop.forget(executor.pipe.fileno())
        else:
            self._watch(executor)

    def _kill_for(self, executor: ExecutorHandle, fault: str) -> None:
        executor.fault = fault
        executor.pipe.ended = True
        self.kill(executor.number)

    def _remove(self, executor: ExecutorHandle, reason: str) -> None:
        if not executor.pipe.ended:
            self._receive(executor)
        executor.read_s = 0.0
        self._loop.forget(executor.pipe.fileno())
        executor.pipe.close()
        del self._executors[name_of(executor.number)]
        position = take_page(executor.page) if executor.page else None
        self._report(ExecutorDied(executor.number, executor.fault or reason, position))
