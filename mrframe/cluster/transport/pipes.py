"""Pipes: messages between a parent and a child process over a socketpair, with file descriptors if needed.

The other end of a pipe is known, since it holds the socket by inheritance. Its messages are not trusted: an executor
runs user code. ZeroMQ is not used here, so that keeper, warm parent and executors need none.

Sending never blocks a process that polls: bytes that the socket does not take wait in the pipe until `flush`. An
executor, which has nothing else to do, makes its pipe blocking.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any

from mrframe.store.open_files import patiently
from mrframe.wire.codec import Vocabulary
from mrframe.wire.framing import Frames, frame

_READ_BYTES = 1 << 16
_FDS_MAX = 32
"""Descriptors that go with one piece of a message. The system cuts off what exceeds its own limit."""


def make_pair() -> tuple[socket.socket, socket.socket]:
    """Make two connected sockets for the ends of a pipe. Neither survives an exec."""
    return patiently(socket.socketpair)


class Pipe:
    """One end of a pipe: receives messages of one vocabulary and sends those of another."""

    def __init__(
        self, end: socket.socket, *, receives: Vocabulary, sends: Vocabulary, blocking: bool = False
    ) -> None:
        self.socket = end
        self.set_blocking(blocking=blocking)
        self.ended = False
        self.fds: deque[int] = deque()
        self._receives = receives
        self._sends = sends
        self._frames = Frames(receives.bytes_max)
        self._pending: deque[memoryview] = deque()
        self._received: deque[Any] = deque()

    def set_blocking(self, *, blocking: bool) -> None:
        """Set whether `receive` waits for something to arrive."""
        self.socket.setblocking(blocking)

    def fileno(self) -> int:
        """Return the descriptor, for a poll."""
        return self.socket.fileno()

    @property
    def pending(self) -> bool:
        """Return whether something waits to be flushed."""
        return bool(self._pending)

    @property
    def buffered(self) -> bool:
        """Return whether `receive` has a message without reading the socket."""
        return bool(self._received)

    def send(self, message: Any, fds: Sequence[int] = ()) -> None:
        """Send a message now or at a later `flush`. Does nothing when the other end is gone."""
        data = frame(self._sends.encode(message))
        assert len(fds) <= len(data) * _FDS_MAX
        if self.ended:
            return
        if fds:
            data = data[self._send_fds(data, fds) :]
        if data:
            self._pending.append(memoryview(data))
        self.flush()

    def _send_fds(self, data: bytes, fds: Sequence[int]) -> int:
        """Send the first bytes with their descriptors. Returns the number of bytes sent.

        Descriptors cannot wait, so pending bytes are sent first, and this may block until the other end reads.
        """
        blocking = self.socket.getblocking()
        self.set_blocking(blocking=True)
        try:
            self.flush()
            last = (
                len(fds) - 1
            ) // _FDS_MAX  # all go before the end of the message, some with each of its first bytes
            for part in range(last):
                some = fds[part * _FDS_MAX : (part + 1) * _FDS_MAX]
                socket.send_fds(self.socket, [data[part : part + 1]], some)
            return last + socket.send_fds(self.socket, [data[last:]], fds[last * _FDS_MAX :])
        except (BrokenPipeError, ConnectionResetError):
            return len(data)
        finally:
            self.set_blocking(blocking=blocking)

    def flush(self) -> None:
        """Send the bytes that wait, as far as the socket takes them."""
        while self._pending and not self.ended:
            try:
                sent = self.socket.send(self._pending[0])
            except BlockingIOError:
                return
            except (BrokenPipeError, ConnectionResetError):
                self._pending.clear()
                return
            rest = self._pending.popleft()[sent:]
            if rest:
                self._pending.appendleft(rest)

    def receive(self) -> list[Any]:
        """Return the messages that have arrived, and set `ended` after the last.

        Raises BadMessage for malformed ones.
        """
        while not self.ended and not (self._received and self.socket.getblocking()):
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, _READ_BYTES, _FDS_MAX)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data, fds = b"", []
            for fd in fds:
                os.set_inheritable(fd, False)  # noqa: FBT003 -- recv_fds ignores the flag that would do it
            self.fds.extend(fds)
            self.ended = not data
            for payload in self._frames.feed(data):
                self._received.append(self._receives.decode(payload))
            if self.socket.getblocking() or len(data) < _READ_BYTES:
                break
        buffered = list(self._received)
        self._received.clear()
        return buffered

    def wait(self) -> Any:
        """Return the next message, waiting for it on a blocking pipe, or None when the other end is gone."""
        while not self._received:
            if self.ended:
                return None
            self._received.extend(self.receive())
        return self._received.popleft()

    def close(self) -> None:
        """Close this end, and descriptors that arrived and were not taken."""
        self.ended = True
        while self.fds:
            os.close(self.fds.popleft())
        self.socket.close()
