"""`mrframe rm ID…`: remove ended submissions of the standing cluster."""

from __future__ import annotations

from typing import Any

import click

from mrframe import api
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.show.streams import report
from mrframe.cli.standing.each import each_json_option, for_each, ids_argument, named_submissions


@click.command("rm")
@ids_argument(required=False)
@click.option("--all", "all_ended", is_flag=True, help="all that have ended")
@each_json_option
@dir_option
def command(*, ids: tuple[str, ...], all_ended: bool, as_json: bool, directory: str | None) -> None:
    """Remove ended submissions: their results, their records, and all else that was kept for them.

    ID is the id that `mrframe submit` printed, or @ when that was the last thing that you did. The logs that
    they read are not touched. One that still runs is refused. Removing it again is no error.
    """
    if bool(ids) == all_ended:
        raise click.UsageError("name the submissions to remove, or say --all for all that have ended")
    names = named_submissions(ids, directory)
    with api.connect(directory) as client:

        def act(name: str) -> tuple[str, dict[str, Any]]:
            client.rm(name)
            return f"{name} is removed", {"state": "removed"}

        if all_ended:
            names = [one.id for one in client.jobs() if one.state != "running"]
            if not names and not as_json:
                report("no submission has ended")
        for_each(names, act, as_json=as_json)
