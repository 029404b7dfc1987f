"""`mrframe demo`: a first look, on logs that come with mrframe.

Each step is a command of its own. It is printed as the user would type it, and runs in the folder of the logs.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import click

from mrframe.cli.show.streams import flush_stdout, say
from mrframe.paths import python_path, samples_folder

_STEPS = (
    (
        "The busiest paths, by a ready job on a cluster of processes",
        "run top_urls 'access.log*' --limit 5 --engine local --nodes 2",
    ),
    ("Requests by status, without a job file", "count status 'access.log*'"),
    ("The lines behind a number of that result", "why @ 503 --lines 3"),
)


@click.command("demo")
@click.pass_context
def command(context: click.Context) -> None:
    """Run three commands over logs that come with mrframe, and show them.

    Takes no options. The logs are made up: a small web server's, compressed and rotated, with some damaged lines.
    """
    folder = samples_folder()
    if folder is None:
        raise click.ClickException("this installation has no sample logs; install mrframe again, from a wheel")
    say(f"In the folder {folder}:")
    environment = {**os.environ, "PYTHONPATH": python_path()}
    for title, words in _STEPS:
        say(f"\n# {title}\n$ mrframe {words}")
        flush_stdout()
        line = [sys.executable, "-P", "-m", "mrframe", *shlex.split(words)]
        if not words.startswith("why"):
            line += ["--format", "table"]  # into a pipe too
        done = subprocess.run(line, cwd=folder, env=environment, check=False)  # noqa: S603  (words of this file)
        if done.returncode:
            context.exit(done.returncode)
    say("\nNext: mrframe count FIELD YOUR.log, or mrframe init my_job for a job of your own.")
