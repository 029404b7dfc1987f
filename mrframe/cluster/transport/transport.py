"""Sockets with the options that all must have, and the poll loop of a process.

Every socket is made here: CURVE, loopback, limits on sizes and on unfinished handshakes, heartbeats that detect a
stopped peer, no lingering. Sending never blocks. Knows nothing of the meaning of messages.

Rules (each was measured, see the zguide and docs/protocol.md).
- A ROUTER names its connections itself. Routing ids chosen by peers are neither used nor handed over, so that no peer
  can take over another's. The sender's name is the one that the doorkeeper gave to its key (`User-Id`).
- ROUTER_MANDATORY: a message to a peer that is gone or does not read is refused, not swallowed.
- A DEALER queues nothing while it is not connected (IMMEDIATE). The `Outbox` holds waiting messages, bounded.
- MAXMSGSIZE limits one frame, not a message: `receive` limits the number of frames.
- Sent is not delivered: every protocol above repeats unanswered messages.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import zmq

from mrframe.cluster.transport.auth import DOMAIN, Keys
from mrframe.cluster.transport.door import Door
from mrframe.cluster.transport.pipes import Pipe
from mrframe.errors import ClusterUnreachable
from mrframe.wire.codec import MESSAGE_BYTES_MAX, BadMessage

Context = zmq.Context[zmq.Socket[bytes]]
Socket = zmq.Socket[bytes]

FRAMES_MAX = 10
TOGETHER_MAX = 64
"""Messages between master and node that may travel as one: most of the cost of a small one is waking its receiver."""
TOGETHER_BYTES_MAX = 256 << 10
FRAME_BYTES_MAX = MESSAGE_BYTES_MAX + 1024
OUTBOX_MAX = 10_000
BATCH_MAX = 256
"""Messages taken from one socket before the others have their turn."""
END_CONTEXT_S = 2.0

_IN, _OUT = int(zmq.POLLIN), int(zmq.POLLOUT)  # as ints: an enum's operators cost more than the call they guard
_BOTH = _IN | _OUT
_NO_WAIT = int(zmq.NOBLOCK)
_MORE = int(zmq.NOBLOCK) | int(zmq.SNDMORE)

_HOST = "127.0.0.1"
_LIBZMQ_MIN = (4, 3, 5)  # older ones have known holes before authentication

_OPTIONS = {
    zmq.LINGER: 0,
    zmq.MAXMSGSIZE: FRAME_BYTES_MAX,
    zmq.HANDSHAKE_IVL: 2_000,
    zmq.HEARTBEAT_IVL: 1_000,
    zmq.HEARTBEAT_TIMEOUT: 5_000,
    zmq.HEARTBEAT_TTL: 6_000,
    zmq.SNDHWM: 2_000,
    zmq.RCVHWM: 2_000,
    zmq.SNDTIMEO: 0,
    zmq.RCVTIMEO: 0,
}


class Received(NamedTuple):
    """A message that has arrived: its connection, the peer's name by its key, and the other frames."""

    route: bytes
    name: str
    frames: list[zmq.Frame]


def make_context() -> Context:
    """Make the process's one ZeroMQ context. Raises ClusterUnreachable when this libzmq cannot be used."""
    if zmq.zmq_version_info() < _LIBZMQ_MIN or not zmq.has("curve"):
        raise ClusterUnreachable(
            f"libzmq {zmq.zmq_version()} with CURVE: {zmq.has('curve')}; mrframe needs 4.3.5 or later with CURVE, "
            "as in the wheels of pyzmq 26 and later: reinstall pyzmq"
        )
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 4096)
    return context


def end_context(context: Context) -> None:
    """Close all sockets of a context and end it, waiting for `END_CONTEXT_S` at most.

    Ending a context waits for its sockets for ever. An interrupt can hide a socket from `destroy`, or stop a client
    while it connects.
    """
    ending = threading.Thread(target=context.destroy, kwargs={"linger": 0}, daemon=True)
    ending.start()
    ending.join(END_CONTEXT_S)


def listen(context: Context, keys: Keys, address: str = "") -> tuple[Socket, Door]:
    """Make a ROUTER on loopback for the peers that the context's doorkeeper accepts. Returns it and its door.

    Its port is random, or that of an earlier process. Raises ClusterUnreachable when another process has taken it.
    """
    try:
        door = Door(_HOST, int(address.rpartition(":")[2] or 0))
    except OSError as error:
        raise ClusterUnreachable(f"the master cannot listen at {address or _HOST} again: {error.strerror}") from None
    socket = _secure(context.socket(zmq.ROUTER), keys)
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    door.attach(socket)
    return socket, door


def connect(context: Context, keys: Keys, address: str, server_key: bytes) -> Socket:
    """Make a DEALER to the one listener at `address` that has the secret of `server_key`.

    Raises OSError when no descriptor is left.
    """
    try:
        socket = _secure(context.socket(zmq.DEALER), keys)
    except zmq.ZMQError as error:
        raise OSError(error.errno, error.strerror) from None
    socket.setsockopt(zmq.CURVE_SERVERKEY, server_key)
    socket.setsockopt(zmq.IMMEDIATE, 1)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1_000)
    socket.connect(address)
    return socket


def _secure(socket: Socket, keys: Keys) -> Socket:
    for option, value in _OPTIONS.items():
        socket.setsockopt(option, value)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
    return socket


def receive(socket: Socket) -> Received | None:
    """Return the next message at a ROUTER, or None without one. Raises BadMessage for a wrong number of frames."""
    frames = _frames(socket)
    if frames is None:
        return None
    if not 2 <= len(frames) <= FRAMES_MAX:
        raise BadMessage(f"a message of {len(frames)} frames")
    return Received(frames[0].bytes, str(frames[-1].get("User-Id")), frames[1:])


def receive_reply(socket: Socket) -> list[zmq.Frame] | None:
    """Return the frames of the next message at a DEALER, or None without one. Raises BadMessage for too many."""
    frames = _frames(socket)
    if frames is not None and len(frames) > FRAMES_MAX:
        raise BadMessage("a message of too many frames")
    return frames


def _frames(socket: Socket) -> list[zmq.Frame] | None:
    """Return all frames of one message, but keep no more than show that there are too many."""
    frames: list[zmq.Frame] = []
    try:
        while True:
            frame = socket.recv(_NO_WAIT, copy=False)
            if len(frames) <= FRAMES_MAX:
                frames.append(frame)
            if not frame.more:
                return frames
    except zmq.Again:
        return None


def batches(messages: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Group messages to one peer, in order, into as many at once as may travel together."""
    some: list[bytes] = []
    size = 0
    for message in messages:
        if some and (len(some) >= TOGETHER_MAX or size + len(message) > TOGETHER_BYTES_MAX):
            yield some
            some, size = [], 0
        some.append(message)
        size += len(message)
    if some:
        yield some


def send(socket: Socket, *frames: bytes) -> bool:
    """Send over a ROUTER, the route first. Returns False when that peer is gone or does not read."""
    try:
        _send_frames(socket, frames)
    except zmq.ZMQError as error:
        if error.errno in (zmq.EAGAIN, zmq.EHOSTUNREACH):
            return False
        raise
    return True


def _send_frames(socket: Socket, frames: Sequence[bytes]) -> None:
    """Send the frames of one message, as `send_multipart` does, which combines flags with an enum's operators."""
    for frame in frames[:-1]:
        socket.send(frame, _MORE)
    socket.send(frames[-1], _NO_WAIT)


class Outbox:
    """Messages that a DEALER has still to send, in order, until it is connected and the peer reads."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.dropped = 0
        self._waiting: deque[tuple[bytes, ...]] = deque()

    @property
    def pending(self) -> bool:
        """Return whether something waits to be flushed."""
        return bool(self._waiting)

    def send(self, *frames: bytes) -> None:
        """Send now or at a later `flush`. If too many wait, the oldest is dropped. Its sender repeats it."""
        if len(self._waiting) >= OUTBOX_MAX:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(frames)
        self.flush()

    def flush(self) -> None:
        """Send the messages that wait, as far as the peer takes them."""
        while self._waiting:
            try:
                _send_frames(self.socket, self._waiting[0])
            except zmq.Again:
                return
            self._waiting.popleft()


class Loop:
    """One poll over everything that a process waits for. Each source has a function to call when it is ready."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()
        self._calls: dict[Any, Callable[[], None]] = {}
        self._senders: dict[Any, Pipe | Outbox] = {}
        self._flushing: set[Any] = set()  # senders with a source that is polled for writing, too

    def watch(self, source: Socket | int, call: Callable[[], None], sender: Pipe | Outbox | None = None) -> None:
        """Call a function when there is something to read, and flush `sender` when it can send."""
        self._poller.register(source, _IN)
        self._flushing.discard(source)
        self._calls[source] = call
        if sender is not None:
            self._senders[source] = sender

    def forget(self, source: Socket | int) -> None:
        """Stop watching a source."""
        if source in self._calls:
            self._poller.unregister(source)
            del self._calls[source]
            self._senders.pop(source, None)
            self._flushing.discard(source)

    def turn(self, timeout_s: float) -> None:
        """Wait until something is ready, at most for the timeout, and make the calls."""
        for source, sender in self._senders.items():
            if sender.pending != (source in self._flushing):
                self._poller.register(source, _BOTH if sender.pending else _IN)
                (self._flushing.add if sender.pending else self._flushing.remove)(source)
        for source, state in self._poller.poll(max(0, round(timeout_s * 1000))):
            if state & _OUT and source in self._senders:
                self._senders[source].flush()
            if state & ~_OUT and source in self._calls:
                self._calls[source]()
