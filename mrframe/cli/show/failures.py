"""Errors as they are shown: first the user's own traceback, then the place in the input, then the remedy.

An error that mrframe raises on purpose shows one message and never mrframe's own frames, unless -v or
MRFRAME_DEBUG asks for them. An exception that nobody meant is a bug, and says so with its traceback.
This module prints on the screen that it is given. Which exit code follows is decided in `exit.py`.
"""

from __future__ import annotations

import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mrframe import api
from mrframe.cli.show.streams import Line, Painted, Screen
from mrframe.cli.show.terminal import sample
from mrframe.errors import MrframeError, UserCodeError, did_you_mean

if TYPE_CHECKING:
    import click

RECORD_CHARACTERS_MAX = 500
_WRITING = ("-o", "--output", "--summary", "--rejects", "--quarantine")
_WRITING_EQUALS = tuple(f"{flag}=" for flag in _WRITING[1:])


def show(
    error: MrframeError, screen: Screen, *, verbose: bool, words: Sequence[str] = (), inputs: Sequence[str] = ()
) -> None:
    """Print an error raised on purpose. `words` and `inputs` are of the command, to say how it is repeated."""
    lines: list[Line] = []
    if isinstance(error, UserCodeError) and error.traceback_text:
        lines += [error.traceback_text.rstrip("\n"), ""]
    head, _, rest = _message(error).partition("\n")
    lines.append([Painted("error:", "red"), " ", Painted(head, "bold")])
    lines += [f"       {line}" for line in rest.splitlines()]
    if isinstance(error, UserCodeError):
        lines += _whereabouts(error, words, inputs)
    if verbose:
        own = error.frames or error.__traceback__
        lines += ["", "mrframe's own frames:", *traceback.format_exception(type(error), error, own)]
    screen.report(*lines)


def _message(error: MrframeError) -> str:
    """Return the message, or the failing hook if the message only repeats the last line of the traceback."""
    text = str(error)
    if not isinstance(error, UserCodeError):
        return text
    last = error.traceback_text.rstrip("\n").rpartition("\n")[2]
    if last and text != last and text.endswith(last):
        return f"{text.removesuffix(last).rstrip(' :')} (above)"
    if not last.endswith(text):
        return text
    who = f"the job's {error.hook}" if error.hook else "the job's own code"
    return f"{who} raised {text.partition(':')[0]} (above)"


def _whereabouts(error: UserCodeError, words: Sequence[str], inputs: Sequence[str]) -> list[str]:
    """The input `file:line`, the record or key, and a command that repeats the failure alone."""
    lines = []
    if error.source is not None:
        location = error.source + (f":{error.line}" if error.line else "")
        offset = f" (byte {error.offset})" if error.offset is not None else ""
        lines.append(f"  in      {location}{offset}")
    if error.record is not None:
        text = error.record.decode("utf-8", "surrogateescape")
        lines.append(f"  record  {sample(text, RECORD_CHARACTERS_MAX)}")
    if error.key is not None:
        lines.append(f"  key     {sample(error.key, RECORD_CHARACTERS_MAX)}")
    if error.kept:
        lines.append(f"  replay  mrframe replay {error.kept}")
    elif error.not_kept:
        lines.append(f"  {error.not_kept}")
    again = _again(error, words, inputs)
    if again:
        lines.append(f"  again   {again}")
    return lines


def _again(error: UserCodeError, words: Sequence[str], inputs: Sequence[str]) -> str:
    """A command that runs the job on the failing line alone, when the line can be had from its file."""
    if error.record is None or not error.line or error.source in (None, "-") or not inputs:
        return ""
    source = shlex.quote(str(error.source))
    read = f"sed -n {error.line}p {source}"
    if str(error.source).endswith(".gz"):
        read = f"zcat {source} | sed -n {error.line}p"
    source_name = _named(str(error.source), inputs)
    if source_name is None:
        return ""
    others = [name for name in inputs if source_name and not name.startswith(source_name)]
    alone = _for_one_line(words, [name for name in inputs if name not in others])
    command = f"{read} | {shlex.join([*alone[:-1], f'{source_name}-'])}"
    return command if command.isprintable() else ""


def _named(path: str, inputs: Sequence[str]) -> str | None:
    """Return the prefix of the input that is the file `path`: "hits=" in a join, else "". None if it is not plain."""
    apart = [name.partition("=") for name in inputs]
    if any(not equals or not name.isidentifier() or path.startswith(f"{name}=") for name, equals, _ in apart):
        return ""
    return next((f"{name}=" for name, _, given in apart if given == path), None)


def _for_one_line(words: Sequence[str], inputs: Sequence[str]) -> list[str]:
    """Return the words of a command with standard input in place of these inputs, without options for outputs."""
    kept: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word in _WRITING:
            next(waiting, None)
        elif not word.startswith(_WRITING_EQUALS):
            kept.append(word)
    for name in inputs:
        if name in kept:
            kept.reverse()
            kept.remove(name)
            kept.reverse()
    return [*(["python"] if kept[0].endswith(".py") else []), *kept, "-"]


def show_usage(error: click.ClickException, screen: Screen) -> None:
    """Print an error of the command line itself, with the nearest match and where the help is."""
    import click

    message = error.format_message()
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "mrframe"
    if isinstance(error, click.NoSuchOption):
        message = f"{command} has no option {error.option_name}"
        known = [option.lstrip("-") for option in error.possibilities or ()]
        message += did_you_mean(error.option_name.lstrip("-"), known, prefix="--")
    message = (message[:1].lower() + message[1:]).rstrip(".")
    screen.report(
        [Painted("error:", "red"), " ", Painted(message, "bold")], f"       `{command} --help` shows how it is used"
    )


def show_unexpected(error: BaseException, screen: Screen) -> str:
    """Print an exception that nothing caught, and give its slug: the job's own, or a bug."""
    if not api.is_the_jobs(error):
        show_bug(error, screen)
        return "bug"
    show(UserCodeError(api.exception_text(error), traceback_text=api.user_traceback(error)), screen, verbose=False)
    return UserCodeError.slug


def show_bug(error: BaseException, screen: Screen) -> None:
    """Print an unexpected exception, with all that a bug report needs."""
    screen.report(
        "".join(traceback.format_exception(error)).rstrip("\n"),
        "",
        [Painted("error:", "red"), f" a bug in mrframe ({type(error).__name__})"],
        f"       please report it with the traceback above; Python {sys.version.split()[0]}",
    )


def warn(text: str, screen: Screen) -> None:
    """Print one warning."""
    screen.report([Painted("warning:", "yellow"), f" {text}"])
