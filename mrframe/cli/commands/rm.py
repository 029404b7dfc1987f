"""`mrframe rm ID`: remove an ended submission of the standing cluster.

Rules. What the client had kept goes first, and then the cluster is told to forget: a removal that is killed between
the two leaves a submission that the cluster still lists, and that can be removed again. The other way round nobody
would know of what is left. The id is never given again (`cluster/client/cluster_dir.py`), since the journal has it
as over.
"""

from __future__ import annotations

import click

from mrframe.cli.last_id import named_submission
from mrframe.cli.session import ANSWER_S, dir_option, home_of, seen, visit


@click.command("rm")
@click.argument("job", metavar="ID")
@dir_option
def command(*, job: str, directory: str | None) -> None:
    """Remove an ended submission: its answer, all that was kept for it, and its record.

    ID is what `mrframe submit` printed, or @ when that was the last thing that you did. The logs that
    it read are not touched. One that still runs is refused. To remove what is removed already is no error.
    """
    from mrframe.errors import UsageError

    home = home_of(directory)
    name = home.job(named_submission(job, directory))
    with visit(home) as visitor:
        one = seen(visitor, name)
        if one is not None and one.state == "running":
            raise UsageError(
                f"{name} still runs ({one.stage}, {one.tasks_done} of {one.tasks_total} tasks) and is not removed; "
                f"wait for it with: mrframe wait {name}, or end it with: mrframe cancel {name}"
            )
        if one is None and not home.was_given(name):
            raise UsageError(f"the cluster in {home.path} has no submission {name}; `mrframe jobs` lists them")
        if one is None and home.submitted_s(name) is not None:
            raise UsageError(
                f"the cluster in {home.path} has not accepted {name} yet; if no `mrframe submit` runs any more, "
                f"it never will, and what is left of it can be deleted by hand: {home.submissions}/{name}"
            )
        home.forget(name)
        if one is not None:
            visitor.forget(name)
            visitor.settle(ANSWER_S)
    click.echo(f"{name} is removed", err=True)
