"""Limit the output that user code prints in an executor: shown on standard error, up to limits in bytes and in time.

A job that prints for every record would otherwise fill the terminal, or the log of a standing cluster, and be as slow
as whatever reads it. Output over a limit is counted and reported. Not here: output that a C library writes to the
descriptor itself, which is not seen.

Rules.
- An attempt shows `PRINT_BYTES_MAX` at most, and the executors of a node together no more than `PRINT_BYTES_PER_S` in
  the long run, in sum.
- Nothing waits for a reader that does not read for longer than `WAIT_S_MAX`, and `WAIT_SHARE` of the time after that.
  So the descriptor is opened anew, not to block. The one that was inherited is not ours to change.
- A print never fails: output that cannot be written is counted, not shown.
- The figures lie in memory that is shared with forked children, and of the node with all executors. Nobody locks it:
  who is stopped would stop all others. Two that print at once may both have what was left for one.
"""

from __future__ import annotations

import io
import mmap
import os
import select
import socket
import stat
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

PRINT_BYTES_MAX = 1 << 20
PRINT_BYTES_PER_S = 256 << 10
WAIT_S_MAX = 1.0
WAIT_SHARE = 0.05
REPORT_S = 10.0  # between two reports of a node on truncated output

_LEFT, _WAIT_S, _SINCE_S, _UNREPORTED, _REPORTED_S = range(5)  # of a node
_LEFT_OF_ATTEMPT, _CUT = range(2)


class PrintBudget:
    """The output that the executors of a node may print together. Made before the first of them is forked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._numbers = _shared()
        self._numbers[_LEFT], self._numbers[_WAIT_S] = PRINT_BYTES_MAX, WAIT_S_MAX
        self._numbers[_SINCE_S] = clock()

    def take(self, wanted_bytes: int) -> int:
        """How many of so many bytes may be shown now. They are used up."""
        self._refill()
        given = min(wanted_bytes, int(self._numbers[_LEFT]))
        self._numbers[_LEFT] -= given
        return given

    def wait(self, fd: int) -> bool:
        """Wait until the descriptor takes more. False when it does not, or nobody may wait any longer."""
        self._refill()
        allowed_ms = int(self._numbers[_WAIT_S] * 1000)
        if allowed_ms < 1:
            return False
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        began_s = self._clock()
        ready = poll.poll(allowed_ms)
        self._numbers[_WAIT_S] = max(0.0, self._numbers[_WAIT_S] - (self._clock() - began_s))
        return bool(ready)

    def cut(self, count: int) -> int:
        """Count bytes that are not shown. Returns the number to report now, 0 if it is too soon.

        They count as reported before they are: writing takes long enough for another process to report them as well.
        """
        self._numbers[_UNREPORTED] += count
        reported_s, now_s = self._numbers[_REPORTED_S], self._clock()
        if reported_s and now_s - reported_s < REPORT_S:
            return 0
        missing, self._numbers[_UNREPORTED], self._numbers[_REPORTED_S] = int(self._numbers[_UNREPORTED]), 0, now_s
        return missing

    def give_back(self, count: int) -> None:
        """Return bytes that could not be reported, for the next report."""
        self._numbers[_UNREPORTED] += count
        self._numbers[_REPORTED_S] = 0

    def _refill(self) -> None:
        now_s = self._clock()
        passed_s, self._numbers[_SINCE_S] = max(0.0, now_s - self._numbers[_SINCE_S]), now_s
        self._numbers[_LEFT] = min(PRINT_BYTES_MAX, self._numbers[_LEFT] + passed_s * PRINT_BYTES_PER_S)
        self._numbers[_WAIT_S] = min(WAIT_S_MAX, self._numbers[_WAIT_S] + passed_s * WAIT_SHARE)


class PrintLimit(io.RawIOBase):
    """A raw stream to descriptor `fd` that takes all, and passes on as much as attempt and node may show."""

    def __init__(self, budget: PrintBudget, fd: int = 2) -> None:
        super().__init__()
        self._budget = budget
        self._fd = fd
        self._numbers = _shared()
        self._put: Callable[[Any], int] | None = None
        self._own: Any = None
        self.begin()

    def install(self) -> None:
        """Replace both standard streams of this process."""
        text = io.TextIOWrapper(io.BufferedWriter(self), "utf-8", "backslashreplace", line_buffering=True)
        sys.stdout = sys.stderr = text

    def begin(self) -> None:
        """An attempt begins, with all of its limit."""
        self._numbers[_LEFT_OF_ATTEMPT], self._numbers[_CUT] = PRINT_BYTES_MAX, 0

    def end(self, attempt: str) -> int:
        """An attempt is over, all it has printed was flushed: how many bytes of that were not shown."""
        cut = int(self._numbers[_CUT])
        if cut and (missing := self._budget.cut(cut)):
            note = (
                f"\nmrframe: {missing:,} bytes that were printed are not shown, the last of them by {attempt}; shown "
                f"are {PRINT_BYTES_MAX:,} of an attempt, and {PRINT_BYTES_PER_S:,} per second of a node\n"
            ).encode()
            if self._write(note) < len(note):
                self._budget.give_back(missing)
        self.begin()
        return cut

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def close(self) -> None:
        """Nothing more is passed on."""
        if self._own is not None:
            self._own.close()
        self._own = None
        super().close()

    def write(self, data: Any) -> int:
        """Pass on as much as there is room for. All of it is taken."""
        view = memoryview(data).cast("B")
        shown = 0
        if room := min(len(view), int(self._numbers[_LEFT_OF_ATTEMPT])):
            shown = self._write(view[: self._budget.take(room)])
            self._numbers[_LEFT_OF_ATTEMPT] -= shown
        self._numbers[_CUT] += len(view) - shown
        return len(view)

    def _write(self, data: bytes | memoryview) -> int:
        """How many of the bytes could be written."""
        written = 0
        if self._put is None:
            self._put, self._own = _outlet(self._fd)
        put = self._put
        while written < len(data) and not self.closed:
            try:
                written += put(data[written:])
            except BlockingIOError:
                if not self._budget.wait(self._fd):
                    break
            except OSError:  # nobody reads it any more, or its disk is full
                break
        return written


def _shared() -> Any:
    """Numbers that are 0, and shared with all processes that are forked from this one."""
    return memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")


def _outlet(fd: int) -> tuple[Callable[[Any], int], Any]:
    """(a stream to the target of `fd` that raises BlockingIOError instead of blocking, the descriptors to close).

    A file does not, and is written as it is: opened anew it would be written from its start.
    """
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISSOCK(mode):
            end = socket.socket(fileno=os.dup(fd))
            return lambda data: end.send(data, socket.MSG_DONTWAIT), end
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            own = os.open(f"/dev/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            return partial(os.write, own), io.FileIO(own, "wb")
    except OSError:
        pass  # it is closed, or a terminal of somebody else: it is written as it is
    return partial(os.write, fd), None
