"""Authentication: the key pairs of a cluster, and the check of every connection's key.

Every process of a cluster has a CURVE key pair, made by the client when the cluster starts and held in memory only. A
listening socket accepts only public keys that the doorkeeper knows. The doorkeeper names each connection by its key
(`client`, `node-1`): that name is the sender's, whatever a message claims.

Rules.
- The doorkeeper is a socket in the process's own poll loop, not a thread. It cannot die alone and leave the door
  open: ZAP_ENFORCE_DOMAIN refuses every connection while nothing answers.
- It is made before the first socket listens.
- Keys are never logged, written to a file or passed to executors.
"""

from __future__ import annotations

from collections.abc import Iterable

import zmq
from zmq.utils import z85

from mrframe.core.fast_dataclass import dataclass
from mrframe.wire.messages import Member

DOMAIN = b"mrframe"
_ZAP_ADDRESS = "inproc://zeromq.zap.01"
_FIELDS = 7  # version, request id, domain, address, routing id, mechanism, public key


@dataclass(frozen=True, slots=True)
class Keys:
    """A key pair, in Z85."""

    public: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"Keys(public={self.public!r})"


def make_keys() -> Keys:
    """Make a new key pair."""
    return Keys(*zmq.curve_keypair())


class Doorkeeper:
    """Answers libzmq's question, once per connection, whether to accept a key (ZAP, ZeroMQ RFC 27)."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], members: Iterable[Member]) -> None:
        self._names = {z85.decode(member.public_key): member.name for member in members}
        self.refused = 0
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind(_ZAP_ADDRESS)

    def reply(self) -> None:
        """Answer all questions that wait."""
        while True:
            try:
                question = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self.socket.send_multipart(self._authorize(question))

    def _authorize(self, question: list[bytes]) -> list[bytes]:
        version, request = (*question, b"", b"")[:2]
        name = None
        if len(question) == _FIELDS and version == b"1.0" and question[2] == DOMAIN and question[5] == b"CURVE":
            name = self._names.get(question[6])
        if name is None:
            self.refused += 1
            return [b"1.0", request, b"400", b"unknown key", b"", b""]
        return [b"1.0", request, b"200", b"", name.encode(), b""]
