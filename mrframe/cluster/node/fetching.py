"""Fetches files of attempts from other nodes over ZeroMQ: the receiving side of a transfer.

How it works. There is one connection per node and incarnation. At most `ACTIVE_MAX` files of a node are under way,
the others wait. The receiver grants each transfer `CREDITS` pieces at first and more as pieces arrive, so a fast
sender never has more than that in flight. Every piece carries the CRC-32 of the file up to its end, so one pass
checks each piece and the whole.

A transfer that stalls or does not match is requested once more under a new number. Pieces that arrive late under the
old one are ignored. The second time it has failed. When the node is gone, it fails at once. A file gets its name when
it is complete.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, BinaryIO

import zmq

from mrframe.cluster.transport import transport
from mrframe.cluster.transport.auth import Keys
from mrframe.cluster.transport.transport import Context, Loop, Outbox
from mrframe.core.fast_dataclass import dataclass
from mrframe.store.disk import fault_text, has_no_room
from mrframe.store.open_files import patiently
from mrframe.wire import channels, messages
from mrframe.wire.codec import BadMessage
from mrframe.wire.messages import NodeAddress

ACTIVE_MAX = 4
CREDITS = 8
STALL_S = 10.0
TRIES_MAX = 2


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """A file to fetch to `path`.

    `slots` limits a run file to these slots (None: the whole file). `key` is the caller's.
    """

    key: Any
    node: str
    attempt: str
    name: str
    slots: range | None
    path: str


@dataclass(frozen=True, slots=True)
class FetchResult:
    """The end of a transfer:

    `reason` is empty when it succeeded, `here` is set when the copy could not be written, `full` when that is for
    want of room, `refused` when the node cannot read the file.
    """

    request: FetchRequest
    reason: str
    here: bool = False
    refused: bool = False
    full: bool = False


@dataclass(slots=True, eq=False)
class Download:
    """A transfer under way."""

    request: FetchRequest
    file: BinaryIO
    received_s: float
    tries: int
    pieces: int = 0
    size_bytes: int = 0
    crc: int = 0


class Peer:
    """The connection to one incarnation of a node, with the requests to it."""

    def __init__(self, address: NodeAddress, outbox: Outbox) -> None:
        self.address = address
        self.outbox = outbox
        self.active: dict[int, Download] = {}
        self.waiting: deque[tuple[FetchRequest, int]] = deque()

    def requests(self) -> list[FetchRequest]:
        """Return the requests that are under way or wait."""
        return [download.request for download in self.active.values()] + [request for request, _ in self.waiting]


class Fetcher:
    """The receiving side. `done` is called with each `FetchResult`, from within any of the methods."""

    def __init__(
        self,
        context: Context,
        keys: Keys,
        server_keys: dict[str, bytes],
        loop: Loop,
        done: Callable[[FetchResult], None],
    ) -> None:
        self.bytes_fetched = 0
        self._context = context
        self._keys = keys
        self._server_keys = server_keys
        self._loop = loop
        self._done = done
        self._addresses: dict[str, NodeAddress] = {}
        self._peers: dict[str, Peer] = {}
        self._next_number = 1
        self._now_s = 0.0

    # ---- nodes --------------------------------------------------------------------------------------

    def know(self, nodes: Iterable[NodeAddress]) -> None:
        """Take the addresses of all nodes that are there now."""
        self._addresses = {node.node: node for node in nodes}
        for name, peer in list(self._peers.items()):
            if self._addresses.get(name) != peer.address:
                self._leave(name, peer)

    def address(self, node: str) -> NodeAddress | None:
        """Return the address of a node, or None when it is not there."""
        return self._addresses.get(node)

    def _peer(self, node: str) -> Peer | None:
        peer = self._peers.get(node)
        address = self._addresses.get(node)
        if peer is None and address is not None and node in self._server_keys:
            key = self._server_keys[node]
            socket = patiently(partial(transport.connect, self._context, self._keys, address.address, key))
            peer = self._peers[node] = Peer(address, Outbox(socket))
            self._loop.watch(socket, lambda: self._receive(node), peer.outbox)
        return peer

    def _leave(self, node: str, peer: Peer) -> None:
        """Leave a node's process that has ended: send its requests to the next one, or fail them without one."""
        del self._peers[node]
        self._loop.forget(peer.outbox.socket)
        peer.outbox.socket.close(0)
        for download in peer.active.values():
            _discard(download)
        for request in peer.requests():
            self.fetch(request, self._now_s)

    # ---- requests -----------------------------------------------------------------------------------

    def fetch(self, request: FetchRequest, now_s: float) -> None:
        """Fetch a file. Its result comes later, or at once when the node is not there."""
        self._now_s = now_s
        peer = self._peer(request.node)
        if peer is None:
            self._done(FetchResult(request, f"{request.node} is not there"))
            return
        peer.waiting.append((request, 1))
        self._start(peer)

    def cancel(self, unneeded: Callable[[FetchRequest], bool]) -> None:
        """Drop these requests without a result."""
        for peer in self._peers.values():
            peer.waiting = deque(one for one in peer.waiting if not unneeded(one[0]))
            for number, download in list(peer.active.items()):
                if unneeded(download.request):
                    self._stop(peer, number)
            self._start(peer)

    def tick(self, now_s: float) -> None:
        """Retry transfers that have stalled."""
        self._now_s = now_s
        for peer in list(self._peers.values()):
            for number, download in list(peer.active.items()):
                if now_s - download.received_s > STALL_S:
                    self._again(peer, number, f"nothing was heard for {STALL_S:g} s")

    def _start(self, peer: Peer) -> None:
        while peer.waiting and len(peer.active) < ACTIVE_MAX:
            request, tries = peer.waiting.popleft()
            try:
                os.makedirs(os.path.dirname(request.path), mode=0o700, exist_ok=True)
                file = patiently(partial(_create, f"{request.path}.new"))
            except OSError as error:
                self._done(_unwritten(request, error))
                continue
            number, self._next_number = self._next_number, self._next_number + 1
            peer.active[number] = Download(request, file, self._now_s, tries)
            slots = request.slots if request.slots is not None else range(-1, -1)
            ask = messages.FetchFile(number, request.attempt, request.name, slots.start, slots.stop, CREDITS)
            peer.outbox.send(channels.FETCH_ASKED.encode(ask))

    def _stop(self, peer: Peer, number: int) -> Download:
        download = peer.active.pop(number)
        _discard(download)
        peer.outbox.send(channels.FETCH_ASKED.encode(messages.FetchStop(number)))
        return download

    def _again(self, peer: Peer, number: int, reason: str, *, refused: bool = False) -> None:
        download = self._stop(peer, number)
        if download.tries < TRIES_MAX:
            peer.waiting.append((download.request, download.tries + 1))
        else:
            self._done(FetchResult(download.request, reason, refused=refused))
        self._start(peer)

    # ---- messages -----------------------------------------------------------------------------------

    def _receive(self, node: str) -> None:
        for _ in range(transport.BATCH_MAX):
            peer = self._peers.get(node)
            if peer is None:
                return
            try:
                frames = transport.receive_reply(peer.outbox.socket)
                if frames is None:
                    return
                message = channels.FETCH_REPLY.decode(frames[0].buffer)
            except BadMessage:
                continue  # the transfer stalls then and is requested again
            if message.request in peer.active:
                self._take(peer, message, frames[1:])

    def _take(self, peer: Peer, message: Any, frames: list[zmq.Frame]) -> None:
        download = peer.active[message.request]
        download.received_s = self._now_s
        match message:
            case messages.FilePiece():
                self._piece(peer, download, message, frames)
            case messages.FileEnd():
                self._end(peer, download, message)
            case messages.FileRefused():
                self._again(peer, message.request, message.reason, refused=True)

    def _piece(self, peer: Peer, download: Download, head: messages.FilePiece, frames: list[zmq.Frame]) -> None:
        data = frames[0].buffer if len(frames) == 1 else b""
        crc = zlib.crc32(data, download.crc)
        if head.number != download.pieces or crc != head.crc:
            self._again(peer, head.request, f"piece {head.number} does not match its checksum")
            return
        try:
            download.file.write(data)
        except OSError as error:
            self._stop(peer, head.request)
            self._done(_unwritten(download.request, error))
            self._start(peer)
            return
        download.crc = crc
        download.pieces += 1
        download.size_bytes += len(data)
        if download.pieces % (CREDITS // 2) == 0:
            more = messages.FetchMore(head.request, CREDITS // 2)
            peer.outbox.send(channels.FETCH_ASKED.encode(more))

    def _end(self, peer: Peer, download: Download, end: messages.FileEnd) -> None:
        if (end.pieces, end.size_bytes, end.crc) != (download.pieces, download.size_bytes, download.crc):
            self._again(peer, end.request, "its end does not match what arrived")
            return
        del peer.active[end.request]
        try:
            download.file.close()
            os.replace(f"{download.request.path}.new", download.request.path)
            result = FetchResult(download.request, "")
        except OSError as error:
            result = _unwritten(download.request, error)
        self.bytes_fetched += download.size_bytes
        self._done(result)
        self._start(peer)


def _create(path: str) -> BinaryIO:
    return open(path, "wb")


def _unwritten(request: FetchRequest, error: OSError) -> FetchResult:
    reason = f"its copy {request.path} cannot be written: {fault_text(error, request.path)}"
    return FetchResult(request, reason, here=True, full=has_no_room(error))


def _discard(download: Download) -> None:
    for undo in (download.file.close, lambda: os.unlink(f"{download.request.path}.new")):
        try:
            undo()
        except OSError:
            continue  # it is deleted with its job at the latest
