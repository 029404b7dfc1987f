"""The command `mrframe`, also as `python -m mrframe`."""

from __future__ import annotations

import gc
from typing import NoReturn

from mrframe.task.isolation.gc_policy import STARTING


def command() -> NoReturn:
    """Run the command that this process was started for. Never returns."""
    gc.set_threshold(STARTING)
    from mrframe.cli.main import run_as_command

    run_as_command()


if __name__ == "__main__":
    command()
