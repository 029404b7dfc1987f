"""Directories and files that are this user's alone: made so, and looked at before they are used.

What holds keys, the journal or a cluster's data lies in a directory of mode 0700, in files of mode 0600, of this
user. What is found otherwise (another owner, open to others, a link, something else of that name) is refused and
never put right: it may have been planted, and what it holds may have been read or written by others.
"""

from __future__ import annotations

import os
import stat

from mrframe.errors import NotPrivate
from mrframe.store.disk import fault_text, sync_directory, token

_OTHERS = 0o077


def private_directory(path: str) -> str:
    """The absolute path of this directory, made when it is not there. NotPrivate when it is not ours alone."""
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


def home_folder(variable: str, usual: str) -> str:
    """The folder that this environment variable names, or `usual` below the home; NotPrivate without a home."""
    named = os.environ.get(variable)
    if named:
        return named
    home = os.path.expanduser("~")
    if not os.path.isabs(home):  # else a folder `~` would be made where this process happens to be
        raise NotPrivate(f"this user has no home directory ($HOME), and ${variable} names no other folder")
    return os.path.join(home, usual)


def check_private(path: str) -> bool:
    """Whether this file or directory is there. NotPrivate when it is, and is not ours alone."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    _check(path, found, directory=stat.S_ISDIR(found.st_mode))
    return True


def check_private_directory(path: str) -> bool:
    """Whether this directory is there. NotPrivate when something is, and is no directory that is ours alone."""
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
        raise NotPrivate(f"the {kind} {path} belongs to user {found.st_uid}, so it is not used; choose another place")
    if found.st_mode & _OTHERS:
        raise NotPrivate(
            f"the {kind} {path} has mode {stat.S_IMODE(found.st_mode):04o}, which lets others in, so it is not used; "
            f"if nobody has tampered with it, run: chmod {'700' if directory else '600'} {path}"
        )


def open_private(path: str) -> int:
    """A descriptor of this file, for reading and writing; made empty when it is not there. NotPrivate as above."""
    check_private(path)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _check(path, os.fstat(fd), directory=False)
    except NotPrivate:
        os.close(fd)
        raise
    return fd


def write_private(path: str, data: bytes) -> None:
    """Put a file there, in the place of another one: whole, and on the disk when this returns, or not at all."""
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
    """The bytes of a file. FileNotFoundError when it is not there, NotPrivate when it is not ours alone."""
    check_private(path)
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        _check(path, os.fstat(file.fileno()), directory=False)
        return file.read()
