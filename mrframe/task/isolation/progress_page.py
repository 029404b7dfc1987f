"""The position of a task, in memory that survives its process: the record or key it worked on when it was killed.

An isolated attempt runs in a child of the executor and writes its position here, record by record. The executor reads
it when the child has died or makes no progress. (Hadoop's skip mode reports the position to its tracker. A write to
shared memory is cheap enough for every record.) Not here: watching the child (`watched_child.py`), blaming the record
(`isolated_attempt.py`).
"""

from __future__ import annotations

import mmap
import os
import select
import struct
from collections.abc import Callable
from contextlib import suppress

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.spec import FatalPosition
from mrframe.task.isolation import ancestry

KEY_BYTES_MAX = 2000  # of a key's repr
PAGE = ".page"
_BYTES = 4096
_HEAD = struct.Struct(
    "<QQqQQB3xI"
)  # offset, length of the block; record in it; records, bytes done; spent; key bytes
_BLOCK = struct.Struct("<QQq")
_RECORD = struct.Struct("<q")
_DONE = struct.Struct("<QQ")
_SPENT = struct.Struct("<B")
_KEY = struct.Struct("<I")
_LAST_AT, _CHANGED_AT = 3000, 3100
_CHANGED = struct.Struct("<QQqB")
NOWHERE = -1
NEAR_RECORDS = 2000
"""A process that kills one above it works on other records until the kernel has ended it, too: so many at most."""
ANCESTORS = 4  # executor, warm parent, node, keeper
_WAIT_MS = 50


@dataclass(frozen=True, slots=True)
class Position:
    """Content of a page: the record (index in the block of `length` bytes at `offset` of the source), or the key.

    `record` is -1 between records. `spent` is set once the task has left out as many records as it may.
    """

    offset: int
    length: int
    record: int
    records_done: int
    bytes_done: int
    spent: bool
    key: str


class ProgressPage:
    """A page of memory shared with children that are forked later.

    With a `path` it is that of a file, which stays behind when this process dies, too. Where the disk refuses, it is
    only in memory.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._page = _mapped(path) if path else mmap.mmap(-1, _BYTES)
        self._check: Callable[[], int] | None = None
        self._parent = 0
        self._ancestors: list[int] = []
        self._near: FatalPosition | None = None
        for at in (0, _LAST_AT):
            _BLOCK.pack_into(self._page, at, 0, 0, NOWHERE)
        self.clear()

    def delete(self) -> None:
        """Delete the file. The page stays usable."""
        if self._path:
            with suppress(OSError):
                os.unlink(self._path)

    def clear(self) -> None:
        """Reset the position. The last record is remembered."""
        offset, length, record = _BLOCK.unpack_from(self._page, 0)
        if record != NOWHERE:
            _BLOCK.pack_into(self._page, _LAST_AT, offset, length, record)
        _CHANGED.pack_into(self._page, _CHANGED_AT, 0, 0, NOWHERE, 0)
        _HEAD.pack_into(self._page, 0, 0, 0, NOWHERE, 0, 0, 0, 0)

    def block(self, offset: int, length: int) -> None:
        """Begin a block of `length` bytes at this offset of the source."""
        _BLOCK.pack_into(self._page, 0, offset, length, NOWHERE)

    def record(self, index: int) -> None:
        """Begin a record of the block (-1: work that belongs to no record)."""
        if self._parent:
            self._after_record()
        if self._check is not None and (change := self._check()):
            self._check = None
            _CHANGED.pack_into(self._page, _CHANGED_AT, *_BLOCK.unpack_from(self._page, 0), change)
        _RECORD.pack_into(self._page, 16, index)

    def _after_record(self) -> None:
        """Stay at a record that has ended a process above this one, whose end will soon end this one, too."""
        offset, _, record = _BLOCK.unpack_from(self._page, 0)
        near = self._near
        if near is not None and near.offset == offset and near.record - NEAR_RECORDS <= record <= near.record:
            while any(map(ancestry.is_ending, self._ancestors)) and os.getppid() == self._parent:
                select.poll().poll(_WAIT_MS)
        if os.getppid() != self._parent:
            os._exit(1)

    def watch(self, check: Callable[[], int]) -> None:
        """Call `check` after each record, and remember the first one after which it returns anything but 0.

        For the process that does the work. It ends when the one that forked it has ended.
        """
        self._check = check
        self._parent = os.getppid()
        self._ancestors = ancestry.above(ANCESTORS) if self._near is not None else []

    def linger_near(self, position: FatalPosition | None) -> None:
        """Look after each record shortly before this one, where an earlier attempt died, who is about to end."""
        self._near = position

    def changed(self) -> tuple[Position, int] | None:
        """Return the record after which the check has returned a number, and that number."""
        offset, length, record, change = _CHANGED.unpack_from(self._page, _CHANGED_AT)
        return (Position(offset, length, record, 0, 0, spent=False, key=""), change) if change else None

    def beat(self, records: int, bytes_done: int) -> None:
        """Note the records and bytes done so far."""
        _DONE.pack_into(self._page, 24, records, bytes_done)

    def spend(self) -> None:
        """Note that no more records may be left out."""
        _SPENT.pack_into(self._page, 40, 1)

    def key(self, key: object) -> None:
        """Begin the group of this key."""
        text = repr(key).encode("utf-8", "backslashreplace")[:KEY_BYTES_MAX]
        self._page[_HEAD.size : _HEAD.size + len(text)] = text
        _KEY.pack_into(self._page, 44, len(text))

    def raw(self) -> bytes:
        """Return the bytes of the page. A difference between two reads means progress."""
        return self._page[: _HEAD.size + KEY_BYTES_MAX]

    def read(self) -> Position:
        """Return the current position."""
        return _position(self._page)


def page_path(out_dir: str) -> str:
    """Return the path of the page of the attempt with this directory."""
    return f"{out_dir}{PAGE}"


def take_page(path: str) -> FatalPosition | None:
    """Read and delete the page that a dead process has left. None without one, or if it is at no record or key.

    The job's code could write it: nothing in it is believed beyond its form.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_BYTES)
        os.unlink(path)
    except OSError:
        return None
    if len(data) != _BYTES:
        return None
    position = _position(data)
    if position.record < 0 and not position.key:
        offset, length, record = _BLOCK.unpack_from(data, _LAST_AT)
        return FatalPosition(offset, length, record) if record >= 0 else None
    return FatalPosition(position.offset, position.length, position.record, position.key)


def _mapped(path: str) -> mmap.mmap:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return mmap.mmap(-1, _BYTES)
    try:
        os.posix_fallocate(fd, 0, _BYTES)  # writing to a page without space would kill this process
        return mmap.mmap(fd, _BYTES)
    except OSError:
        return mmap.mmap(-1, _BYTES)
    finally:
        os.close(fd)


def _position(page: mmap.mmap | bytes) -> Position:
    offset, length, record, records, done, spent, key_bytes = _HEAD.unpack_from(page, 0)
    key = page[_HEAD.size : _HEAD.size + min(key_bytes, KEY_BYTES_MAX)].decode("utf-8", "replace")
    return Position(offset, length, record, records, done, bool(spent), key)
