"""Standard error of processes that are no command: nodes, executors, forked children. It may be a terminal, or a log.

In the log of a standing cluster each line begins with the time and the process: `stamp_lines` has this process and
its children do so, and `name_process` says by which name. On a terminal lines have no stamp.

Not here: what a command says (`cli/show/streams.py`), and prints of a job's code (`print_limit.py`).
"""

from __future__ import annotations

import os
import sys
import time

from mrframe.core.safe_text import escaped

_stamped = False
_name = "mrframe"


def stamp_lines() -> None:
    """Begin each line with a stamp, in this process and in those that it forks."""
    global _stamped  # noqa: PLW0603
    _stamped = True


def name_process(name: str) -> None:
    """Set the name of this process in stamps."""
    global _name  # noqa: PLW0603
    _name = name


def stamp(now_s: float | None = None) -> str:
    """Return what begins a line: the time in UTC, the process and its id. "" where lines have no stamp."""
    if not _stamped:
        return ""
    at_s = time.time() if now_s is None else now_s
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s))
    return f"{seconds}.{int(at_s % 1 * 1000):03}Z {_name}[{os.getpid()}] "


def log(text: str) -> None:
    """Write a line, or several, to standard error if possible. A failure to log ends no process."""
    begin = stamp()
    lines = "".join([f"{begin}{line}\n" for line in escaped(text).rstrip("\n").split("\n")])
    try:
        os.write(2, lines.encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # the disk of the log is full, or the stream is closed


def flush_prints() -> None:
    """Flush the output that the job's code printed in this process, as far as that can be done."""
    for printed in (sys.stdout, sys.stderr):
        try:
            printed.flush()
        except (OSError, ValueError, AttributeError):
            continue  # the code has closed it or put something else there, or its reader is gone
