"""Check that a job is safe to distribute: run it in many ways that must not matter, and compare.

The ways: again, cut into other splits, in another order, on a cluster, with another PYTHONHASHSEED. All results must
be the same bytes as the first, plain, inline run. When one differs, one more run without the combiner tells the
likely reason. It also tells why results of the job are not saved.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from mrframe.api.found_job import FoundJob, find_job
from mrframe.api.job_run import run
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job
from mrframe.core.settings.options import RunOptions
from mrframe.engines.plan.planning import hash_seed
from mrframe.errors import UsageError
from mrframe.formats.inputs.files import is_stream
from mrframe.formats.output.writing import jsonl_lines
from mrframe.task.cache.fingerprint import unsaved_because

SPLITS = (1, 2, 3, 7)
SEEDS = (1, 2)
SPLITS_SHUFFLED = 7
_AGAIN = "inline, again"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run the job that must not matter. `python_seed` is its PYTHONHASHSEED, or ""."""

    name: str
    changes: dict[str, Any]
    python_seed: str = ""


@dataclass(frozen=True, slots=True)
class TriedWay:
    """The result of one way: its rows as JSON lines, and whether they are those of the first."""

    way: Way
    lines: tuple[bytes, ...]
    seconds: float
    same: bool

    @property
    def digest(self) -> str:
        """A short name for the bytes of the result."""
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


class Trial:
    """A job, its inputs and options, ready to be run in each of the ways.

        >>> from mrframe.api import RunOptions, Trial
        >>> trial = Trial("word_count", ["sample_logs/harbour.txt"], RunOptions())
        >>> tried = list(trial.outcomes())  # doctest: +SKIP
        >>> all(one.same for one in tried)  # doctest: +SKIP
        True

    `job` is the text of JOB, or the job file that was found for it. Standard input cannot be an input.
    """

    def __init__(
        self,
        job: FoundJob | str,
        inputs: Sequence[str],
        options: RunOptions,
        job_options: Mapping[str, Any] | None = None,
    ) -> None:
        if any(is_stream(text) or (text.endswith("=-") and not os.path.exists(text)) for text in inputs):
            raise UsageError("check reads its inputs several times, so standard input cannot be one; name a file")
        self.job = find_job(job) if isinstance(job, str) else job
        self.inputs = inputs
        self.job_options = dict(job_options or {})
        # every run is made anew, and all with one seed
        self._base = dataclasses.replace(options, cache="off", hash_seed=str(hash_seed(options)))
        self.reference: tuple[bytes, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of all ways, in the order in which they are run."""
        return [way.name for way in ways()]

    def outcomes(self) -> Iterator[TriedWay]:
        """Run every way, one after the other."""
        for number, way in enumerate(ways()):
            started = time.monotonic()
            lines = self._in_other_process(way) if way.python_seed else self._rows(self.job, way)
            if number == 0:
                self.reference = lines
            yield TriedWay(way, lines, time.monotonic() - started, lines == self.reference)

    def _rows(self, job: Job | FoundJob, way: Way) -> tuple[bytes, ...]:
        options = dataclasses.replace(self._base, **way.changes)
        job_options = self.job_options if isinstance(job, FoundJob) else {}
        with run(job, self.inputs, options, job_options=job_options, keep=False) as result:
            return tuple(jsonl_lines(result.rows()))

    def _in_other_process(self, way: Way) -> tuple[bytes, ...]:
        """The same result from a process of its own, where texts hash otherwise."""
        args = [
            sys.executable,
            "-m",
            "mrframe",
            "run",
            self.job.text,
            "--engine=inline",
            "--format=jsonl",
            "-o-",
            "-q",
        ]
        if self._base.log_format:
            args.append(f"--log-format={self._base.log_format}")
        args.append(f"--hash-seed={self._base.hash_seed}")
        limits = [f"--max-bad={self._base.max_bad}", f"--max-failed={self._base.max_failed}"]
        args += [*limits, *_as_flags(self.job_options), "--", *self.inputs]
        environment = {**os.environ, "PYTHONHASHSEED": way.python_seed}
        done = subprocess.run(args, env=environment, capture_output=True, check=False)  # noqa: S603 -- our own command
        if done.returncode:
            shown = done.stderr.decode(errors="replace").rstrip()
            raise UsageError(f"the job fails with PYTHONHASHSEED={way.python_seed}:\n{shown}")
        return tuple(done.stdout.splitlines(keepends=True))

    def difference(self, other: TriedWay) -> tuple[bytes | None, bytes | None]:
        """The first row in which the plain result and this one differ, from each; None where one has ended."""
        return first_difference(self.reference, other.lines)

    def not_saved(self) -> str:
        """The reason why results of the job are not saved, "" when they are."""
        return unsaved_because(self.job.make(self.job_options), self.job.file, self.job_options)

    def reason(self, outcomes: Sequence[TriedWay]) -> str:
        """The likely reason for the differences, from which of the ways differ."""
        different = [o.way for o in outcomes if not o.same]
        cut = [way for way in different if way.changes["engine"] == "inline" and way.changes["order_seed"] is None]
        cut = [way for way in cut if way.changes["splits"]]
        if any(way.name == _AGAIN for way in different):
            return "two equal runs differ: the job uses a clock, random numbers, or state kept from an earlier run"
        if cut and self._combiner_at_fault(cut[0]):
            return (
                "without the combiner the results are the same: the combiner is not associative (what it makes of "
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
        job = self.job.make(self.job_options)
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


def first_difference(plain: Sequence[bytes], other: Sequence[bytes]) -> tuple[bytes | None, bytes | None]:
    """The first row in which two results differ, from each; None where one has ended."""
    return next(((mine, theirs) for mine, theirs in zip_longest(plain, other) if mine != theirs), (None, None))
