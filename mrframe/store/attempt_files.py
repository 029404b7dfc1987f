"""Files of one attempt, in its own directory: the sealed ones, and temporary ones without a name.

The directory is made with the first file in it. Many small attempts write nothing, and making, checking and removing
a directory would cost them more than their work does.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from types import TracebackType
from typing import BinaryIO, Self, cast

from mrframe.errors import TooMuchScratch


def create(path: str) -> BinaryIO:
    """Open a new file of an attempt for writing. Raises FileExistsError when it exists."""
    try:
        return open(path, "xb")
    except FileNotFoundError:
        os.mkdir(os.path.dirname(path), 0o700)
        return open(path, "xb")


def check_bytes(size: int, bytes_max: int) -> None:
    """Raise TooMuchScratch when an attempt's files have `size` bytes and may have only `bytes_max`."""
    if size > bytes_max:
        raise TooMuchScratch(
            f"a task has {size:,} bytes of intermediate data on disk, and --scratch-bytes-max allows {bytes_max:,}; "
            "yield less for each record, give the job a combiner or a ready reducer, or allow more"
        )


class TemporaryFiles:
    """Makes files for merge passes and spilled output. Closes those that are left at the end."""

    def __init__(self, directory: str, bytes_max: int) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._made: list[BinaryIO] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._stack.close()

    def make(self) -> BinaryIO:
        """Open a new empty file for writing and reading.

        Raises TooMuchScratch when the earlier ones are too large.
        """
        self._made = [file for file in self._made if not file.closed]
        check_bytes(sum(os.fstat(file.fileno()).st_size for file in self._made), self._bytes_max)
        os.makedirs(self._directory, 0o700, exist_ok=True)
        file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  (the stack closes it)
        self._stack.enter_context(file)
        self._made.append(cast("BinaryIO", file))
        return self._made[-1]
