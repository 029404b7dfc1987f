#!/usr/bin/env python3
"""Does `mrframe run` survive kill -9 of any of its processes but the client? `make kills KILLS=500 SHAPE=plain`.

    kills.py [--kills 60] [--shape plain|gzip|total] [--bytes N] [--seed N] [--local ARGUMENT…]

Each run works over a log of 100 MiB (made once, see `inputs.py`), and one of its processes is killed at a random
instant: the keeper, the master, a node, a fork server, an executor, whichever lives then. The output and the figures
must be those of runs in which nobody was killed, and no process or file may be left. A run that is over before the
instant comes does not count, and another one takes its place.

The time of recovery is how much longer a run took than the usual one, which is measured again every ten runs, as
other work on the machine changes it. The exit code is 1 if a run gave another answer, failed or left something.

Shapes: `plain` reads the log as it is, `gzip` compressed (it is decoded while it is mapped), and `total` gives keys
in total order, so that a first job samples the keys.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import make_data
from inputs import MIB, ROOT, folder_of_data

sys.path.insert(0, str(ROOT / "tests" / "acceptance"))

from chaos import Run

EVERY = 10  # runs with a kill between two without
FIGURES = ("records", "lines", "malformed", "bytes_in", "tasks", "rows", "counters", "bad_fields", "samples")
TOTAL = '''
"""Hits and bytes by path and host, in the order of the keys."""
from mrframe import Job, increment, logs


def by_path(path, host, size):
    increment("mapped")
    yield (path, host[:6]), (1, size or 0)


def add(key, values):
    hits, size = map(sum, zip(*values, strict=True))
    yield key, (hits, size)


job = Job(read=logs.combined, map=by_path, combine=add, reduce=add, key_order="total", partitions=4)
'''


@dataclass
class Account:
    """Collect the outcomes of the runs so far."""

    usual_s: list[float] = field(default_factory=list)
    later_s: list[float] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Trial:
    """Runs of one shape, and what each of them must print."""

    def __init__(self, shape: str, log: Path, folder: Path, more: list[str]) -> None:
        self._folder, self._more = folder, more
        self._job = folder / "total.py"
        self._job.write_text(TOTAL)
        self._words = {
            "plain": ["top_urls", log],
            "gzip": ["top_urls", log.with_suffix(".gz")],
            "total": [self._job, log],
        }[shape]
        self._number = 0
        self.expected = self.said(self.start().to_its_end())

    def start(self) -> Run:
        """Start a run."""
        self._number += 1
        place = self._folder / f"run-{self._number}"
        summary = self._folder / f"summary-{self._number}"
        words = [*self._words, "--engine", "local", "--no-cache", "--summary", summary, "-q", *self._more]
        run = Run(place, *words)
        run.summary = summary
        return run

    @staticmethod
    def said(run: Run) -> tuple[int, str, bytes, dict]:
        """The exit code, errors, output and figures of a run."""
        figures = json.loads(run.summary.read_text()) if run.summary.exists() else {}
        return run.code, run.err, run.out, {name: figures.get(name) for name in FIGURES}

    def judge(self, run: Run, account: Account, what: str) -> None:
        """Note what is wrong with a run that has ended, and delete its files if nothing is."""
        code, errors, *rest = self.said(run)
        left = run.left()
        if code or errors:
            account.wrong.append(f"{what}: exit code {code}: {errors.strip()}")
        elif (code, errors, *rest) != self.expected:
            account.wrong.append(f"{what}: another answer, see {run.folder}")
        if left:
            account.wrong.append(f"{what}: left {left}")
        if not account.wrong:
            shutil.rmtree(run.folder)


def main() -> int:
    """Kill, compare, and print what came of it."""
    options = _arguments()
    chance = random.Random(options.seed)
    with _folder(options.keep) as folder:
        trial = Trial(options.shape, _log(options.bytes, packed=options.shape == "gzip"), folder, options.local)
        account = Account()
        while account.killed.total() < options.kills and len(account.wrong) <= options.wrong_max:
            if account.killed.total() >= EVERY * len(account.usual_s):
                run = trial.start().to_its_end()
                account.usual_s.append(run.took_s)
                trial.judge(run, account, "nobody was killed")
            strike(trial, account, chance)
            _show(account, options.kills)
    return _report(account, options)


def strike(trial: Trial, account: Account, chance: random.Random) -> None:
    """Start a run, kill one of its processes at a random instant, and judge what it says."""
    usual_s = account.usual_s[-1]
    at_s = chance.uniform(0, usual_s)
    run = trial.start()
    title = _kill(run, chance) if run.runs_for(at_s) else ""
    run.to_its_end()
    if title:
        account.killed[title.rstrip("-0123456789 ")] += 1
        account.later_s.append(run.took_s - usual_s)
    trial.judge(run, account, f"kill of {title or 'nobody'} after {at_s:.3f} s")


def _kill(run: Run, chance: random.Random) -> str:
    """kill -9 of any process but the client. Returns its title, or "" when there was none."""
    found = {pid: title for pid, title in sorted(run.processes().items()) if title != "client"}
    if not found:
        return ""
    pid = chance.choice(list(found))
    run.note_sockets()
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return ""
    return found[pid]


def _show(account: Account, kills: int) -> None:
    if sys.stderr.isatty():
        done = account.killed.total()
        print(f"\r{done} of {kills}, wrong {len(account.wrong)}", end="", file=sys.stderr, flush=True)


def _report(account: Account, options: argparse.Namespace) -> int:
    killed = ", ".join(f"{count} x {title}" for title, count in sorted(account.killed.items()))
    print(f"shape {options.shape}, seed {options.seed}: {account.killed.total()} kills ({killed})")
    print(f"usual run: {statistics.median(account.usual_s):.2f} s (median of {len(account.usual_s)})")
    later = sorted(account.later_s)
    if len(later) > 1:
        p95 = statistics.quantiles(later, n=20, method="inclusive")[-1]
        print(f"later by: p50 {statistics.median(later):.2f} s, p95 {p95:.2f} s, max {later[-1]:.2f} s")
    for text in account.wrong:
        print(f"WRONG: {text}")
    print(f"other than expected: {len(account.wrong)}")
    return 1 if account.wrong else 0


def _log(size: int, *, packed: bool) -> Path:
    """The log, made if it is not there yet, and its compressed form."""
    place = folder_of_data() / f"kills-{size // 1024}k"
    if not (place / "truth.json").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        make_data.make("logs", str(place), size, files=1)
    (log,) = (path for path in place.iterdir() if path.name != "truth.json" and path.suffix != ".gz")
    other = log.with_suffix(".gz")
    if packed and not other.exists():
        new = other.with_suffix(".new")
        with open(log, "rb") as plain, gzip.open(new, "wb", compresslevel=6) as file:
            shutil.copyfileobj(plain, file)
        new.rename(other)
    return log


@contextlib.contextmanager
def _folder(keep: str | None) -> Iterator[Path]:
    """A folder for the files of the runs: a temporary one, or one that stays."""
    if keep:
        Path(keep).mkdir(parents=True)
        yield Path(keep).absolute()
        return
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        yield Path(folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--shape", choices=("plain", "gzip", "total"), default="plain")
    parser.add_argument("--bytes", type=int, default=100 * MIB)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wrong-max", type=int, default=0, help="go on after this many wrong runs")
    parser.add_argument("--keep", help="a folder for the files of the runs, which stays; otherwise a temporary one")
    parser.add_argument("--local", nargs=argparse.REMAINDER, default=[], help="more arguments of mrframe run")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
