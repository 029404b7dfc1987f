"""Is a file that is open still the one that the job was planned from? `Split.state` says what that one was.

A state is device, inode, size, mtime in ns, and the CRC-32 of the last `TAIL_BYTES` before an end: of a split, or of
the whole of a compressed file. (The state of what is only looked at ends with the mtime.) Rules:
- another device or inode is another file: it was replaced (rotated, or renamed over). This shows when it is opened.
- shorter than planned is truncated; as long as planned with another mtime is rewritten in place.
- longer is appended to, which is fine, if the tail is still what it was; else it was truncated and written anew.
The ctime is not asked: a rename, a link or a chmod changes it, too. What this does not see: a file that is rewritten
within one tick of the clock of its planning, or through a mapping; and of a file that has grown, what was rewritten
in its middle while the tails of all splits stay as they were.
"""

from __future__ import annotations

import os
from zlib import crc32

from mrframe.errors import InputChanged

TAIL_BYTES = 4096
State = tuple[int, ...]
_REMEDY = "run the job again, on a copy if the file keeps changing"


def state_of(status: os.stat_result) -> State:
    """Device, inode, size and mtime of a file, and its ctime, by which saved results know it again."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def state_before(fd: int, state: State, end: int) -> State:
    """The state of a split that ends at byte `end` of the open file, which has this `state_of`. OSError."""
    return (*state[:4], _tail(fd, end)) if state else ()


def _tail(fd: int, end: int) -> int:
    start = max(0, end - TAIL_BYTES)
    return crc32(os.pread(fd, end - start, start))


def check_opened(fd: int, state: State, name: str) -> None:
    """InputChanged when this is not the file that was planned; () as a state is any file."""
    if state and (found := os.fstat(fd)) and (found.st_dev, found.st_ino) != state[:2]:
        raise InputChanged(
            f"{name} is another file than the one that the job was planned from: it was replaced, as rotation does; "
            "run the job again"
        )


def check_read(fd: int, state: State, end: int, name: str) -> None:
    """InputChanged when what was read up to byte `end` may not be what was planned."""
    if not state:
        return
    found, (size, mtime_ns, *tail) = os.fstat(fd), state[2:]
    if found.st_size < size:
        raise InputChanged(
            f"{name} was truncated from {size:,} to {found.st_size:,} bytes while the job ran; {_REMEDY}"
        )
    if found.st_size == size and found.st_mtime_ns == mtime_ns:
        return
    if found.st_size == size or (tail and _tail(fd, end) != tail[0]):
        raise InputChanged(f"{name} was rewritten in place while the job ran; {_REMEDY}")
