"""Limits an executor's process.

None of this is a security boundary: user code runs with all rights of the user. It keeps a mistake from bringing down
the machine.

Memory has a soft limit while user code runs. Code beyond it gets a MemoryError at its own line instead of the
machine's last page. The limit counts writable memory (RLIMIT_DATA: heap and private mappings, Linux 4.7 and later),
not mapped files. It is lifted while a failure is examined, which needs memory too. On other systems than Linux memory
is not limited.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mrframe.store.open_files import usual_limit

SHARE = 0.75  # of the machine's memory, for all executors together
SHARE_BYTES_MIN = 1 << 30
FILE_BYTES_MAX = 128 << 30
"""The largest file that an executor may write. Writing more raises OSError (EFBIG) at the line that does it."""
OPEN_FILES_MAX = 4096
PROCESSES_MAX = 8192
"""Processes and threads of this user, in all programs together, above which an executor cannot start another."""
_CGROUP = "/sys/fs/cgroup/memory.max"


def memory_share(executors: int) -> int:
    """Return the default memory limit per executor in bytes. All executors together leave the machine some."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open(_CGROUP, encoding="ascii") as file:
            total = min(total, int(file.read()))
    except (OSError, ValueError):
        pass  # no such limit, or "max"
    return max(SHARE_BYTES_MIN, int(total * SHARE) // executors)


@contextmanager
def memory_limited(limit_bytes: int | None) -> Iterator[None]:
    """Limit the memory of this process within the block, in bytes. None leaves the limit unchanged."""
    if limit_bytes is None or sys.platform != "linux":
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = limit_bytes if hard == resource.RLIM_INFINITY else min(limit_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def confine() -> None:
    """Limit this process and its children for good.

    A lower limit stays. A crash writes no core dump, which would hold all memory of the process.
    """
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, FILE_BYTES_MAX),
        (resource.RLIMIT_NOFILE, min(OPEN_FILES_MAX, usual_limit())),
        (resource.RLIMIT_NPROC, PROCESSES_MAX),
    ):
        soft, hard = resource.getrlimit(kind)
        if soft == resource.RLIM_INFINITY or soft > most:
            resource.setrlimit(kind, (most, hard))
