"""The digest that identifies content: BLAKE3 with the extra `mrframe[fast]`, else SHA-256.

A first run pays for saving its results by hashing, so it uses the fastest digest without known collisions: BLAKE3
takes 0.14 s for a GiB, SHA-256 half a second. A result saved under one is not found under the other, and is made
again. Results under both may lie side by side, since no two digests of 256 bits are the same. Not here: the names of
stored blocks and the hashes in a manifest, which are always SHA-256, because other machines verify them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol


class OpenDigest(Protocol):
    """A digest to which bytes can be added."""

    def update(self, data: bytes, /) -> object:
        """The next bytes."""

    def hexdigest(self) -> str:
        """Of all bytes until now."""


def new_digest() -> OpenDigest:
    """Of no bytes yet."""
    return algorithm()()


@lru_cache(maxsize=1)
def algorithm() -> Callable[[], OpenDigest]:
    """The one that this process uses."""
    try:
        from blake3 import blake3
    except ImportError:
        from hashlib import sha256  # it loads OpenSSL

        return sha256
    return blake3
