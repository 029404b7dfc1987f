"""Messages on a byte stream: four bytes of length (big-endian), then that many bytes.

Used on socketpairs between parent and child processes. ZeroMQ has frames of its own, but one costs ten times as much
as a length, so many small messages to one peer travel as one of them (`joined`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from mrframe.wire.codec import MESSAGE_BYTES_MAX, BadMessage

_LENGTH = struct.Struct(">I")


def frame(payload: bytes) -> bytes:
    """Return the payload with its length before it."""
    return _LENGTH.pack(len(payload)) + payload


class Frames:
    """Reassembles frames from pieces of a stream, however it was cut."""

    def __init__(self, bytes_max: int = MESSAGE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that are complete with `data`.

        Raises BadMessage when a frame is longer than allowed.
        """
        self._rest += data
        payloads = []
        start = 0
        while len(self._rest) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest, start)
            if length > self._bytes_max:
                raise BadMessage(f"a frame of {length:,} bytes; {self._bytes_max:,} are allowed")
            if len(self._rest) - start - _LENGTH.size < length:
                break
            start += _LENGTH.size
            payloads.append(bytes(self._rest[start : start + length]))
            start += length
        del self._rest[:start]
        return payloads


_TOGETHER = 0
"""The first byte of several messages that travel as one. A message alone begins with its version, which is not 0."""


def joined(messages: Sequence[bytes]) -> bytes:
    """Return encoded messages as one piece, which `apart` takes apart."""
    if len(messages) == 1:
        return messages[0]
    return bytes((_TOGETHER,)) + b"".join([part for one in messages for part in (_LENGTH.pack(len(one)), one)])


def apart(data: memoryview) -> Iterator[memoryview]:
    """Yield the messages in a piece. Raises BadMessage where it is cut off."""
    if not data or data[0] != _TOGETHER:
        yield data
        return
    at = 1
    while at < len(data):
        start = at + _LENGTH.size
        end = start + _LENGTH.unpack_from(data, at)[0] if start <= len(data) else start
        if end > len(data):
            raise BadMessage("a piece of messages that is cut off")
        yield data[start:end]
        at = end
