"""Temporary files of one attempt: nameless, in the attempt's own directory, gone when they are closed."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from types import TracebackType
from typing import BinaryIO, Self, cast


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
        file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  (the stack closes it)
        self._stack.enter_context(file)
        return cast("BinaryIO", file)
