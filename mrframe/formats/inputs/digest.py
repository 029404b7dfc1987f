"""The digest by which one content is told from another: BLAKE3 with the extra `mrframe[fast]`, else SHA-256.

Hashing is what a first run pays for having its results saved, so it is done by the fastest digest there is for which
nobody can make two contents: BLAKE3 takes 0.14 s for a GiB, SHA-256 half a second. What was saved under the one is
not found under the other, and made again; contents of both may lie side by side, since no two digests of 256 bits are
the same. Not here: the names of stored blocks and the hashes in a manifest, which are SHA-256 whatever is installed,
because others judge by them.
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
