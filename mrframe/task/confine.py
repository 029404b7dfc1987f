"""How much memory the work of an executor may take: a soft limit of the process, for as long as user code runs.

What goes beyond gets a MemoryError at its own line instead of the machine's last page. The limit counts what the
process may write to (RLIMIT_DATA: heap and private mappings, Linux 4.7 and later), not files it maps. It is lifted
while the failure is worked out, which needs memory too. Elsewhere than on Linux nothing is limited.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SHARE = 0.75  # of the machine's memory, for all executors together
SHARE_BYTES_MIN = 1 << 30
_CGROUP = "/sys/fs/cgroup/memory.max"


def memory_share(executors: int) -> int:
    """Bytes that each of so many executors may hold, by default: so that all of them leave the machine some."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open(_CGROUP, encoding="ascii") as file:
            total = min(total, int(file.read()))
    except (OSError, ValueError):
        pass  # no such limit, or "max"
    return max(SHARE_BYTES_MIN, int(total * SHARE) // executors)


@contextmanager
def memory_limited(limit_bytes: int | None) -> Iterator[None]:
    """While the block runs this process may hold so much (None: what it might before)."""
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
