#!/usr/bin/env python3
"""Compare the speed of this tree with that of another revision: `make bench-versions BASE=REV`.

Runs each form of mrframe in `contestants.py` on both trees, interleaved (A B, then B A), after one warm-up of each,
and prints the ratio of this tree to the other for wall time and CPU, pair by pair. Every answer is judged. The
other revision is checked out into a temporary git worktree, which is removed at the end. Both use this environment
and the job files of this tree, so both must support these job files.

Not here: peers (run.py), and measuring a run (measuring.py).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from answers import OK
from contestants import JOBS, Contestant, contestants
from inputs import ROOT, SIZES, folder_of_data, ready
from measuring import adopt_orphans, processor
from run import one_run
from table import Run


@dataclass(frozen=True)
class Pair:
    """One form of one job, run on both trees in the same round."""

    here: Run
    there: Run


@contextlib.contextmanager
def worktree_of(revision: str) -> Iterator[Path]:
    """Check a revision out into a temporary folder, and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="revision-") as parent:
        folder = Path(parent, "tree")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", folder, revision], cwd=ROOT, check=True)
        try:
            yield folder
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", folder], cwd=ROOT, check=True)


def on_tree(contestant: Contestant, root: Path) -> Contestant:
    """The same command, importing mrframe from `root`."""
    path = contestant.env["PYTHONPATH"].replace(str(ROOT), str(root), 1)
    return replace(contestant, env={**contestant.env, "PYTHONPATH": path})


def pairs_of(job: str, other: Path, options: argparse.Namespace) -> list[Pair]:
    """Run all forms of one job, `--rounds` times on each tree. The first round warms up and is not kept."""
    given = ready(JOBS[job], options.sizes, options.data)
    forms = [one for one in contestants(job, given.files, options.sizes).values() if one.name.startswith("mrframe")]
    pairs: list[Pair] = []
    with tempfile.TemporaryDirectory(prefix="run-", dir=options.data) as scratch:
        for number in range(options.rounds + 1):
            for form in forms:
                trees = (ROOT, other) if number % 2 else (other, ROOT)
                runs = {
                    root: one_run(job, on_tree(form, root), number, given, Path(scratch), options.limit)
                    for root in trees
                }
                if number:
                    pairs.append(Pair(runs[ROOT], runs[other]))
    return pairs


def row_of(name: str, pairs: list[Pair]) -> str:
    """One row of the table: median wall and CPU of this tree, and the median ratios with their range."""
    walls = [pair.here.wall_s / pair.there.wall_s for pair in pairs]
    cpus = [pair.here.cpu_s / pair.there.cpu_s for pair in pairs]
    wrong = next((run.verdict for pair in pairs for run in (pair.here, pair.there) if run.verdict != OK), OK)
    seconds = statistics.median(pair.here.wall_s for pair in pairs)
    return f"| {name} | {seconds:.2f} | {_spread(walls)} | {_spread(cpus)} | {wrong} |"


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.3f} ({min(ratios):.2f}–{max(ratios):.2f})"


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", help="the revision to compare with")
    parser.add_argument("--sizes", choices=SIZES, default="small", help="sizes of the inputs (small)")
    parser.add_argument("--job", action="append", choices=JOBS, help="only this job (may be repeated)")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of runs for each form (5)")
    parser.add_argument("--limit", type=float, default=600, metavar="SECONDS", help="longest time for a run (600)")
    parser.add_argument("--data", type=Path, default=folder_of_data(), help="folder of the inputs")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print. Returns 1 if an answer of this tree is wrong."""
    options = parsed(arguments)
    options.data.mkdir(parents=True, exist_ok=True)
    adopt_orphans()
    print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, sizes `{options.sizes}`")
    print(f"this tree / {options.revision}, medians of {options.rounds} interleaved pairs\n")
    print("| job | seconds | wall | CPU | answer |\n|---|---|---|---|---|")
    runs: list[Run] = []
    with worktree_of(options.revision) as other:
        for job in options.job or JOBS:
            pairs = pairs_of(job, other, options)
            for name in dict.fromkeys(pair.here.name for pair in pairs):
                form = name.removeprefix("mrframe: ")
                print(row_of(f"{job}, {form}", [pair for pair in pairs if pair.here.name == name]), flush=True)
            runs += [run for pair in pairs for run in (pair.here, pair.there)]
    others_s, wall_s = sum(run.others_s for run in runs), sum(run.wall_s for run in runs)
    print(f"\nOther processes took {others_s / wall_s:.2f} of a core meanwhile.")
    return int(any(run.verdict != OK for run in runs))


if __name__ == "__main__":
    sys.exit(main())
