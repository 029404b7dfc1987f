"""The ID that a command was given: `@` is the last thing that this user ran or submitted, for every command.

Each command says on standard error which id it took. A command that takes submissions alone refuses `@` while a run
is the last thing, since it would act on something else than was meant.
"""

from __future__ import annotations

from mrframe import api
from mrframe.cli.show.streams import report


def named(text: str, directory: str | None) -> str:
    """The id of a run or submission. `@` is whichever came last."""
    return _echoed(api.last_id(directory)) if text == "@" else text


def named_submission(text: str, directory: str | None) -> str:
    """The id of a submission, for commands that know no runs. UsageError when the last thing is a run."""
    name = api.submission_id(text, directory) if text != "@" else api.last_submission_id(directory)
    return _echoed(name) if text == "@" else name


def _echoed(name: str) -> str:
    report(f"@ is {name}")
    return name
