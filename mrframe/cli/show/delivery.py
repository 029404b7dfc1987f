"""The result and its figures, to where they are wanted. Standard output is guarded.

Standard output may lose its reader, or be full, or be closed. Files and folders are written by `mrframe/sinks`.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from mrframe import api
from mrframe.api import stdout
from mrframe.cli.show.exit import SCHEMA_VERSION, ReaderLeft, print_json
from mrframe.cli.show.terminal import is_terminal, may_colour
from mrframe.errors import OutputError

if TYPE_CHECKING:
    from mrframe.api import Result, Summary
    from mrframe.cli.parse.output_flags import OutputFlags


def deliver(result: Result, flags: OutputFlags) -> None:
    """The rows to where they are wanted, with --json as part of one JSON object. Then the figures."""
    show_rows(result, flags)
    if flags.summary is not None:
        write_summary(flags, result.summary)
    if not flags.quiet:
        show_summary(result.summary, verbose=flags.verbose)


def show_rows(result: Result, flags: OutputFlags) -> None:
    """The rows to standard output, or to the file or folder that the flags name."""
    form = api.form_for(flags.output, flags.format, terminal=is_terminal(stdout.stream()))
    if flags.to_stdout:
        with standard_output() as stream:
            if flags.json:
                _write_json(result, stream, flags.json_text)
            else:
                result.write(stream, form, escape=is_terminal(stdout.stream()), text=flags.text)
        return
    target = str(flags.output)
    result.save(target, form, overwrite=flags.overwrite, text=flags.text)
    if flags.json:
        print_json({"output": target, "summary": result.summary.to_plain()}, flags.json_text)


def _write_json(result: Result, sink: StandardOutput, text: Any) -> None:
    """Rows and figures as one object, the rows as they come."""
    separator = b""
    sink.write(f'{{"schema_version": {SCHEMA_VERSION}, "answer": ['.encode())
    for line in api.jsonl_lines(result.rows(), text):
        sink.write(separator + b"\n" + line.rstrip())
        separator = b","
    figures = api.plain_as_utf8(result.summary.to_plain(), text)
    sink.write(b'\n], "summary": ' + json.dumps(figures, ensure_ascii=True).encode() + b"}\n")


def write_summary(flags: OutputFlags, summary: Summary) -> None:
    """Write the summary as JSON where the user wants it."""
    from mrframe.cli.show.figures import json_text

    with api.whole_file(str(flags.summary), overwrite=flags.overwrite) as sink:
        sink.write(json_text(summary, flags.json_text).encode())


def show_summary(summary: Summary, *, verbose: bool = False) -> None:
    """Show the summary on standard error, for people."""
    from mrframe.cli.show.figures import lines_of

    if sys.stderr is None:
        return
    try:
        sys.stderr.write("\n".join(lines_of(summary, colour=may_colour(sys.stderr), verbose=verbose)) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody reads it, but the result is delivered


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
