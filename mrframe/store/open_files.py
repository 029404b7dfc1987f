"""This process's limit of open files: raised where it listens, given back where user code runs, with a reserve.

A process that listens raises its soft limit to the hard one, less `RESERVE`: the kernel then refuses descriptors
to the connections of strangers while the reserve is left for its own files. `patiently` uses the reserve for an open
that fails, has the listener shut (`relieve`), and waits.

Not here: the listener (`cluster/transport/door.py`).
"""

from __future__ import annotations

import errno
import os
import resource
import select
from collections.abc import Callable
from typing import TypeVar

from mrframe.errors import UsageError

RESERVE = 128
"""Descriptors that strangers cannot use up: enough for a turn of a node with 64 slots."""
PAUSES_S = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Waits for a free descriptor. A stranger's connection is closed after 2 s (`transport.py`)."""
_SHORT = frozenset({errno.EMFILE, errno.ENFILE})

T = TypeVar("T")


class _Limits:
    """The process's limits, which the processes that it forks inherit.

    usual    the soft limit before it was raised, None while it never was
    relieve  has the listener of this process take no more connections
    """

    usual: int | None = None
    relieve: Callable[[], None] | None = None


def is_short(error: OSError) -> bool:
    """Return whether the error says that this process, or the machine, has no descriptor left."""
    return error.errno in _SHORT


def raise_limit() -> None:
    """Raise the soft limit of this process to the hard one, less the reserve. It never becomes lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _Limits.usual is None:
        _Limits.usual = soft
    set_soft_limit(max(soft, hard - reserve(hard)) if hard != resource.RLIM_INFINITY else hard)


def need(files: int, what: str) -> None:
    """Raise the soft limit to at least `files`. UsageError naming `what` needs them, when the hard limit forbids."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= files:
        return
    if hard != resource.RLIM_INFINITY and hard < files:
        raise UsageError(f"{what} needs {files:,} open files, and the system allows a process {hard:,} (ulimit -Hn)")
    set_soft_limit(files)


def usual_limit() -> int:
    """Return the soft limit that user code expects: the one before `raise_limit`."""
    return _Limits.usual if _Limits.usual is not None else resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def reserve(limit: int) -> int:
    """Return how many of `limit` descriptors are kept for the process's own files."""
    return min(RESERVE, limit // 4)


def set_soft_limit(files: int) -> None:
    """Set the soft limit of this process."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def lowest_free() -> int | None:
    """Return the lowest free descriptor, or None without any. All below are in use."""
    try:
        probe = os.dup(2)
    except OSError:
        return None
    os.close(probe)
    return probe


def relieve_by(call: Callable[[], None] | None) -> None:
    """Have `patiently` call this function when no descriptor is left."""
    _Limits.relieve = call


def patiently(call: Callable[[], T]) -> T:
    """Return what `call` returns. While it fails for want of a descriptor, make room, wait and call it again."""
    for pause_s in PAUSES_S:
        try:
            return call()
        except OSError as error:
            if not is_short(error):
                raise
        if _Limits.relieve is not None:
            _Limits.relieve()
        select.poll().poll(pause_s * 1000)  # nothing tells of a descriptor that becomes free
    return call()
