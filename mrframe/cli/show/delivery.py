"""Standard output as a place for an answer, guarded: it may lose its reader, or be full, or be closed.

All other places are `sinks/`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import BinaryIO

from mrframe.cli.show.exit import ReaderLeft
from mrframe.errors import OutputError
from mrframe.task.isolation import stdout


class StandardOutput:
    """Standard output for bytes: ReaderLeft when its reader has gone, OutputError when it cannot be written."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Take all of the data."""
        with _faults():
            self._stream.write(data)

    def flush(self) -> None:
        """Hand everything to the system."""
        with _faults():
            self._stream.flush()


@contextlib.contextmanager
def standard_output() -> Iterator[StandardOutput]:
    """Standard output, flushed at the end of the block."""
    out = stdout.stream()
    if out is None:
        raise OutputError("standard output is closed; open it, or name a file with -o FILE")
    with _faults():
        out.flush()
    guarded = StandardOutput(out.buffer)
    yield guarded
    guarded.flush()


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    """Around the system's calls alone, never around the reading of rows, which may fail for other reasons."""
    try:
        yield
    except BrokenPipeError:
        raise ReaderLeft from None
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror}; name a file with -o FILE") from None
