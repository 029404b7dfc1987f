"""Tasks that hang, each in a way of its own: ended in time, named, and nothing of them is left.

The job notes which process hangs and since when; the test sees when that process is gone.
"""

import contextlib
import json
import os
import random
import time

import pytest
from chaos import Run

JOB = """
import os, re, signal, subprocess, time
from mrframe import Job, count, text

NOTES = {notes!r}


def by_length(line):
    if line.startswith("!"):
        with open(NOTES, "a") as notes:
            notes.write(f"{line[1:]} {os.getpid()} {time.monotonic()}\\n")
        hang(line[1:])
    yield len(line), 1


def hang(how):
    if how == "sleep":
        time.sleep(1e9)
    if how == "gil":
        re.match("(a+)+$", "a" * 64 + "b")
    if how == "stop":
        os.kill(os.getpid(), 19)
    if how == "child":
        child = subprocess.Popen(["sleep", "600"])
        os.kill(child.pid, 19)
        child.wait()
    if how == "pipe":
        os.mkfifo(f"{NOTES}.{os.getpid()}")
        open(f"{NOTES}.{os.getpid()}").read()
    if how == "daemon":
        subprocess.Popen(["sleep", "600"], start_new_session=True)
    if how == "deaf":
        for number in (2, 12, 15):
            signal.signal(number, signal.SIG_IGN)
    while True:
        pass


job = Job(read=text, map=by_length, reduce=count)
"""
KINDS = ("loop", "sleep", "gil", "stop", "child", "pipe", "daemon", "deaf")
LATE_S = 5.0


class Watched:
    """A run, of whose hanging processes it is known when they hang and when they are gone."""

    def __init__(self, folder, kinds, *words):
        folder.mkdir()
        self.notes = folder / "notes"
        self.lines = [f"line {number}" for number in range(40 * len(kinds))]
        for index, kind in enumerate(kinds):
            self.lines[40 * index + 17] = f"!{kind}"
        (folder / "log").write_text("".join(f"{line}\n" for line in self.lines))
        (folder / "job.py").write_text(JOB.replace("{notes!r}", repr(str(self.notes))))
        args = (folder / "job.py", folder / "log", "--engine", "local", "--nodes", "2", "--splits", len(kinds))
        self.run = Run(folder / "run", *args, *words, "-q")
        self.since, self.gone = {}, {}
        self._look_until_its_end()

    def _look_until_its_end(self):
        while self.run.runs_for(0.02):
            self._look()
        self.run.left_behind = self.run.left()
        self._look()

    def _look(self):
        with contextlib.suppress(FileNotFoundError):
            for line in self.notes.read_text().splitlines():
                kind, pid, since_s = line.split()
                self.since.setdefault((kind, int(pid)), float(since_s))
        for kind, pid in self.since.keys() - self.gone.keys():
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                self.gone[kind, pid] = time.monotonic()

    def longest_s(self):
        """How long the longest of the processes hung."""
        assert self.gone.keys() == self.since.keys(), "a process hangs still"
        return max(self.gone[one] - self.since[one] for one in self.since)


def leave_out(folder, kinds, stall_s):
    """All that hang are left out and named, in time, and the rest is exact."""
    words = ["--stall-s", stall_s, "--max-failed", len(kinds), "--quarantine", folder / "left-out"]
    seen = Watched(folder / "watched", kinds, *words, "--format", "jsonl")
    assert (seen.run.code, seen.run.left_behind) == (0, []), seen.run.err
    lengths = [len(line) for line in seen.lines if not line.startswith("!")]
    rows = [{"key": key, "value": lengths.count(key)} for key in sorted(set(lengths))]
    assert [json.loads(row) for row in seen.run.out.splitlines()] == rows
    named = [json.loads(line) for line in (folder / "left-out").read_text().splitlines()]
    assert [one["text"] for one in named] == [f"!{kind}" for kind in kinds]
    assert all(f"no progress for {stall_s:g} s" in one["reason"] for one in named)
    assert {kind for kind, _ in seen.since} == set(kinds)
    assert seen.longest_s() < stall_s + LATE_S
    return seen


def time_out(folder, kind, timeout_s):
    """The run that hangs in one of these ways ends when its time is over, and all of it with it."""
    seen = Watched(folder / "watched", [kind], "--timeout-s", timeout_s)
    assert (seen.run.code, seen.run.out, seen.run.left_behind) == (5, b"", []), seen.run.err
    assert seen.run.took_s < timeout_s + LATE_S
    assert seen.longest_s() < timeout_s + LATE_S
    return seen


def test_records_that_hang_are_stopped_in_time_and_named(tmp_path):
    leave_out(tmp_path, KINDS[:5], 0.5)


def test_a_run_that_hangs_ends_when_its_time_is_over(tmp_path):
    time_out(tmp_path, "stop", 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_hanging_records_and_runs_are_stopped_in_time(tmp_path):
    """160 records in 20 runs, each hanging twice, and 40 runs that are out of time."""
    chance, longest_s = random.Random(10), []
    for number in range(20):
        kinds, stall_s = chance.sample(KINDS, len(KINDS)), chance.choice([0.5, 1, 2])
        (folder := tmp_path / f"stall-{number}").mkdir()
        longest_s.append(leave_out(folder, kinds, stall_s).longest_s() - stall_s)
    for number in range(40):
        (folder := tmp_path / f"timeout-{number}").mkdir()
        longest_s.append(time_out(folder, KINDS[number % len(KINDS)], 1).longest_s() - 1)
    print(f"the slowest end was {max(longest_s):.2f} s after its time")
