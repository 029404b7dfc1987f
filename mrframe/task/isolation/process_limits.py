"""Limits for the process of an executor, and an environment without secrets.

None of this is a wall: user code runs as the user, with the user's rights. It keeps a mistake from taking the
machine with it, and a secret from ending up in an answer or a log.

Memory has a soft limit, for as long as user code runs. Code that exceeds it gets a MemoryError at its own line
instead of the machine's last page. The limit counts the memory that the process may write to (RLIMIT_DATA: heap and
private mappings, Linux 4.7 and later), not files it maps. It is lifted while the failure is worked out, which needs
memory too. Elsewhere than on Linux memory is not limited.
"""

from __future__ import annotations

import os
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SHARE = 0.75  # of the machine's memory, for all executors together
SHARE_BYTES_MIN = 1 << 30
FILE_BYTES_MAX = 128 << 30
"""The largest file that an executor may write: writing further is an OSError (EFBIG) at the line that does it."""
OPEN_FILES_MAX = 4096
PROCESSES_MAX = 8192
"""Processes and threads of this user, of all programs together, from which on an executor may start no more."""
SECRETS = re.compile(
    r"SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL|^AWS_|(^|_)(API_?)?KEYS?(_|$)|(^|_)AUTH(_|$)|(^|_)DSN$|DATABASE_URL",
    re.IGNORECASE,
)
"""Names of variables that executors do not see."""
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
    """Limit the memory of this process while the block runs (None: leave the limit)."""
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
    """Limit this process and all that it starts, for good, and remove variables that look like secrets from its
    environment.

    A limit that is lower already stays. Nothing is dumped when it crashes: a core has all its memory in it.
    """
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, FILE_BYTES_MAX),
        (resource.RLIMIT_NOFILE, OPEN_FILES_MAX),
        (resource.RLIMIT_NPROC, PROCESSES_MAX),
    ):
        soft, hard = resource.getrlimit(kind)
        if soft == resource.RLIM_INFINITY or soft > most:
            resource.setrlimit(kind, (most, hard))
    for name in [name for name in os.environ if SECRETS.search(name)]:
        del os.environ[name]
