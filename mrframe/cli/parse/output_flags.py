"""The flags about the result and messages. Each is declared once, as a field of `OutputFlags`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import field
from typing import Any, TypeVar

import click

from mrframe import api
from mrframe.cli.parse import completing
from mrframe.cli.parse.flags import OutputOption, attach
from mrframe.cli.parse.open_choice import OpenChoice
from mrframe.core.fast_dataclass import dataclass

TEXTS = ("escape", "replace", "bytes")
C = TypeVar("C", bound=Callable[..., Any])


def _is_added_output(name: str) -> bool:
    return api.is_registered(api.OUTPUTS, name, api.FORMATS)


def flag(*names: str, help: str) -> Any:  # noqa: A002  (click's word)
    """A flag that takes no value."""
    return field(default=False, metadata={"names": names, "is_flag": True, "help": help})


def value(*names: str, help: str, metavar: str | None = None, kind: Any = str) -> Any:  # noqa: A002
    """A flag that takes a value, None when it is not given."""
    how = {"names": names, "type": kind, "default": None, "metavar": metavar, "help": help}
    return field(default=None, metadata=how)


@dataclass(frozen=True, slots=True)
class OutputFlags:
    """The destinations and the format of result and messages, as given on the command line."""

    output: str | None = value(
        *("-o", "--output"),
        metavar="FILE|DIR|-",
        help="where the result goes: a file, a folder of parts (a name ending in /), or -",
    )
    format: Any = value(
        "--format",
        kind=OpenChoice(api.FORMATS, _is_added_output),
        help="form of the result [by the file's ending; without one table on a terminal, else jsonl]",
    )
    csv_safe: bool = flag(
        "--csv-safe",
        help="write ' before text in CSV that a spreadsheet would take for a formula, short for --format csv-safe",
    )
    text: Any = value(
        "--text",
        kind=click.Choice(TEXTS),
        help="how bytes of a log that are not UTF-8 are written: \\xe9 in four characters, U+FFFD, or as they are, "
        "which other programs may refuse [escape; bytes for the form text]",
    )
    overwrite: bool = flag("--overwrite", help="replace files that exist already")
    summary: str | None = value(
        "--summary", metavar="FILE", help="write the figures of the job to this file, as one JSON object"
    )
    rejects: str | None = value(
        "--rejects",
        metavar="FILE",
        help="write all malformed lines and their positions to this file, as JSON lines",
    )
    quarantine: str | None = value(
        "--quarantine",
        metavar="FILE",
        help="write all records that --max-failed left out, and why, to this file, as JSON lines",
    )
    json: bool = flag("--json", help="print one JSON object with the result and the figures on standard output")
    dry_run: bool = flag("--dry-run", help="print what would be done (inputs, splits, format, tasks) and do nothing")
    quiet: bool = flag("-q", "--quiet", help="no progress and no summary")
    verbose: bool = flag(
        *("-v", "--verbose"),
        help="progress as lines where there is no terminal, samples of few malformed lines, mrframe's own frames on "
        "errors",
    )

    @property
    def to_stdout(self) -> bool:
        """True if the rows themselves go to standard output."""
        return self.output in (None, "-")

    def form(self, *, terminal: bool) -> str:
        """The form of the result. UsageError if it is not CSV and --csv-safe is given."""
        form = api.form_for(self.output, self.format, terminal=terminal)
        if not self.csv_safe or form == "csv-safe":
            return form
        if form == "csv" or (self.to_stdout and self.format is None and not self.json):
            return "csv-safe"
        named = "JSON" if self.to_stdout and self.json else form
        raise click.UsageError(f"--csv-safe is for CSV, and the result is written as {named}; leave one of them out")

    @property
    def json_text(self) -> Any:
        """The form of bytes that are not UTF-8 in output that is always JSON."""
        return self.text or "escape"

    @property
    def targets(self) -> list[str]:
        """The files and folders that are written."""
        asked = (None if self.to_stdout else self.output, self.summary, self.rejects, self.quarantine)
        return [path for path in asked if path is not None]

    def check(self) -> None:
        """Raise UsageError for flags that contradict each other and OutputError for targets that cannot be."""
        if self.json and self.to_stdout and self.format is not None:
            raise click.UsageError("--json prints JSON of its own form; leave --format out, or name a file with -o")
        if self.quiet and self.verbose:
            raise click.UsageError("-q and -v contradict each other; give one of them")
        targets = self.targets
        paths = [os.path.realpath(path) for path in targets if not path.startswith("/dev/")]
        if len(set(paths)) < len(paths):
            raise click.UsageError(
                "two of -o, --summary, --rejects and --quarantine name the same file; give each its own"
            )
        form = self.form(terminal=False)
        if not self.to_stdout:
            api.sink_for(str(self.output), api.Delivery(form, self.text, self.overwrite)).check()
        for path in filter(None, (self.summary, self.rejects, self.quarantine)):
            api.check_target(path, overwrite=self.overwrite)


def output_flags(*without: str) -> Callable[[C], C]:
    """Decorator: the command takes the flags of `OutputFlags`, but for those with these names."""

    def decorate(command: C) -> C:
        for declared in reversed(dataclasses.fields(OutputFlags)):
            if declared.name not in without:
                how = dict(declared.metadata)
                if str(how.get("metavar")).startswith("FILE"):
                    how["shell_complete"] = completing.inputs
                attach(command, OutputOption([*how.pop("names"), declared.name], **how))
        return command

    return decorate


def output_flags_of(values: dict[str, Any]) -> OutputFlags:
    """Take the output flags out of the parsed parameters of a command."""
    return OutputFlags(
        **{one.name: values.pop(one.name) for one in dataclasses.fields(OutputFlags) if one.name in values}
    )
