"""`mrframe cache`: list and delete the cached results of earlier runs."""

from __future__ import annotations

import time
from typing import Any

import click

from mrframe import api
from mrframe.api.units import bytes_text, counted
from mrframe.cli.parse import settings
from mrframe.cli.parse.command_group import CommandGroup
from mrframe.cli.show.streams import print_json, say, terminal_of_stdout
from mrframe.cli.show.terminal import columns_text

_DAY_S = 86_400


def _cache_dir_option(command: Any) -> Any:
    text = "folder of cached results [mrframe in $XDG_CACHE_HOME, or in ~/.cache]"
    return click.option("--cache-dir", "cache_dir", metavar="DIR", default=None, help=text)(command)


def _saved(cache_dir: str | None, bytes_max: str | None = None) -> api.SavedResults:
    return api.SavedResults(settings.run_options({"cache_dir": cache_dir, "cache_bytes_max": bytes_max}))


@click.group("cache", cls=CommandGroup)
def command() -> None:
    """Show or delete the cached results of earlier runs.

    A run saves the map results of each split, and a later run of the same job over the same bytes reuses them.
    Deleting them costs only time.
    """


@command.command("ls")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@_cache_dir_option
def list_results(*, as_json: bool, cache_dir: str | None) -> None:
    """List the jobs with cached results, their sizes, and when they were last used."""
    saved = _saved(cache_dir)
    jobs = saved.jobs()
    if as_json:
        print_json({"dir": saved.directory, "jobs": [job.to_plain() for job in jobs]})
        return
    now_s = time.time()
    for line in columns_text(
        [[*map(str, job.cells().values()), _ago(now_s - job.used_s)] for job in jobs], terminal=terminal_of_stdout()
    ):
        say(line)
    say(f"{counted(len(jobs), 'job')}, {bytes_text(sum(job.bytes for job in jobs))} in {saved.directory}")


def _ago(seconds: float) -> str:
    if seconds < _DAY_S:
        return "used today"
    return f"used {counted(int(seconds // _DAY_S), 'day')} ago"


@command.command("gc")
@click.option("--cache-bytes-max", "bytes_max", metavar="BYTES", default=None, help="how much may stay [1GiB]")
@_cache_dir_option
def collect_garbage(cache_dir: str | None, bytes_max: str | None) -> None:
    """Delete the least recently used results until the rest is within the limit."""
    say(f"{bytes_text(_saved(cache_dir, bytes_max).trim())} deleted")


@command.command("clear")
@_cache_dir_option
def clear(cache_dir: str | None) -> None:
    """Delete all cached results, unless a run is using them now."""
    freed, left = _saved(cache_dir).clear()
    if left:
        raise click.ClickException(f"a run is using the cached results now, so {bytes_text(left)} were left")
    say(f"{bytes_text(freed)} deleted")
