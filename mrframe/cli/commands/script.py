"""`mrframe.main(job)`: a job file as a command, `python jobs/x.py FILE`, with the flags of `mrframe run`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import click

from mrframe import api
from mrframe.cli.commands.run import carry_out, taken_apart
from mrframe.cli.commands.run import command as run_command
from mrframe.cli.parse.job_command import JobCommand
from mrframe.cli.show.exit import leave, refuse_exit, run_to_exit_code
from mrframe.core.job.job import Job


def main(job: Job | Callable[..., Job], argv: Sequence[str] | None = None) -> NoReturn:
    """Run a job on the inputs that the command line names, print the result and exit. Never returns.

    `argv` is the arguments without the script's name, by default those of the process.
    """
    api.stdout.begin()
    api.stdout.claim()
    refuse_exit()
    leave(run_script(job, sys.argv[1:] if argv is None else argv))


def run_script(job: Job | Callable[..., Job], argv: Sequence[str]) -> int:
    """The same, but gives the exit code."""
    return run_to_exit_code(script_command(job), argv, sys.argv[0] or "job")


def script_command(job: Job | Callable[..., Job]) -> JobCommand:
    """`mrframe run` for one job that is given."""

    @click.pass_context
    def run(context: click.Context, /, inputs: tuple[str, ...], **values: Any) -> None:
        options, flags, job_options = taken_apart(values, context)
        carry_out(job, inputs, options, flags, job_options)

    command = JobCommand(
        "run",
        callback=run,
        params=[param for param in run_command.params if param.name != "job"],
        help=_help(job),
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    command.given = job
    return command


def _help(job: Job | Callable[..., Job]) -> str:
    own = None if isinstance(job, Job) else job.__doc__
    return own or sys.modules["__main__"].__doc__ or "Run this job over log files and print its result."
