"""Write docs/cli.md from the commands and settings as they are declared: `make docs`. A test holds it to them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from mrframe.cli.main import group
from mrframe.cli.parse.flags import OutputOption, SettingOption
from mrframe.cli.parse.settings import Setting, declared
from mrframe.cli.parse.whole_number import WholeNumber

HEAD = """\
# The command

This page is made from the commands themselves by `make docs`.

Options stand in any order; an unknown one is an error that names the nearest. Data goes to standard output, all else
to standard error. Exit codes and errors are explained in [messages.md](messages.md).
"""
SETTINGS = """\
## Settings

Each is a flag of the commands that run jobs, a variable of the environment, and a name in a settings file. The
first place that has it decides: the flag, the variable, `mrframe.toml` (or `[tool.mrframe]` in `pyproject.toml`) in
the working directory, `$XDG_CONFIG_HOME/mrframe/config.toml`. `mrframe config show --origin` shows what is in force
and where it comes from. In a file the name is that of the flag with `_` in place of `-`.

| flag | variable | default | meaning |
|---|---|---|---|
"""
OUTPUTS = """\
## Where the result goes

Flags of the commands that run jobs.

| flag | meaning |
|---|---|
"""
TABLES = """\
## Tables

The names of the columns are those of the job: [jobs.md](jobs.md#names-of-columns). In a table None is `-`, empty text
is `""`, and the text `-` is `"-"`.

On a terminal a table fits the width of the window (or `COLUMNS`): long text loses its middle, and numbers are never
cut. The numbers of values have their thousands grouped, and floats about four digits. Numbers in the key stay as they
are, since they are names: a status, a port, a year. A file or a pipe gets the whole text and exact numbers, as CSV,
TSV and JSON lines do everywhere. In the locale C (`LC_ALL=C`), or with another encoding than UTF-8, a terminal gets
ASCII only: `~` where text was cut, `\\u65e5` for other characters.
"""


JSON = """\
## JSON

Commands that take `--json` print one object on standard output, with `schema_version` (1) in it. A command that
fails prints `{"error": {"slug", "message", "exit_code"}}`, with `source`, `line`, `offset`, `key`, `traceback_text`
and `kept` (the id for `mrframe replay`) where they are known. `wait`, `cancel` and `rm` print one object for
each id, each on a line of its own. One that fails has `id` and `error`.
Times are ISO 8601 with the offset of the zone.

| command | object |
|---|---|
| `submit` | `id` |
| `jobs` | `dir`, `submissions`: a list of `id`, `name`, `state` (`running`, `done`, \
`failed`, `cancelled`), `stage`, `tasks_done`, `tasks_total`, `submitted`, `ended`, `seconds` (from the one to the \
other), `inputs`, `rows`, `error` (`slug`, `message`). What is not known, or does not apply, is null |
| `wait` | `id`, `state`, `rows`, `seconds` |
| `cancel` | `id`, `state`, `now` (whether this command ended it) |
| `rm` | `id`, `state` (`removed`) |
| `cluster start` | `dir`, `nodes`, `slots` (of each node) |
| `cluster stop` | `dir`, `state` (`stopped`) |
| `cluster status` | `dir`, `log`, `epoch` (the starts of the master), `nodes`: a list of `node`, `state`, `slots`, \
`attempts`; `submissions`: a list of `job`, `state`, `stage`, `tasks_done`, `tasks_total`, \
`error_slug`, `message`, `ended_s`, `rows` |
| `fs put` | `name`, `new`, `files`, `bytes`, `blocks`, `stored_replicas`, `stored_bytes` |
| `fs ls` | `versions`: a list of versions |
| `fs stat` | `name`, `replicas`, `files`: a list of `name`, `bytes`, `blocks` (each `name`, `bytes`, `nodes`) |
| `fs rm` | `removed`: the names of versions |
| `fs fsck` | `replicas`, `damaged`, `lacking`, `not_in_journal`, `unknown` |
| `fs recover` | `recovered`, `left`: the names of versions |
| `fs balance`, `fs decommission` | `nodes`: a list of `node`, `state`, `blocks`, `bytes`, `decommissioned` |
"""


def page() -> str:
    """The whole page."""
    shared = {name: option for _, command in commands(group) for name, option in output_options(command)}
    parts = [HEAD, *(section(path, command) for path, command in commands(group))]
    parts.append(OUTPUTS + "".join(option_row(option) for option in shared.values()))
    parts += [TABLES, JSON]
    parts.append(SETTINGS + "".join(setting_row(setting) for setting in declared().values()))
    return "\n".join(parts)


def commands(command: click.Command, path: str = "mrframe") -> Iterator[tuple[str, click.Command]]:
    """(path, command) of a command and of all below it, in the order of the help."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, f"{path} {name}")


def output_options(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    """The flags of a command that control its output."""
    for option in command.params:
        if isinstance(option, OutputOption):
            yield option.opts[0], option


def section(path: str, command: click.Command) -> str:
    """Describe one command and its own options."""
    arguments = [argument_text(param) for param in command.params if isinstance(param, click.Argument)]
    kinds = {type(option) for option in command.params}
    own = [
        p for p in command.params if isinstance(p, click.Option) and not isinstance(p, OutputOption | SettingOption)
    ]
    text = f"## {path}\n\n    {' '.join([path, '[OPTIONS]', *arguments])}\n\n{prose(command.help or '')}\n"
    if own:
        text += "\n| option | meaning |\n|---|---|\n" + "".join(option_row(option) for option in own)
    if SettingOption in kinds:
        text += "\nTakes all [settings](#settings)"
        text += " and [output flags](#where-the-result-goes).\n" if OutputOption in kinds else ".\n"
    return text


def argument_text(argument: click.Argument) -> str:
    """An argument as the usage line shows it, whatever the version of click."""
    choices = argument.type.choices if isinstance(argument.type, click.Choice) else ()
    name = argument.metavar or "|".join(map(str, choices)) or (argument.name or "").upper()
    return name if argument.required or argument.metavar else f"[{name}]"


def prose(help_text: str) -> str:
    """A command's help as Markdown: a paragraph that click leaves as it is becomes a block of code."""
    paragraphs = []
    for paragraph in inspect.cleandoc(help_text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            lines = paragraph[2:].split("\n")
            shift = min(len(line) - len(line.lstrip()) for line in lines)
            paragraphs.append("\n".join(f"    {line[shift:]}" for line in lines))
        else:
            paragraphs.append(paragraph)
    return "\n\n".join(paragraphs)


def option_row(option: click.Option) -> str:
    """One row of a table of options."""
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    choices = option.type.choices if isinstance(option.type, click.Choice) else ()
    value = "" if option.is_flag else option.metavar or "|".join(map(str, choices)) or option.type.name.upper()
    bounds = f" ({option.type.bounds})" if isinstance(option.type, WholeNumber) else ""
    return f"| {names}{f' `{cell(value)}`' if value else ''} | {cell(option.help or '')}{bounds} |\n"


def setting_row(setting: Setting) -> str:
    """One row of the table of settings."""
    value = setting.metavar
    flag = f"`{setting.flag}" + (f" {cell(value)}`" if value else "`")
    return f"| {flag} | `{setting.variable}` | {setting.default_text or '-'} | {cell(setting.help)} |\n"


def cell(text: str) -> str:
    """A text as it may stand in a cell."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    Path(__file__).with_name("cli.md").write_text(page(), encoding="utf-8")
