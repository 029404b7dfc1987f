#!/usr/bin/env python3
"""Compare the start-up of this tree with that of another revision: `make bench-start BASE=REV`.

Times `mrframe --help` and a run over a log of 1,000 lines, which is nearly all start-up. Both trees are compiled
first and take turns (A B, then B A) in this environment. CPU time scatters on a busy machine, so where valgrind is
installed the instructions of a run are counted too. They hardly vary.

Not here: jobs over larger logs (versions.py).
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from inputs import ROOT, folder_of_data, ready
from versions import processor, worktree_of

_INSTRUCTIONS = re.compile(r"I +refs: +([0-9,]+)")


def environment_of(tree: Path, folder: str) -> dict[str, str]:
    """The environment of a command that imports mrframe from `tree`, finds it compiled, and writes to `folder`.

    In the user's own folders it would sometimes sweep old runs, which would count.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return env | {"PYTHONPATH": str(tree), "PYTHONHASHSEED": "0", "XDG_CACHE_HOME": folder, "XDG_STATE_HOME": folder}


def cpu_s(command: list[str], tree: Path, folder: str) -> float:
    """CPU time of one run of the command, with its children. Raises CalledProcessError if it fails."""
    process = subprocess.Popen(
        command, env=environment_of(tree, folder), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_utime + usage.ru_stime


def instructions(command: list[str], tree: Path, folder: str) -> int | None:
    """Instructions of one run of the command, None without valgrind."""
    valgrind = shutil.which("valgrind")
    if not valgrind:
        return None
    counted = subprocess.run(
        [valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", *command],
        env=environment_of(tree, folder),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = _INSTRUCTIONS.search(counted.stderr)
    return int(found[1].replace(",", "")) if found else None


def row_of(name: str, command: list[str], other: Path, rounds: int) -> str:
    """Measure one command on both trees and write its row of the table."""
    here, there = [], []
    with tempfile.TemporaryDirectory(prefix="start-") as folder:
        for number in range(rounds + 1):  # the first round warms up and is not kept
            trees = ((ROOT, here), (other, there))
            for tree, times in trees if number % 2 else trees[::-1]:
                times.append(cpu_s(command, tree, folder))
        counts = [instructions(command, tree, folder) for tree in (ROOT, other)]
    ratios = [mine / base for mine, base in zip(here[1:], there[1:], strict=True)]
    counted = f"{counts[0] / counts[1]:.3f}" if counts[0] and counts[1] else "no valgrind"
    fastest = f"{min(here[1:]):.3f} | {min(here[1:]) / min(there[1:]):.3f}"
    return f"| {name} | {fastest} | {statistics.median(ratios):.3f} | {counted} |"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", help="the revision to compare with")
    parser.add_argument("--rounds", type=int, default=40, help="pairs of runs of each command (40)")
    options = parser.parse_args()
    data = folder_of_data()
    data.mkdir(parents=True, exist_ok=True)
    (log,) = ready("lines", "small", data).files
    mrframe = [sys.executable, "-m", "mrframe"]
    commands = {"--help": [*mrframe, "--help"], "1,000 lines": [*mrframe, "run", "status_codes", log, "--no-cache"]}
    print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"this tree / {options.revision}, {options.rounds} interleaved pairs\n")
    print("| command | fastest, CPU s | ratio of the fastest | median ratio | ratio of instructions |")
    print("|---|---|---|---|---|")
    with worktree_of(options.revision) as other:
        for tree in (ROOT, other):
            compileall.compile_dir(tree / "mrframe", quiet=1)
        for name, command in commands.items():
            print(row_of(name, command, other, options.rounds), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
