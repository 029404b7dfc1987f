"""A node's driver: takes messages of master, executors, peers and the clock, asks `NodeCore`, performs its actions.

User code never runs here. A node ends with its warm parent, which it cannot fork again since it has a ZeroMQ context
by now, and with its client's pipe. Its client restarts it. The attempts sealed by an earlier process of this node are
still in its directory, and it offers them to the master again.

Rules.
- The warm parent is forked before the keys arrive and before the first ZeroMQ context is made.
- Master and peers are authenticated by their keys (CURVE), receivers of files by the doorkeeper.
- An attempt whose job's package is not here yet waits for it. Nothing relies on the order of messages.
- A write that the disk refuses fails the attempt that needs it, which is tried elsewhere. If no attempt needs it, the
  node ends.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mrframe.cluster.node import fork_server
from mrframe.cluster.node.fetching import Fetcher, FetchResult
from mrframe.cluster.node.local_inputs import LocalInputs
from mrframe.cluster.node.master_link import MasterLink
from mrframe.cluster.node.node_dir import NodeDir
from mrframe.cluster.node.pool import BLOCK_EXECUTOR, ExecutorEvent, Pool
from mrframe.cluster.node.serving import FileServer
from mrframe.cluster.transport import transport
from mrframe.cluster.transport.auth import Doorkeeper, Keys
from mrframe.cluster.transport.pipes import Pipe
from mrframe.cluster.transport.process import leave
from mrframe.cluster.transport.transport import Loop
from mrframe.core.model import actions, events
from mrframe.core.model.block_messages import STORED, BlockDone, DropBlock, JudgeBlocks, StoreBlock
from mrframe.core.model.manifest_messages import DropVersion, KeepVersion, VersionAsked
from mrframe.core.model.spec import Failure
from mrframe.core.node.node_core import NodeCore
from mrframe.errors import JobFailed, MrframeError
from mrframe.shuffle.partition import slot_range, slots_for
from mrframe.store.disk import has_no_room, unwritten
from mrframe.wire import channels, messages
from mrframe.wire.messages import NodeSetup

if TYPE_CHECKING:
    from mrframe.cluster.node.block_service import BlockService

TICK_S = 0.1
_MASTER = "master"
_OF_BLOCK_EXECUTOR = (events.ExecutorReady, events.ExecutorDied, BlockDone)


class Node:
    """The driver. `turn()` is one round of its loop."""

    def __init__(self, setup: NodeSetup, parent: Pipe, warm_pipe: Pipe) -> None:
        self._setup = setup
        self._events: deque[events.NodeEvent] = deque()
        self._awaiting_package: dict[str, list[actions.Execute]] = {}
        self._dir = NodeDir(setup.directory, setup.storage)
        self._core = NodeCore(
            setup.name,
            setup.incarnation,
            setup.slots,
            setup.limits,
            self._dir.held(),
            interrupted=self._dir.interrupted(),
            blameless=setup.blameless,
        )
        keys = Keys(setup.public_key, setup.secret_key)
        servers = {member.name: member.public_key for member in setup.members}
        context = transport.make_context()
        self.loop = Loop()
        self._doorkeeper = Doorkeeper(context, setup.members)
        router, self._door = transport.listen(context, keys)
        self.address = self._door.address
        self._server = FileServer(router, self._dir.file)
        self._inputs = LocalInputs(setup.name, self._dir, by_path=setup.by_path, report=self._events.append)
        self._fetcher = Fetcher(context, keys, servers, self.loop, self._fetched)
        self._pool = Pool(self.loop, warm_pipe, self._handle_executor, gone=lambda: leave(1))
        connected = transport.connect(context, keys, setup.master_address, servers[_MASTER])
        self._master = MasterLink(connected, self.loop, self._own_address(), self._handle)
        self._block_service = self._make_block_service() if setup.storage else None
        self._parent = parent
        self._reported_pids: list[tuple[str, int]] = []
        self.loop.watch(self._doorkeeper.socket, self._doorkeeper.reply)
        self.loop.watch(router, lambda: self._server.receive(time.monotonic()))
        self.loop.watch(parent.fileno(), lambda: os._exit(0), parent)  # the client only ends, it sends nothing
        self._next_tick_s = 0.0

    def _own_address(self) -> messages.NodeAddress:
        setup = self._setup
        return messages.NodeAddress(setup.name, setup.incarnation, self.address, self._dir.path, setup.storage)

    def _make_block_service(self) -> BlockService:
        from mrframe.cluster.node.block_service import BlockService  # a run has no storage, a keeper with it has this

        setup = self._setup
        return BlockService(
            setup.storage,
            node=(setup.name, setup.incarnation),
            by_path=setup.by_path,
            pool=self._pool,
            fetcher=self._fetcher,
            send=self._master.send,
            scrub_s=setup.limits.scrub_s,
        )

    def turn(self) -> None:
        """Receive, decide, perform."""
        due_s = self._pool.due_s(self._master.due_s(self._next_tick_s))
        self.loop.turn(0.0 if self._server.busy else due_s - time.monotonic())
        now_s = time.monotonic()
        self._pool.read_due(now_s)
        self._server.turn(now_s)
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + TICK_S
            self._door.check()
            self._fetcher.tick(now_s)
            self._pool.tick()
            if self._block_service is not None and self._core.welcome:
                self._block_service.tick(now_s)
            self._events.append(events.Tick())
        while self._events:
            event = self._before_core(self._events.popleft())
            for action in self._core.handle(event, now_s):
                self._perform(action, now_s)
        self._master.flush(now_s, may_wait=self._core.has_queued)

    # ---- receive ------------------------------------------------------------------------------------

    def _handle(self, message: Any) -> None:
        match message:
            case messages.Peers():
                self._fetcher.know(message.nodes)
            case messages.JobCode():
                self._store_package(message)
            case messages.Refused():
                self._master.bad += 1
            case StoreBlock() | DropBlock() | JudgeBlocks() | KeepVersion() | DropVersion() | VersionAsked():
                if self._block_service is not None:
                    self._block_service.handle(message, time.monotonic())
            case _:
                if isinstance(message, events.Welcome) and message.epoch != self._core.epoch and self._block_service:
                    self._block_service.welcomed()
                for name in (getattr(message, "attempt", None), getattr(message, "job", None)):
                    if name is not None:
                        self._check_name(name)
                self._events.append(message)

    def _fetched(self, result: FetchResult) -> None:
        """Take the result of a transfer: of an attempt's input, or of a block for the store."""
        if result.request.key[0] == STORED and self._block_service is not None:
            self._block_service.fetched(result)
        else:
            self._inputs.result(result)

    def _handle_executor(self, event: ExecutorEvent) -> None:
        """Pass events of the block executor to its service and all others to the core."""
        if event.executor != BLOCK_EXECUTOR:
            assert not isinstance(event, BlockDone)
            self._events.append(event)
        elif self._block_service is not None and isinstance(event, _OF_BLOCK_EXECUTOR):
            self._block_service.handle_executor(event)
            self._report_pids()

    def _check_name(self, name: str) -> None:
        """Raise ValueError when this names neither a job nor an attempt: it will be part of a path."""
        if "/" in name:
            self._dir.attempt(name)
        else:
            self._dir.package(name)

    def _store_package(self, message: messages.JobCode) -> None:
        """Store a job's package and start the attempts that wait for it."""
        fault = None
        try:
            self._dir.store_package(message.job, message.package)
        except OSError as error:
            fault = error
        for action in self._awaiting_package.pop(message.job, []):
            if fault is None:
                self._perform(action, time.monotonic())
            else:
                self._events.append(self._failed(action.executor, action.orders[0].attempt, fault))

    def _failed(self, executor: int, attempt: str, error: OSError) -> events.ExecutorFailed:
        """Return the failure of an attempt that needs a write which this node's disk refuses."""
        text = str(unwritten(error, self._dir.path))
        failure = Failure("full" if has_no_room(error) else "io", text, error_slug=JobFailed.slug)
        return events.ExecutorFailed(executor, attempt, failure)

    def _before_core(self, event: events.NodeEvent) -> events.NodeEvent:
        """Do the driver's part about an event. Returns the event for the core to decide on."""
        match event:
            case events.ExecutorSealed():
                return self._seal(event)
            case events.ExecutorFailed():
                self._dir.drop_fetched(event.attempt)
            case events.ExecutorReady() | events.ExecutorDied():
                self._report_pids()
        return event

    def _seal(self, event: events.ExecutorSealed) -> events.NodeEvent:
        try:
            self._dir.seal(event.attempt)
        except FileNotFoundError:
            pass  # its job was forgotten while it ran, and its files are gone
        except OSError as error:
            return self._failed(event.executor, event.attempt, error)
        return event

    # ---- perform ------------------------------------------------------------------------------------

    def _perform(self, action: actions.NodeAction, now_s: float) -> None:
        match action:
            case actions.SendMaster():
                self._master.send(action.message)
            case actions.SpawnExecutor():
                self._pool.spawn(action.executor)
            case actions.KillExecutor():
                self._pool.kill(action.executor)
            case actions.Execute():
                self._execute(action)
            case actions.Fetch():
                self._fetch(action, now_s)
            case actions.DeleteAttempt():
                self._inputs.cancel(self._fetcher, action.attempt)
                self._dir.delete_attempt(action.attempt)
            case actions.DeleteBlock():
                self._dir.delete_block(action.attempt, action.name)
                if action.executor:
                    self._pool.block_deleted(action.executor, action.attempt)
            case actions.DeleteJob():
                self._forget(action.job)

    def _execute(self, action: actions.Execute) -> None:
        package = self._dir.package(action.job)
        if not os.path.exists(package):
            self._awaiting_package.setdefault(action.job, []).append(action)
            self._master.send(messages.CodeWanted(self._setup.name, self._setup.incarnation, action.job))
            return
        orders = [replace(order, out_dir=self._dir.attempt(order.attempt)) for order in action.orders]
        self._pool.execute(action.executor, package, orders)

    def _fetch(self, action: actions.Fetch, now_s: float) -> None:
        slots = None
        if action.partition >= 0:
            slots = slot_range(action.partition, slots_for(action.partitions), action.partitions)
        self._inputs.gather(action, slots, self._fetcher, now_s)

    def _forget(self, job: str) -> None:
        self._inputs.cancel(self._fetcher, job)
        self._awaiting_package.pop(job, None)
        self._dir.delete_job(job)

    def _report_pids(self) -> None:
        pids = self._pool.pids()
        if pids != self._reported_pids:
            self._reported_pids = pids
            self._parent.send(messages.ExecutorPids(tuple(pids)))


def main(end: socket.socket, work: str) -> None:
    """Run a node. `end` is its pipe to the client, which ends with the client."""
    warm_pipe, _ = fork_server.start([end], work)
    parent = Pipe(end, receives=channels.TO_CHILD, sends=channels.FROM_CHILD, blocking=True)
    setup = parent.wait()
    if setup is None:
        return
    try:
        node = Node(setup, parent, warm_pipe)
        parent.send(messages.ChildReady(node.address))
        parent.set_blocking(blocking=False)
        while True:
            node.turn()
    except (MrframeError, OSError) as error:
        if isinstance(error, OSError):
            error = unwritten(error, setup.directory)
        parent.set_blocking(blocking=True)
        parent.send(messages.ChildFault(str(error)))
        leave(1)
