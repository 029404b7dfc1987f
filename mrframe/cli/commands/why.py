"""`mrframe why ID KEY`: the input lines behind a key of an answer.

The job's code runs in a child of this process. Which lines there are is found in `task/debug/provenance.py`.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from mrframe.cli.child import in_child
from mrframe.cli.last_id import named
from mrframe.cli.session import ANSWER_S, dir_option, home_of
from mrframe.cli.show.exit import say
from mrframe.cli.show.terminal import escaped, is_terminal
from mrframe.errors import MrframeError
from mrframe.task.isolation import stdout

if TYPE_CHECKING:
    from mrframe.engines.history.kept_runs import KeptMaps, SubmittedMaps


@click.command("why")
@click.argument("run", metavar="ID")
@click.argument("key", metavar="KEY")
@click.option(
    "--lines", "lines_max", type=click.IntRange(min=0), default=20, metavar="N", help="at most so many, 0: all [20]"
)
@click.option("--json", "as_json", is_flag=True, help="print each line as a JSON object")
@dir_option
def command(*, run: str, key: str, lines_max: int, as_json: bool, directory: str | None) -> None:
    """Show the input lines behind a key of an answer.

    ID is that of a run (run-7) or of a submission that is done (job-7), or @ for whichever was the last. KEY is
    written as in the answer: /index.html, 500, or as JSON, '["a", 1]'. Of a job of several steps it is a key of the
    first. Splits whose saved results do not hold the key are not read again. Exit code 1 when there is no such line.
    """
    stdout.claim()
    with ExitStack() as stack:
        run = named(run, directory)
        name, kept = _submitted(run, directory, stack) if run.startswith("job-") else _kept(run)
        for path in kept.changed():
            click.echo(f"{escaped(path)} has changed since {name}: its lines are shown as they are now", err=True)
        code = in_child(lambda: _show(kept, name, key, lines_max, as_json=as_json))
    click.get_current_context().exit(code)


def _kept(run: str) -> tuple[str, KeptMaps]:
    from mrframe.engines.history.kept_runs import kept_maps
    from mrframe.store.run_records import RunRecords, default_folder

    runs = RunRecords(default_folder())
    name = runs.find(run)
    return name, kept_maps(runs, name)


def _submitted(job: str, directory: str | None, stack: ExitStack) -> tuple[str, SubmittedMaps]:
    from mrframe.cli.commands.wait import ended
    from mrframe.cluster.client.supervisor import Visitor
    from mrframe.engines.datasets.datasets import replica_of
    from mrframe.engines.history.kept_runs import SubmittedMaps
    from mrframe.errors import UsageError
    from mrframe.store.scratch import Scratch

    home = home_of(directory)
    name = home.job(job)
    copies = stack.enter_context(Scratch(later=True))  # they stay until the lines were read, the sockets do not
    with Visitor(home, copies.path) as visitor:
        if any(one.job == name and one.state != "done" for one in visitor.state(ANSWER_S).jobs):
            raise UsageError(f"{name} is not done, so there are no lines yet; wait for it with: mrframe wait {name}")
        reports = ended(visitor, name, ANSWER_S).reports
        return name, SubmittedMaps(reports, home.record(name), home.package(name), replica_of(visitor))


def _show(kept: KeptMaps | SubmittedMaps, name: str, key: str, lines_max: int, *, as_json: bool) -> int:
    """In the child: print the lines; the exit code."""
    from mrframe.cli.show.failures import show
    from mrframe.store.scratch import Scratch
    from mrframe.task.debug.provenance import lines_behind

    number = 0
    try:
        job = kept.job(_question)
        with Scratch() as scratch:
            for found in lines_behind(kept.traced, job, key, scratch.path):
                shown = found[: lines_max - number] if lines_max else found
                if shown:
                    say("\n".join(map(_as_json if as_json else _as_text, shown)))
                number += len(shown)
                if len(shown) < len(found):
                    click.echo("there are more lines (--lines 0 shows all)", err=True)
                    break
    except MrframeError as error:
        show(error, sys.stderr, verbose=False)
        return error.exit_code
    if not number:
        click.echo(f"no line of the input of {name} yields the key {escaped(key)}", err=True)
    return 0 if number else 1


def _as_text(line: Any) -> str:
    text = f"{line.source}:{line.line}: {line.data.decode('utf-8', 'surrogateescape')}"
    return escaped(text) if is_terminal(stdout.stream()) else text


def _as_json(line: Any) -> str:
    from mrframe.formats.output.value_text import plain_as_utf8

    text = line.data.decode("utf-8", "surrogateescape")
    found = {"file": line.source, "line": line.line, "offset": line.offset, "text": text}
    return json.dumps(plain_as_utf8(found, "escape"))


def _question(asked: dict[str, Any]) -> Any:
    """The job of `mrframe count`, made again from what was asked."""
    from mrframe.cli.commands.count import ready_reducer
    from mrframe.cli.parse.question import make_job
    from mrframe.formats.registry import reader_named

    return make_job(
        reader_named(asked["read"]),
        asked["fields"],
        value=asked["value"],
        reducer=ready_reducer(asked["reducer"] or ("total" if asked["value"] else "count")),
        where=asked["where"],
    )
