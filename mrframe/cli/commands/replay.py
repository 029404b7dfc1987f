"""`mrframe replay ID`: a record or group on which a job's code failed, run again alone.

The job's code runs in a child of this process, which only prints. The kept failure is opened there.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mrframe import api
from mrframe.cli.child import in_child
from mrframe.cli.last_id import named
from mrframe.cli.parse import completing
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.parse.whole_number import WholeNumber
from mrframe.cli.show.streams import print_json, report, say
from mrframe.cli.show.terminal import sample
from mrframe.errors import UsageError

if TYPE_CHECKING:
    from mrframe.api import Capsule, FailureInfo, KeptFailures

RECORD_CHARACTERS_MAX = 500


@click.command("replay")
@click.argument("run", metavar="ID", shell_complete=completing.runs_and_submissions)
@click.option("--failure", "number", type=WholeNumber(1), default=1, metavar="N", help="which of them [1]")
@click.option("--list", "listed", is_flag=True, help="list the failures that were kept, and run none")
@click.option("--pdb", "debug", is_flag=True, help="stop in the debugger where the job's code raises")
@click.option("--job", "path", metavar="JOB", default=None, help="run this job on it, instead of the one that failed")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object (with --list)")
@dir_option
def command(
    *,
    run: str,
    number: int,
    listed: bool,
    debug: bool,
    path: str | None,
    as_json: bool,
    directory: str | None,
) -> None:
    """Run a failed record or group again, alone.

    It needs neither the input nor the job file any more. ID is that of a run or submission that failed (run-7,
    job-7), or @ for whichever was the last. Exit code 0 when the job's code does not fail on it any more, else 1.
    --job JOB tries today's version of the job file.
    """
    kept = api.kept_failures(named(run, directory), directory)
    if listed:
        _list(kept, as_json=as_json)
        return
    if not len(kept):
        raise UsageError(f"{kept.id} has no failure that can be run again")
    if number > len(kept):
        raise UsageError(f"{kept.id} has {len(kept)} failures, so there is none with the number {number}")
    capsule = kept.capsule(number)
    report(*_described(kept.id, number, len(kept), capsule))
    package = kept.package()
    api.stdout.claim()
    code = in_child(lambda: _replay(capsule, package, path, debug=debug))
    click.get_current_context().exit(code)


def _list(kept: KeptFailures, *, as_json: bool) -> None:
    rows = kept.listed()
    if as_json:
        print_json({"id": kept.id, "failures": [row.to_plain() for row in rows]})
        return
    for row in rows:
        say(f"{row.failure}  {_location(row)}  {sample(row.message)}")


def _location(failure: Capsule | FailureInfo) -> str:
    if failure.source:
        return f"{failure.source}:{failure.line}" if failure.line > 0 else f"{failure.source}, byte {failure.offset}"
    return f"key {failure.key}"


def _described(run: str, number: int, of: int, capsule: Capsule) -> list[str]:
    lines = [f"{run}, failure {number} of {of}: {sample(capsule.message)}"]
    if capsule.source:
        lines.append(f"  in      {_location(capsule)} (byte {capsule.offset})")
        text = capsule.record.decode("utf-8", "surrogateescape")
        lines.append(f"  record  {sample(text, RECORD_CHARACTERS_MAX)}")
    else:
        lines.append(f"  key     {sample(capsule.key, RECORD_CHARACTERS_MAX)}")
    if not capsule.whole:
        lines.append("  it was longer than what is kept, so this may end otherwise")
    if not capsule.source and not capsule.group:
        lines.append("  its values were not kept")
    mine = "{}.{}".format(*sys.version_info[:2])
    if capsule.python.rpartition(".")[0] != mine:
        lines.append(f"  it failed on Python {capsule.python}, and this is {mine}")
    return lines


def _replay(capsule: Capsule, package: bytes, path: str | None, *, debug: bool) -> int:
    again = api.run_again(capsule, package, path, _debugger if debug else None)
    if again.fails:
        if not debug:
            report("", again.traceback_text.rstrip("\n"))
        report("it fails again")
        return 1
    report("the job's code does not fail on it any more")
    report(*[f"  {sample(repr(key))}: {sample(repr(value))}" for key, value in again.rows])
    return 0


def _debugger(traceback: Any) -> None:
    import pdb  # noqa: T100  (--pdb asks for it)

    pdb.post_mortem(traceback)
