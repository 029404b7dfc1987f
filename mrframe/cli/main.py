"""The entry of the command `mrframe`: a group that imports a subcommand only when it is used.

The names and one-line helps stand here, so that `mrframe --help` imports click and nothing else. A test
holds them equal to the help of the subcommands.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import click

from mrframe.cli import COMPLETE_VARIABLE
from mrframe.cli.parse.command_group import CommandGroup
from mrframe.cli.show.exit import catch_lost_signals, leave, refuse_exit, run_to_exit_code
from mrframe.cli.show.streams import say

SECTIONS = {
    "Run a job": {
        "run": "Run one job over log files and print its result.",
        "count": "Answer a question about log fields without a job file.",
        "select": "Show records of a log.",
        "demo": "Run three commands over logs that come with mrframe, and show them.",
        "init": "Write a ready job, with a test, to start your own from.",
        "check": "Is this job safe to distribute? Runs it in many ways and compares.",
    },
    "Look into a run": {
        "why": "Show the input lines behind a key of a result.",
        "replay": "Run a failed record or group again, alone.",
        "cache": "Show or delete the cached results of earlier runs.",
    },
    "The standing cluster": {
        "cluster": "Start, stop or look at a standing cluster on this machine.",
        "submit": "Submit a job to the standing cluster. Prints its id and returns at once.",
        "jobs": "List the submissions of the standing cluster.",
        "wait": "Wait until submissions have ended. The exit code says how, as that of `mrframe run` does.",
        "result": "Print the result of a submission, as `mrframe run` would.",
        "cancel": "End submissions now: their tasks are stopped, and they have no result.",
        "rm": "Remove ended submissions: their results, their records, and all else that was kept for them.",
        "fs": "Keep logs in the standing cluster, in replicated blocks on its nodes.",
    },
    "Formats, settings, this machine": {
        "formats": "List log formats, detect a file's, or try a format string.",
        "config": "Show the settings in force and where each comes from.",
        "doctor": "Check that this machine has what mrframe needs.",
        "completion": "Print a shell's completion script.",
    },
}
COMMANDS = {name: text for section in SECTIONS.values() for name, text in section.items()}


class LazyGroup(CommandGroup):
    """A group that knows its subcommands by name, and imports the module of one when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return the subcommand, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        import importlib

        folder = "standing" if cmd_name in SECTIONS["The standing cluster"] else "commands"
        module = importlib.import_module(f"mrframe.cli.{folder}.{cmd_name}")
        command: click.Command = module.command
        return command

    def sections(self, ctx: click.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:  # noqa: ARG002
        """The subcommands in sections, without importing any."""
        for title, section in SECTIONS.items():
            yield title, list(section.items())


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: Any) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        say(f"mrframe {version('mrframe')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
def group() -> None:
    """MapReduce over log files: two Python functions, exact results, all cores.

    \b
      mrframe demo                              a first look, on logs that come along
      mrframe count status access.log           a question without a job file
      mrframe run top_urls access.log*.gz       a ready job
      mrframe init top_urls                     your own job, from a ready one
    """


def run_as_command(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command as its own process does, with exit codes and signals. Never returns."""
    from mrframe import api

    api.claim_process()
    catch_lost_signals()
    instruction = os.environ.get(COMPLETE_VARIABLE)
    if instruction:
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(group, {}, "mrframe", COMPLETE_VARIABLE, instruction))
    api.stdout.begin()
    refuse_exit()
    leave(run_to_exit_code(group, sys.argv[1:] if args is None else args, "mrframe"))
