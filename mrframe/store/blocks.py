"""A node's block store: files named by the hash of their content, whole or not there.

    <folder>/blocks/<name>       one block
    <folder>/provisional/<name>  empty: this block was stored for a put, and no version has named it since
    <folder>/staging/            what is being written

Here is where blocks are, and that they are durable; what is in them is `formats/inputs/block_file.py`, which nodes
keep them
`core/replication/rendezvous.py`.

Rules.
- A block is whole and on the disk (file and directory) when `keep` returns; before that there is nothing of it but a
  file in staging. A killed process leaves no more than that, and the next `sweep` deletes it.
- The mark of a provisional block is made before the block, and it is only a hint: lost, the block is kept for ever.
- Names come from peers: what is not 64 hex digits is never made a path.
- The folder and its files are this user's alone, or are refused (`store/private.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from mrframe.errors import OutputError, StoreFull
from mrframe.store.disk import fault_text, is_full, sync_directory, token
from mrframe.store.private import private_directory

RESERVE_BYTES = 64 << 20
"""What stays free on the disk, for the journal and for what attempts write."""

_NAME = re.compile(r"[0-9a-f]{64}")


def block_path(folder: str, name: str) -> str:
    """The path of a block in the store at `folder`; ValueError when this is no name of a block."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"not the name of a block: {name[:80]!r}")
    return os.path.join(folder, "blocks", name)


class BlockStore:
    """The store in `folder`, made when it is not there. NotPrivate when the folder is not this user's alone."""

    def __init__(self, folder: str) -> None:
        self.path = private_directory(folder)
        self._blocks = private_directory(os.path.join(self.path, "blocks"))
        self._provisional = private_directory(os.path.join(self.path, "provisional"))
        self._staging = private_directory(os.path.join(self.path, "staging"))

    def sweep(self) -> None:
        """Delete what was never finished, and marks of no block; to be called when nobody is writing."""
        for name in os.listdir(self._staging):
            _unlink(os.path.join(self._staging, name))
        for name in set(os.listdir(self._provisional)) - set(self.names()):
            _unlink(os.path.join(self._provisional, name))

    def file(self, name: str) -> str:
        """The path of a block's file, which need not be there; ValueError when this is no name of a block."""
        return block_path(self.path, name)

    def names(self) -> list[str]:
        """All blocks that there are files of, sorted."""
        return sorted(filter(_NAME.fullmatch, os.listdir(self._blocks)))

    def size(self, name: str) -> int:
        """The bytes of a block's file; 0 when there is none."""
        try:
            return os.stat(self.file(name)).st_size
        except OSError:
            return 0

    def provisional(self) -> set[str]:
        """The blocks that were stored for a put, and that no version has named since."""
        return set(filter(_NAME.fullmatch, os.listdir(self._provisional))) & set(self.names())

    def mark_provisional(self, name: str) -> None:
        """Say that a block is of no use unless a version names it. OutputError when the disk refuses."""
        try:
            os.close(os.open(self._mark_path(name), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise self._refusal(error) from None

    def adopt(self, name: str) -> None:
        """Say that a version needs a block. OutputError when the disk refuses."""
        try:
            _unlink(self._mark_path(name))
        except OSError as error:
            raise self._refusal(error) from None

    def _mark_path(self, name: str) -> str:
        return os.path.join(self._provisional, os.path.basename(self.file(name)))

    def staged(self, name: str) -> str:
        """A path in staging for a copy of a replica until it is judged and stored; a `sweep` deletes it, too."""
        return os.path.join(self._staging, os.path.basename(self.file(name)))

    @contextmanager
    def stage(self, length: int) -> Iterator[BinaryIO]:
        """A new file in staging for a block with so many bytes of content, to be given to `keep`; it goes at the end.

        Raises StoreFull when there is no room for it, or the disk fills meanwhile; OutputError when the disk refuses.
        """
        self._check_room(length)
        path = os.path.join(self._staging, token())
        try:
            with open(path, "xb", opener=_private) as file:
                yield file
        except OSError as error:
            raise self._refusal(error) from None
        finally:
            _unlink(path)

    def publish(self, staged: BinaryIO, name: str) -> None:
        """Make a staged file the block of this name, in place of any other; it is durable when this returns."""
        path = self.file(name)
        staged.flush()
        os.fsync(staged.fileno())
        os.replace(staged.name, path)
        sync_directory(self._blocks)

    def _check_room(self, length: int) -> None:
        state = os.statvfs(self.path)
        free_bytes = state.f_bavail * state.f_frsize
        if free_bytes < length + RESERVE_BYTES:
            raise StoreFull(
                f"the block store {self.path} has no room for {length:,} bytes: {free_bytes:,} bytes are free, and "
                f"{RESERVE_BYTES:,} of them stay so; free some space, or remove datasets"
            )

    def _refusal(self, error: OSError) -> StoreFull | OutputError:
        text = f"the block store {self.path} cannot be written: {fault_text(error, self.path)}"
        return (StoreFull if is_full(error) else OutputError)(text)

    def delete(self, name: str) -> bool:
        """Delete a block, for good when this returns; whether it was there. OutputError when the disk refuses."""
        try:
            os.unlink(self.file(name))
            sync_directory(self._blocks)
            _unlink(self._mark_path(name))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._refusal(error) from None
        return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # it has become the block
