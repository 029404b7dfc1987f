"""`mrframe config show`: the settings in force here, and with --origin where each was found."""

from __future__ import annotations

import os

import click

from mrframe.cli.parse import settings
from mrframe.cli.parse.command_group import CommandGroup
from mrframe.cli.show.streams import print_json, say, terminal_of_stdout
from mrframe.cli.show.terminal import columns_text


@click.group("config", cls=CommandGroup)
def command() -> None:
    """Show the settings in force and where each comes from.

    A setting is looked for as a flag, then as MRFRAME_… in the environment, then in ./mrframe.toml (or, where there
    is none, in [tool.mrframe] of ./pyproject.toml), then in $XDG_CONFIG_HOME/mrframe/config.toml.
    """


@command.command("show")
@click.option("--origin", is_flag=True, help="say where each value was found")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def show(*, origin: bool, as_json: bool) -> None:
    """Print every setting of a run with its value here and now."""
    found = settings.resolve({}, os.environ, ".")
    if as_json:
        print_json({"settings": {name: {"value": r.value, "origin": r.origin} for name, r in found.items()}})
        return
    rows = []
    for name, resolved in found.items():
        value = "not set" if resolved.value is None else _text(name, resolved.value)
        rows.append([name, value, *([resolved.origin] if origin else [])])
    for line in columns_text(rows, terminal=terminal_of_stdout()):
        say(line)


def _text(name: str, value: object) -> str:
    sized = isinstance(value, int) and "_bytes" in name
    return settings.size_text(int(str(value))) if sized else str(value)
