"""How do time and peak memory grow with the input? One job over some logs, and over multiples of them.

    python benchmarks/growth.py JOB LOG… [--times 1 2 4] [--nodes 2]

The logs are not copied: a folder of links stands for the larger input, so that each is read as a file of its own.
Not here: other programs, and judging the answer (`run.py` does, at each size that it has).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile

from measuring import adopt_orphans, measure

ROW = "| {:>5} | {:>9.0f} | {:>7.2f} | {:>10.2f} | {:>8.0f} |"


def main() -> int:
    """Print a table with a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job")
    parser.add_argument("logs", nargs="+")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--nodes", type=int, default=2)
    options = parser.parse_args()
    adopt_orphans()
    print("| times |       MiB | seconds | ratio to 1 | peak MiB |\n|---|---|---|---|---|")
    first_s = 0.0
    for times in options.times:
        with tempfile.TemporaryDirectory() as folder:
            size = _link(options.logs, times, folder)
            command = (sys.executable, "-m", "mrframe", "run", "--no-cache", options.job, folder)
            run = measure((*command, "--engine", "local", "--nodes", str(options.nodes)), orphans=True)
        if run.code:
            sys.exit(f"mrframe ended with {run.code}: {run.errors}")
        first_s = first_s or run.wall_s / times
        print(ROW.format(times, size / 2**20, run.wall_s, run.wall_s / first_s, run.memory_bytes / 2**20), flush=True)
    return 0


def _link(logs: list[str], times: int, folder: str) -> int:
    """Link to the logs that many times. Returns the bytes behind the links."""
    size = 0
    for number in range(times):
        for at, log in enumerate(logs):
            os.symlink(os.path.abspath(log), os.path.join(folder, f"{number:03}-{at:03}-{os.path.basename(log)}"))
            size += os.path.getsize(log)
    return size


if __name__ == "__main__":
    sys.exit(main())
