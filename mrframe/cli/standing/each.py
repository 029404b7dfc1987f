"""What `wait`, `cancel` and `rm` share: they take several ids, in turn, and say of each how it went.

A submission that fails, or cannot be cancelled or removed, does not keep the command from the others. The exit code
is the highest of all. With `--json` each id has one object, on a line of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from mrframe.cli.last_id import named_submission
from mrframe.cli.parse import completing
from mrframe.cli.show.exit import error_json
from mrframe.cli.show.streams import print_json, report, stderr
from mrframe.errors import ClusterUnreachable, MrframeError

C = TypeVar("C", bound=Callable[..., Any])


def ids_argument(*, required: bool = True) -> Callable[[C], C]:
    """Decorator: the command takes the ids of submissions."""
    return click.argument("ids", metavar="ID...", nargs=-1, required=required, shell_complete=completing.submissions)


def each_json_option(command: C) -> C:
    """Decorator: the command takes `--json`, which prints an object for each id."""
    return click.option("--json", "as_json", is_flag=True, help="print one JSON object for each ID, one on a line")(
        command
    )


def named_submissions(ids: Sequence[str], directory: str | None) -> list[str]:
    """The ids that were given, each once, with `@` replaced."""
    return list(dict.fromkeys([named_submission(one, directory) for one in ids]))


def for_each(names: Sequence[str], act: Callable[[str], tuple[str, dict[str, Any]]], *, as_json: bool) -> None:
    """Call `act` for each id, and report its text, or print its values as JSON. Exits with the highest exit code.

    A cluster that cannot be reached ends it at once.
    """
    worst = 0
    for name in names:
        try:
            text, values = act(name)
        except ClusterUnreachable:
            raise
        except MrframeError as error:
            from mrframe.cli.show import failures

            failures.show(error, stderr(), verbose=bool(os.environ.get("MRFRAME_DEBUG")))
            worst = max(worst, error.exit_code)
            values = error_json(error)
        else:
            if not as_json:
                report(text)
        if as_json:
            print_json({"id": name, **values})
    if worst:
        click.get_current_context().exit(worst)
