"""`mrframe run JOB INPUT…`, and what every command that runs a job shares: `carry_out`.

Parse, call `mrframe.api`, print. The order of things is: settings and targets are checked, the job runs, the
answer is written (whole or not at all), then the figures; data goes to standard output and all else to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from mrframe.cli.parse import settings
from mrframe.cli.parse.flags import JobOption, answer_flags, setting_flags
from mrframe.cli.parse.job_command import JobCommand
from mrframe.cli.show import delivery
from mrframe.cli.show.exit import INPUTS, SCHEMA_VERSION, print_json
from mrframe.cli.show.terminal import is_terminal, may_colour
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job
from mrframe.core.model.options import RunOptions
from mrframe.sinks.base import Delivery
from mrframe.sinks.base import deliver as deliver_to
from mrframe.sinks.named_sinks import form_for, sink_for
from mrframe.store.output import check_target, whole_file
from mrframe.task.isolation import stdout

if TYPE_CHECKING:
    from mrframe.api import Result, Summary

_ANSWER = (
    "output",
    "format",
    "text",
    "overwrite",
    "summary",
    "rejects",
    "quarantine",
    "json",
    "dry_run",
    "quiet",
    "verbose",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of the answer and of messages: the flags of `flags.answer_flags`."""

    output: str | None = None
    format: str | None = None
    text: Any = None  # a `formats.output.value_text.Text`
    overwrite: bool = False
    summary: str | None = None
    rejects: str | None = None
    quarantine: str | None = None
    json: bool = False
    dry_run: bool = False
    quiet: bool = False
    verbose: bool = False

    @property
    def to_stdout(self) -> bool:
        """Whether the rows themselves go to standard output."""
        return self.output in (None, "-")

    @property
    def json_text(self) -> Any:
        """What becomes of bytes that are not UTF-8 in what is JSON in any case."""
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
        places = [os.path.realpath(path) for path in targets if not path.startswith("/dev/")]
        if len(set(places)) < len(places):
            raise click.UsageError(
                "two of -o, --summary, --rejects and --quarantine name the same file; give each its own"
            )
        form = form_for(self.output, self.format, terminal=False)
        if not self.to_stdout:
            sink_for(str(self.output), Delivery(form, self.text, self.overwrite)).check()
        for path in filter(None, (self.summary, self.rejects, self.quarantine)):
            check_target(path, overwrite=self.overwrite)


def taken_apart(values: dict[str, Any], context: click.Context) -> tuple[RunOptions, Answer, dict[str, Any]]:
    """The parsed parameters of a command as (settings of the run, what becomes of the answer, options of the job)."""
    flags = {name: values.pop(name) for name in settings.declared()}
    answer = Answer(**{name: values.pop(name) for name in _ANSWER if name in values})
    job_names = [p.name for p in context.command.get_params(context) if isinstance(p, JobOption) and p.name]
    return settings.run_options(flags), answer, {name: values.pop(name) for name in job_names}


@click.command("run", cls=JobCommand)
@click.argument("job")
@answer_flags()
@setting_flags()
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.pass_context
def command(context: click.Context, /, job: str, inputs: tuple[str, ...], **values: Any) -> None:
    """Run one job over log files and print its answer.

    JOB is a file (jobs/top_urls.py), a name in a file (path.py:name), a dotted module, or a ready job (top_urls).
    INPUT is a file, a pattern, a folder, a .gz file, or - for standard input; for a job that joins several sources
    it begins with the name of one: hits=access.log users=people.jsonl. The job's own options are shown by
    `mrframe run JOB --help`.
    """
    options, answer, job_options = taken_apart(values, context)
    carry_out(job, inputs, options, answer, job_options)


def carry_out(
    job: Job | Callable[..., Job] | str,
    inputs: Sequence[str],
    options: RunOptions,
    answer: Answer,
    job_options: dict[str, Any] | None = None,
    *,
    question: dict[str, Any] | None = None,
) -> None:
    """Run a job and deliver its answer and figures as `answer` says; raises what `api.run` raises.

    `question` is what `mrframe count` was asked, from which the job can be made again.
    """
    if not inputs:
        raise click.UsageError("no INPUT was given; name a log file, or - for standard input")
    click.get_current_context().meta[INPUTS] = tuple(inputs)
    answer.check()
    stdout.claim()
    if not answer.quiet:
        _warn_of_variables()
    if answer.dry_run:
        from mrframe.cli.show.dry_run import show_plan

        show_plan(job, inputs, options, job_options or {}, as_json=answer.json)
        return
    with _run(job, inputs, options, answer, job_options or {}, question=question) as result:
        deliver(result, answer)
        if answer.summary is not None:
            write_summary(answer, result.summary)
        if not answer.quiet:
            show_summary(result.summary, verbose=answer.verbose)
            _say_of_keeping(result.summary)


def _say_of_keeping(summary: Summary) -> None:
    from mrframe.cli.show.failures import warn

    for text in summary.warnings:
        warn(text, sys.stderr)
    if summary.not_kept:
        warn(summary.not_kept, sys.stderr)
    elif summary.failed:
        click.echo(f"  run one of them again with: mrframe replay {summary.kept} (--list shows which)", err=True)


def _run(
    job: Job | Callable[..., Job] | str,
    inputs: Sequence[str],
    options: RunOptions,
    answer: Answer,
    job_options: dict[str, Any],
    *,
    question: dict[str, Any] | None,
) -> Result:
    from mrframe import api

    shown = _progress(answer)
    try:
        return api.run(
            job,
            inputs,
            options,
            job_options=job_options,
            on_progress=shown,
            rejects=answer.rejects,
            quarantine=answer.quarantine,
            text=answer.json_text,
            targets=answer.targets,
            keep=question or {},
        )
    finally:
        if shown is not None:
            shown.close()


def _progress(answer: Answer) -> Any:
    animated = is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
    if answer.quiet or sys.stderr is None or not (animated or answer.verbose):
        return None
    from mrframe.cli.show.progress import ProgressLine

    return ProgressLine(sys.stderr, animated=animated)


def deliver(result: Result, answer: Answer) -> None:
    """The rows to where they are wanted; with --json also, or only, as part of one JSON object."""
    form = form_for(answer.output, answer.format, terminal=is_terminal(stdout.stream()))
    if answer.to_stdout:
        with delivery.standard_output() as stream:
            if answer.json:
                _write_json(result, stream, answer.json_text)
            else:
                result.write(stream, form, escape=is_terminal(stdout.stream()), text=answer.text)
        return
    target = str(answer.output)
    sink = sink_for(target, Delivery(form, answer.text, answer.overwrite))
    deliver_to(result, sink, {"job": result.summary.job, "hash_seed": result.summary.hash_seed})
    if answer.json:
        print_json({"output": target, "summary": result.summary.to_plain()}, answer.json_text)


def _write_json(result: Result, sink: delivery.StandardOutput, text: Any) -> None:
    """Answer and figures as one object, the rows as they come."""
    from mrframe.formats.output.value_text import plain_as_utf8
    from mrframe.formats.output.writing import jsonl_lines

    separator = b""
    sink.write(f'{{"schema_version": {SCHEMA_VERSION}, "answer": ['.encode())
    for line in jsonl_lines(result.rows(), text):
        sink.write(separator + b"\n" + line.rstrip())
        separator = b","
    figures = plain_as_utf8(result.summary.to_plain(), text)
    sink.write(b'\n], "summary": ' + json.dumps(figures, ensure_ascii=True).encode() + b"}\n")


def write_summary(answer: Answer, summary: Summary) -> None:
    """Write the summary as JSON where the user wants it."""
    from mrframe.cli.show.figures import json_text

    with whole_file(str(answer.summary), overwrite=answer.overwrite) as sink:
        sink.write(json_text(summary, answer.json_text).encode())


def show_summary(summary: Summary, *, verbose: bool = False) -> None:
    """Show the summary on standard error, for people."""
    from mrframe.cli.show.figures import lines_of

    if sys.stderr is None:
        return
    try:
        sys.stderr.write("\n".join(lines_of(summary, colour=may_colour(sys.stderr), verbose=verbose)) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody reads it; the answer is delivered


def _warn_of_variables() -> None:
    strange = settings.strange_variables(os.environ)
    if strange and sys.stderr is not None:
        from mrframe.cli.show.failures import warn

        for text in strange:
            warn(text, sys.stderr)
