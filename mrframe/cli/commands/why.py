"""`mrframe why ID KEY`: the input lines behind a key of a result.

The job's code runs in a child of this process. The lines are found in `api/explain/input_lines.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mrframe import api
from mrframe.cli.child import in_child
from mrframe.cli.last_id import named
from mrframe.cli.parse import completing
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.parse.whole_number import WholeNumber
from mrframe.cli.show.streams import json_text, report, say_data, stderr
from mrframe.errors import MrframeError

if TYPE_CHECKING:
    from mrframe.api import InputLine, InputLines


@click.command("why")
@click.argument("run", metavar="ID", shell_complete=completing.runs_and_submissions)
@click.argument("key", metavar="KEY")
@click.option(
    "--lines", "lines_max", type=WholeNumber(0), default=20, metavar="N", help="at most this many, 0: all [20]"
)
@click.option("--json", "as_json", is_flag=True, help="print each line as a JSON object")
@dir_option
def command(*, run: str, key: str, lines_max: int, as_json: bool, directory: str | None) -> None:
    """Show the input lines behind a key of a result.

    ID is that of a run (run-7) or of a submission that is done (job-7), or @ for whichever was the last. KEY is
    written as in the result: /index.html, 500, or as JSON, '["a", 1]'. Of a job of several steps it is a key of the
    first. Splits are skipped if their cached results lack the key. Exit code 1 when there is no such line.
    """
    api.stdout.claim()
    with api.input_lines(named(run, directory), directory) as found:
        for path in found.changed:
            report(f"{path} has changed since {found.name}: its lines are shown as they are now")
        code = in_child(lambda: _show(found, key, lines_max, as_json=as_json))
    click.get_current_context().exit(code)


def _show(kept: InputLines, key: str, lines_max: int, *, as_json: bool) -> int:
    """In the child: print the lines, and return the exit code."""
    from mrframe.cli.show.failures import show

    number = 0
    try:
        for found in kept.blocks(key):
            shown = found[: lines_max - number] if lines_max else found
            if shown:
                say_data("\n".join(map(_as_json if as_json else _as_text, shown)))
            number += len(shown)
            if len(shown) < len(found):
                report("there are more lines (--lines 0 shows all)")
                break
    except MrframeError as error:
        show(error, stderr(), verbose=False)
        return error.exit_code
    if not number:
        report(f"no line of the input of {kept.name} yields the key {key}")
    return 0 if number else 1


def _as_text(line: InputLine) -> str:
    return f"{line.file}:{line.line}: {line.text}"


def _as_json(line: InputLine) -> str:
    return json_text(line.to_plain())
