"""Reads more files than a process may have open: only those that were read last stay open.

Not here: files that are written (`attempt_files.py`). A file that is deleted while it is not open is gone, as for any
process that opens it later.
"""

from __future__ import annotations

from collections import OrderedDict
from types import TracebackType
from typing import BinaryIO, Self, cast

OPEN_MAX = 200
"""Most files open at a time. A process usually may have 1,024; merge passes, sockets and the job itself need some."""


class FilePool:
    """Opens files. A context manager that closes them all."""

    def __init__(self, open_max: int | None = None) -> None:
        self._open_max = open_max or OPEN_MAX
        self._files: OrderedDict[_PooledFile, BinaryIO] = OrderedDict()

    def open(self, path: str) -> BinaryIO:
        """Return the file at `path`, for `seek` and `read`. Opening may raise OSError now or later."""
        file = _PooledFile(self, path)
        self.real(file)
        return cast("BinaryIO", file)

    def real(self, file: _PooledFile) -> BinaryIO:
        """Return the open file behind this one, at its own position."""
        real = self._files.get(file)
        if real is not None:
            self._files.move_to_end(file)
            return real
        while len(self._files) >= self._open_max:
            self._files.popitem(last=False)[1].close()
        real = self._files[file] = open(file.path, "rb")  # noqa: SIM115  (closed here, above or at the end)
        real.seek(file.at)
        return real

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        for real in self._files.values():
            real.close()
        self._files.clear()


class _PooledFile:
    """One file of a pool: enough of a BinaryIO for a reader of run files."""

    __slots__ = ("_files", "at", "path")

    def __init__(self, files: FilePool, path: str) -> None:
        self._files = files
        self.path = path
        self.at = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """As `io.IOBase.seek`."""
        self.at = self._files.real(self).seek(offset, whence)
        return self.at

    def read(self, size: int = -1) -> bytes:
        """As `io.RawIOBase.read`."""
        data = self._files.real(self).read(size)
        self.at += len(data)
        return data
