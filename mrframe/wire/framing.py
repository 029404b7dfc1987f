"""Messages on a byte stream: four bytes of length (big-endian), then that many bytes.

Used on socketpairs between parent and child processes, but not on ZeroMQ, which has frames of its own.
"""

from __future__ import annotations

import struct

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
