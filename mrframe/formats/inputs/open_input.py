"""An input that is open for reading at any offset, and the lengths of the lines and records in it.

Read with pread, never by mmap (a truncated map is a signal, not an error). Not here: blocks of lines (`splits.py`).
"""

from __future__ import annotations

import os
from typing import Self

from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import InputChanged, InputError
from mrframe.formats.inputs.file_identity import State, check_opened, check_read, state_before
from mrframe.formats.inputs.line_blocks import record_cut
from mrframe.formats.readers.base import BOM, head_bytes
from mrframe.formats.readers.record_starts import START_BYTES_MAX, RecordStarts

BLOCK_BYTES = 128 << 10
"""Default size of the blocks that a split is read in."""
LONG_LINE_HEAD_BYTES = 400


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line over the limit, or a record of several lines, which was passed over without being held.

    offset     where it begins: in the file (`read_blocks`), in the source (`read_split`)
    length     its bytes, with its end
    end_bytes  how many of them are ends of lines: a newline, a carriage return before it, neither
    head       its first bytes
    sha256     of the line without its end, in hex. Of a record with it
    lines      how many lines it is
    """

    offset: int
    length: int
    end_bytes: int
    head: bytes
    sha256: str
    lines: int = 1


class OpenInput:
    """A file open for reading at any offset. `name` is its name in messages.

    Raises InputChanged if it is not the file with this `state` (see `file_identity.py`).
    """

    def __init__(self, path: str, name: str, state: State = ()) -> None:
        self.name = name
        self._path = path
        self._state = state
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise InputChanged(f"{name} is gone since the job was planned; run the job again") from None
        except PermissionError:
            raise InputError(f"{name} cannot be read any more: permission denied; change its mode") from None
        try:
            check_opened(self._fd, state, name)
        except InputChanged:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._fd)

    def read_at(self, offset: int, count: int) -> bytes:
        """Read exactly `count` bytes from `offset`. Raises InputChanged if there are fewer."""
        try:
            data = os.pread(self._fd, count, offset)
            while len(data) < count and (more := os.pread(self._fd, count - len(data), offset + len(data))):
                data += more
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror} at byte {offset:,}", self._path) from None
        if len(data) < count:
            raise InputChanged(
                f"{self.name} became shorter while the job ran (it ends before byte {offset + count:,}, "
                "which was planned); run the job again, on a copy if the file keeps changing"
            )
        return data

    def state_before(self, end: int) -> State:
        """The state of a split that ends there."""
        return state_before(self._fd, self._state, end)

    def check_read(self, end: int) -> None:
        """Raise InputChanged if the bytes up to there may not be the planned ones."""
        check_read(self._fd, self._state, end, self.name)

    def head(self, data: bytes, offset: int, end: int) -> bytes:
        """Return the bytes of `data`, which stands at `offset`, that come before the text of its line."""
        if len(data) < len(BOM):
            data = self.read_at(offset, min(len(BOM), end - offset))
        return data[: head_bytes(data)]

    def lines_bytes(self, data: bytes, offset: int, end: int, starts: RecordStarts | None) -> int:
        """Count the bytes of the whole lines in `data`, which stands at `offset`. With `starts`: of whole records.

        If the first record is longer than `data`, it is counted whole. If the first line is longer, only the bytes
        before its text are, perhaps none.
        """
        cut = starts.last_cut(data) if starts is not None else data.rfind(b"\n") + 1
        if cut or starts is None:
            return cut or len(self.head(data, offset, end))
        head = len(self.head(data, offset, end))
        if head:
            return head
        first = data if len(data) >= START_BYTES_MAX else self.read_at(offset, min(START_BYTES_MAX, end - offset))
        if starts.starts(first, 0):
            return record_cut(self.read_at, end, offset, end, starts) - offset
        return data.rfind(b"\n") + 1

    def line_bytes(self, start: int, searched: int, end: int) -> int:
        """Bytes of the line that begins at `start` and has no newline before `searched`, its end included."""
        while searched < end:
            data = self.read_at(searched, min(BLOCK_BYTES, end - searched))
            found = data.find(b"\n")
            if found >= 0:
                return searched + found + 1 - start
            searched += len(data)
        return end - start

    def long_line(self, offset: int, length: int) -> LongLine:
        """Describe a line that is passed over. It is read once more, piece by piece, for its hash."""
        import hashlib  # it loads OpenSSL, which no other reading needs

        tail = self.read_at(offset + length - 2, 2) if length > 1 else b""
        body = tail.removesuffix(b"\n").removesuffix(b"\r")
        stop = offset + length - (len(tail) - len(body))
        at, digest = offset, hashlib.sha256()
        while at < stop:
            data = self.read_at(at, min(BLOCK_BYTES, stop - at))
            digest.update(data)
            at += len(data)
        head = self.read_at(offset, min(LONG_LINE_HEAD_BYTES, stop - offset))
        return LongLine(offset, length, offset + length - stop, head, digest.hexdigest())

    def long_record(self, offset: int, length: int) -> LongLine:
        """Describe a record that is passed over."""
        import hashlib

        digest, lines, returns, before = hashlib.sha256(), 0, 0, b""
        for at in range(offset, offset + length, BLOCK_BYTES):
            data = self.read_at(at, min(BLOCK_BYTES, offset + length - at))
            digest.update(data)
            lines += data.count(b"\n")
            returns += data.count(b"\r\n") + (before == b"\r" and data[:1] == b"\n")
            before = data[-1:]
        head = self.read_at(offset, min(LONG_LINE_HEAD_BYTES, length))
        return LongLine(offset, length, lines + returns, head, digest.hexdigest(), lines + (before != b"\n"))


class StoredInput(OpenInput):
    """The content of a stored block, read like a file. CorruptData when a part that is read is damaged."""

    def __init__(self, path: str, name: str) -> None:
        from mrframe.formats.inputs.block_file import BlockFile

        self.name = name
        self._block = BlockFile(path)

    def __exit__(self, *exc: object) -> None:
        self._block.__exit__(*exc)

    def check_read(self, end: int) -> None:
        """Do nothing, since stored blocks do not change."""

    def read_at(self, offset: int, count: int) -> bytes:
        """Read exactly `count` bytes from `offset`."""
        data = self._block.read_at(offset, count)
        if len(data) < count:
            raise InputChanged(f"the block of {self.name} ends before byte {offset + count:,}; run the job again")
        return data
