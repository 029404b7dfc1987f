"""`mrframe cancel ID`: end a submission of the standing cluster.

What it is not: a removal. What the submission has left on the nodes stays until `mrframe rm`.
"""

from __future__ import annotations

import click

from mrframe.cli.last_id import named_submission
from mrframe.cli.session import ANSWER_S, dir_option, home_of, seen, state_of, visit


@click.command("cancel")
@click.argument("job", metavar="ID")
@dir_option
def command(*, job: str, directory: str | None) -> None:
    """End a submission now: what runs of it is stopped, and it has no answer.

    ID is what `mrframe submit` printed, or @ when that was the last thing that you did. Once this
    returns the end is in the cluster's journal: `mrframe wait ID` says that it was cancelled, whatever is killed
    meanwhile. One that has ended stays as it is.
    """
    from mrframe.errors import UsageError

    home = home_of(directory)
    name = home.job(named_submission(job, directory))
    with visit(home) as visitor:
        before = seen(visitor, name)
        if before is None:
            raise UsageError(f"the cluster in {home.path} has no submission {name}; `mrframe jobs` lists them")
        visitor.cancel(name)
        visitor.settle(ANSWER_S)
        after = seen(visitor, name)
    if after is None:
        said = f"{name} was removed meanwhile"
    elif before.state == "running" and state_of(after) == "cancelled":
        said = f"{name} is cancelled"
    else:
        said = f"{name} had ended before: it is {state_of(after)}"
    click.echo(said, err=True)
