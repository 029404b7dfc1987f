"""`mrframe wait ID`: until a submission has ended."""

from __future__ import annotations

import click

from mrframe import api
from mrframe.cli.last_id import named_submission
from mrframe.cli.parse import completing
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.show.streams import print_json


@click.command("wait")
@click.argument("job", metavar="ID", shell_complete=completing.submissions)
@click.option("--timeout-s", type=float, default=None, metavar="SECONDS", help="give up waiting after this long")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@dir_option
def command(*, job: str, timeout_s: float | None, as_json: bool, directory: str | None) -> None:
    """Wait until a submission has ended. The exit code says how, as that of `mrframe run` does.

    ID is the id that `mrframe submit` printed, or @ when that was the last thing that you did.
    """
    name = named_submission(job, directory)
    with api.connect(directory) as client:
        client.wait(name, timeout_s)
    if as_json:
        print_json({"id": name, "state": "done"})
