"""`mrframe check JOB INPUT…`: is this job safe to distribute?

The job is run in many ways that must not matter: again, cut into other splits, in another order, on a cluster,
with another PYTHONHASHSEED. All answers must be the same bytes as the first, plain, inline run. When one differs, the
first difference is shown, and one more run without the combiner tells the likely reason. It also says whether results
of the job are saved, and why not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import click

from mrframe.cli.parse import settings
from mrframe.cli.parse.flags import JobOption, setting_flags
from mrframe.cli.parse.job_command import JobCommand
from mrframe.cli.show.exit import print_json, say
from mrframe.cli.show.terminal import columns_text, may_colour, number_text, painted, sample, seconds_text
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job
from mrframe.core.model.options import RunOptions
from mrframe.errors import UsageError
from mrframe.task.isolation import stdout

SPLITS = (1, 2, 3, 7)
SEEDS = (1, 2)
SPLITS_SHUFFLED = 7
_AGAIN = "inline, again"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run the job that must not matter. `asks` says what a difference would mean."""

    name: str
    changes: dict[str, Any]
    python_seed: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one way gave: the rows as lines, and how it compares with the first."""

    way: Way
    lines: tuple[bytes, ...]
    seconds: float
    same: bool

    @property
    def digest(self) -> str:
        """A short name for the bytes of the answer."""
        return hashlib.blake2b(b"".join(self.lines), digest_size=6).hexdigest()


def ways() -> list[Way]:
    """All the ways, the plain one first."""
    inline: dict[str, Any] = {"engine": "inline", "splits": None, "order_seed": None}
    return [
        Way("inline", inline),
        Way(_AGAIN, inline),
        Way("another PYTHONHASHSEED", inline, python_seed="4711"),
        *(Way(f"{n} split{'s' if n > 1 else ''}", inline | {"splits": n}) for n in SPLITS),
        *(Way(f"shuffled order {s}", inline | {"splits": SPLITS_SHUFFLED, "order_seed": s}) for s in SEEDS),
        Way("local, 2 nodes", {"engine": "local", "nodes": 2, "splits": SPLITS_SHUFFLED, "order_seed": None}),
    ]


@click.command("check", cls=JobCommand)
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@setting_flags()
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.pass_context
def command(context: click.Context, /, job: str, inputs: tuple[str, ...], **values: Any) -> None:
    """Is this job safe to distribute? Runs it in many ways and compares.

    The answer must be the same bytes inline and on a cluster, for any cutting of the input, any order of tasks and
    any PYTHONHASHSEED. Exit code 1 when it is not. Inputs are read several times: take a part of a log for a quick
    check.
    """
    as_json = values.pop("as_json")
    base = settings.run_options({name: values.pop(name) for name in settings.declared()})
    names = [p.name for p in context.command.get_params(context) if isinstance(p, JobOption)]
    job_options = {str(name): values.pop(str(name)) for name in names}
    if not inputs:
        raise click.UsageError("no INPUT was given; name a log file")
    if any(text == "-" or (text.endswith("=-") and not os.path.exists(text)) for text in inputs):
        raise UsageError("check reads its inputs several times, so standard input cannot be one; name a file")
    from mrframe.engines.plan.planning import hash_seed

    base = dataclasses.replace(base, cache="off", hash_seed=str(hash_seed(base)))  # every run is made, with one seed
    trial = Trial(job, inputs, base, job_options)
    outcomes = []
    for outcome in trial.outcomes():
        outcomes.append(outcome)
        if not as_json:
            say(_line(outcome))
    _conclude(trial, outcomes, as_json=as_json)


class Trial:
    """A job, its inputs and options, ready to be run in each of the ways."""

    def __init__(self, job: str, inputs: Sequence[str], base: RunOptions, job_options: dict[str, Any]) -> None:
        self.job, self.inputs, self.base, self.job_options = job, inputs, base, job_options
        self.reference: tuple[bytes, ...] = ()

    def outcomes(self) -> Iterator[Outcome]:
        """Run every way, one after the other."""
        for number, way in enumerate(ways()):
            started = time.monotonic()
            lines = self._in_other_process(way) if way.python_seed else self._rows(self.job, way)
            if number == 0:
                self.reference = lines
            yield Outcome(way, lines, time.monotonic() - started, lines == self.reference)

    def _rows(self, job: Job | str, way: Way) -> tuple[bytes, ...]:
        from mrframe import api
        from mrframe.formats.output.writing import jsonl_lines

        options = dataclasses.replace(self.base, **way.changes)
        job_options = self.job_options if isinstance(job, str) else {}
        with api.run(job, self.inputs, options, job_options=job_options) as result:
            return tuple(jsonl_lines(result.rows()))

    def _in_other_process(self, way: Way) -> tuple[bytes, ...]:
        """The same answer from a process of its own, where texts hash otherwise."""
        args = [sys.executable, "-m", "mrframe", "run", self.job, "--engine=inline", "--format=jsonl", "-o-", "-q"]
        if self.base.log_format:
            args.append(f"--log-format={self.base.log_format}")
        args.append(f"--hash-seed={self.base.hash_seed}")
        limits = [f"--max-bad={self.base.max_bad}", f"--max-failed={self.base.max_failed}"]
        args += [*limits, *_as_flags(self.job_options), "--", *self.inputs]
        environment = {**os.environ, "PYTHONHASHSEED": way.python_seed}
        done = subprocess.run(args, env=environment, capture_output=True, check=False)  # noqa: S603 -- our own command
        if done.returncode:
            said = done.stderr.decode(errors="replace").rstrip()
            raise UsageError(f"the job fails with PYTHONHASHSEED={way.python_seed}:\n{said}")
        return tuple(done.stdout.splitlines(keepends=True))

    def not_saved(self) -> str:
        """Why results of the job are not saved; "" when they are."""
        from mrframe.task.cache.fingerprint import unsaved_because
        from mrframe.task.code.job_file import find
        from mrframe.task.isolation import effects

        effects.forget()
        file = find(self.job)
        return unsaved_because(file.make(self.job_options), file, self.job_options)

    def reason(self, outcomes: Sequence[Outcome]) -> str:
        """The likely reason for the differences, from which of the ways differ."""
        different = [o.way for o in outcomes if not o.same]
        cut = [way for way in different if way.changes["engine"] == "inline" and way.changes["order_seed"] is None]
        cut = [way for way in cut if way.changes["splits"]]
        if any(way.name == _AGAIN for way in different):
            return "two equal runs differ: the job uses a clock, random numbers, or state kept from an earlier run"
        if cut and self._combiner_at_fault(cut[0]):
            return (
                "without the combiner the answers are the same: the combiner is not associative (what it makes of "
                "parts must be what it would make of the whole: sums and counts, never means)"
            )
        if cut:
            return (
                "the cutting of the input matters: the map keeps state between records (a global variable, or a "
                "map_split that counts across its records)"
            )
        if any(way.python_seed for way in different):
            return "the job goes through a set or uses hash(), whose order is another in each process; sort it"
        if any(way.changes["order_seed"] for way in different):
            return (
                "only the order of tasks matters: the job keeps state from one task to the next (a global variable)"
            )
        return "only the cluster differs: the job reads something of its process or environment"

    def _combiner_at_fault(self, way: Way) -> bool:
        from mrframe import api

        job = api.load_job(self.job, self.job_options)
        if job.combine is None:
            return False
        bare = dataclasses.replace(job, combine=None)
        return self._rows(bare, way) == self._rows(bare, ways()[0])


def _as_flags(job_options: dict[str, Any]) -> Iterator[str]:
    """The job's options as they would stand on a command line."""
    for name, value in job_options.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        elif value is not None:
            yield f"--{flag}={value}"


def _line(outcome: Outcome) -> str:
    colour = may_colour(stdout.stream())
    verdict = painted("same", "green", on=colour) if outcome.same else painted("DIFFERENT", "red", on=colour)
    cells = [outcome.way.name.ljust(18), f"{number_text(len(outcome.lines)):>9} rows", outcome.digest]
    return "  ".join([*cells, f"{seconds_text(outcome.seconds):>7}", verdict])


def _conclude(trial: Trial, outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    wrong = next((o for o in outcomes if not o.same), None)
    reason = trial.reason(outcomes) if wrong else ""
    not_saved = trial.not_saved()
    difference = first_difference(trial.reference, wrong.lines) if wrong else ("", "")
    if as_json:
        tried = [{"way": o.way.name, "rows": len(o.lines), "digest": o.digest, "same": o.same} for o in outcomes]
        found = {"plain": difference[0], "other": difference[1], "way": wrong.way.name} if wrong else None
        answer = {"safe": wrong is None, "tried": tried, "first_difference": found, "reason": reason or None}
        print_json(answer | {"not_saved": not_saved or None})
    elif wrong is None:
        say(f"the same bytes in all {len(outcomes)} ways")
    else:
        rows = [["inline", difference[0]], [wrong.way.name, difference[1]]]
        say("\n".join(["", "first difference:", *columns_text(rows, "  "), "", f"likely reason: {reason}"]))
    if not_saved and not as_json:
        say(f"its results are not saved: {not_saved}")
    if wrong is not None:
        raise click.exceptions.Exit(1)


def first_difference(plain: Sequence[bytes], other: Sequence[bytes]) -> tuple[str, str]:
    """The first row in which two answers differ, from each; `(no row)` where one has ended."""
    for mine, theirs in zip_longest(plain, other):
        if mine != theirs:
            return _shown(mine), _shown(theirs)
    return "", ""


def _shown(line: bytes | None) -> str:
    return "(no row)" if line is None else sample(line.decode("utf-8", "surrogateescape"))
