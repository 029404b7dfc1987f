"""`mrframe rm ID`: remove an ended submission of the standing cluster."""

from __future__ import annotations

import click

from mrframe import api
from mrframe.cli.last_id import named_submission
from mrframe.cli.parse import completing
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.show.streams import report


@click.command("rm")
@click.argument("job", metavar="ID", shell_complete=completing.submissions)
@dir_option
def command(*, job: str, directory: str | None) -> None:
    """Remove an ended submission: its result, its record, and all else that was kept for it.

    ID is the id that `mrframe submit` printed, or @ when that was the last thing that you did. The logs that
    it read are not touched. One that still runs is refused. Removing it again is no error.
    """
    name = named_submission(job, directory)
    with api.connect(directory) as client:
        client.rm(name)
    report(f"{name} is removed")
