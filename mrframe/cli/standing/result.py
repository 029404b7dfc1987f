"""`mrframe result ID`: print the result of a submission that is done. May be called again."""

from __future__ import annotations

from typing import Any

import click

from mrframe import api
from mrframe.cli.last_id import named_submission
from mrframe.cli.parse import completing
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.parse.output_flags import output_flags, output_flags_of
from mrframe.cli.show.delivery import deliver

NOT_HERE = ("rejects", "quarantine", "dry_run")
"""Flags of `mrframe run` about things that a submission does not keep."""


@click.command("result")
@output_flags(*NOT_HERE)
@dir_option
@click.argument("job", metavar="ID", shell_complete=completing.submissions)
def command(*, job: str, directory: str | None, **values: Any) -> None:
    """Print the result of a submission, as `mrframe run` would.

    ID is the id that `mrframe submit` printed, or @ when that was the last thing that you did. A submission
    that still runs is refused.
    """
    flags = output_flags_of(values)
    flags.check()
    name = named_submission(job, directory)
    with api.connect(directory) as client, client.result(name) as result:
        deliver(result, flags)
