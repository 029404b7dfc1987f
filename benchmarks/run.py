#!/usr/bin/env python3
"""How long does mrframe take, and its peers? `make bench`, `make bench-full`.

All contestants run as whole processes, start-up included, in rounds: each once, then each once again in the opposite
order. Every answer is judged by the truth of the input. A wrong one is shown as wrong. The table has
the ratio to a yardstick of the same round: for questions to logs `pool-tuned`, Python as an expert would write it by
hand for that question, otherwise `pool`. Results are printed, and kept beside the data as text and JSON.

Not here: the contestants (contestants.py), measuring (measuring.py) and judging (answers.py) a run, and the table
(table.py).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from answers import OK, judge
from contestants import JOBS, SLOW, YARDSTICKS, Contestant, contestants, missing
from inputs import SIZES, Input, folder_of_data, ready
from measuring import adopt_orphans, measure, processor
from table import Run, rows_of, shown


def one_run(job: str, contestant: Contestant, number: int, given: Input, scratch: Path, limit_s: float) -> Run:
    """Run a contestant once in a folder of its own, and judge its answer."""
    out = Path(tempfile.mkdtemp(dir=scratch))
    try:
        command = [part.replace("{out}", str(out)) for part in contestant.command]
        got = measure(command, env={**contestant.env, "TMPDIR": str(scratch)}, limit_s=limit_s, orphans=True)
        if got.code:
            last = got.errors.strip().splitlines()[-1:] or ["without a word"]
            verdict = f"failed: exit {got.code}, {last[0]:.100}"
        else:
            verdict = judge(job, out, given.truth)
    finally:
        shutil.rmtree(out)
    return Run(job, contestant.name, number, got.wall_s, got.cpu_s, got.memory_bytes, verdict, got.others_s)


def rounds_of(job: str, taking_part: list[Contestant], given: Input, options: argparse.Namespace) -> list[Run]:
    """All rounds of a job."""
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="run-", dir=options.data) as scratch:
        for number in range(options.rounds):
            inorder = [one for one in taking_part if number == 0 or one.name not in SLOW]
            for one in inorder if number % 2 == 0 else reversed(inorder):
                run = one_run(job, one, number, given, Path(scratch), options.limit)
                runs.append(run)
                told = f"{job}  round {number + 1}  {one.name:<24} {run.wall_s:7.2f} s  {run.verdict}"
                print(told, file=sys.stderr, flush=True)
    return runs


def yardstick(job: str, options: argparse.Namespace) -> str:
    """Return the contestant to which the ratios of a job are taken."""
    return str(options.yardstick or YARDSTICKS[job])


def chosen(job: str, given: Input, options: argparse.Namespace) -> list[Contestant]:
    """Return the contestants: all, or those asked for with mrframe and the yardstick."""
    everybody = contestants(job, given.files, options.sizes)
    if not options.peer:
        return list(everybody.values())
    wanted = {yardstick(job, options), *options.peer}
    return [one for name, one in everybody.items() if name in wanted or name.startswith("mrframe")]


def heading(options: argparse.Namespace) -> str:
    """Return the conditions of the figures: machine, versions, rounds."""
    absent = f" Not installed: {', '.join(missing())}." if missing() else ""
    return (
        f"{processor()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}, sizes `{options.sizes}`, "
        f"{options.rounds} rounds; "
        f"load at the start {os.getloadavg()[0]:.1f}. Medians over the rounds, ratios with their range.{absent}\n"
    )


def write(folder: Path, sizes: str, text: str, runs: list[Run]) -> Path:
    """Keep the table and all runs. Returns the path of the table."""
    target = folder / f"results-{sizes}.md"
    target.write_text(text, "utf-8")
    plain = [dataclasses.asdict(run) for run in runs]
    (folder / f"results-{sizes}.json").write_text(json.dumps(plain, indent=1), "utf-8")
    return target


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", choices=SIZES, default="small", help="sizes of the inputs (small)")
    parser.add_argument("--job", action="append", choices=JOBS, help="only this job (may be repeated)")
    parser.add_argument(
        "--peer", action="append", help="only this peer beside mrframe and the yardstick (may be repeated)"
    )
    parser.add_argument("--yardstick", help="the contestant of the ratios, such as duckdb-csv (pool-tuned or pool)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3); slow peers take part only in the first")
    parser.add_argument("--limit", type=float, default=600, metavar="SECONDS", help="longest time for a run (600)")
    parser.add_argument("--data", type=Path, default=folder_of_data(), help="folder of inputs and results")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, keep. Returns 1 if an answer of mrframe is wrong."""
    options = parsed(arguments)
    options.data.mkdir(parents=True, exist_ok=True)
    adopt_orphans()
    text, runs = heading(options), []
    print(text)
    for job in options.job or JOBS:
        given = ready(JOBS[job], options.sizes, options.data)
        own = rounds_of(job, chosen(job, given, options), given, options)
        runs += own
        measure_of = yardstick(job, options)
        one = shown(job, rows_of(own, measure_of), measure_of, given.bytes)
        text += "\n" + one
        print(one, flush=True)
    others_s, wall_s = sum(run.others_s for run in runs), sum(run.wall_s for run in runs)
    last = f"Other processes took {others_s / wall_s:.2f} of a core meanwhile.\n"
    print(last + f"Kept as {write(options.data, options.sizes, text + chr(10) + last, runs)}")
    return int(any(run.name.startswith("mrframe") and run.verdict != OK for run in runs))


if __name__ == "__main__":
    sys.exit(main())
