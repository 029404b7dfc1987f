"""A node's manifests: one small file for each version of a dataset, beside the blocks that the version names.

    <folder>/manifests/access@3.<put>   the version, as opaque bytes after their hash

Not here: the content of a version, and which node keeps which.

Rules.
- When `write` returns, a manifest is complete and on the disk (file and directory). Unfinished ones lie in the block
  store's staging and are swept with it.
- Keys come from peers: nothing but a plain name is ever made a path.
"""

from __future__ import annotations

import os
import re
from functools import partial
from hashlib import blake2b

from mrframe.errors import CorruptData
from mrframe.store.disk import sync_directory, token
from mrframe.store.open_files import patiently
from mrframe.store.private import private_directory, read_private

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,199}")
_BEGIN = b"mrframe version 1\n"
_HASH_BYTES = 16


class Manifests:
    """The manifests of the block store in `folder`. Raises NotPrivate when the folder is not private to this user."""

    def __init__(self, folder: str) -> None:
        self.path = private_directory(os.path.join(folder, "manifests"))
        self._staging = private_directory(os.path.join(folder, "staging"))

    def names(self) -> list[str]:
        """Return the keys of all manifests, sorted."""
        return sorted(filter(_KEY.fullmatch, os.listdir(self.path)))

    def file(self, key: str) -> str:
        """Return the path of a manifest, which need not exist. Raises ValueError for an invalid key."""
        if _KEY.fullmatch(key) is None:
            raise ValueError(f"not the key of a version: {key[:80]!r}")
        return os.path.join(self.path, key)

    def read(self, key: str) -> bytes:
        """Return the bytes that were written. Raises CorruptData when the file holds others."""
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
        """Write a manifest, replacing another of that key. It is durable when this returns. Raises OSError."""
        path = self.file(key)
        new = os.path.join(self._staging, token())
        with open(new, "xb", opener=_private) as file:
            file.write(_BEGIN + _hash(body) + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        sync_directory(self.path)

    def delete(self, key: str) -> None:
        """Delete a manifest durably. It may be gone already. Raises OSError."""
        try:
            os.unlink(self.file(key))
        except FileNotFoundError:
            return
        sync_directory(self.path)


def _hash(body: bytes) -> bytes:
    return blake2b(body, digest_size=_HASH_BYTES).digest()


def _private(path: str, flags: int) -> int:
    return patiently(partial(os.open, path, flags | os.O_NOFOLLOW, 0o600))
