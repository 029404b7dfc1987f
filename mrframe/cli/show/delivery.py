"""The result and its figures, to where they are wanted.

Files and folders are written by `Result.save`, and standard output by `streams.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrframe import api
from mrframe.cli.show.streams import (
    SCHEMA_VERSION,
    StandardOutput,
    json_text,
    on_terminal,
    print_json,
    standard_output,
    stderr,
    terminal_of_stdout,
)

if TYPE_CHECKING:
    from mrframe.api import Result, RunOptions, Summary
    from mrframe.cli.parse.output_flags import OutputFlags


def deliver(result: Result, flags: OutputFlags, options: RunOptions | None = None) -> None:
    """The rows to where they are wanted, with --json as part of one JSON object. Then the figures."""
    show_rows(result, flags)
    if flags.summary is not None:
        write_summary(flags, result.summary)
    if not flags.quiet:
        show_summary(result.summary, verbose=flags.verbose, options=options)


def show_rows(result: Result, flags: OutputFlags) -> None:
    """The rows to standard output, or to the file or folder that the flags name."""
    form = flags.form(terminal=on_terminal())
    if flags.to_stdout:
        with standard_output() as stream:
            if flags.json:
                _write_json(result, stream, flags.json_text)
            else:
                result.write(stream, form, terminal=terminal_of_stdout(), text=flags.text)
        return
    target = str(flags.output)
    result.save(target, form, overwrite=flags.overwrite, text=flags.text)
    if flags.json:
        print_json({"output": target, "summary": result.summary.to_plain()}, flags.json_text)


def _write_json(result: Result, sink: StandardOutput, text: Any) -> None:
    """Rows and figures as one object, the rows as they come."""
    separator = b""
    sink.write(f'{{"schema_version": {SCHEMA_VERSION}, "answer": ['.encode())
    for line in api.jsonl_lines(result.rows(), text, terminal=terminal_of_stdout()):
        sink.write(separator + b"\n" + line.rstrip())
        separator = b","
    sink.write(f'\n], "summary": {json_text(result.summary.to_plain(), text)}}}\n'.encode())


def write_summary(flags: OutputFlags, summary: Summary) -> None:
    """Write the summary as JSON where the user wants it."""
    from mrframe.cli.show.figures import summary_json

    with api.whole_file(str(flags.summary), overwrite=flags.overwrite) as sink:
        sink.write(summary_json(summary, flags.json_text).encode())


def show_summary(summary: Summary, *, verbose: bool = False, options: RunOptions | None = None) -> None:
    """Show the summary on standard error, for people. `options`: those of the run, where they are known."""
    from mrframe.cli.show.figures import lines_of

    screen = stderr()
    screen.report(*lines_of(summary, verbose=verbose, terminal=screen.terminal, options=options))
