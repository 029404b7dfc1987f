"""Scratch directories: private, locked while in use, removed at the end, and swept if that end never came.

A scratch directory is `mrframe-<16 hex digits>`, mode 0700, in the parent folder. Its file `lock` is flocked for as
long as a process of the run lives (see `disk.py`). Sweeping takes only directories of this user with such a name
whose lock is free. It never follows a symbolic link, and leaves a name alone that turns into something else
meanwhile. Not here: the content of a scratch directory.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from typing import Self

from mrframe.errors import OutputError
from mrframe.store.disk import (
    RANDOM_NAME,
    fault_text,
    is_at,
    is_full,
    is_inside,
    token,
    try_lock,
    unwritten,
    wait_for_lock,
)

RACES_MAX = 100  # lost in a row to other processes that remove the same directory
LOCK = "lock"
_TOO_MANY_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_NAME = re.compile(f"mrframe-{RANDOM_NAME}")


class Scratch:
    """A fresh scratch directory at `path`, until `close()`. A context manager.

    `parent` defaults to $TMPDIR. Raises OutputError when nothing can be made there. Only the process that made it
    removes it: in a forked child `close()` does nothing.

    With `later` only its path is chosen, and `make()` makes it. A process that must remove it if this one is killed
    has to know of it before it exists.
    """

    def __init__(self, parent: str | None = None, *, later: bool = False) -> None:
        parent = os.path.abspath(parent or _usual_parent())
        if not os.path.isdir(parent):
            raise OutputError(
                f"the scratch folder {parent} does not exist; make it, or name another with --scratch-dir or $TMPDIR"
            )
        self.path = os.path.join(parent, f"mrframe-{token()}")
        self._lock = -1
        self._owner = os.getpid()
        self._closed = False
        if not later:
            self.make()

    def make(self) -> str:
        """Make it, unless it exists. Returns its path. Raises OutputError when it cannot be made."""
        if self._lock < 0:
            parent = os.path.dirname(self.path)
            try:
                self._lock = _make(self.path)
            except OSError as error:
                raise OutputError(
                    f"no scratch directory can be made in {parent}: {fault_text(error, parent)}"
                ) from None
        return self.path

    def close(self) -> None:
        """Remove the directory with everything in it.

        May be called again. Raises OutputError when it cannot be removed.
        """
        if self._closed or os.getpid() != self._owner:
            return
        self._closed = True
        try:
            remove_tree(self.path)
        finally:
            if self._lock >= 0:
                os.close(self._lock)

    def raise_fault(self, error: BaseException | None) -> None:
        """Raise an OutputError for an error of the disk that belongs to this directory.

        An error without a path does when it says that the disk is full: other writers name their files themselves.
        """
        if not isinstance(error, OSError) or error.errno in _TOO_MANY_FILES:
            return
        inside = isinstance(error.filename, str) and is_inside(error.filename, self.path)
        if inside or (error.filename is None and is_full(error)):
            raise unwritten(error, self.path, f"the scratch directory {self.path}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, tb: object) -> None:
        try:
            self.raise_fault(error)
        finally:
            self.close()


def remove_tree(path: str) -> None:
    """Remove a directory without following links out of it. It may be gone already.

    A file that a dying process made meanwhile is removed in a second pass. A file that another process removes at the
    same time is ignored. Raises OutputError when the directory cannot be removed.
    """
    again = True
    races = 0
    while os.path.lexists(path):
        try:
            shutil.rmtree(path)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and races < RACES_MAX:
                races += 1  # another process removes it too, and has just been here
                continue
            if not again:
                raise OutputError(
                    f"the scratch directory {path} cannot be removed: {error.strerror} ({error.filename}); "
                    "remove it by hand, or leave it to the next run"
                ) from None
            again = False


def sweep_stale(parent: str | None = None) -> list[str]:
    """Remove this user's scratch directories in `parent` if their owners are gone. Returns their paths."""
    parent = os.path.abspath(parent or _usual_parent())
    try:
        parent_fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return []  # nothing can be there, and `Scratch` reports the fault to a run that wants to write there
    try:
        names = [name for name in sorted(os.listdir(parent_fd)) if _NAME.fullmatch(name)]
        return [os.path.join(parent, name) for name in names if _sweep(parent_fd, name)]
    except OSError:
        return []  # another run may be able to list them
    finally:
        os.close(parent_fd)


def _usual_parent() -> str:
    """Return the folder that `tempfile` would choose, such as $TMPDIR.

    `tempfile` tests it with a file, which stays there when this process is killed meanwhile.
    """
    folders = (os.environ.get("TMPDIR"), os.environ.get("TEMP"), os.environ.get("TMP"), "/tmp")  # noqa: S108
    if tempfile.tempdir is None:
        for path in folders:
            if path and os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK):
                return path
    return tempfile.gettempdir()


def _make(path: str) -> int:
    """Make the directory and return its lock. Try again when a sweep came between."""
    races = 0
    while True:
        os.mkdir(path, 0o700)
        try:
            lock = os.open(os.path.join(path, LOCK), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            races += 1
            if races > RACES_MAX:
                raise
            continue
        wait_for_lock(lock)  # a sweep that has it is about to remove the directory, or to leave it alone
        if is_at(lock, os.path.join(path, LOCK)):
            return lock
        os.close(lock)


def _sweep(parent_fd: int, name: str) -> bool:
    """Remove one directory if it is stale. Returns whether it was."""
    opened: list[int] = []
    try:
        directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent_fd)
        opened.append(directory)
        inside = os.listdir(directory)
        if os.fstat(directory).st_uid != os.geteuid() or (inside and LOCK not in inside):
            return False
        # an empty one was left by a process that died before it made the lock, or is being made: see disk.py
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        opened.append(os.open(LOCK, flags, 0o600, dir_fd=directory))
        if not try_lock(opened[1]) or not is_at(directory, name, dir_fd=parent_fd):
            return False
        shutil.rmtree(name, dir_fd=parent_fd)
    except OSError:
        return False  # swept by another process, or not a scratch directory after all: never force it
    else:
        return True
    finally:
        for fd in opened:
            os.close(fd)
