"""`mrframe run JOB INPUT…`, and `carry_out`, which every command that runs a job shares.

Parse, call `mrframe.api`, print. The order of things is: settings and targets are checked, the job runs, the
result is written (whole or not at all), then the figures. Data goes to standard output and all else to stderr.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mrframe import api
from mrframe.cli.parse import completing, settings
from mrframe.cli.parse.flags import setting_flags
from mrframe.cli.parse.job_command import JobCommand, job_of, options_of_job
from mrframe.cli.parse.output_flags import OutputFlags, output_flags, output_flags_of
from mrframe.cli.show.delivery import deliver
from mrframe.cli.show.exit import INPUTS
from mrframe.cli.show.streams import report, say, stderr
from mrframe.core.settings.options import RunOptions

if TYPE_CHECKING:
    from mrframe.api import JobLike, Result, Summary


def taken_apart(values: dict[str, Any], context: click.Context) -> tuple[RunOptions, OutputFlags, dict[str, Any]]:
    """The parsed parameters of a command as (settings of the run, flags of its output, options of the job)."""
    given = {name: values.pop(name) for name in settings.declared()}
    flags = output_flags_of(values)
    return settings.run_options(given), flags, options_of_job(context, values)


def _list_ready_jobs(context: click.Context, _option: click.Parameter, wanted: Any) -> None:
    if wanted and not context.resilient_parsing:
        rows = api.ready_descriptions()
        width = max(map(len, rows), default=0)
        say("\n".join(f"{name:{width}}  {text}" for name, text in rows.items()))
        context.exit()


@click.command("run", cls=JobCommand)
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_ready_jobs,
    help="list the ready jobs and exit",
)
@click.argument("job", shell_complete=completing.jobs)
@output_flags()
@setting_flags()
@click.argument("inputs", nargs=-1, metavar="INPUT...", shell_complete=completing.inputs)
@click.pass_context
def command(context: click.Context, /, job: str, inputs: tuple[str, ...], **values: Any) -> None:
    """Run one job over log files and print its result.

    \b
      mrframe run --list                          the ready jobs
      mrframe run top_urls 'access.log*' --limit 5
      mrframe run my_job.py logs/ -o result.csv   a job of your own
      mrframe run my_job.py --help                its own options

    JOB is a file (jobs/top_urls.py), a name in a file (path.py:name), a dotted module, or a ready job (top_urls).
    INPUT is a file, a pattern, a folder, a .gz file, or - for standard input. For a job that joins several sources
    it begins with the name of one: hits=access.log users=people.jsonl.
    """
    options, flags, job_options = taken_apart(values, context)
    carry_out(job_of(context, job), inputs, options, flags, job_options)


def carry_out(
    job: JobLike,
    inputs: Sequence[str],
    options: RunOptions,
    flags: OutputFlags,
    job_options: dict[str, Any] | None = None,
    *,
    question: dict[str, Any] | None = None,
) -> None:
    """Run a job and deliver its result and figures as the flags ask. Raises the errors of `api.run`.

    `question` holds the words of `mrframe count`, from which the job can be made again.
    """
    if not inputs:
        raise click.UsageError("no INPUT was given; name a log file, or - for standard input")
    click.get_current_context().meta[INPUTS] = tuple(inputs)
    flags.check()
    api.expect_job_code()
    if not flags.quiet:
        _warn_of_variables()
    if flags.dry_run:
        from mrframe.cli.show.dry_run import show_plan

        show_plan(api.plan_run(job, inputs, options, job_options=job_options), as_json=flags.json)
        return
    with _run(job, inputs, options, flags, job_options or {}, question=question) as result:
        deliver(result, flags, options)
        if not flags.quiet:
            _show_kept(result.summary)


def _show_kept(summary: Summary) -> None:
    warnings = [*summary.warnings, *filter(None, (summary.not_kept,))]
    if warnings:
        from mrframe.cli.show.failures import warn

        for text in warnings:
            warn(text, stderr())
    if summary.failed and not summary.not_kept:
        report(f"  run one of them again with: mrframe replay {summary.kept} (--list shows which)")


def _run(
    job: JobLike,
    inputs: Sequence[str],
    options: RunOptions,
    flags: OutputFlags,
    job_options: dict[str, Any],
    *,
    question: dict[str, Any] | None,
) -> Result:
    shown = _progress(flags)
    try:
        return api.run(
            job,
            inputs,
            options,
            job_options=job_options,
            on_progress=shown,
            rejects=flags.rejects,
            quarantine=flags.quarantine,
            text=flags.json_text,
            targets=flags.targets,
            keep=question or {},
        )
    finally:
        if shown is not None:
            shown.close()


def _progress(flags: OutputFlags) -> Any:
    screen = stderr()
    if flags.quiet or not (screen.is_animated or flags.verbose):
        return None
    from mrframe.cli.show.progress import ProgressLine

    return ProgressLine(screen, animated=screen.is_animated)


def _warn_of_variables() -> None:
    strange = settings.strange_variables(os.environ)
    if strange:
        from mrframe.cli.show.failures import warn

        for text in strange:
            warn(text, stderr())
