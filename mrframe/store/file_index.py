"""Which input files have been read before, and what their pieces were: so that unchanged ones need no reading.

A file is known again by what the file system says of it: device, inode, size, and the times of its last change to
data and to anything (mtime and ctime, in ns). Nobody can set a ctime, so a file that was rewritten in place and given
its old mtime again is noticed. The race that git's index has is shut the same way: what is so fresh that it could
change again within the same tick of the clock is not recorded (`SETTLED_S`), and a file is only recorded when it was
the same before its first byte was read and after the last. What this does not see: writes through a mapping of the
file that was dirty before, until the system notes them.

The pieces are named by the digest of their content, which is what results are saved by; a path is never an identity,
only a place to look first. Not here: the results (`result_store.py`).
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
"""A file changed so shortly before it was read is not recorded: file systems keep time in steps."""
VERSION = 2
FILES_MAX = 20_000
"""Records kept; when there are more, the ones that were not looked at for longest go."""

_RECORD = re.compile(rf"[0-9a-f]{{32}}(\.{RANDOM_NAME})?")
_DIGEST_BYTES = 32

Piece = tuple[int, int, str]
"""(offset in the decoded file, bytes, digest of the content in hex)"""


@dataclass(frozen=True, slots=True)
class FileStat:
    """What the file system says of a file."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: str) -> FileStat | None:
        """Of this file as it is now; None when it is not there."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def settled(self, now_s: float) -> bool:
        """Whether it last changed long enough before this wall-clock time."""
        return max(self.ctime_ns, self.mtime_ns) / 1e9 + SETTLED_S < now_s


NO_FILE = FileStat(0, 0, 0, 0, 0)
"""The state of no file: of what could not be taken as seen, only `split_bytes` is remembered."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as it was read: in pieces of about `split_bytes`."""

    state: FileStat
    split_bytes: int
    pieces: tuple[Piece, ...]


class FileIndex:
    """The records, one small file for each path, in a folder of this user's alone."""

    def __init__(self, path: str) -> None:
        self.path = path

    def look_up(self, path: str) -> FileRecord | None:
        """What was recorded of this path, whether or not the file is still the same; None when nothing was."""
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
            return None  # never needed to get an answer: read the file

    def record(self, path: str, record: FileRecord) -> str:
        """Remember a file; why the disk will not have it, or ""."""
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
        """Delete the oldest records over this number; what is no record stays."""
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
    from hashlib import sha256  # it loads OpenSSL, which a run without saved results does not need

    return sha256(data).digest()


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it is gone, or it is the next one's to delete


def now_s() -> float:
    """The wall clock, to compare with the times of files."""
    return time.time()
