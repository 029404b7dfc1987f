"""`mrframe replay ID`: a record or group on which a job's code failed, run again alone.

The job's code runs in a child of this process, which only prints: what was kept is opened there.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from mrframe.cli.child import in_child
from mrframe.cli.last_id import named
from mrframe.cli.session import dir_option
from mrframe.cli.show.exit import print_json, say
from mrframe.cli.show.terminal import escaped, sample
from mrframe.errors import UsageError
from mrframe.task.isolation import stdout

if TYPE_CHECKING:
    from mrframe.store.run_records import RunRecords
    from mrframe.task.debug.capsule import Capsule

RECORD_CHARACTERS_MAX = 500


@click.command("replay")
@click.argument("run", metavar="ID")
@click.option("--failure", "number", type=click.IntRange(min=1), default=1, metavar="N", help="which of them [1]")
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
    kept = _Kept(named(run, directory), directory)
    if listed:
        _list(kept, as_json=as_json)
        return
    if not kept.names:
        raise UsageError(f"{kept.id} has no failure that can be run again")
    if number > len(kept.names):
        raise UsageError(f"{kept.id} has {len(kept.names)} failures, so there is none with the number {number}")
    capsule = kept.capsule(number)
    for line in _described(kept.id, number, len(kept.names), capsule):
        click.echo(line, err=True)
    package = kept.package()
    stdout.claim()
    code = in_child(lambda: _replay(capsule, package, path, debug=debug))
    click.get_current_context().exit(code)


class _Kept:
    """What is kept of a run, or of a submission to the cluster in `directory`."""

    def __init__(self, text: str, directory: str | None) -> None:
        from mrframe.store.run_records import RunRecords, default_folder

        self._submission: tuple[Capsule, bytes] | None = None
        if text.startswith("job-"):
            self.id, self.names = text, ["failure"]
            self._submission = _of_submission(text, directory)
            return
        self._runs: RunRecords = RunRecords(default_folder())
        self.id = self._runs.find(text)
        self.names = sorted(
            (name for name in self._runs.names(self.id) if name.startswith("failure-")),
            key=lambda name: int(name.rpartition("-")[2]),
        )

    def capsule(self, number: int) -> Capsule:
        """The failure with this number, from 1."""
        from mrframe.task.debug.capsule import Capsule

        if self._submission is not None:
            return self._submission[0]
        return Capsule.unpack(self._runs.read(self.id, self.names[number - 1]))

    def package(self) -> bytes:
        """The job that failed."""
        return self._runs.read(self.id, "package") if self._submission is None else self._submission[1]


def _of_submission(job: str, directory: str | None) -> tuple[Capsule, bytes]:
    """The failure of a submission, asked of the cluster that has it."""
    from mrframe.cli.commands.wait import ended
    from mrframe.cli.session import ANSWER_S, home_of, visit
    from mrframe.engines.history.kept_runs import capsule_of
    from mrframe.engines.protocol import raise_failure
    from mrframe.errors import UserCodeError

    home = home_of(directory)
    name = home.job(job)
    package = home.package(name)
    with visit(home) as visitor:
        event = ended(visitor, name, ANSWER_S)
    if event.failure is None:
        raise UsageError(f"{name} did not fail")
    try:
        raise_failure(event.failure)
    except UserCodeError as error:
        capsule = capsule_of(error)
    if capsule is None:
        raise UsageError(f"{name} failed on no single record or group: {event.failure.message}")
    return capsule, package


def _list(kept: _Kept, *, as_json: bool) -> None:
    found = [(number, kept.capsule(number)) for number in range(1, len(kept.names) + 1)]
    if as_json:
        rows = [
            {"failure": n, "message": c.message, "source": c.source, "line": c.line, "offset": c.offset, "key": c.key}
            for n, c in found
        ]
        print_json({"id": kept.id, "failures": rows})
        return
    for number, capsule in found:
        say(f"{number}  {escaped(_place(capsule))}  {sample(capsule.message)}")


def _place(capsule: Capsule) -> str:
    if capsule.source:
        return f"{capsule.source}:{capsule.line}" if capsule.line > 0 else f"{capsule.source}, byte {capsule.offset}"
    return f"key {capsule.key}"


def _described(run: str, number: int, of: int, capsule: Capsule) -> list[str]:
    lines = [f"{run}, failure {number} of {of}: {sample(capsule.message)}"]
    if capsule.source:
        lines.append(f"  in      {escaped(_place(capsule))} (byte {capsule.offset})")
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
    from mrframe.errors import MrframeError
    from mrframe.store.scratch import Scratch
    from mrframe.task.debug.rerun import job_for, replay, rows_of

    try:
        with Scratch() as scratch:
            said = replay(capsule, job_for(package, path), scratch.path, _debugger if debug else None)
            rows = rows_of(scratch.path) if not said else []
    except MrframeError as error:
        said, rows = f"{error}\n", []
    if said:
        if not debug:
            sys.stderr.write("\n" + escaped_lines(said))
        sys.stderr.write("it fails again\n")
        return 1
    sys.stderr.write("the job's code does not fail on it any more\n")
    for key, value in rows:
        sys.stderr.write(f"  {sample(repr(key))}: {sample(repr(value))}\n")
    return 0


def escaped_lines(text: str) -> str:
    """Several lines without what a terminal would obey."""
    return "".join(f"{escaped(line)}\n" for line in text.splitlines())


def _debugger(traceback: Any) -> None:
    import pdb  # noqa: T100  (what --pdb asks for)

    pdb.post_mortem(traceback)
