"""`mrframe completion SHELL`: the script that makes a shell complete commands, flags and choices."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mrframe.cli import COMPLETE_VARIABLE
from mrframe.cli.show.streams import say

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a shell's completion script.

    \b
      bash   mrframe completion bash > ~/.local/share/bash-completion/completions/mrframe
      zsh    mrframe completion zsh > a file _mrframe in a folder of $fpath
      fish   mrframe completion fish > ~/.config/fish/completions/mrframe.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click has no completion for {shell}")
    say(kind(ctx.find_root().command, {}, "mrframe", COMPLETE_VARIABLE).source())
