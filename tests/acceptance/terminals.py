"""Reading from the master side of a pseudo-terminal, for tests of commands on a terminal."""

from __future__ import annotations

import os


def read_to_end(master: int) -> bytes:
    """Return all that is written to the terminal until its other side closes, and close it."""
    seen = b""
    try:
        while data := os.read(master, 65536):
            seen += data
    except OSError:
        pass  # Linux reports the end of the other side as an error
    os.close(master)
    return seen
