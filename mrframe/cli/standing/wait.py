"""`mrframe wait ID…`: until submissions have ended, with the progress of the one that is waited for."""

from __future__ import annotations

import time
from typing import Any

import click

from mrframe import api
from mrframe.api.units import counted, seconds_text
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.show.progress import ProgressLine
from mrframe.cli.show.streams import stderr
from mrframe.cli.standing.each import each_json_option, for_each, ids_argument, named_submissions

REPLY_S = 1.0
"""How long the cluster may take to say that a submission has ended, though the time for the wait is up."""


@click.command("wait")
@ids_argument()
@click.option("--timeout-s", type=float, default=None, metavar="SECONDS", help="give up waiting after this long")
@each_json_option
@dir_option
def command(*, ids: tuple[str, ...], timeout_s: float | None, as_json: bool, directory: str | None) -> None:
    """Wait until submissions have ended. The exit code says how, as that of `mrframe run` does.

    ID is the id that `mrframe submit` printed, or @ when that was the last thing that you did. Several are waited for
    in the order given, for SECONDS in all, and the exit code is the highest of theirs. On a terminal the progress of
    the one that is waited for is shown.
    """
    names = named_submissions(ids, directory)
    until_s = None if timeout_s is None else time.monotonic() + timeout_s
    with api.connect(directory) as client:

        def act(name: str) -> tuple[str, dict[str, Any]]:
            left_s = None if until_s is None else max(until_s - time.monotonic(), min(timeout_s or 0.0, REPLY_S))
            one = _ended(client, name, left_s)
            return _text(one), {"state": one.state, "rows": one.rows, "seconds": one.seconds}

        for_each(names, act, as_json=as_json)


def _ended(client: api.Client, name: str, timeout_s: float | None) -> api.SubmissionInfo:
    screen = stderr()
    shown = ProgressLine(screen, animated=True) if screen.is_animated else None
    try:
        return client.wait(name, timeout_s, on_progress=shown)
    finally:
        if shown is not None:
            shown.close()


def _text(one: api.SubmissionInfo) -> str:
    rows = "" if one.rows is None else f", {counted(one.rows, 'row')}"
    took = "" if one.seconds is None else f", {seconds_text(one.seconds)} after it was submitted"
    return f"{one.id} is {one.state}{rows}{took}"
