"""The client's numbered requests to a master: each is sent again until the master has accepted it.

`cluster/master/client_sessions.py` is the other side: it takes requests strictly in order and each of them once, so
sending one again does no harm. Nothing here knows the meaning of a request.
"""

from __future__ import annotations

import os

from mrframe.cluster.master.client_sessions import REQUEST
from mrframe.cluster.transport.transport import Outbox

AGAIN_S = 1.0


class RequestQueue:
    """The requests of one session, sent through `outbox`."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._session = int.from_bytes(os.urandom(8))  # `secrets` would load OpenSSL
        self._last = 0
        self._unaccepted: dict[int, bytes] = {}  # by number, in order
        self._again_s = 0.0

    def __bool__(self) -> bool:
        """Return whether a request is not accepted yet."""
        return bool(self._unaccepted)

    def add(self, data: bytes, now_s: float) -> None:
        """Send a new request."""
        self._last += 1
        self._unaccepted[self._last] = data
        self._again_s = now_s + AGAIN_S
        self._send(self._last, data)

    def accepted(self, number: int) -> None:
        """Forget the requests up to this number, which the master has accepted."""
        for known in [known for known in self._unaccepted if known <= number]:
            del self._unaccepted[known]

    def repeat(self) -> None:
        """Send all requests that are not accepted again with the next `tick`: there is a new master."""
        self._again_s = 0.0

    def tick(self, now_s: float) -> None:
        """Send again requests that were not accepted in time."""
        if self._unaccepted and now_s >= self._again_s:
            self._again_s = now_s + AGAIN_S
            for number, data in self._unaccepted.items():
                self._send(number, data)

    def _send(self, number: int, data: bytes) -> None:
        base = next(iter(self._unaccepted), self._last + 1) - 1
        self._outbox.send(REQUEST.pack(self._session, number, base), data)
