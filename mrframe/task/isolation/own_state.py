"""Changes that a job's code makes to its process and that let mrframe's own work fail: closed descriptors, limits.

Only isolated attempts look for them, after each record. A change alone is allowed. It is blamed if the attempt fails
by an error of the system afterwards (`isolated_attempt.py`).
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable

CLOSED = 1
_LIMITS = ("RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_STACK", "RLIMIT_NPROC")
_KINDS = tuple(getattr(resource, name) for name in _LIMITS)


def watch(descriptor: int) -> Callable[[], int]:
    """Return a function that says whether this process has changed since: 0, `CLOSED`, or the number of a limit.

    `descriptor` stands for all of mrframe's own.
    """
    before = [resource.getrlimit(kind) for kind in _KINDS]

    def change() -> int:
        try:
            os.fstat(descriptor)
        except OSError:
            return CLOSED
        for number, kind in enumerate(_KINDS):
            if resource.getrlimit(kind) != before[number]:
                return CLOSED + 1 + number
        return 0

    return change


def describe(change: int) -> str:
    """Describe a change for people."""
    if change == CLOSED:
        return "it closed file descriptors that it had not opened"
    return f"it changed the limit {_LIMITS[change - CLOSED - 1]} of its process"
