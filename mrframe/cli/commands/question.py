"""The parts that the commands for questions without a job file (`count`, `select`) share. Not a command itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from mrframe import api
from mrframe.cli.parse import completing
from mrframe.cli.parse.flags import setting_flags
from mrframe.cli.parse.job_command import JobCommand
from mrframe.cli.parse.open_choice import OpenChoice
from mrframe.cli.parse.output_flags import output_flags
from mrframe.core.settings.options import RunOptions

C = TypeVar("C", bound=Callable[..., Any])


class QuestionCommand(JobCommand):
    """Options in sections as `run` has them. Does not look for a JOB."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does."""
        return click.Command.parse_args(self, ctx, args)


def question_flags(function: C) -> C:
    """Add --read, the flags of output and settings, and the words to a command."""
    words = click.argument(
        "words", nargs=-1, metavar="FIELD... INPUT...", shell_complete=completing.fields_and_inputs
    )
    read = click.option(
        "--read",
        "kind",
        type=OpenChoice(tuple(api.readers_by_name()), api.is_added),
        help="what the inputs are [found from the data]",
    )
    return read(output_flags()(setting_flags()(words(function))))


def formats_for(options: RunOptions) -> dict[str, Any]:
    """Return the log format as the arguments `log_format` and `usual_format` of a question.

    A format from the environment or a settings file is for access logs alone.
    """
    asked = options.is_asked_for("log_format")
    return {
        "log_format": options.log_format if asked else None,
        "usual_format": None if asked else options.log_format,
    }
