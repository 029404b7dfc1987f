"""Standard output of a command: for its data alone, whatever the job's code prints.

`claim` is called before any code of a job runs in the command's process. From then on `stream` alone reaches the
former standard output. Whatever the job's code, the processes it starts and C libraries write there, by `print` or to
descriptor 1, goes to standard error. It stays so to the end of the process, since threads and exit handlers of the
job outlive the run.

Rules.
- Only a process that is a command is claimed (`begin`). In a notebook, or a script that calls `mrframe.run`, standard
  output is the caller's: mrframe writes no answer there, and a job's prints appear where the caller's own do.
- Prints of the job's code never fail: output that standard error does not take is lost, as in an executor
  (`print_limit.py`).
"""

from __future__ import annotations

import fcntl
import io
import os
import sys
from typing import TextIO

_LOWEST_FD = 3  # 0 and 2 may be closed, and are not to become the data's
_begun = False
_claimed = False
_own: TextIO | None = None  # None: standard output is closed


def begin() -> None:
    """Say that this process is a command, whose standard output is for data."""
    global _begun  # noqa: PLW0603  (a fact about the process)
    _begun = True


def claim() -> None:
    """Keep standard output for data from now on. Nothing where this process is no command."""
    global _claimed, _own  # noqa: PLW0603  (facts about the process)
    if not _begun or _claimed:
        return
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
        pass  # it was closed by its number; writing data reports that
    _cover()
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Prints()), "utf-8", "backslashreplace", line_buffering=True)
    setattr(sys, "__stdout__", sys.stdout)  # noqa: B010  (typed as final)


def stream() -> TextIO | None:
    """Where data goes. None when standard output is closed."""
    return _own if _claimed else sys.stdout


def descriptors() -> list[int]:
    """The descriptors of the present and the former standard output."""
    return [1, _own.fileno()] if _own is not None and not _own.closed else [1]


def release() -> None:
    """Close the claimed stream in a forked process that writes no data."""
    if _own is not None:
        try:
            os.close(_own.fileno())
        except (OSError, ValueError):
            pass  # it is closed


def _cover() -> None:
    """Let descriptor 1 lead to standard error, or nowhere when that is closed."""
    try:
        os.dup2(2, 1)
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        if nothing != 1:
            os.dup2(nothing, 1)
            os.close(nothing)


class _Prints(io.RawIOBase):
    """The stream of `print`: descriptor 1. Output that it does not take is lost."""

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return 1

    def isatty(self) -> bool:
        """Whether a person sees it."""
        return os.isatty(1)

    def write(self, data: object) -> int:
        """Take all of the data."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # from a buffered stream
        done = 0
        try:
            while done < len(view):
                done += os.write(1, view[done:])
        except OSError:
            pass  # nobody reads it, or it is full
        return len(view)
