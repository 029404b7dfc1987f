"""The master's driver: receive a batch, decide, persist all facts of the turn, perform. It decides nothing.

Rules.
- Nothing is sent that depends on a fact which the journal has not taken.
- Who speaks is known by the key of the connection, not by what a message says: a node may speak for itself
  only, and what clients may say a node may not. What is not allowed, is no message, or is too large is
  counted, dropped and answered with `Refused`; nothing a peer sends comes through the loop as an exception.
- The client's requests are numbered and taken in order, each once; they are repeated until `Accepted`.
- The end of a job is told again until the client has heard it.
- The package of a job is opaque here. A node gets it before its first attempt of the job.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from mrframe.cluster import transport
from mrframe.cluster.auth import Doorkeeper, Keys
from mrframe.cluster.clients import Clients
from mrframe.cluster.lines import Line
from mrframe.cluster.transport import Loop, Received
from mrframe.core import events
from mrframe.core.actions import JobEnded, Persist, SchedulerAction, SendNode
from mrframe.core.facts import Fact
from mrframe.core.limits import SchedulerLimits
from mrframe.core.scheduler import Scheduler
from mrframe.wire import messages
from mrframe.wire.codec import BadMessage
from mrframe.wire.messages import Member

CLIENT = "client"
MASTER = "master"
TICK_S = 0.1


class Journal(Protocol):
    """Where facts are kept. `append` returns when all of them are as safe as this journal makes them."""

    def append(self, facts: Iterable[Fact]) -> None:
        """Keep these facts, all or none."""
        ...


class MemoryJournal:
    """The journal of a cluster that lives for one job: it ends with the master."""

    def __init__(self) -> None:
        self.size = 0

    def append(self, facts: Iterable[Fact]) -> None:
        """Count the facts; nobody will ask for them, since this master is not restarted."""
        self.size += sum(1 for _ in facts)


@dataclass(slots=True)
class NodeRoute:
    """Where a node is reached: the connection of its last message, and what it said of itself."""

    route: bytes
    incarnation: str
    coded: set[str]
    address: messages.NodeAddress | None = None


class Master:
    """The driver. `turn()` is one round of its loop."""

    def __init__(self, keys: Keys, members: Iterable[Member], scheduler: Scheduler, journal: Journal) -> None:
        self.counts: Counter[str] = Counter()
        self._scheduler = scheduler
        self._journal = journal
        self._nodes: dict[str, NodeRoute] = {}
        self._codes: dict[str, bytes] = {}
        self._events: list[events.SchedulerEvent] = []
        context = transport.make_context()
        self.doorkeeper = Doorkeeper(context, members)
        self._router, self.address = transport.listen(context, keys)
        self._clients = Clients(self._router, scheduler)
        self.loop = Loop()
        self.loop.watch(self.doorkeeper.socket, self.doorkeeper.answer)
        self.loop.watch(self._router, self._receive)
        self._next_tick_s = 0.0

    def turn(self) -> None:
        """Receive a batch, decide, persist, perform."""
        self.loop.turn(self._next_tick_s - time.monotonic())
        now_s = time.monotonic()
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + TICK_S
            self._events.append(events.Tick())
        told, self._events = self._events, []
        actions = [action for event in told for action in self._scheduler.handle(event, now_s)]
        facts = [action.fact for action in actions if isinstance(action, Persist)]
        if facts:
            self._journal.append(facts)
        for action in actions:
            self._perform(action, now_s)
        self._clients.tell(now_s)

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
                self._hear(received)
            except BadMessage as error:
                self.counts["bad"] += 1
                self._refuse(received, str(error))

    def _hear(self, received: Received) -> None:
        if received.name == CLIENT:
            known_at = self._clients.route
            request = self._clients.hear(received)
            if self._clients.route != known_at:  # it was not there, or not here, when the nodes came
                self._clients.send(self._peers())
            if request is not None:
                self._of_client(request)
            return
        message = messages.FROM_NODE.decode(received.frames[0].buffer)
        if len(received.frames) != 1 or message.node != received.name:
            raise BadMessage(f"{received.name} may not speak for {message.node!r}")
        self._of_node(message, received.route)

    def _of_client(self, message: Any) -> None:
        match message:
            case messages.JobCode():
                self._codes[message.job] = message.package
            case messages.EndHeard():
                self._clients.end_heard(message)
            case events.NodeGone():
                self._forget_node(message)
                self._events.append(message)
            case _:
                if isinstance(message, events.JobReleased):
                    self._codes.pop(message.job, None)
                    self._clients.release(message.job)
                elif isinstance(message, events.JobSubmitted):
                    self._clients.submitted(message.job)
                self._events.append(message)

    def _of_node(self, message: Any, route: bytes) -> None:
        known = self._nodes.get(message.node)
        if known is None or known.incarnation != message.incarnation:
            if isinstance(message, messages.NodeAddress):
                self._nodes[message.node] = NodeRoute(route, message.incarnation, set(), message)
                self._tell_peers()
            return  # a node says where it is before anything else, and again with every hello
        if known.route != route:  # it has connected anew: what was sent to the old connection may be lost
            known.route = route
            self._tell_peers()
        if isinstance(message, messages.CodeWanted):
            known.coded.discard(message.job)
            self._send_code(known, message.job)
        elif not isinstance(message, messages.NodeAddress):
            self._events.append(message)

    def _refuse(self, received: Received, reason: str) -> None:
        words = messages.TO_CLIENT if received.name == CLIENT else messages.TO_NODE
        transport.send(self._router, received.route, words.encode(messages.Refused(reason)))

    # ---- perform ------------------------------------------------------------------------------------

    def _perform(self, action: SchedulerAction, now_s: float) -> None:
        match action:
            case SendNode():
                self._send_node(action.node, action.message)
            case JobEnded():
                self._clients.ended(action, now_s)
            case Persist():
                pass  # done, before everything else of the turn

    def _send_node(self, name: str, message: Any) -> None:
        node = self._nodes.get(name)
        if node is None:
            return
        if isinstance(message, events.StartAttempt):
            self._send_code(node, message.job)
        elif isinstance(message, events.ForgetJob):
            node.coded.discard(message.job)
        if not transport.send(self._router, node.route, messages.TO_NODE.encode(message)):
            self.counts["unsent"] += 1  # the scheduler repeats what is not answered

    def _send_code(self, node: NodeRoute, job: str) -> None:
        package = self._codes.get(job)
        if package is None or job in node.coded:
            return
        if transport.send(self._router, node.route, messages.TO_NODE.encode(messages.JobCode(job, package))):
            node.coded.add(job)

    def _forget_node(self, event: events.NodeGone) -> None:
        known = self._nodes.get(event.node)
        if known is not None and known.incarnation == event.incarnation:
            del self._nodes[event.node]
            self._tell_peers()

    def _peers(self) -> messages.Peers:
        return messages.Peers(tuple(node.address for _, node in sorted(self._nodes.items()) if node.address))

    def _tell_peers(self) -> None:
        peers = self._peers()
        for node in self._nodes.values():
            transport.send(self._router, node.route, messages.TO_NODE.encode(peers))
        self._clients.send(peers)


def main(end: socket.socket, _work: str) -> None:
    """Be the master: `end` is its line to the client, which ends with the client."""
    line = Line(end, hears=messages.TO_CHILD, says=messages.FROM_CHILD, blocking=True)
    setup = line.wait()
    if setup is None:
        return
    master = make(setup.public_key, setup.secret_key, setup.members, setup.limits)
    line.send(messages.ChildReady(master.address))
    master.loop.watch(line.fileno(), lambda: os._exit(0))  # nothing more is said here: it can only have ended
    while True:
        master.turn()


def make(public_key: bytes, secret_key: bytes, members: Iterable[Member], limits: SchedulerLimits) -> Master:
    """A master of a cluster that lives for one job: first epoch, journal in memory."""
    return Master(Keys(public_key, secret_key), members, Scheduler(1, limits), MemoryJournal())
