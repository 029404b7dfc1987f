"""`mrframe init NAME`: a ready job, and a test of it, to start one's own from."""

from __future__ import annotations

import click

from mrframe.cli.show.streams import say

DEFAULT_START = "status_codes"


@click.command("init")
@click.argument("name")
@click.option("--from", "start", metavar="JOB", help=f"the ready job to start from [NAME, or {DEFAULT_START}]")
def command(name: str, start: str | None) -> None:
    """Write a ready job, with a test, to start your own from.

    Writes NAME.py and test_NAME.py here (or in the folder that NAME begins with), and never over a file that exists.

    \b
      mrframe init top_urls                      a copy of a ready job
      mrframe init my_question --from top_urls   the same under a name of your own
    """
    from mrframe import api

    say("\n".join(api.start_job(name, start)))
