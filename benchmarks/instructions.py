#!/usr/bin/env python3
"""Count the instructions of each benchmark job on this tree and on another revision.

`make bench-instructions BASE=REV`. Needs valgrind. Every form of mrframe in `contestants.py` that may run in one
process does so, over some MiB of the inputs of the benchmarks. Counts vary by less than one per cent whatever else
runs on the machine, where seconds vary by ten and more. They say nothing of caches, disks and waiting (versions.py).

Not here: start-up (start.py).
"""

from __future__ import annotations

import argparse
import compileall
import shutil
import sys
import tempfile

from contestants import FORMS, HERE, JOBS
from inputs import ROOT, folder_of_data, ready
from start import instructions
from versions import processor, worktree_of

SIZES = "few"


def main() -> int:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", help="the revision to compare with")
    parser.add_argument("--job", action="append", choices=JOBS, help="only this job (may be repeated)")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        parser.error("valgrind is not installed")
    data = folder_of_data()
    data.mkdir(parents=True, exist_ok=True)
    print(f"{processor()}, this tree / {options.revision}, inputs of the size `{SIZES}`, inline\n")
    print("| job | million instructions | ratio |\n|---|---|---|")
    with worktree_of(options.revision) as other, tempfile.TemporaryDirectory(prefix="count-") as folder:
        for tree in (ROOT, other):
            compileall.compile_dir(tree / "mrframe", quiet=1)
        for job in options.job or JOBS:
            files = ready(JOBS[job], SIZES, data).files
            for form, (name, flags, _) in FORMS[job].items():
                if "--engine local" in flags:
                    continue
                command = [sys.executable, "-m", "mrframe", "run", str(HERE / "jobs" / name), *files, *flags.split()]
                command += ["--engine", "inline", "--no-cache", "-q", "-o", "-"]
                here, there = (instructions(command, tree, folder) or 0 for tree in (ROOT, other))
                print(f"| {job}, {form} | {here / 1e6:,.0f} | {here / there:.3f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
