"""Memory stays near the budget whatever the data: real processes, and the most that each ever had."""

import json
import subprocess
import sys

import pytest

MIB = 1 << 20
BASE_BYTES = 84 * MIB  # Python, mrframe, NumPy, and what a merge has of each of its files
BUDGET_BYTES = 16 * MIB

JOBS = """
from mrframe import Job, collect, text, total

LONG = "x" * 180

def same(line):
    for number in range(40):
        yield "hot", f"{line}{number}{LONG}"

def length(key, values):
    number = size = 0
    for value in values:
        number += 1
        size += len(value)
    yield key, (number, size)

def many(line):
    for number in range(20):
        yield f"{line[:13]}/{number}", 1

hot = Job(read=text, map=same, reduce=length)
wide = Job(read=text, map=many, reduce=total)
rows = Job(read=text, map=many, reduce=lambda key, values: ((key, LONG + key) for _ in values))
"""


# A process starts with the peak of the one that forked it (getrusage), but its own memory has a mark of its own.
RUN = """
import atexit, sys
from mrframe.cli.main import run_as_command

def note():
    with open("/proc/self/status") as status, open("peak", "w") as peak:
        peak.write(next(line for line in status if line.startswith("VmHWM")).split()[1])

atexit.register(note)
run_as_command(sys.argv[1:])
"""


def run(tmp_path, job, *more):
    """(most bytes that a process of the run had, rows as written)."""
    (tmp_path / "jobs.py").write_text(JOBS)
    command = [sys.executable, "-c", RUN, "run", f"jobs.py:{job}", "input.txt", "-o", "out.jsonl", "-q"]
    command += ["--engine", "inline", "--memory-bytes", str(BUDGET_BYTES), "--splits", "3", *more]
    subprocess.run(command, cwd=tmp_path, check=True)
    peak = int((tmp_path / "peak").read_text()) * 1024
    return peak, (tmp_path / "out.jsonl").read_text().splitlines()


def lines(tmp_path, number):
    (tmp_path / "input.txt").write_text("".join(f"line {i:08d} {'.' * 200}\n" for i in range(number)))


def test_a_hot_key_larger_than_memory_stays_within_the_budget(tmp_path):
    lines(tmp_path, 10_000)
    peak, rows = run(tmp_path, "hot")
    size = sum(len(str(n)) + 214 + 180 for n in range(40)) * 10_000
    assert [json.loads(row) for row in rows] == [{"key": "hot", "value": [400_000, size]}]
    assert peak < BASE_BYTES + BUDGET_BYTES < size


@pytest.mark.parametrize("job", ["wide", "rows"])
def test_many_keys_stay_within_the_memory_budget(tmp_path, job):
    lines(tmp_path, 15_000)
    peak, rows = run(tmp_path, job)
    assert len(rows) == 300_000
    assert peak < BASE_BYTES + BUDGET_BYTES
