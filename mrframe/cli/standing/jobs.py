"""`mrframe jobs`: the submissions of the standing cluster, how far each is and how it ended."""

from __future__ import annotations

import click

from mrframe import api
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.parse.json_option import json_option
from mrframe.cli.show.streams import print_json, say, terminal_of_stdout
from mrframe.cli.show.terminal import columns_text, sample

_HEAD = ["id", "name", "inputs", "state", "submitted", "ended", "took", "outcome"]


@click.command("jobs")
@json_option
@dir_option
def command(*, as_json: bool, directory: str | None) -> None:
    """List the submissions of the standing cluster.

    Those that were removed are not listed. Times are those of this machine's clock. "took" is the time from the
    submission to the end, waiting for other submissions included. --json has all inputs and the whole times.
    """
    with api.connect(directory) as client:
        jobs = client.jobs()
    if as_json:
        print_json({"dir": client.directory, "submissions": [one.to_plain() for one in jobs]})
        return
    rows = [one.cells() for one in jobs]
    shown = [[str(row[name]) if name == "name" else sample(str(row[name])) for name in _HEAD] for row in rows]
    for line in columns_text([_HEAD, *shown], terminal=terminal_of_stdout()):
        say(line)
