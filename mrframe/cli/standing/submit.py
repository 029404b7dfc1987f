"""`mrframe submit JOB INPUT…`: hand a job to the standing cluster, which keeps it whatever is killed, and return."""

from __future__ import annotations

from typing import Any

import click

from mrframe import api
from mrframe.cli.parse import completing, settings
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.parse.flags import setting_flags
from mrframe.cli.parse.job_command import JobCommand, job_of, options_of_job
from mrframe.cli.parse.whole_number import WholeNumber
from mrframe.cli.show.streams import print_json, report, say

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
@click.argument("job", shell_complete=completing.jobs)
@setting_flags(*NOT_HERE)
@click.option(
    "--priority",
    type=WholeNumber(-PRIORITY_MAX, PRIORITY_MAX),
    default=0,
    metavar="N",
    help="submissions of higher priority run first [0]; those of the same share the cluster",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@dir_option
@click.argument("inputs", nargs=-1, metavar="INPUT...", shell_complete=completing.inputs)
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
    """Submit a job to the standing cluster. Prints its id and returns at once.

    JOB and INPUT are as for `mrframe run`, except that standard input cannot be submitted. The keys of a job in total
    order are sampled first, by a submission of its own, which is waited for and removed. Once the id is printed the
    cluster has the job in its journal: it ends, once, whatever is killed meanwhile. `mrframe wait ID` waits for that,
    `mrframe result ID` prints the result.
    """
    if not inputs:
        raise click.UsageError("no INPUT was given; name a log file")
    job_options = options_of_job(context, values)
    options = settings.run_options({name: values.pop(name, None) for name in settings.declared()})
    with api.connect(directory) as client:
        submission = client.submit(job_of(context, job), inputs, options, job_options=job_options, priority=priority)
        if as_json:  # printed before the session ends, so that a signal then comes after the id
            print_json({"id": submission.id})
        else:
            say(submission.id)
    report(*[f"note: {note}" for note in submission.notes])
