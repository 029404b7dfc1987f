"""`mrframe cache`: what is saved of earlier runs, and letting it go."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from mrframe.cli.parse import settings
from mrframe.cli.show.exit import print_json, say
from mrframe.cli.show.terminal import bytes_text, columns_text, counted, escaped
from mrframe.core.model.options import RunOptions

_DAY_S = 86_400


def _cache_dir_option(command: Any) -> Any:
    text = "folder of saved results [mrframe in $XDG_CACHE_HOME, or in ~/.cache]"
    return click.option("--cache-dir", "cache_dir", metavar="DIR", default=None, help=text)(command)


def _options(cache_dir: str | None, bytes_max: str | None = None) -> RunOptions:
    return settings.run_options({"cache_dir": cache_dir, "cache_bytes_max": bytes_max})


@click.group("cache")
def command() -> None:
    """Show or delete the results that are saved of earlier runs.

    A run saves what its maps made of each split, and a later run of the same job over the same bytes does not make it
    again. Nothing is lost when it is deleted, but time.
    """


@command.command("ls")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@_cache_dir_option
def list_results(*, as_json: bool, cache_dir: str | None) -> None:
    """List the jobs whose results are saved, with how much of them there is and when it was used last."""
    from mrframe.engines.cache.run_cache import folders

    results, _ = folders(_options(cache_dir))
    jobs = results.jobs()
    if as_json:
        plain = [
            {
                "job": j.job,
                "name": j.name,
                "results": j.entries,
                "bytes": j.size_bytes,
                "used": j.used_s,
            }
            for j in jobs
        ]
        print_json({"dir": os.path.dirname(results.path), "jobs": plain})
        return
    now_s = time.time()
    rows = [
        [
            j.job[:12],
            j.name,
            counted(j.entries, "result"),
            bytes_text(j.size_bytes),
            _ago(now_s - j.used_s),
        ]
        for j in jobs
    ]
    for line in columns_text(rows):
        say(escaped(line))
    total = sum(job.size_bytes for job in jobs)
    say(f"{counted(len(jobs), 'job')}, {bytes_text(total)} in {os.path.dirname(results.path)}")


def _ago(seconds: float) -> str:
    if seconds < _DAY_S:
        return "used today"
    return f"used {counted(int(seconds // _DAY_S), 'day')} ago"


@command.command("gc")
@click.option("--cache-bytes-max", "bytes_max", metavar="BYTES", default=None, help="how much may stay [1GiB]")
@_cache_dir_option
def collect_garbage(cache_dir: str | None, bytes_max: str | None) -> None:
    """Delete what was not used for longest, until the rest is within the limit."""
    from mrframe.engines.cache.run_cache import folders

    options = _options(cache_dir, bytes_max)
    results, files = folders(options)
    files.trim()
    say(f"{bytes_text(results.evict(options.cache_bytes_max))} deleted")


@command.command("clear")
@_cache_dir_option
def clear(cache_dir: str | None) -> None:
    """Delete all saved results, unless a run is using them now."""
    from mrframe.engines.cache.run_cache import folders

    results, files = folders(_options(cache_dir))
    freed = results.clear()
    left = sum(job.size_bytes for job in results.jobs())
    if left:
        raise click.ClickException(f"a run is using the saved results now, so {bytes_text(left)} were left")
    files.clear()
    say(f"{bytes_text(freed)} deleted")
