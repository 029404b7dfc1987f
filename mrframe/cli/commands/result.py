"""`mrframe result ID`: the answer of a submission that is done, as often as it is asked for."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

import click

from mrframe.cli.commands.run import Answer, deliver, show_summary, write_summary
from mrframe.cli.commands.wait import ended
from mrframe.cli.last_id import named_submission
from mrframe.cli.parse.flags import answer_flags
from mrframe.cli.session import ANSWER_S, dir_option, home_of, seen, visit

NOT_HERE = ("rejects", "quarantine", "dry_run", "verbose")
"""Flags of `mrframe run` about what a submission does not keep."""


@click.command("result")
@answer_flags(*NOT_HERE)
@dir_option
@click.argument("job", metavar="ID")
def command(*, job: str, directory: str | None, **values: Any) -> None:
    """Print the answer of a submission, as `mrframe run` would have.

    ID is what `mrframe submit` printed, or @ when that was the last thing that you did. A submission
    that still runs is refused.
    """
    from mrframe.api import Result
    from mrframe.engines import submissions
    from mrframe.errors import UsageError

    answer = Answer(**values)
    answer.check()
    home = home_of(directory)
    name = home.job(named_submission(job, directory))
    with visit(home) as visitor:
        one = seen(visitor, name)
        if one is not None and one.state == "running":
            raise UsageError(
                f"{name} still runs ({one.stage}, {one.tasks_done} of {one.tasks_total} tasks); "
                f"wait for it with: mrframe wait {name}"
            )
        event = ended(visitor, name, ANSWER_S)
        outcome, summary, ranked = submissions.gather(visitor, event, home.record(name), visitor.access.nodes)
        with Result([os.fspath(part) for part in outcome.parts], summary, ExitStack(), ranked=ranked) as result:
            deliver(result, answer)
            if answer.summary is not None:
                write_summary(answer, summary)
            if not answer.quiet:
                show_summary(summary, verbose=answer.verbose)
