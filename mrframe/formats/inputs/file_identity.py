"""Checks that an open file is still the one that the job was planned from, by `Split.state`.

A state is device, inode, size, mtime in ns, and the CRC-32 of the last `TAIL_BYTES` before an end: of a split, or of
the whole of a compressed file. (For a file of which only the head is read it ends with the mtime.) Rules:
- Another device or inode is another file: it was replaced (rotated, or renamed over). This shows when it is opened.
- A file that is shorter than planned was truncated. One of the same length with another mtime was rewritten in place.
- A longer one was appended to, which is fine, if the tail is unchanged. Else it was truncated and written anew.
The ctime is not compared, since a rename, a link or a chmod changes it too. Three changes escape: a file rewritten
within one tick of the clock after planning, a file rewritten through a mapping, and a change in the middle of a file
that has grown while the tails of all splits are unchanged.
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
    """Raise InputChanged unless this is the planned file. The state () is any file."""
    if state and (found := os.fstat(fd)) and (found.st_dev, found.st_ino) != state[:2]:
        raise InputChanged(
            f"{name} is another file than the one that the job was planned from: it was replaced, as rotation does; "
            "run the job again"
        )


def check_read(fd: int, state: State, end: int, name: str) -> None:
    """Raise InputChanged if the bytes up to `end` may not be the planned ones."""
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
