"""The position of a task, in memory that survives its process: the record or key it worked on when it was killed.

An isolated attempt runs in a child of the executor and writes its position here, record by record. The executor reads
it when the child has died or makes no progress. (Hadoop's skip mode reports the position to its tracker. A write to
shared memory is cheap enough for every record.) Not here: watching the child (`watched_child.py`), blaming the record
(`isolated_attempt.py`).
"""

from __future__ import annotations

import mmap
import struct

from mrframe.core.fast_dataclass import dataclass

KEY_BYTES_MAX = 2000  # of a key's repr
_BYTES = 4096
_HEAD = struct.Struct(
    "<QQqQQB3xI"
)  # offset, length of the block; record in it; records, bytes done; spent; key bytes
_BLOCK = struct.Struct("<QQq")
_RECORD = struct.Struct("<q")
_DONE = struct.Struct("<QQ")
_SPENT = struct.Struct("<B")
_KEY = struct.Struct("<I")
NOWHERE = -1


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
    """A page of memory shared with children that are forked later."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _BYTES)
        self.clear()

    def clear(self) -> None:
        """Reset the position."""
        _HEAD.pack_into(self._page, 0, 0, 0, NOWHERE, 0, 0, 0, 0)

    def block(self, offset: int, length: int) -> None:
        """Begin a block of `length` bytes at this offset of the source."""
        _BLOCK.pack_into(self._page, 0, offset, length, NOWHERE)

    def record(self, index: int) -> None:
        """Begin a record of the block (-1: work that belongs to no record)."""
        _RECORD.pack_into(self._page, 16, index)

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
        offset, length, record, records, done, spent, key_bytes = _HEAD.unpack_from(self._page, 0)
        key = self._page[_HEAD.size : _HEAD.size + key_bytes].decode("utf-8", "replace")
        return Position(offset, length, record, records, done, bool(spent), key)
