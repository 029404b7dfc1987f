"""What user code prints in an executor: shown on standard error, up to a limit for each attempt.

A job that prints for every record would otherwise fill the terminal, or the log of a standing cluster and the disk
with it. What is over the limit is counted and told in one line. What a C library writes to the descriptor itself is
not seen.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

PRINT_BYTES_MAX = 1 << 20


class PrintLimit(io.RawIOBase):
    """A raw stream to the descriptor `fd` that passes on no more than `limit_bytes` after each `begin`."""

    def __init__(self, fd: int = 2, limit_bytes: int = PRINT_BYTES_MAX) -> None:
        super().__init__()
        self._fd = fd
        self._limit_bytes = limit_bytes
        self._left_bytes = limit_bytes
        self._dropped_bytes = 0

    def install(self) -> None:
        """Be what `print` writes to from now on, on both streams of this process."""
        text = io.TextIOWrapper(io.BufferedWriter(self), "utf-8", "backslashreplace", line_buffering=True)
        sys.stdout = sys.stderr = text

    def begin(self) -> None:
        """An attempt begins, with all of the limit."""
        self._left_bytes, self._dropped_bytes = self._limit_bytes, 0

    def end(self, attempt: str) -> None:
        """An attempt is over, all it has printed was flushed: say what was left out."""
        if self._dropped_bytes:
            said = (
                f"\nmrframe: {attempt} printed {self._dropped_bytes:,} bytes more than the {self._limit_bytes:,} "
                "that are shown of an attempt\n"
            )
            _write(self._fd, said.encode())
        self.begin()

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def write(self, data: Any) -> int:
        """Pass on what there is room for; all of it is taken."""
        view = memoryview(data).cast("B")
        shown = view[: self._left_bytes]
        self._left_bytes -= len(shown)
        self._dropped_bytes += len(view) - len(shown)
        _write(self._fd, shown)
        return len(view)


def _write(fd: int, data: bytes | memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]
