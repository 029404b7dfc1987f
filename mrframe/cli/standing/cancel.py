"""`mrframe cancel ID`: end a submission of the standing cluster.

Not a removal: the files of the submission stay on the nodes until `mrframe rm`.
"""

from __future__ import annotations

import click

from mrframe import api
from mrframe.cli.last_id import named_submission
from mrframe.cli.parse import completing
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.show.streams import report


@click.command("cancel")
@click.argument("job", metavar="ID", shell_complete=completing.submissions)
@dir_option
def command(*, job: str, directory: str | None) -> None:
    """End a submission now: its tasks are stopped, and it has no result.

    ID is the id that `mrframe submit` printed, or @ when that was the last thing that you did. Once this
    returns the end is in the cluster's journal: `mrframe wait ID` says that it was cancelled, whatever is killed
    meanwhile. One that has ended stays as it is.
    """
    name = named_submission(job, directory)
    with api.connect(directory) as client:
        cancelled = client.cancel(name)
    if cancelled.state == "removed":
        text = f"{name} was removed meanwhile"
    elif cancelled.now:
        text = f"{name} is cancelled"
    else:
        text = f"{name} had ended before: it is {cancelled.state}"
    report(text)
