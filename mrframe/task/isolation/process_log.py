"""Standard error of processes that are no command: nodes, executors, forked children. It may be a terminal, or a log.

Not here: what a command says (`cli/show/streams.py`), and prints of a job's code (`print_limit.py`).
"""

from __future__ import annotations

import os
import sys

from mrframe.core.safe_text import escaped


def log(text: str) -> None:
    """Write a line to standard error if possible. A failure to log ends no process."""
    try:
        os.write(2, f"{escaped(text)}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # the disk of the log is full, or the stream is closed


def flush_prints() -> None:
    """Flush the output that the job's code printed in this process, as far as that can be done."""
    for printed in (sys.stdout, sys.stderr):
        try:
            printed.flush()
        except (OSError, ValueError, AttributeError):
            continue  # the code has closed it or put something else there, or its reader is gone
