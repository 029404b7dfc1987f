"""How long ready jobs take, beside the same done by hand with a pool of two processes: `make bench`.

The input is the sample logs, repeated up to --mib. The contestants run in turn, round by round, each as a process
of its own, start-up included; answers must be equal. A figure is the median over the rounds of the wall time, and
of its ratio to the wall time by hand in the same round, which is what to quote.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUESTIONS = ("status_codes", "top_urls")


def write_input(path: Path, mib: int) -> None:
    """A log of about so many MiB, from the largest plain sample."""
    sample = (ROOT / "sample_logs" / "access.log.1").read_bytes()
    with path.open("wb") as file:
        for _ in range(max(1, mib * (1 << 20) // len(sample))):
            file.write(sample)


def contestants(question: str, log: str) -> dict[str, list[str]]:
    """{name: command}; the first is what the others are compared with."""
    mrframe = [sys.executable, "-m", "mrframe", "run", question, log, "-q", "--format", "jsonl", "--engine"]
    return {
        "by hand": [sys.executable, str(ROOT / "benchmarks" / "by_hand.py"), question, log],
        "inline": [*mrframe, "inline"],
        "local": [*mrframe, "local", "--nodes", "2"],
    }


def run(command: list[str]) -> tuple[float, list]:
    """Seconds of wall time, and the rows."""
    started_s = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    seconds = time.perf_counter() - started_s
    if command[1].endswith("by_hand.py"):
        return seconds, json.loads(done.stdout)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return seconds, [[row["key"], row["value"]] for row in rows]


def measure(question: str, log: str, rounds: int) -> dict[str, list[float]]:
    """Wall times by contestant, one for each round."""
    times: dict[str, list[float]] = {}
    answers = []
    for _ in range(rounds):
        for name, command in contestants(question, log).items():
            seconds, rows = run(command)
            times.setdefault(name, []).append(seconds)
            answers.append(rows)
    if any(rows != answers[0] for rows in answers):
        raise SystemExit(f"{question}: the answers differ, so the times mean nothing")
    return times


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=256, help="size of the input (256)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mrframe-bench-") as folder:
        log = Path(folder) / "access.log"
        write_input(log, options.mib)
        size = log.stat().st_size / (1 << 20)
        print(f"{size:.0f} MiB, {options.rounds} rounds, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
        print(f"{'question':<14}{'how':<10}{'seconds':>9}{'MiB/s':>8}{'ratio':>8}")
        for question in QUESTIONS:
            times = measure(question, str(log), options.rounds)
            for name, seconds in times.items():
                median = statistics.median(seconds)
                ratio = statistics.median(a / b for a, b in zip(seconds, times["by hand"], strict=True))
                print(f"{question:<14}{name:<10}{median:>9.2f}{size / median:>8.0f}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
