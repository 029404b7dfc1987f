"""The command `mrframe`, also as `python -m mrframe`."""

from __future__ import annotations

import gc
from typing import NoReturn

ALLOCATIONS = 100_000
"""New objects between two garbage collections: more than a start makes. The imports leave no garbage to find."""


def command() -> NoReturn:
    """Run the command that this process was started for. Never returns."""
    gc.set_threshold(ALLOCATIONS)
    from mrframe.cli.main import run_as_command

    run_as_command()


if __name__ == "__main__":
    command()
