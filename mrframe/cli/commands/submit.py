"""`mrframe submit JOB INPUT…`: hand a job to the standing cluster, which keeps it whatever is killed, and return."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from mrframe.cli.commands.wait import ended
from mrframe.cli.parse import settings
from mrframe.cli.parse.flags import JobOption, setting_flags
from mrframe.cli.parse.job_command import JobCommand
from mrframe.cli.session import ANSWER_S, dir_option, home_of, visit
from mrframe.cli.show.exit import print_json, say
from mrframe.cli.show.terminal import escaped

if TYPE_CHECKING:
    from mrframe.cluster.client.cluster_dir import ClusterDir
    from mrframe.cluster.client.supervisor import Visitor
    from mrframe.engines.submissions import Submission

NOT_HERE = (
    "engine",
    "nodes",
    "slots",
    "shuffle",
    "splits",
    "order_seed",
    "inline_bytes_max",
    "timeout_s",
    "scratch_dir",
)
"""Settings that are the cluster's own, or of runs that are waited for."""
PRIORITY_MAX = 100


@click.command("submit", cls=JobCommand)
@click.argument("job")
@setting_flags(*NOT_HERE)
@click.option(
    "--priority",
    type=click.IntRange(-PRIORITY_MAX, PRIORITY_MAX),
    default=0,
    metavar="N",
    help=f"its tasks go before those of submissions with a lower one, from -{PRIORITY_MAX} to {PRIORITY_MAX} (0); "
    "those with the same share the cluster",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@dir_option
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.pass_context
def command(
    context: click.Context,
    /,
    job: str,
    inputs: tuple[str, ...],
    *,
    priority: int,
    as_json: bool,
    directory: str | None,
    **values: Any,
) -> None:
    """Submit a job to the standing cluster; prints its id and returns at once.

    JOB and INPUT are as for `mrframe run`, but for standard input. The keys of a job in total order are sampled
    first, by a submission of its own, which is waited for and removed. Once the id is printed the cluster has the job
    in its journal: it ends, once, whatever is killed meanwhile. `mrframe wait ID` waits for that, `mrframe result ID`
    prints the answer.
    """
    if not inputs:
        raise click.UsageError("no INPUT was given; name a log file")
    names = [p.name for p in context.command.get_params(context) if isinstance(p, JobOption) and p.name]
    job_options = {name: values.pop(name) for name in names}
    options = settings.run_options({name: values.pop(name, None) for name in settings.declared()})
    home = home_of(directory)
    with visit(home) as visitor:
        from mrframe.engines import submissions
        from mrframe.engines.datasets.datasets import inputs_of

        submission = submissions.prepare(
            job,
            inputs,
            options,
            job_options,
            executors=visitor.access.nodes * visitor.access.slots,
            sampled=partial(_sampled, home, visitor),
            stored=inputs_of(visitor),
        )
        name = home.add_submission(submission.record, submission.package)
        submissions.submit(submission, visitor, name, ANSWER_S, priority=priority)
    for note in submission.notes:
        click.echo(f"note: {escaped(note)}", err=True)
    if as_json:
        print_json({"id": name})
    else:
        say(name)


def _sampled(home: ClusterDir, visitor: Visitor, submission: Submission) -> list[bytes]:
    """Have the cluster sample the keys; the files of what it found. Nothing of that is left, whatever comes of it."""
    from mrframe.engines import submissions

    name = home.add_submission(submission.record, submission.package)
    try:
        submissions.submit(submission, visitor, name, ANSWER_S)
        parts = []
        for path in submissions.parts_of(visitor, ended(visitor, name, None)):
            with open(path, "rb") as file:
                parts.append(file.read())
        return parts
    finally:
        home.forget(name)
        visitor.forget(name)
        visitor.settle(ANSWER_S)
