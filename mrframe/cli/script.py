"""`mrframe.main(job)`: a job file as a script of its own, `python jobs/top_urls.py access.log --limit 5`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from mrframe.core.job import Job


def main(job: Job | Callable[..., Job]) -> NoReturn:
    """Run `job` with the words of the command line, as `mrframe run` does, and end the process with its exit code."""
    from mrframe.cli.run import run_script

    sys.exit(run_script(job, sys.argv[1:]))
