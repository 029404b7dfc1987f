"""`mrframe cancel ID…`: end submissions of the standing cluster.

Not a removal: the files of a submission stay on the nodes until `mrframe rm`.
"""

from __future__ import annotations

from typing import Any

import click

from mrframe import api
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.standing.each import each_json_option, for_each, ids_argument, named_submissions


@click.command("cancel")
@ids_argument()
@each_json_option
@dir_option
def command(*, ids: tuple[str, ...], as_json: bool, directory: str | None) -> None:
    """End submissions now: their tasks are stopped, and they have no result.

    ID is the id that `mrframe submit` printed, or @ when that was the last thing that you did. Once this
    returns the end is in the cluster's journal: `mrframe wait ID` says that it was cancelled, whatever is killed
    meanwhile. One that has ended stays as it is.
    """
    names = named_submissions(ids, directory)
    with api.connect(directory) as client:

        def act(name: str) -> tuple[str, dict[str, Any]]:
            cancelled = client.cancel(name)
            return _text(cancelled), {"state": cancelled.state, "now": cancelled.now}

        for_each(names, act, as_json=as_json)


def _text(cancelled: api.CancelledSubmission) -> str:
    if cancelled.state == "removed":
        return f"{cancelled.id} was removed meanwhile"
    if cancelled.now:
        return f"{cancelled.id} is cancelled"
    return f"{cancelled.id} had ended before: it is {cancelled.state}"
