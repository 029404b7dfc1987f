"""The option `--dir`, which says where the cluster lives, for every command that talks to one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from mrframe.cli.parse import completing

C = TypeVar("C", bound=Callable[..., Any])


def dir_option(command: C) -> C:
    """Decorator: the command takes the directory of the cluster."""
    text = "where the cluster lives [$XDG_STATE_HOME/mrframe/cluster, or ~/.local/state/mrframe/cluster]"
    complete = completing.folders
    return click.option("--dir", "directory", metavar="DIR", help=text, shell_complete=complete)(command)
