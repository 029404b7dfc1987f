"""A node's link to the master: receives its messages, and sends the node's own, several small ones together.

Most of the cost of a small message is waking its receiver. So while the node has work anyway, messages wait up to
`TOGETHER_S` for more. Not here: the meaning of messages (`node.py`, `core/node`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mrframe.cluster.transport import transport
from mrframe.cluster.transport.transport import Loop, Outbox, Socket
from mrframe.core.model import events
from mrframe.wire import channels
from mrframe.wire.codec import BadMessage
from mrframe.wire.framing import apart, joined
from mrframe.wire.messages import NodeAddress

TOGETHER_S = 0.005
"""Longest wait for more messages to the master, while this node has work anyway."""


class MasterLink:
    """The link over a connected socket. `handle` gets each message and raises ValueError for one with wrong names.

    `address` is the node's own, which the master gets before each `NodeJoined`. `bad` counts malformed messages.
    """

    def __init__(self, socket: Socket, loop: Loop, address: NodeAddress, handle: Callable[[Any], None]) -> None:
        self.bad = 0
        self._outbox = Outbox(socket)
        self._address = address
        self._handle = handle
        self._outgoing: list[bytes] = []
        self._flushed_s = 0.0
        loop.watch(socket, self._receive, self._outbox)

    def _receive(self) -> None:
        for _ in range(transport.BATCH_MAX):
            try:
                frames = transport.receive_reply(self._outbox.socket)
                if frames is None:
                    return
                for part in (part for frame in frames for part in apart(frame.buffer)):
                    self._handle(channels.TO_NODE.decode(part))
            except (BadMessage, ValueError):  # ValueError: it names something that is neither a job nor an attempt
                self.bad += 1

    def send(self, message: Any) -> None:
        """Send a message, now or with a later `flush`."""
        if isinstance(message, events.NodeJoined):
            self._outgoing.append(channels.FROM_NODE.encode(self._address))
        self._outgoing.append(channels.FROM_NODE.encode(message))
        if len(self._outgoing) >= transport.TOGETHER_MAX:
            self._flush()

    def due_s(self, otherwise_s: float) -> float:
        """Return when `flush` is due at the latest, or `otherwise_s` if nothing waits or that is earlier."""
        return min(otherwise_s, self._flushed_s + TOGETHER_S) if self._outgoing else otherwise_s

    def flush(self, now_s: float, *, may_wait: bool) -> None:
        """Send the messages that wait, unless they may wait for more and have not waited too long."""
        if self._outgoing and not (may_wait and now_s < self._flushed_s + TOGETHER_S):
            self._flush()
            self._flushed_s = now_s

    def _flush(self) -> None:
        for some in transport.batches(self._outgoing):
            self._outbox.send(joined(some))
        self._outgoing.clear()
