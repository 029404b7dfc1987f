"""Files of one attempt, in its own directory: the sealed ones, and temporary ones without a name.

The directory is made with the first file in it. Many small attempts write nothing, and to make a directory, to look
for it and to remove it would cost them more than their work does.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from types import TracebackType
from typing import BinaryIO, Self, cast


def create(path: str) -> BinaryIO:
    """A new file of an attempt, open for writing; FileExistsError when it is there."""
    try:
        return open(path, "xb")
    except FileNotFoundError:
        os.mkdir(os.path.dirname(path), 0o700)
        return open(path, "xb")


class TemporaryFiles:
    """Makes files for merge passes and spilled output, and closes what is left at the end."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._stack.close()

    def make(self) -> BinaryIO:
        """A new empty file, open for writing and reading."""
        os.makedirs(self._directory, 0o700, exist_ok=True)
        file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  (the stack closes it)
        self._stack.enter_context(file)
        return cast("BinaryIO", file)
