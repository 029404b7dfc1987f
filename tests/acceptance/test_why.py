"""`mrframe why` through the real command: the lines behind a key are those that plain Python finds."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys

import pytest

LINE = '192.0.2.{} - - [17/May/2026:10:{:02d}:03 +0000] "GET /{} HTTP/1.1" {} 1000\n'
JOB = """
from mrframe import Job, count, logs, top
def by_path(path, status):
    if status != 200:
        yield path, 1
        yield ("pair", status), 1
job = Job(read=logs.access, map=by_path, reduce=count).then(top(3))
"""
SPLIT = """
from mrframe import Job, count, text
def lines(records):
    for record in records:
        yield record.line, 1
job = Job(read=text, map_split=lines, fields=("line",), reduce=count)
"""


@pytest.fixture
def world(tmp_path):
    """Two logs, one of them compressed, and what is in them: (file, number, path, status, minute, line)."""
    chance, known = random.Random(7), []
    for name in ("a.log", "b.log"):
        lines = []
        for number in range(1, 601):
            path, status, minute = f"p{chance.randrange(9)}", chance.choice([200, 404, 500]), chance.randrange(60)
            line = LINE.format(number % 250, minute, path, status) if chance.random() < 0.95 else "torn\n"
            lines.append(line)
            if line != "torn\n":
                known.append((name, number, f"/{path}", status, minute, line[:-1]))
        data = "".join(lines).encode()
        (tmp_path / name).write_bytes(data)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress((tmp_path / "b.log").read_bytes()))
    (tmp_path / "b.log").unlink()
    (tmp_path / "errors.py").write_text(JOB)
    (tmp_path / "lines.py").write_text(SPLIT)
    return known


@pytest.fixture
def mrframe(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MRFRAME")}
    environment["XDG_STATE_HOME"] = str(tmp_path / "state")
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")

    def run(*args: str, **more) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mrframe", *args]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60, **more
        )

    return run


def shown(done) -> list[tuple[str, int, str]]:
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [(row["file"].removesuffix(".gz"), row["line"], row["text"]) for row in rows]


INPUTS = ("a.log", "b.log.gz", "--split-bytes", "9000")


@pytest.mark.parametrize("how", [("--cache", "on"), ("--no-cache",), ("--cache", "on", "--engine", "local")])
def test_the_lines_are_those_that_plain_python_finds(mrframe, world, how):
    assert mrframe("run", "errors.py", *INPUTS, *how).returncode == 0
    for key, wanted in (("/p3", lambda one: one[2] == "/p3"), ('["pair", 500]', lambda one: one[3] == 500)):
        done = mrframe("why", "@", key, "--lines", "0", "--json")
        assert done.returncode == 0, done.stderr
        assert shown(done) == [(one[0], one[1], one[5]) for one in world if one[3] != 200 and wanted(one)]
    assert mrframe("why", "run-1", "500").returncode == 1, "500 alone is no key of this job"


def test_why_reads_only_records_within_the_time_window(mrframe, world):
    window = ("--since", "2026-05-17T10:10", "--until", "2026-05-17T10:20")
    asked = mrframe("count", "status", *INPUTS, "--where", "path != '/p0'", *window)
    assert asked.returncode == 0, asked.stderr
    done = mrframe("why", "@", "404", "--lines", "0", "--json")
    inside = [one for one in world if one[3] == 404 and one[2] != "/p0" and 10 <= one[4] < 20]
    assert shown(done) == [(one[0], one[1], one[5]) for one in inside]


def test_lines_are_shown_as_grep_does_and_bounded(mrframe, world):
    mrframe("run", "errors.py", *INPUTS)
    done = mrframe("why", "@", "/p3", "--lines", "2")
    first = [one for one in world if one[3] != 200 and one[2] == "/p3"][:2]
    assert done.stdout.splitlines() == [f"{one[0]}:{one[1]}: {one[5]}" for one in first]
    assert "there are more lines" in done.stderr
    none = mrframe("why", "@", "/nobody")
    assert (none.returncode, none.stdout) == (1, "")
    assert "no line of the input of run-1 yields the key /nobody" in none.stderr


def test_a_split_without_the_key_is_not_read(mrframe, world, tmp_path):
    rare = LINE.format(1, 1, "rare", 500)
    (tmp_path / "a.log").write_text((tmp_path / "a.log").read_text() + rare)
    assert mrframe("run", "errors.py", "a.log", "--split-bytes", "9000", "--cache", "on").returncode == 0
    data = bytearray((tmp_path / "a.log").read_bytes())
    data[:27_000] = b"\n" * 27_000  # three of its splits are not what they were
    (tmp_path / "a.log").write_bytes(data)
    done = mrframe("why", "@", "/rare", "--json")
    assert shown(done) == [("a.log", 601, rare[:-1])]
    assert "a.log has changed since run-1" in done.stderr


def test_why_explains_what_it_cannot_trace(mrframe, world):
    assert "no run is kept" in mrframe("why", "@", "/p1").stderr
    mrframe("run", "lines.py", "a.log")
    done = mrframe("why", "@", "torn")
    assert done.returncode == 2
    assert "cannot be told apart" in done.stderr
    mrframe("run", "errors.py", "-", input=LINE.format(1, 1, "p1", 500) * 3)
    done = mrframe("why", "@", "/p1")
    assert done.returncode == 2
    assert "standard input" in done.stderr


def test_why_finds_the_same_lines_for_a_submission_over_files_and_a_dataset(world, mrframe, tmp_path):
    home = ["--dir", str(tmp_path / "cluster")]
    logs = [str(tmp_path / "a.log"), str(tmp_path / "b.log.gz")]
    run = mrframe("run", str(tmp_path / "errors.py"), *logs, "--engine", "inline")
    wanted = mrframe("why", "@", "/p3", "--lines", "0", "--json").stdout.splitlines()
    assert run.returncode == 0
    assert len(wanted) > 20
    mrframe("cluster", "start", "--nodes", "2", "--slots", "1", *home)
    try:
        mrframe("fs", "put", "logs", *logs, "--block-size", "10000", *home)
        for inputs in (logs, ["mrfs:logs"]):
            job = mrframe(
                "submit", str(tmp_path / "errors.py"), *inputs, "--split-bytes", "9000", *home
            ).stdout.strip()
            assert mrframe("wait", job, *home).returncode == 0
            found = mrframe("why", job, "/p3", "--lines", "0", "--json", *home)
            assert found.returncode == 0, found.stderr
            lines = [json.loads(line) for line in found.stdout.splitlines()]
            known = [json.loads(line) for line in wanted]
            assert [(one["line"], one["text"]) for one in lines] == [(one["line"], one["text"]) for one in known]
        assert b"no submission" in mrframe("why", "job-9", "x", *home).stderr.encode()
    finally:
        mrframe("cluster", "stop", *home)
