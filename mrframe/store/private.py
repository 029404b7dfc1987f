"""Files and directories that are private to this user: made so, and checked before they are used.

Keys, the journal and a cluster's data lie in files of mode 0600 in directories of mode 0700 that belong to this user.
Anything else found there (another owner, open to others, a link, another kind of file) is refused and never repaired:
it may have been planted, and others may have read or written it.
"""

from __future__ import annotations

import os
import stat

from mrframe.errors import NotPrivate
from mrframe.store.disk import fault_text, sync_directory, token

_OTHERS = 0o077


def private_directory(path: str) -> str:
    """Return the absolute path of this directory, made if missing. Raises NotPrivate when it is not private."""
    path = os.path.abspath(path)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise NotPrivate(f"the directory {path} cannot be made: {fault_text(error, path)}") from None
    _check(path, os.lstat(path), directory=True)
    return path


def user_folder(variable: str, usual: str) -> str:
    """Return the folder named by an environment variable, or `usual` below the home.

    Raises NotPrivate without a home.
    """
    named = os.environ.get(variable)
    if named:
        return named
    base = os.path.expanduser("~")
    if not os.path.isabs(base):  # otherwise a folder `~` would be made in the working directory
        raise NotPrivate(f"this user has no home directory ($HOME), and ${variable} names no other folder")
    return os.path.join(base, usual)


def check_private(path: str) -> bool:
    """Return whether this file or directory exists. Raises NotPrivate when it does and is not private."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    _check(path, found, directory=stat.S_ISDIR(found.st_mode))
    return True


def check_private_directory(path: str) -> bool:
    """Return whether this directory exists. Raises NotPrivate when the path is anything but a private directory."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    _check(path, found, directory=True)
    return True


def _check(path: str, found: os.stat_result, *, directory: bool) -> None:
    kind = "directory" if directory else "file"
    if not (stat.S_ISDIR if directory else stat.S_ISREG)(found.st_mode):
        raise NotPrivate(f"{path} is no plain {kind}, so it is not used; remove it, or choose another place")
    if found.st_uid != os.geteuid():
        raise NotPrivate(
            f"the {kind} {path} belongs to user {found.st_uid}, so it is not used; choose another folder"
        )
    if found.st_mode & _OTHERS:
        raise NotPrivate(
            f"the {kind} {path} has mode {stat.S_IMODE(found.st_mode):04o}, which lets others in, so it is not used; "
            f"if nobody has tampered with it, run: chmod {'700' if directory else '600'} {path}"
        )


def open_private(path: str) -> int:
    """Open this file for reading and writing, made empty if missing. Raises NotPrivate as above."""
    check_private(path)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _check(path, os.fstat(fd), directory=False)
    except NotPrivate:
        os.close(fd)
        raise
    return fd


def write_private(path: str, data: bytes) -> None:
    """Write a file, replacing another: complete and on the disk when this returns, or not at all."""
    new = f"{path}.{token()}"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise
    sync_directory(os.path.dirname(path))


def read_private(path: str) -> bytes:
    """Return the bytes of a file. Raises FileNotFoundError if it is missing, NotPrivate if it is not private."""
    check_private(path)
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        _check(path, os.fstat(file.fileno()), directory=False)
        return file.read()
