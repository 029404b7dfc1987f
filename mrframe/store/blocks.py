"""A node's block store: files named by the hash of their content, complete or absent.

    <folder>/blocks/<name>       one block
    <folder>/provisional/<name>  empty mark: the block was stored for a put, and no version has named it since
    <folder>/staging/            blocks being written

This file places blocks and makes them durable. Not here: their content (`formats/inputs/block_file.py`), and which
nodes keep them (`core/replication/rendezvous.py`).

Rules.
- When `publish` returns, a block is complete and on the disk (file and directory). Until then there is only a file in
  staging. A killed process leaves no more than that, and the next `sweep` deletes it.
- The mark of a provisional block is made before the block. It is only a hint: if it is lost, the block is kept for
  ever.
- Names come from peers: nothing but 64 hex digits is ever made a path.
- The folder and its files are private to this user, or are refused (`store/private.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO

from mrframe.errors import OutputError, StoreFull
from mrframe.store.disk import fault_text, is_full, sync_directory, token
from mrframe.store.open_files import patiently
from mrframe.store.private import private_directory

RESERVE_BYTES = 64 << 20
"""Space that stays free on the disk, for the journal and for the output of attempts."""

_NAME = re.compile(r"[0-9a-f]{64}")


def block_path(folder: str, name: str) -> str:
    """Return the path of a block in the store at `folder`. Raises ValueError for an invalid block name."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"not the name of a block: {name[:80]!r}")
    return os.path.join(folder, "blocks", name)


class BlockStore:
    """The store in `folder`, made if missing. Raises NotPrivate when the folder is not private to this user."""

    def __init__(self, folder: str) -> None:
        self.path = private_directory(folder)
        self._blocks = private_directory(os.path.join(self.path, "blocks"))
        self._provisional = private_directory(os.path.join(self.path, "provisional"))
        self._staging = private_directory(os.path.join(self.path, "staging"))

    def sweep(self) -> None:
        """Delete unfinished blocks, and marks without a block. Call it when nothing is being written."""
        for name in os.listdir(self._staging):
            _unlink(os.path.join(self._staging, name))
        for name in set(os.listdir(self._provisional)) - set(self.names()):
            _unlink(os.path.join(self._provisional, name))

    def file(self, name: str) -> str:
        """Return the path of a block's file, which need not exist.

        Raises ValueError for an invalid block name.
        """
        return block_path(self.path, name)

    def names(self) -> list[str]:
        """Return the names of all blocks, sorted."""
        return sorted(filter(_NAME.fullmatch, patiently(partial(os.listdir, self._blocks))))

    def size(self, name: str) -> int:
        """Return the size of a block's file in bytes, or 0 if it does not exist."""
        try:
            return os.stat(self.file(name)).st_size
        except OSError:
            return 0

    def provisional(self) -> set[str]:
        """Return the blocks that were stored for a put and that no version has named since."""
        return set(filter(_NAME.fullmatch, patiently(partial(os.listdir, self._provisional)))) & set(self.names())

    def mark_provisional(self, name: str) -> None:
        """Mark a block as useless unless a version names it. Raises OutputError when the disk refuses."""
        try:
            os.close(os.open(self._mark_path(name), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise self._refusal(error) from None

    def adopt(self, name: str) -> None:
        """Remove the mark: a version needs the block. Raises OutputError when the disk refuses."""
        try:
            _unlink(self._mark_path(name))
        except OSError as error:
            raise self._refusal(error) from None

    def _mark_path(self, name: str) -> str:
        return os.path.join(self._provisional, os.path.basename(self.file(name)))

    def staged(self, name: str) -> str:
        """Return a path in staging for a fetched copy until it is verified and stored. `sweep` deletes it, too."""
        return os.path.join(self._staging, os.path.basename(self.file(name)))

    @contextmanager
    def stage(self, length: int) -> Iterator[BinaryIO]:
        """Open a file in staging for a block of `length` bytes of content, to pass to `publish`. It is deleted at the
        end.

        Raises StoreFull when it does not fit or the disk fills meanwhile, OutputError when the disk refuses.
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
        """Make a staged file the block of this name, replacing any other. It is durable when this returns."""
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
        """Delete a block durably. Returns whether it existed. Raises OutputError when the disk refuses."""
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
    return patiently(partial(os.open, path, flags | os.O_NOFOLLOW, 0o600))


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # it has become the block
