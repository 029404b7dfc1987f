"""`mrframe formats`: list log formats, detect that of a file, and try a format string."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from mrframe import api
from mrframe.cli.parse import completing, settings
from mrframe.cli.parse.command_group import CommandGroup
from mrframe.cli.show.streams import print_json, say, terminal_of_stdout
from mrframe.cli.show.terminal import columns_text, sample

if TYPE_CHECKING:
    from mrframe.api import Mismatch

SHOWN_MISMATCHES = 3
NAME_CHARACTERS_MAX = 4096  # of a file


def _name_formats(_context: click.Context, _option: click.Parameter, config: str | None) -> None:
    """Register the named formats of the settings files and of a server's configuration."""
    settings.name_formats(config, os.environ, ".")


_config = click.option(
    "--config",
    metavar="FILE",
    callback=_name_formats,
    expose_value=False,
    is_eager=True,
    help="take log formats and their names from this configuration of nginx or Apache",
)


@click.group("formats", cls=CommandGroup)
def command() -> None:
    """List log formats, detect a file's, or try a format string."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@_config
def list_formats(*, as_json: bool) -> None:
    """List the formats that have a name, each with an example line."""
    formats = api.log_formats()
    if as_json:
        print_json({"formats": [one.to_plain() for one in formats]})
        return
    width = max(len(one.name) for one in formats) + 2
    for one in formats:
        say(f"{one.name.ljust(width)}{one.description}\n{' ' * width}{one.example}")
    say("\nor the server's own string, pasted: --log-format 'LogFormat \"%h …\"' or 'log_format x …'")


@command.command("detect")
@click.argument("file", shell_complete=completing.inputs)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@_config
def detect_format(file: str, *, as_json: bool) -> None:
    """Show the format of a file, the reason, and the fields of its first matching line."""
    found = api.detect_format(file)
    if as_json:
        print_json(found.to_plain())
        return
    say(f"{sample(found.file, NAME_CHARACTERS_MAX)}: {found.why}")
    _print_fields(found.fields)


@command.command("test")
@click.argument("format_string", metavar="FORMAT", shell_complete=completing.log_formats)
@click.argument("file", required=False, shell_complete=completing.inputs)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@_config
def test_format(format_string: str, file: str | None, *, as_json: bool) -> None:
    """Compile a format string and, with FILE, try it on the first 1,000 lines.

    FORMAT is a name, or Apache's LogFormat or nginx's log_format as it stands in the server's configuration. Exit
    code 3 when lines do not match.
    """
    known = api.format_fields(format_string)
    if file is None:
        if as_json:
            print_json({"fields": known})
        else:
            _print_pairs(known)
        return
    tried = api.try_format(format_string, file)
    if as_json:
        wrong = [
            {"line": one.line, "text": sample(_text(one.text)), "at": one.at, "reason": one.reason}
            for one in tried.mismatches
        ]
        print_json({"lines": tried.lines, "matched": tried.matched, "fields": tried.fields, "mismatches": wrong})
    else:
        say(f"matches {tried.matched:,} of the first {tried.lines:,} lines of {sample(file, NAME_CHARACTERS_MAX)}")
        _print_fields(tried.fields)
        for one in tried.mismatches[:SHOWN_MISMATCHES]:
            _print_mismatch(file, one)
    if tried.mismatches:
        raise click.exceptions.Exit(3)


def _print_fields(fields: dict[str, Any]) -> None:
    if fields:
        say("fields of the first line that matches:")
        _print_pairs({name: "(no value)" if value is None else value for name, value in fields.items()})


def _print_pairs(pairs: dict[str, Any]) -> None:
    rows = [[str(name), sample(str(value))] for name, value in pairs.items()]
    for line in columns_text(rows, "  ", terminal_of_stdout()):
        say(line)


def _print_mismatch(file: str, one: Mismatch) -> None:
    """A line with a mark where it stops to match."""
    start = max(0, one.at - 60)
    head, tail = sample(_text(one.text[start : one.at]), 400), sample(_text(one.text[one.at : one.at + 60]))
    lead = f"  {sample(file, NAME_CHARACTERS_MAX)}:{one.line}: " + ("…" if start else "")
    say(f"{lead}{head}{tail}\n{' ' * (len(lead) + len(head))}^ {one.reason}")


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")
