"""Serves files of sealed attempts to other nodes and to the client: the sending side of a transfer.

The receiver grants credits, and nothing is sent beyond them. Each file gets one piece of at most 1 MiB per turn, so
serving never holds up the node's loop. ROUTER_MANDATORY ends the transfers of a receiver that is gone. A run file is
cut to the sections wanted (`shuffle.run_file.run_reader.extract`) without being decoded.

Not here: which attempts are committed. The scheduler tells readers which to ask for. A file is written once and never
changed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from mrframe.cluster.transport import transport
from mrframe.cluster.transport.transport import Received, Socket
from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import CorruptData
from mrframe.shuffle.run_file.run_reader import extract
from mrframe.store.open_files import patiently
from mrframe.wire import channels, messages
from mrframe.wire.codec import BadMessage
from mrframe.wire.messages import FETCH_FRAME_BYTES

UPLOADS_MAX = 64
"""Most transfers under way to one receiver; more are refused."""

IDLE_S = 30.0
"""A transfer is given up when its receiver grants nothing for this long."""


@dataclass(slots=True, eq=False)
class Upload:
    """One transfer."""

    route: bytes
    request: int
    file: BinaryIO
    pieces: Iterator[bytes]
    credits: int
    received_s: float
    number: int = 0
    size_bytes: int = 0
    crc: int = 0


class FileServer:
    """The sending side. `find` returns the path of (attempt, name) or raises ValueError."""

    def __init__(self, router: Socket, find: Callable[[str, str], str]) -> None:
        self.refused = 0
        self._router = router
        self._find = find
        self._uploads: dict[tuple[bytes, int], Upload] = {}

    @property
    def busy(self) -> bool:
        """Return whether there is something to send now."""
        return any(upload.credits for upload in self._uploads.values())

    def receive(self, now_s: float) -> None:
        """Take the requests that have arrived."""
        for _ in range(transport.BATCH_MAX):
            try:
                received = transport.receive(self._router)
                if received is None:
                    return
                self._handle(received, now_s)
            except BadMessage:
                self.refused += 1

    def turn(self, now_s: float) -> None:
        """Send one piece of each file that has a credit."""
        for key, upload in list(self._uploads.items()):
            if upload.credits:
                if not self._send_piece(upload):
                    self._drop(key)
            elif now_s - upload.received_s > IDLE_S:
                self._drop(key)

    def _handle(self, received: Received, now_s: float) -> None:
        message = channels.FETCH_ASKED.decode(received.frames[0].buffer)
        key = (received.route, message.request)
        upload = self._uploads.get(key)
        match message:
            case messages.FetchFile() if upload is None:
                self._open(received.route, message, now_s)
            case messages.FetchMore() if upload is not None and message.credits > 0:
                upload.credits = min(upload.credits + message.credits, 1024)
                upload.received_s = now_s
            case messages.FetchStop():
                self._drop(key)

    def _open(self, route: bytes, ask: messages.FetchFile, now_s: float) -> None:
        if sum(known == route for known, _ in self._uploads) >= UPLOADS_MAX:
            self._refuse(route, ask.request, "too many transfers at once")
            return
        try:
            path = self._find(ask.attempt, ask.name)
            file = patiently(lambda: open(path, "rb"))  # noqa: SIM115 -- closed with the transfer
        except (OSError, ValueError) as error:
            self._refuse(route, ask.request, f"{ask.attempt} {ask.name} is not here ({error})")
            return
        wanted = range(ask.first_slot, ask.end_slot)
        pieces = _whole(file) if ask.first_slot < 0 else extract(file, path, wanted)
        granted = max(0, min(ask.credits, 1024))
        self._uploads[route, ask.request] = Upload(route, ask.request, file, pieces, granted, now_s)

    def _send_piece(self, upload: Upload) -> bool:
        """Send the next piece, or the end. Returns False when the transfer is over."""
        try:
            piece = next(upload.pieces, None)
        except (OSError, CorruptData) as error:
            self._refuse(upload.route, upload.request, str(error))
            return False
        if piece is None:
            end = messages.FileEnd(upload.request, upload.number, upload.size_bytes, upload.crc)
            transport.send(self._router, upload.route, channels.FETCH_REPLY.encode(end))
            return False
        upload.crc = zlib.crc32(piece, upload.crc)
        head = messages.FilePiece(upload.request, upload.number, upload.crc)
        upload.number += 1
        upload.size_bytes += len(piece)
        upload.credits -= 1
        return transport.send(self._router, upload.route, channels.FETCH_REPLY.encode(head), piece)

    def _refuse(self, route: bytes, request: int, reason: str) -> None:
        refused = messages.FileRefused(request, reason[:1000])
        transport.send(self._router, route, channels.FETCH_REPLY.encode(refused))

    def _drop(self, key: tuple[bytes, int]) -> None:
        upload = self._uploads.pop(key, None)
        if upload is not None:
            upload.file.close()


def _whole(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(FETCH_FRAME_BYTES):
        yield piece
