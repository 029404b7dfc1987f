"""Disk faults in words (`writing`, the one place), and the lock that tells a live owner from one that was killed.

Rules. A lock is an flock, so it is free as soon as the last process that shares it is gone, however that ended
(forked children share it, exec'd programs do not). A process that makes something others may sweep locks it and then
checks that it still exists. A process that sweeps locks first and then deletes. So neither can lose.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator

from mrframe.errors import OutputError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_TABLES = frozenset({errno.ENFILE, errno.ENOMEM, errno.EAGAIN})  # of open files, memory and processes of the machine
RANDOM_NAME = r"[0-9a-f]{16}"


def token() -> str:
    """Return sixteen random hex digits, for a unique name."""
    return os.urandom(8).hex()


def is_inside(path: str, folder: str) -> bool:
    """Return whether this is the path of a folder, or of a file in it."""
    return os.path.join(path, "").startswith(os.path.join(folder, ""))


def is_full(error: OSError) -> bool:
    """Return whether the error says that the disk or the user's quota is full."""
    return error.errno in _FULL


def has_no_room(error: BaseException | None) -> bool:
    """Return whether the error says that the machine has no room: on a disk, or in a table that all processes share.

    Not EMFILE: only the process itself can have opened that many files.
    """
    return isinstance(error, OSError) and (error.errno in _FULL or error.errno in _TABLES)


def fault_text(error: OSError, path: str) -> str:
    """Describe an error of writing below `path`, and the remedy: `No space left on device (0 bytes free) …`."""
    state = error.strerror or str(error)
    if is_full(error):
        return f"{state} ({_free_text(path)}); free some space or choose another disk"
    if error.errno in _TABLES:
        return f"{state}; end other programs of this machine, or give the run fewer --nodes and --slots"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{state}; choose a folder that this user may write to"
    if error.errno == errno.ENOENT:
        return f"{state}; choose another folder"
    if error.errno == errno.ENAMETOOLONG:
        return f"{state}; choose a shorter name"
    if error.errno == errno.EROFS:
        return f"{state}; choose another disk"
    return f"{state} ({_free_text(path)}); check the disk"


@contextlib.contextmanager
def writing(path: str, name: str = "") -> Iterator[None]:
    """Raise an OSError of the block as an OutputError that names the path, its state and the free bytes.

    path  of the file or folder that is written in the block
    name  for the message, by default the path
    """
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of a pipe has left, which the command line handles
    except OSError as error:
        raise unwritten(error, path, name) from None


def unwritten(error: OSError, path: str, name: str = "") -> OutputError:
    """Return the error for a file or folder that cannot be written."""
    return OutputError(f"{name or path} cannot be written: {fault_text(error, path)}")


def _free_text(path: str) -> str:
    while path and not os.path.isdir(path):
        path = os.path.dirname(path)
    try:
        return f"{shutil.disk_usage(path or '.').free:,} bytes free at {path or '.'}"
    except OSError:
        return "free space not known"


def try_lock(fd: int) -> bool:
    """Take the lock of an open file or directory. Returns False when another process has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_lock(fd: int) -> None:
    """Wait until no other process has the lock of an open file or directory, and take it."""
    fcntl.flock(fd, fcntl.LOCK_EX)


def is_at(fd: int, path: str, *, dir_fd: int | None = None) -> bool:
    """Return whether `path` (no link followed) is still the file or directory that is open as `fd`."""
    try:
        found = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    opened = os.fstat(fd)
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
