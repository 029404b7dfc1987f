"""The master's driver: receive a batch, decide, persist all facts of the turn, perform. It decides nothing itself.

Rules.
- Nothing is sent that depends on a fact which the journal has not taken.
- The key of a connection says who sends, not the message: a node may speak for itself only, and may not send the
  messages of clients. A message that is not allowed, malformed or too large is counted, dropped, and the reply is
  `Refused`. Nothing that a peer sends reaches the loop as an exception.
- Requests of clients are numbered, taken in order, each once, and accepted when their facts are in the journal.
- A job's package is opaque here and kept in the journal with the submission. A node gets it before its first attempt
  of the job.
- The log of a standing cluster says when a submission was accepted, ended and was removed.
- A master ends when it cannot write its journal. Everything that it has sent until then is there. Its client starts
  another one.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from mrframe.cluster.master.client_sessions import CLIENT, MASTER, ClientSessions
from mrframe.cluster.master.fact_journal import DiskJournal, Journal, RunJournal
from mrframe.cluster.transport import transport
from mrframe.cluster.transport.auth import Doorkeeper, Keys
from mrframe.cluster.transport.pipes import Pipe
from mrframe.cluster.transport.process import leave
from mrframe.cluster.transport.transport import Loop, Received
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model import events
from mrframe.core.model.actions import JobEnded, Persist, SchedulerAction, SendNode
from mrframe.core.model.facts import Fact, JobFinished
from mrframe.core.safe_text import escaped_line
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.errors import JobFailed, MrframeError
from mrframe.task.isolation.gc_policy import collect_long_lived
from mrframe.task.isolation.process_log import log
from mrframe.wire import channels, messages
from mrframe.wire.codec import BadMessage
from mrframe.wire.framing import apart, joined
from mrframe.wire.messages import Member

TICK_S = 0.1


@dataclass(slots=True)
class NodeRoute:
    """How to reach a node: the connection of its last message, and the address that it reported."""

    route: bytes
    incarnation: str
    has_package: set[str]
    address: messages.NodeAddress | None = None


class Master:
    """The driver. `turn()` is one round of its loop.

    `whole`: it takes submissions as a whole (`client_sessions.py`).
    """

    def __init__(
        self,
        keys: Keys,
        members: Iterable[Member],
        scheduler: Scheduler,
        journal: Journal,
        *,
        packages: dict[str, bytes] | None = None,
        address: str = "",
        whole: bool = False,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._scheduler = scheduler
        self._journal = journal
        self._nodes: dict[str, NodeRoute] = {}
        self._packages: dict[str, bytes] = packages or {}
        self._events: list[events.SchedulerEvent] = []
        self._outgoing: dict[bytes, list[bytes]] = {}  # by route: messages of this turn to a node
        context = transport.make_context()
        self.doorkeeper = Doorkeeper(context, members)
        self._router, self._door = transport.listen(context, keys, address)
        self.address = self._door.address
        self._clients = ClientSessions(self._router, scheduler, whole=whole)
        self._logs = whole
        self.loop = Loop()
        self.loop.watch(self.doorkeeper.socket, self.doorkeeper.reply)
        self.loop.watch(self._router, self._receive)
        self._next_tick_s = 0.0

    def turn(self) -> None:
        """Receive a batch, decide, persist, perform."""
        self.loop.turn(self._next_tick_s - time.monotonic())
        now_s = time.monotonic()
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + TICK_S
            self._door.check()
            self._events.append(events.Tick())
        received, self._events = self._events, []
        wall_s = time.time()
        actions = [action for event in received for action in self._scheduler.handle(event, now_s, wall_s)]
        facts = [action.fact for action in actions if isinstance(action, Persist)]
        if facts:
            begun = [fact.job for fact in facts if isinstance(fact, events.JobSubmitted)]
            self._journal.append(facts, {job: self._packages[job] for job in begun if job in self._packages})
            for text in filter(None, map(_log_text, facts)) if self._logs else ():
                log(text)
        for action in actions:
            self._perform(action, now_s)
        self._flush()
        self._clients.send_due(now_s)

    # ---- receive ------------------------------------------------------------------------------------

    def _receive(self) -> None:
        for _ in range(transport.BATCH_MAX):
            try:
                received = transport.receive(self._router)
            except BadMessage:
                self.counts["bad"] += 1
                continue
            if received is None:
                return
            try:
                self._handle(received)
            except BadMessage as error:
                self.counts["bad"] += 1
                self._refuse(received, str(error))

    def _handle(self, received: Received) -> None:
        if received.name == CLIENT:
            for request in self._clients.receive(received, self._peers()):
                self._handle_client(request)
            return
        for part in (part for frame in received.frames for part in apart(frame.buffer)):
            message = channels.FROM_NODE.decode(part)
            if message.node != received.name:
                raise BadMessage(f"{received.name} may not speak for {message.node!r}")
            self._handle_node(message, received.route)

    def _handle_client(self, message: Any) -> None:
        match message:
            case messages.JobCode():
                self._packages[message.job] = message.package
            case events.NodeGone():
                self._forget_node(message)
                self._events.append(message)
            case _:
                if isinstance(message, events.JobReleased):
                    self._packages.pop(message.job, None)
                    self._clients.release(message.job)
                self._events.append(message)

    def _handle_node(self, message: Any, route: bytes) -> None:
        known = self._nodes.get(message.node)
        if known is None or known.incarnation != message.incarnation:
            if isinstance(message, messages.NodeAddress):
                self._nodes[message.node] = NodeRoute(route, message.incarnation, set(), message)
                self._send_peers()
            elif known is None:  # it knows an earlier process of this master: let it join again
                hello = events.Welcome(message.node, self._scheduler.state.epoch)
                transport.send(self._router, route, channels.TO_NODE.encode(hello))
            return  # a node sends its address before anything else, and again with every `NodeJoined`
        if known.route != route:  # it has connected anew, so messages to the old connection may be lost
            known.route = route
            self._send_peers()
        if isinstance(message, messages.CodeWanted):
            known.has_package.discard(message.job)
            self._send_package(known, message.job)
        elif not isinstance(message, messages.NodeAddress):
            self._events.append(message)

    def _refuse(self, received: Received, reason: str) -> None:
        words = channels.TO_CLIENT if received.name == CLIENT else channels.TO_NODE
        transport.send(self._router, received.route, words.encode(messages.Refused(reason)))

    # ---- perform ------------------------------------------------------------------------------------

    def _perform(self, action: SchedulerAction, now_s: float) -> None:
        match action:
            case SendNode():
                self._send_node(action.node, action.message)
            case JobEnded():
                self._clients.ended(action, now_s)
            case Persist():
                pass  # done before all other actions of the turn

    def _send_node(self, name: str, message: Any) -> None:
        node = self._nodes.get(name)
        if node is None:
            return
        if isinstance(message, events.StartAttempt):
            self._send_package(node, message.job)
        elif isinstance(message, events.ForgetJob):
            node.has_package.discard(message.job)
        self._outgoing.setdefault(node.route, []).append(channels.TO_NODE.encode(message))

    def _flush(self) -> None:
        for route, frames in self._outgoing.items():
            for some in transport.batches(frames):
                if not transport.send(self._router, route, joined(some)):
                    self.counts["unsent"] += len(some)  # the scheduler repeats messages without a reply
        self._outgoing.clear()

    def _send_package(self, node: NodeRoute, job: str) -> None:
        package = self._packages.get(job)
        if package is None or job in node.has_package:
            return
        if transport.send(self._router, node.route, channels.TO_NODE.encode(messages.JobCode(job, package))):
            node.has_package.add(job)

    def _forget_node(self, event: events.NodeGone) -> None:
        known = self._nodes.get(event.node)
        if known is not None and known.incarnation == event.incarnation:
            del self._nodes[event.node]
            self._send_peers()

    def _peers(self) -> messages.Peers:
        return messages.Peers(tuple(node.address for _, node in sorted(self._nodes.items()) if node.address))

    def _send_peers(self) -> None:
        peers = self._peers()
        for node in self._nodes.values():
            transport.send(self._router, node.route, channels.TO_NODE.encode(peers))
        self._clients.send_to_all(peers)


def _log_text(fact: Fact) -> str:
    """Return what the log says of a fact, or "" for nothing."""
    match fact:
        case events.JobSubmitted(job):
            return f"{job} is accepted"
        case JobFinished(job, None):
            return f"{job} is done"
        case JobFinished(job, failure) if failure is not None:
            return f"{job} has failed: {failure.error_slug or JobFailed.slug}: {escaped_line(failure.message)}"
        case events.JobReleased(job):
            return f"{job} is removed"
    return ""


def main(end: socket.socket, _work: str) -> None:
    """Run the master. `end` is its pipe to the client, which ends with the client."""
    pipe = Pipe(end, receives=channels.TO_CHILD, sends=channels.FROM_CHILD, blocking=True)
    setup = pipe.wait()
    if setup is None:
        return
    collect_long_lived()
    try:
        master = make(setup)
        pipe.send(messages.ChildReady(master.address))
        master.loop.watch(
            pipe.fileno(), lambda: os._exit(0)
        )  # the client sends nothing more here: readable means that it has ended
        while True:
            master.turn()
    except MrframeError as error:  # the journal cannot be used, but everything sent until now is on the disk
        pipe.send(messages.ChildFault(str(error)))
        leave(1)


def make(setup: messages.MasterSetup) -> Master:
    """Make the master of a journal: the first one, or the successor of those that have written it."""
    keys = Keys(setup.public_key, setup.secret_key)
    standing = setup.standing
    journal = DiskJournal(setup.journal) if standing else RunJournal(setup.journal, new=not setup.address)
    facts, packages = journal.recall()
    scheduler = Scheduler(journal.begin_epoch(), setup.limits)
    scheduler.recover(facts)
    if standing:
        scheduler.expect(member.name for member in setup.members if member.name not in (CLIENT, MASTER))
    return Master(keys, setup.members, scheduler, journal, packages=packages, address=setup.address, whole=standing)
