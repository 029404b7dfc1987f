"""`mrframe check JOB INPUT…`: is this job safe to distribute? The trial itself is `api/explain/trial.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mrframe.api.units import number_text, seconds_text
from mrframe.cli.parse import completing, settings
from mrframe.cli.parse.flags import setting_flags
from mrframe.cli.parse.job_command import JobCommand, job_of, options_of_job
from mrframe.cli.show.streams import Line, Painted, print_json, say, terminal_of_stdout
from mrframe.cli.show.terminal import columns_text, sample
from mrframe.core.display_width import cut_end, padded
from mrframe.core.table_fit import GAP

WIDE = 72  # the cells of a whole row
NARROW = 58  # of one without the digest
SHORTEST = 8

if TYPE_CHECKING:
    from mrframe.api import Trial, TriedWay
    from mrframe.core.display_width import Terminal


@click.command("check", cls=JobCommand)
@click.argument("job", shell_complete=completing.jobs)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@setting_flags()
@click.argument("inputs", nargs=-1, metavar="INPUT...", shell_complete=completing.inputs)
@click.pass_context
def command(context: click.Context, /, job: str, inputs: tuple[str, ...], **values: Any) -> None:
    """Is this job safe to distribute? Runs it in many ways and compares.

    The result must be the same bytes inline and on a cluster, for any cutting of the input, any order of tasks and
    any PYTHONHASHSEED. Exit code 1 when it is not. Inputs are read several times: take a part of a log for a quick
    check.
    """
    from mrframe import api

    as_json = values.pop("as_json")
    options = settings.run_options({name: values.pop(name) for name in settings.declared()})
    if not inputs:
        raise click.UsageError("no INPUT was given; name a log file")
    trial = api.Trial(job_of(context, job), inputs, options, options_of_job(context, values))
    tried = []
    for one in trial.outcomes():
        tried.append(one)
        if not as_json:
            say(line_of(one, trial.names, terminal_of_stdout()))
    conclude(trial, tried, as_json=as_json)


def line_of(outcome: TriedWay, names: Sequence[str], terminal: Terminal | None) -> Line:
    """The outcome of one way as a row of a table, of which a narrow terminal gets less."""
    width = terminal.width if terminal else WIDE
    rows = len(outcome.lines)
    cells = [f"{number_text(rows):>9} {'row' if rows == 1 else 'rows':<4}"]
    cells += [outcome.digest] if width >= WIDE else []
    cells += [f"{seconds_text(outcome.seconds):>7}"] if width >= NARROW else []
    name_width = max(map(len, names))
    if width < NARROW:
        name_width = max(SHORTEST, width - len(cells[0]) - 2 * len(GAP) - len("DIFFERENT"))
    name = padded(cut_end(outcome.way.name, name_width, terminal.mark if terminal else ""), name_width)
    verdict = Painted("same", "green") if outcome.same else Painted("DIFFERENT", "red")
    return [GAP.join([name, *cells, ""]), verdict]


def conclude(trial: Trial, tried: Sequence[TriedWay], *, as_json: bool) -> None:
    """Print the verdict. Exit code 1 when two results differ."""
    wrong = next((one for one in tried if not one.same), None)
    reason = trial.reason(tried) if wrong else ""
    not_saved = trial.not_saved()
    difference = [_shown(line) for line in trial.difference(wrong)] if wrong else []
    if as_json:
        ways = [{"way": o.way.name, "rows": len(o.lines), "digest": o.digest, "same": o.same} for o in tried]
        found = {"plain": difference[0], "other": difference[1], "way": wrong.way.name} if wrong else None
        verdict = {"safe": wrong is None, "tried": ways, "first_difference": found, "reason": reason or None}
        print_json(verdict | {"not_saved": not_saved or None})
    elif wrong is None:
        say(f"the same bytes in all {len(tried)} ways")
    else:
        rows = [["inline", difference[0]], [wrong.way.name, difference[1]]]
        say("\n".join(["", "first difference:", *columns_text(rows, "  "), "", f"likely reason: {reason}"]))
    if not_saved and not as_json:
        say(f"its results are not cached: {not_saved}")
    if wrong is not None:
        raise click.exceptions.Exit(1)


def _shown(line: bytes | None) -> str:
    return "(no row)" if line is None else sample(line.decode("utf-8", "surrogateescape"))
