"""Records that raise, crash, leave, hang or hoard memory: each is named, or left out and the rest is exact.

Real processes: the command on the local engine, with a job whose map does each of these on lines that say so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mrframe.kernel import compiled

ROOT = Path(__file__).parents[2]
JOB = """
import os, signal
from mrframe import Job, count, text


def by_length(line):
    if line.startswith("!"):
        misbehave(line[1:])
    yield len(line), 1


def misbehave(how):
    if how == "raise":
        raise ValueError("poison")
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "leave":
        os._exit(7)
    while how == "hang":
        pass
    hoard = []
    while how == "hoard":
        hoard.append(bytearray(1 << 23))


def one_by_one(records):
    for record in records:
        yield from by_length(record.line)


job = Job(read=text, map=by_length, reduce=count)
in_split = Job(read=text, map_split=one_by_one, fields=("line",), reduce=count)
filtered = Job(read=text, where=lambda line: [1 for _ in by_length(line)], map=by_length, reduce=count)
"""
SAID = {
    "raise": "raised ValueError",
    "crash": "killed by SIGSEGV",
    "leave": "exit status 7",
    "hang": "no progress for 1 s",
    "hoard": "MemoryError",
}
LOCAL = ["--engine", "local", "--nodes", "2", "--stall-s", "1", "--memory-limit-bytes", "250MiB", "--shuffle", "auto"]


def run(folder, *words, job="poison.py"):
    (folder / "poison.py").write_text(JOB)
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MRFRAME", "PYTHON"))}
    own = {"PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
    return subprocess.run(
        [sys.executable, "-m", "mrframe", "run", job, "log", *words],
        cwd=folder,
        env={**plain, **own},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def write(folder, lines):
    (folder / "log").write_text("".join(f"{line}\n" for line in lines))


def counted(lines):
    """What the job says of good lines, as JSON lines."""
    lengths = [len(line) for line in lines if not line.startswith("!")]
    rows = [{"key": key, "value": lengths.count(key)} for key in sorted(set(lengths))]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("how", SAID)
def test_a_record_that_kills_is_named(tmp_path, how):
    lines = [f"line {number}" for number in range(3000)]
    lines[1800] = f"!{how}"
    write(tmp_path, lines)
    ended = run(tmp_path, *LOCAL, "--splits", "2")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert SAID[how] in ended.stderr
    assert "log:1801 (byte " in ended.stderr
    assert f"record  !{how}\n" in ended.stderr
    if how != "leave":  # which leaves no stack behind
        assert "poison.py" in ended.stderr
        assert "in misbehave" in ended.stderr
        assert "/mrframe/" not in ended.stderr


@pytest.mark.parametrize(
    ("job", "many"),
    [
        ("poison.py", 20_000),
        ("poison.py:in_split", 3000),
        pytest.param("poison.py", 100_000, marks=pytest.mark.slow),
    ],
)
def test_killer_records_are_left_out_and_the_rest_is_exact(tmp_path, job, many):
    lines = [f"line {number}" for number in range(many)]
    places = {how: many * (index + 1) // 7 for index, how in enumerate(SAID)}
    for how, place in places.items():
        lines[place] = f"!{how}"
    write(tmp_path, lines)
    words = ["--max-failed", "5", "--quarantine", "left-out", "--summary", "figures", "--format", "jsonl"]
    ended = run(tmp_path, *LOCAL, "--splits", "2", *words, job=job)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == counted(lines)
    left_out = [json.loads(line) for line in (tmp_path / "left-out").read_text().splitlines()]
    assert [(one["line"] - 1, one["text"]) for one in left_out] == [
        (place, f"!{how}") for how, place in places.items()
    ]
    assert all(SAID[how].removeprefix("raised ") in one["reason"] for how, one in zip(SAID, left_out, strict=True))
    figures = json.loads((tmp_path / "figures").read_text())
    ledger = figures["ledger"]
    assert (figures["records"], figures["quarantined"], figures["lines"]) == (many - 5, 5, many)
    assert ledger["quarantined_bytes"] == sum(len(f"!{how}") for how in SAID)
    classes = sum(size for name, size in ledger.items() if name.endswith("_bytes"))
    assert classes == ledger["bytes_in"] == (tmp_path / "log").stat().st_size


def test_one_failed_record_too_many_fails_the_job(tmp_path):
    write(tmp_path, ["a", "!crash", "b", "!leave", "c"])
    ended = run(tmp_path, *LOCAL, "--max-failed", "1")
    assert ended.returncode == 1
    assert "log:4 (byte " in ended.stderr
    write(tmp_path, ["a", "!crash", "b", "!raise", "c"])
    ended = run(tmp_path, *LOCAL, "--max-failed", "1%")
    assert ended.returncode == 1
    assert "2 of 5 records" in ended.stderr


def test_a_filter_that_kills_is_blamed_on_its_record_too(tmp_path):
    write(tmp_path, ["a", "b", "!crash"])
    ended = run(tmp_path, *LOCAL, job="poison.py:filtered")
    assert ended.returncode == 1
    assert "log:3 (byte 4)" in ended.stderr


@pytest.mark.slow
def test_a_thousand_killer_records_among_a_million_are_left_out(tmp_path):
    lines = [f"line {number}" for number in range(1_000_000)]
    kinds = ["raise", "crash", "leave", "raise", "crash"] * 199 + ["hang", "hoard", "raise", "crash", "leave"]
    places = [999 * (index + 1) for index in range(len(kinds))]
    for place, how in zip(places, kinds, strict=True):
        lines[place] = f"!{how}"
    write(tmp_path, lines)
    words = ["--max-failed", "1000", "--quarantine", "left-out", "--format", "jsonl"]
    ended = run(tmp_path, *LOCAL, "--splits", "4", *words)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == counted(lines)
    left_out = [json.loads(line) for line in (tmp_path / "left-out").read_text().splitlines()]
    assert [(one["line"] - 1, one["text"]) for one in left_out] == [
        (place, f"!{how}") for place, how in zip(places, kinds, strict=True)
    ]


CRASH = """
import os, signal
from pathlib import Path

import mrframe.kernel as kernel
from mrframe import Job, count, logs

compiled = kernel.compiled()


class Program:
    def __init__(self, steps, columns):
        self._program = compiled.Program(steps, columns)

    def scan(self, block):
        if b"/dies" in block:
            Path("died").touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        return self._program.scan(block)


class Dying:
    Program = Program

    def __getattr__(self, name):
        return getattr(compiled, name)


kernel._compiled = compiled and Dying()
job = Job(read=logs.combined, key="status", reduce=count)
"""


@pytest.mark.skipif(compiled() is None, reason="no kernel is installed")
def test_a_line_on_which_the_kernel_dies_is_read_without_it(tmp_path):
    line = '192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /{} HTTP/1.1" {} 512 "-" "curl/8.0"'
    write(tmp_path, [line.format("dies" if number == 1800 else "lives", 200 + number % 3) for number in range(3000)])
    (tmp_path / "crash.py").write_text(CRASH.replace('Path("died")', f"Path({str(tmp_path / 'died')!r})"))
    ended = run(tmp_path, *LOCAL, "--splits", "2", "--format", "jsonl", job="crash.py")
    assert (tmp_path / "died").exists()
    assert ended.returncode == 0, ended.stderr
    rows = [{"key": 200 + number, "value": 1000} for number in range(3)]
    assert ended.stdout == "".join(json.dumps(row) + "\n" for row in rows)
