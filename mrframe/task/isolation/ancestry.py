"""The processes above this one, and whether one of them is about to end (Linux; elsewhere none is known)."""

from __future__ import annotations

import os
import re
import signal

_PENDING = re.compile(rb"^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$", re.MULTILINE)
_ENDED = re.compile(rb"^State:\s*[ZX]", re.MULTILINE)
_KILL = 1 << (signal.SIGKILL - 1)


def above(count: int) -> list[int]:
    """Return the pids of the parent, its parent, and so on."""
    found: list[int] = []
    pid = os.getppid()
    while pid > 1 and len(found) < count:
        found.append(pid)
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except OSError:
            break
    return found


def is_ending(pid: int) -> bool:
    """Return whether a process has ended or has been sent SIGKILL, which it may not have obeyed yet."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            status = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return os.path.exists("/proc/self")
    except OSError:
        return False  # the job's code has taken all descriptors
    return bool(_ENDED.search(status)) or any(int(mask, 16) & _KILL for mask in _PENDING.findall(status))
