"""Memory stays near the budget whatever the data: real processes, and the most that each ever had."""

import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MIB = 1 << 20
BASE_BYTES = 84 * MIB  # Python, mrframe, and what a merge has of each of its files
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


@pytest.mark.parametrize(("job", "number"), [("wide", 15_000), ("rows", 15_000), ("wide", 60_000)])
def test_many_keys_stay_within_the_memory_budget(tmp_path, job, number):
    lines(tmp_path, number)
    peak, rows = run(tmp_path, job)
    assert len(rows) == 20 * number
    assert peak < BASE_BYTES + BUDGET_BYTES


# ---- lines over the limit -------------------------------------------------------------------------

LIMIT_BYTES = 160 * MIB  # of each process: what Python and the largest of them need, and half of the long line
LONG_LINE_BYTES = 320 * MIB
ACCESS = '192.0.2.1 - - [17/May/2026:10:05:03 +0000] "GET /{} HTTP/1.1" 200 1000\n'


class LimitedFolder:
    """Inputs with one line over the limit, and commands of which no process may have more than LIMIT_BYTES."""

    def __init__(self, folder):
        self.path = folder
        lines = "".join(ACCESS.format(n % 100) for n in range(5000)).encode()
        json_lines = "".join(json.dumps({"path": f"/{n % 100}"}) + "\n" for n in range(5000)).encode()
        self.write("access.log", lines + b"%b\n" + lines, b"x" * MIB)
        self.write("lines.jsonl", json_lines + b'{"path": "%b"}\n' + json_lines, b"x" * MIB)
        self.write("first.log", b"%b\n" + lines, b"x" * MIB)

    def write(self, name, content, piece):
        before, _, after = content.partition(b"%b")
        with open(self.path / name, "wb") as file:
            file.write(before)
            for _ in range(LONG_LINE_BYTES // len(piece)):
                file.write(piece)
            file.write(after)

    def compress(self):
        """Make access.log.gz, of bytes that hardly shrink: else it is refused as a bomb."""
        piece = os.urandom(MIB // 2).hex().encode()
        self.write("random.log", b"".join(ACCESS.format(n % 100).encode() for n in range(5000)) + b"%b\n", piece)
        with (
            open(self.path / "random.log", "rb") as source,
            gzip.open(self.path / "access.log.gz", "wb", 1) as packed,
        ):
            shutil.copyfileobj(source, packed, MIB)
        (self.path / "random.log").unlink()

    def run(self, *words, code=0, stdin=None):
        """Run a command, and return its standard output."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("MRFRAME", "PYTHON"))
        }
        folders = dict.fromkeys(("TMPDIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(self.path))
        done = subprocess.run(
            [sys.executable, "-m", "mrframe", *words],
            cwd=self.path,
            env={**environment, **folders, "PYTHONPATH": str(ROOT)},
            stdin=stdin,
            capture_output=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_BYTES, LIMIT_BYTES)),
        )
        assert done.returncode == code, (words, done.stderr[-2000:].decode())
        return done.stdout


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    folder = LimitedFolder(tmp_path_factory.mktemp("limited"))
    yield folder
    shutil.rmtree(folder.path)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["inline", "local"])
@pytest.mark.parametrize("job", ["sort", "word_count"])
def test_a_line_over_the_limit_is_never_held(limited, engine, job):
    words = ("run", job, "access.log", "--engine", engine, "--partitions", "4", "--summary", "s", "--overwrite")
    limited.run(*words, "-o", "out.jsonl", "--no-cache", "-q")
    summary = json.loads((limited.path / "s").read_text())
    assert (summary["malformed"], summary["ledger"]["malformed_bytes"]) == (1, LONG_LINE_BYTES)
    assert (limited.path / "out.jsonl").stat().st_size < 10 * MIB


@pytest.mark.slow
def test_a_line_over_the_limit_is_never_held_by_any_reader(limited):
    counted = [{"key": f"/{n}", "value": 100} for n in range(100)]

    def rows(*words, **how):
        found = map(json.loads, limited.run(*words, **how).splitlines())
        return sorted(found, key=lambda row: int(row["key"][1:]))

    assert rows("count", "path", "access.log", "-q") == counted
    assert rows("count", "path", "access.log", "-q") == counted  # from the cache
    assert rows("count", "path", "lines.jsonl", "-q", "--no-cache") == counted
    assert (
        rows("count", "path", "access.log", "-q", "--no-cache", "--since", "2026-01-01", "--rejects", "r") == counted
    )
    assert (limited.path / "r").stat().st_size < MIB
    with open(limited.path / "access.log", "rb") as stdin:
        assert rows("count", "path", "-", "-q", stdin=stdin) == counted
    limited.compress()
    for row in rows("count", "path", "access.log.gz", "-q"):
        assert row["value"] == 50
    assert limited.run("run", "sort", "access.log.gz", "-q", "--partitions", "4").count(b"\n") == 5000


@pytest.mark.slow
def test_a_line_over_the_limit_is_never_held_by_other_commands(limited):
    limited.run("run", "word_count", "access.log", "-q", "-o", "w.jsonl", "--cache", "on")
    assert limited.run("why", "@", 'HTTP/1.1"', "--lines", "5").count(b"access.log:") == 5
    limited.run("formats", "detect", "access.log")
    limited.run("formats", "detect", "first.log", code=2)
    limited.run("formats", "test", "common", "access.log")
    limited.run("formats", "test", "common", "first.log", code=3)
    limited.run("run", "sort", "access.log", "--dry-run")
    limited.run("check", "word_count", "access.log")


@pytest.mark.slow
def test_a_line_over_the_limit_is_never_held_by_a_standing_cluster(limited):
    home = ("--dir", "cluster")
    try:
        limited.run("cluster", "start", *home, "--nodes", "2", "--slots", "1")
        limited.run("submit", "sort", "access.log", "--partitions", "4", *home)
        limited.run("wait", "@", *home)
        limited.run("fs", "put", "logs", "access.log", *home)
        limited.run("submit", "word_count", "mrfs:logs", *home)
        limited.run("wait", "@", *home)
        assert limited.run("result", "@", *home, "-q").count(b"\n") > 100
        limited.run("fs", "fsck", *home)
    finally:
        limited.run("cluster", "stop", *home)
