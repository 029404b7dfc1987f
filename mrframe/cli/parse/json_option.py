"""The option `--json` of commands that print one JSON object. docs/cli.md has the shapes.

Not here: `--json` of commands that deliver a result (`output_flags.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

C = TypeVar("C", bound=Callable[..., Any])


def json_option(command: C) -> C:
    """Decorator: the command takes `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="print one JSON object")(command)
