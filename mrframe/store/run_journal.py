"""The file of a run's journal: turns of bytes, each whole or not at all.

It outlives the process that writes it, but not the machine, as all other files of a run: nothing is synced. A process
that is killed while it writes leaves a part of its last turn. Nothing was sent for that turn yet, so it is cut off
when the file is opened next. Everything else that does not match its checksums is damage.

The file is locked while it is open: a process that is being killed may take a moment to end.

Not here: the content of a turn (`cluster/master/fact_journal.py`), and the journal of a standing cluster
(`journal.py`), which survives a loss of power.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import NoReturn

from mrframe.errors import CorruptData, OutputError
from mrframe.store.disk import fault_text, wait_for_lock

_HEAD = struct.Struct(">QI")  # length of the turn, its CRC-32
_HEAD_CRC = struct.Struct(">I")  # of the head
_HEAD_BYTES = _HEAD.size + _HEAD_CRC.size


class RunJournalFile:
    """The file at `path`, made when `new`. Open until `close`. Not thread-safe.

    `turns` are all turns in order, as they were when it was opened. The caller takes them and may clear the list.
    Raises CorruptData when the file is gone or damaged, OutputError when the disk refuses.
    """

    def __init__(self, path: str, *, new: bool) -> None:
        self.path = path
        self.turns: list[bytes] = []
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(path, flags | os.O_CREAT if new else flags, 0o600)
        except FileNotFoundError:
            if new:
                raise OutputError(f"the journal {path} cannot be made: its folder is gone") from None
            raise CorruptData(f"the journal {path} is gone; nothing may delete the files of a run") from None
        except OSError as error:
            self._refused(error)
        try:
            wait_for_lock(self._fd)
            os.ftruncate(self._fd, self._read())
        except OSError as error:
            self.close()
            self._refused(error)
        except BaseException:
            self.close()
            raise

    def _read(self) -> int:
        """Read the turns. Returns the length of the file without a part of a turn at its end."""
        with open(self._fd, "rb", closefd=False) as file:
            data = file.read()
        start = 0
        while start + _HEAD_BYTES <= len(data):
            length, checksum = _HEAD.unpack_from(data, start)
            if _HEAD_CRC.unpack_from(data, start + _HEAD.size)[0] != zlib.crc32(data[start : start + _HEAD.size]):
                self._damaged()
            begin, end = start + _HEAD_BYTES, start + _HEAD_BYTES + length
            if end > len(data):
                break
            turn = data[begin:end]
            if zlib.crc32(turn) != checksum:
                self._damaged()
            self.turns.append(turn)
            start = end
        return start

    def append(self, turn: bytes) -> None:
        """Append a turn. Raises OutputError when the disk refuses.

        The turn is not kept then: what was written of it is cut off when the file is opened next. This object must
        not be used any more.
        """
        head = _HEAD.pack(len(turn), zlib.crc32(turn))
        left = memoryview(b"".join((head, _HEAD_CRC.pack(zlib.crc32(head)), turn)))
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            self._refused(error)

    def close(self) -> None:
        """Release the file for another process."""
        os.close(self._fd)

    def _damaged(self) -> NoReturn:
        raise CorruptData(f"the journal {self.path} is damaged; nothing may change the files of a run")

    def _refused(self, error: OSError) -> NoReturn:
        raise OutputError(f"the journal {self.path} cannot be written: {fault_text(error, self.path)}") from None
