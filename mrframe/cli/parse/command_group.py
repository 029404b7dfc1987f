"""`CommandGroup`: a group of commands as mrframe shows it. Alone it prints its help, and it knows `help COMMAND`.

Not here: which commands there are (`cli/main.py` and the groups themselves).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from mrframe.cli.show.streams import say


class CommandGroup(click.Group):
    """A group that prints its help if no command is given, and the nearest name for an unknown one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Print the help if there are no arguments, which click takes for an error. `help X` is `X --help`."""
        if args[:1] == ["help"] and "help" not in self.list_commands(ctx):
            args = [*args[1:], "--help"]
        if not args and not ctx.resilient_parsing:
            say(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The subcommand that the arguments name. An unknown one is an error with the nearest match."""
        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            from mrframe.api.units import nearest

            raise click.UsageError(f"{ctx.command_path} has no command {args[0]!r}{nearest(args[0], known)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The subcommands in sections, each with its first sentences, which click would cut off."""
        sections = list(self.sections(ctx))
        width = max((len(name) for _, rows in sections for name, _ in rows), default=0)
        for title, rows in sections:
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])

    def sections(self, ctx: click.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """(title, [(name, first line of its help)]) of each section of the help."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        yield (
            "Commands",
            [(name, inspect.cleandoc(found.help or "").split("\n")[0]) for name, found in commands if found],
        )
