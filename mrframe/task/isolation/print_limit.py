"""Limits the output that user code prints in an executor, in bytes and in time. The output goes to standard error.

A job that prints for every record would otherwise fill the terminal, or the log of a standing cluster, and run only
as fast as its reader. Bytes over a limit are counted and reported. Not here: output that a C library writes directly
to the descriptor, which is not seen.

Rules.
- An attempt shows `PRINT_BYTES_MAX` at most, and all executors of a node together `PRINT_BYTES_PER_S` in the long
  run.
- A print waits for a reader that does not read for at most `WAIT_S_MAX`, and `WAIT_SHARE` of the time after that. So
  the descriptor is reopened as non-blocking. The inherited one is not ours to change.
- A print never fails: bytes that cannot be written are counted as not shown.
- In the log of a standing cluster each line begins with its stamp (`process_log.py`) and the attempt. The limits do
  not count them.
- The counts lie in memory shared with forked children, those of a node with all its executors. They have no lock,
  because a stopped process would stop all others. Two that print at once may both take the budget left for one.
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

from mrframe.task.isolation.process_log import stamp

PRINT_BYTES_MAX = 1 << 20
PRINT_BYTES_PER_S = 256 << 10
WAIT_S_MAX = 1.0
WAIT_SHARE = 0.05
REPORT_S = 10.0  # between two reports of a node on bytes not shown

_LEFT, _WAIT_S, _SINCE_S, _UNREPORTED, _REPORTED_S = range(5)  # of a node
_LEFT_OF_ATTEMPT, _CUT = range(2)


class PrintBudget:
    """The print budget that the executors of a node share. Make it before forking the first of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._numbers = _shared()
        self._numbers[_LEFT], self._numbers[_WAIT_S] = PRINT_BYTES_MAX, WAIT_S_MAX
        self._numbers[_SINCE_S] = clock()

    def take(self, wanted_bytes: int) -> int:
        """Take up to `wanted_bytes` from the budget. Returns how many bytes may be shown now."""
        self._refill()
        given = min(wanted_bytes, int(self._numbers[_LEFT]))
        self._numbers[_LEFT] -= given
        return given

    def wait(self, fd: int) -> bool:
        """Wait until the descriptor takes more. Returns False if it does not, or if no time for waiting is left."""
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
        """Count bytes that are not shown. Returns how many to report now, 0 if it is too soon.

        They count as reported at once: otherwise, during the write, another process could report them as well.
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
    """A raw stream to the descriptor `fd`: accepts all bytes, passes on those within the limits."""

    def __init__(self, budget: PrintBudget, fd: int = 2) -> None:
        super().__init__()
        self._budget = budget
        self._fd = fd
        self._numbers = _shared()
        self._put: Callable[[Any], int] | None = None
        self._own: Any = None
        self._attempt = ""
        self._within_line = False  # the last write did not end its line
        self.begin()

    def install(self) -> None:
        """Replace both standard streams of this process."""
        text = io.TextIOWrapper(io.BufferedWriter(self), "utf-8", "backslashreplace", line_buffering=True)
        sys.stdout = sys.stderr = text

    def begin(self, attempt: str = "") -> None:
        """Reset the limit for a new attempt, whose id stamps begin with."""
        self._attempt = attempt
        self._numbers[_LEFT_OF_ATTEMPT], self._numbers[_CUT] = PRINT_BYTES_MAX, 0

    def end(self, attempt: str) -> int:
        """End an attempt, whose output has been flushed. Returns how many of its bytes were not shown."""
        if self._within_line:
            self._within_line = False
            self._pass_on(b"\n")
        cut = int(self._numbers[_CUT])
        if cut and (missing := self._budget.cut(cut)):
            start = "" if stamp() else "\n"
            note = (
                f"{start}mrframe: {missing:,} bytes that were printed are not shown, the last of them by {attempt}; "
                f"the limits are {PRINT_BYTES_MAX:,} per attempt, and {PRINT_BYTES_PER_S:,} per second for a node\n"
            ).encode()
            if self._write(note) < len(note):
                self._budget.give_back(missing)
        self.begin()
        return cut

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def close(self) -> None:
        """Stop passing bytes on."""
        if self._own is not None:
            self._own.close()
        self._own = None
        super().close()

    def write(self, data: Any) -> int:
        """Pass on the bytes within the limits. All count as written."""
        view = memoryview(data).cast("B")
        shown = 0
        if room := min(len(view), int(self._numbers[_LEFT_OF_ATTEMPT])):
            shown = self._write(view[: self._budget.take(room)])
            self._numbers[_LEFT_OF_ATTEMPT] -= shown
        self._numbers[_CUT] += len(view) - shown
        return len(view)

    def _write(self, data: bytes | memoryview) -> int:
        """Write bytes, with stamps where lines have them. Returns how many of `data` could be written."""
        begin = stamp()
        if not begin or not data:
            return self._pass_on(data)
        stamped = self._with_stamps(bytes(data), f"{begin}{self._attempt}: ".encode())
        return len(data) if self._pass_on(stamped) == len(stamped) else 0

    def _with_stamps(self, data: bytes, begin: bytes) -> bytes:
        lines = data.split(b"\n")
        ends = lines.pop()  # what follows the last newline
        first = b"" if self._within_line else begin
        whole = begin.join([line + b"\n" for line in lines])
        self._within_line = bool(ends) or (self._within_line and not lines)
        return first + whole + ((begin if lines else b"") + ends if ends else b"")

    def _pass_on(self, data: bytes | memoryview) -> int:
        """Write bytes as they are. Returns how many could be written."""
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
            except OSError:  # its reader is gone, or its disk is full
                break
        return written


def _shared() -> Any:
    """Return zeros in memory that is shared with all processes forked from this one."""
    return memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")


def _outlet(fd: int) -> tuple[Callable[[Any], int], Any]:
    """Return (function that writes to the target of `fd`, object to close or None).

    The function raises BlockingIOError instead of blocking. A file never blocks and is written through `fd` itself:
    reopened, it would be written from its start.
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
        pass  # closed, or another user's terminal: write through `fd`
    return partial(os.write, fd), None
