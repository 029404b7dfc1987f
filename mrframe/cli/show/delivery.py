"""Which form an answer takes, and how it gets to standard output, to a file or to a folder of parts.

All-or-nothing files and folders are `store/output.py`'s; how rows become bytes is `formats/output/writing.py`'s.
Here the two meet, and standard output is guarded: it may lose its reader, or be full, or be closed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from mrframe.cli.show.exit import ReaderLeft
from mrframe.errors import OutputError
from mrframe.store.output import Folder, Sink, is_folder_target
from mrframe.store.publish import is_stream
from mrframe.task.isolation import stdout

Row = tuple[Any, Any]
FORMS = ("jsonl", "csv", "tsv", "text", "table")
PART_BYTES = 64 * (1 << 20)  # a part of a folder ends after the block of rows that reaches this
_ENDINGS = {
    "": "jsonl",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "text",
    ".log": "text",
}


def format_for(target: str | None, wanted: str | None, *, terminal: bool) -> str:
    """The form of the answer: what was asked for, else what the file's ending says, else by who reads it.

    OutputError for a file whose ending says something else: its content would not be what its name says.
    """
    if wanted is not None:
        return wanted
    if target is None or target == "-":
        return "table" if terminal else "jsonl"
    ending = os.path.splitext(target)[1].lower()
    if ending not in _ENDINGS and not is_folder_target(target) and not is_stream(target):
        raise OutputError(
            f"the output {target} has the ending {ending}, which names no form that is written here (known are "
            f"{', '.join(filter(None, _ENDINGS))}, and none for JSON lines); say the form with "
            f"--format {'|'.join(FORMS)}"
        )
    return _ENDINGS.get(ending, "jsonl")


def add_parts(
    folder: Folder,
    ending: str,
    rows: Iterator[Row],
    write_rows: Callable[[Iterator[Row], Sink], int],
    part_bytes: int = PART_BYTES,
) -> None:
    """Write all rows as parts of a folder; an empty answer is one empty part.

    Where a part ends depends on the rows and their form alone, not on how they were computed (law 6).
    """
    following = next(rows, None)
    first = True
    while first or following is not None:
        left: list[Row] = []
        given = iter(()) if following is None else itertools.chain((following,), rows)
        folder.add_part(
            ending,
            lambda sink, given=given, left=left: write_rows(  # type: ignore[misc]
                _until_full(given, sink, left, part_bytes), sink
            ),
        )
        following = left[0] if left else None
        first = False


def _until_full(rows: Iterator[Row], sink: Sink, left: list[Row], part_bytes: int) -> Iterator[Row]:
    """The rows up to the one that has no place in this part any more, which goes to `left`."""
    for row in rows:
        if sink.bytes_written >= part_bytes:
            left.append(row)
            return
        yield row


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
