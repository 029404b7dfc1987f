"""`mrframe wait ID`: until a submission has ended; and `ended`, which `result` shares."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from mrframe.cli.last_id import named_submission
from mrframe.cli.session import dir_option, home_of, visit
from mrframe.cli.show.exit import print_json
from mrframe.core.model.actions import JobEnded

if TYPE_CHECKING:
    from mrframe.cluster.client.supervisor import Visitor

POLL_S = 1.0


@click.command("wait")
@click.argument("job", metavar="ID")
@click.option("--timeout-s", type=float, default=None, metavar="SECONDS", help="give up waiting after so long")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@dir_option
def command(*, job: str, timeout_s: float | None, as_json: bool, directory: str | None) -> None:
    """Wait until a submission has ended; the exit code says how, as that of `mrframe run` does.

    ID is what `mrframe submit` printed, or @ when that was the last thing that you did.
    """
    from mrframe.engines.protocol import raise_failure

    home = home_of(directory)
    name = home.job(named_submission(job, directory))
    with visit(home) as visitor:
        event = ended(visitor, name, timeout_s)
    if event.failure is not None:
        raise_failure(event.failure)
    if as_json:
        print_json({"id": name, "state": "done"})


def ended(visitor: Visitor, job: str, timeout_s: float | None) -> JobEnded:
    """The end of this job; TimedOut when it does not come in time, UsageError when there is no such job."""
    from mrframe.errors import TimedOut

    started_s = time.monotonic()
    visitor.follow(job)
    while True:
        left_s = POLL_S if timeout_s is None else timeout_s - (time.monotonic() - started_s)
        event = visitor.poll(max(0.0, min(POLL_S, left_s)))
        if isinstance(event, JobEnded) and event.job == job:
            return event
        if event is None and timeout_s is not None and left_s <= 0:
            raise TimedOut(f"{job} did not end within {timeout_s:g} s; it goes on, and can be waited for again")
