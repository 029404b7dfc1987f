"""Reserves standard output of a command for its data, apart from prints of the job's code.

Call `claim` before any code of a job runs in the command's process. From then on only `stream` reaches the original
standard output. Output of the job's code, its child processes and C libraries, by `print` or to descriptor 1, goes to
standard error. It stays so to the end of the process, since threads and exit handlers of the job outlive the run.

Rules.
- Only a process that is a command is claimed (`begin`). In a notebook, or a script that calls `mrframe.run`, standard
  output is the caller's: mrframe writes no answer there, and a job's prints appear where the caller's own do.
- A print of the job's code never fails: output that standard error does not take is lost, as in an executor
  (`print_limit.py`).
"""

from __future__ import annotations

import fcntl
import io
import os
import sys
from typing import TextIO

_LOWEST_FD = 3  # 0 and 2 may be closed, and must not carry the data
_begun = False
_claimed = False
_own: TextIO | None = None  # None: standard output is closed


def begin() -> None:
    """Mark this process as a command, with standard output for data."""
    global _begun  # noqa: PLW0603  (a fact about the process)
    _begun = True


def claim() -> bool:
    """Reserve standard output for data from now on. Returns False, and does nothing, unless this is a command."""
    global _claimed, _own  # noqa: PLW0603  (facts about the process)
    if not _begun or _claimed:
        return False
    _claimed = True
    before = sys.stdout
    try:
        if before is not None:
            before.flush()
            fd = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, _LOWEST_FD)
            _own = io.TextIOWrapper(
                io.BufferedWriter(io.FileIO(fd, "w")), before.encoding, before.errors, line_buffering=os.isatty(fd)
            )
    except OSError:
        pass  # it was closed by its number; the writer of data reports it
    _cover()
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Prints()), "utf-8", "backslashreplace", line_buffering=True)
    setattr(sys, "__stdout__", sys.stdout)  # noqa: B010  (typed as final)
    return True


def is_claimed() -> bool:
    """Return whether code of a job may have run in this command's process."""
    return _claimed


def stream() -> TextIO | None:
    """Return the stream for data, or None if standard output is closed."""
    return _own if _claimed else sys.stdout


def descriptors() -> list[int]:
    """Return the descriptors of the present and the original standard output."""
    return [1, _own.fileno()] if _own is not None and not _own.closed else [1]


def release() -> None:
    """Close the claimed stream, in a forked process that writes no data."""
    if _own is not None:
        try:
            os.close(_own.fileno())
        except (OSError, ValueError):
            pass  # it is closed


def _cover() -> None:
    """Redirect descriptor 1 to standard error, or nowhere if that is closed."""
    try:
        os.dup2(2, 1)
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        if nothing != 1:
            os.dup2(nothing, 1)
            os.close(nothing)


class _Prints(io.RawIOBase):
    """The stream for `print`: writes to descriptor 1 and drops bytes that it does not take."""

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return 1

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return os.isatty(1)

    def write(self, data: object) -> int:
        """Take all of the data."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # bytes from a buffered stream
        done = 0
        try:
            while done < len(view):
                done += os.write(1, view[done:])
        except OSError:
            pass  # its reader is gone, or it is full
        return len(view)
