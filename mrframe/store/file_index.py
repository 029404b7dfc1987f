"""Index of input files that were read before: a file that has not changed need not be read again to be hashed.

How it works. A file is recognised by its status: device, inode, size, and the times of its last change to data and to
anything (mtime and ctime, in ns). Nobody can set a ctime, so a file that was rewritten in place and given its old
mtime again is noticed. The race that git's index has is closed in the same way: a file so fresh that it could change
again within the same tick of the clock is not recorded (`SETTLED_S`), and a file is recorded only when its status was
the same before its first byte was read and after the last. Not noticed: writes through a mapping of the file that was
dirty before, until the system records them.

Pieces are named by the digest of their content, the name under which results are saved. A path is never an identity,
only where to look first. Not here: the results (`result_store.py`).
"""

from __future__ import annotations

import os
import re
import stat
import time

import msgpack

from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import NotPrivate
from mrframe.store.disk import RANDOM_NAME, fault_text, token
from mrframe.store.private import private_directory

SETTLED_S = 2.0
"""A file that changed this shortly before it was read is not recorded: file systems keep time in steps."""
VERSION = 2
FILES_MAX = 20_000
"""Limit of records; beyond it, those that were not used for longest are deleted."""

_RECORD = re.compile(rf"[0-9a-f]{{32}}(\.{RANDOM_NAME})?")
_DIGEST_BYTES = 32

Piece = tuple[int, int, str]
"""(offset in the decoded file, bytes, digest of the content in hex)"""


@dataclass(frozen=True, slots=True)
class FileStat:
    """The status of a file, as the file system reports it."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: str) -> FileStat | None:
        """Return the current status of a file, or None when it does not exist."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def settled(self, now_s: float) -> bool:
        """Return whether the file last changed long enough before this wall-clock time."""
        return max(self.ctime_ns, self.mtime_ns) / 1e9 + SETTLED_S < now_s


NO_FILE = FileStat(0, 0, 0, 0, 0)
"""Stands for the status of a file that could not be recorded: only its `split_bytes` is remembered."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as it was read: its status, and its pieces of about `split_bytes`."""

    state: FileStat
    split_bytes: int
    pieces: tuple[Piece, ...]


class FileIndex:
    """The records, one small file per path, in a private folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def find(self, path: str) -> FileRecord | None:
        """Return the record of this path, or None if it has none. Does not check that the file is still the same."""
        try:
            with open(self._record_path(path), "rb") as file:
                data = file.read()
            body = data[_DIGEST_BYTES:]
            if _digest(body) != data[:_DIGEST_BYTES]:
                return None
            version, name, state, split_bytes, pieces = msgpack.unpackb(body, unicode_errors="surrogateescape")
            if version != VERSION or name != path:
                return None
            return FileRecord(
                FileStat(*state), split_bytes, tuple((at, length, digest) for at, length, digest in pieces)
            )
        except (OSError, ValueError, TypeError):
            return None  # no answer depends on it: the file is read instead

    def record(self, path: str, record: FileRecord) -> str:
        """Write the record of a file. Returns the reason if the disk refuses, else ""."""
        state = record.state
        values = [state.device, state.inode, state.size_bytes, state.mtime_ns, state.ctime_ns]
        body = msgpack.packb(
            [VERSION, path, values, record.split_bytes, record.pieces], unicode_errors="surrogateescape"
        )
        record_path = self._record_path(path)
        new = f"{record_path}.{token()}"
        try:
            private_directory(self.path)
            with open(new, "xb") as file:
                file.write(_digest(body) + body)
            os.replace(new, record_path)
        except NotPrivate as error:
            return str(error)
        except OSError as error:
            _unlink(new)
            return f"{self.path}: {fault_text(error, self.path)}"
        return ""

    def trim(self, files_max: int = FILES_MAX) -> None:
        """Delete the oldest records beyond this number. Other files stay."""
        dated = []
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    state = entry.stat(follow_symlinks=False)
                    if _RECORD.fullmatch(entry.name) and stat.S_ISREG(state.st_mode):
                        dated.append((state.st_mtime, entry.path))
        except OSError:
            return
        for _, record_path in sorted(dated)[: max(0, len(dated) - files_max)]:
            _unlink(record_path)

    def clear(self) -> None:
        """Delete all records."""
        self.trim(0)

    def _record_path(self, path: str) -> str:
        return os.path.join(self.path, _digest(os.fsencode(path)).hex()[:32])


def _digest(data: bytes) -> bytes:
    from hashlib import sha256  # loads OpenSSL, which a run without saved results does not need

    return sha256(data).digest()


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it is gone, or another process may delete it


def now_s() -> float:
    """Return the wall-clock time, to compare with the times of files."""
    return time.time()
