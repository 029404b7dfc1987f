"""A node's manifests: one small file for each version of a dataset, beside the blocks that the version names.

    <folder>/manifests/access@3.<put>   the version, as opaque bytes behind their hash

What a version is, and which node keeps which, is not known here.

Rules.
- A manifest is whole and on the disk (file and directory) when `write` returns. What was never finished lies in the
  block store's staging, and goes with that.
- Keys come from peers: what is no plain name is never made a path.
"""

from __future__ import annotations

import os
import re
from hashlib import blake2b

from mrframe.errors import CorruptData
from mrframe.store.disk import sync_directory, token
from mrframe.store.private import private_directory, read_private

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,199}")
_BEGIN = b"mrframe version 1\n"
_HASH_BYTES = 16


class Manifests:
    """The manifests in `folder`, a block store. NotPrivate when the folder is not this user's alone."""

    def __init__(self, folder: str) -> None:
        self.path = private_directory(os.path.join(folder, "manifests"))
        self._staging = private_directory(os.path.join(folder, "staging"))

    def names(self) -> list[str]:
        """The keys of all manifests that there are files of, sorted."""
        return sorted(filter(_KEY.fullmatch, os.listdir(self.path)))

    def file(self, key: str) -> str:
        """The path of a manifest, which need not be there; ValueError when this is no key."""
        if _KEY.fullmatch(key) is None:
            raise ValueError(f"not the key of a version: {key[:80]!r}")
        return os.path.join(self.path, key)

    def read(self, key: str) -> bytes:
        """What was written; CorruptData when it is not that."""
        path = self.file(key)
        try:
            data = read_private(path)
        except OSError as error:
            raise CorruptData(f"the manifest {path} cannot be read: {error.strerror}; check the disk") from None
        hashed, body = data[len(_BEGIN) :][:_HASH_BYTES], data[len(_BEGIN) + _HASH_BYTES :]
        if not data.startswith(_BEGIN) or hashed != _hash(body):
            raise CorruptData(f"the manifest {path} does not match its checksum; another node has it, too")
        return body

    def write(self, key: str, body: bytes) -> None:
        """Keep a manifest, in place of another one of that key; durable when this returns. OSError."""
        path = self.file(key)
        new = os.path.join(self._staging, token())
        with open(new, "xb", opener=_private) as file:
            file.write(_BEGIN + _hash(body) + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        sync_directory(self.path)

    def delete(self, key: str) -> None:
        """Delete a manifest, for good when this returns; it may be gone already. OSError."""
        try:
            os.unlink(self.file(key))
        except FileNotFoundError:
            return
        sync_directory(self.path)


def _hash(body: bytes) -> bytes:
    return blake2b(body, digest_size=_HASH_BYTES).digest()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
