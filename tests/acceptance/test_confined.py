"""A job that takes too much of the machine, or looks for secrets: it fails by name, or finds none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mrframe.task.isolation.print_limit import PRINT_BYTES_MAX, PRINT_BYTES_PER_S, REPORT_S
from mrframe.task.isolation.process_limits import FILE_BYTES_MAX, OPEN_FILES_MAX, PROCESSES_MAX

ROOT = Path(__file__).parents[2]
LOG = ROOT / "sample_logs" / "access.log"
LINES = LOG.read_bytes().count(b"\n")
PRINTED = LINES * 11_001  # by FLOODS
JOB = """
import os, resource, sys, tempfile
from mrframe import Job, count, each, text

{code}

job = Job(read=text, map=look, reduce={reduce})
"""
SEES = """
def look(offset):
    if offset == 0:
        for name in ("RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_NPROC"):
            yield name, resource.getrlimit(getattr(resource, name))[0]
        yield "names", sorted(os.environ)
        links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
        yield "fds", sorted(os.readlink(link).split(":")[0] for link in links if os.path.islink(link))
"""
FLOODS = """
def look(offset):
    print("x" * 10_000)
    sys.stdout.buffer.write(b"y" * 1_000)
    yield "lines", 1
"""
WRITES = """
def look(offset):
    with open(tempfile.gettempdir() + "/sparse", "wb") as file:
        file.seek(1 << 40)
        file.write(b"the end")
    yield "lines", 1
"""
LEAKS = """
held = []
def look(offset):
    while True:
        held.append(open("/dev/null"))
    yield "never", 1
"""
FORKS = """
import time
def look(offset):
    while True:
        if os.fork() == 0:
            time.sleep(600)
    yield "never", 1
"""
SECRETS = {
    "AWS_SESSION_TOKEN": "tell-nobody-1",
    "GITHUB_TOKEN": "tell-nobody-2",
    "DB_PASSWORD": "tell-nobody-3",
    "STRIPE_API_KEY": "tell-nobody-4",
    "DATABASE_URL": "postgres://tell-nobody-5@db",
    "PGPASS": "tell-nobody-6",
    "MYSQL_PWD": "tell-nobody-7",
    "REDIS_URL": "redis://cache",
    "MONGO_URI": "mongodb://db",
    "CONNECTION_STRING": "db",
    "GITHUB_PAT": "tell-nobody-8",
    "SLACK_WEBHOOK": "tell-nobody-9",
    "UPSTREAM": "amqp://me:tell-nobody-10@queue",
}


def run(folder, code, *words, reduce="count", stderr=subprocess.PIPE):
    job = folder / "job.py"
    job.write_text(JOB.format(code=code, reduce=reduce))
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MRFRAME", "PYTHON"))}
    return subprocess.run(
        [sys.executable, "-m", "mrframe", "run", str(job), str(LOG), "--engine", "local", "--nodes", "1", *words],
        env={**plain, **SECRETS, "MY_SETTING": "kept", "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        timeout=60,
        check=False,
    )


def test_executors_have_limits_and_see_no_secrets_and_no_descriptors_of_others(tmp_path):
    done = run(tmp_path, SEES, reduce="each")
    assert done.returncode == 0, done.stderr.decode()
    facts = {row["key"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}
    assert facts["RLIMIT_CORE"] == 0
    for name, most in (
        ("RLIMIT_FSIZE", FILE_BYTES_MAX),
        ("RLIMIT_NOFILE", OPEN_FILES_MAX),
        ("RLIMIT_NPROC", PROCESSES_MAX),
    ):
        assert 0 < facts[name] <= most
    assert not set(SECRETS) & set(facts["names"])
    assert {"MY_SETTING", "PATH"} <= set(facts["names"])
    assert facts["fds"].count("socket") == 1  # the line to its node


def test_a_job_sees_the_secrets_that_the_setting_names(tmp_path):
    code = "TOKEN = os.environ['GITHUB_TOKEN']\n" + SEES  # also while the job file is executed
    done = run(tmp_path, code, "--pass-env", "GITHUB_TOKEN,UPSTREAM", reduce="each")
    assert done.returncode == 0, done.stderr.decode()
    facts = {row["key"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}
    assert set(SECRETS) & set(facts["names"]) == {"GITHUB_TOKEN", "UPSTREAM"}
    refused = run(tmp_path, SEES, "--pass-env", "A=1")
    assert b"a list of names separated by commas is needed" in refused.stderr


def test_a_flood_of_prints_is_truncated_and_reported(tmp_path):
    done = run(tmp_path, FLOODS)
    assert done.returncode == 0
    assert len(done.stderr) < PRINT_BYTES_MAX + 10_000
    assert b"the limits are 1,048,576 per attempt" in done.stderr
    assert json.loads(done.stdout)["value"] == LINES


def test_truncated_output_of_many_attempts_is_reported_once(tmp_path):
    """Each of them prints less than an attempt may; what a node shows is bounded by the time it takes."""
    began_s = time.monotonic()
    done = run(tmp_path, FLOODS, "--splits", "60", "--summary", str(tmp_path / "summary"))
    seconds = time.monotonic() - began_s
    assert done.returncode == 0
    assert len(done.stderr) < PRINT_BYTES_MAX + seconds * PRINT_BYTES_PER_S + 10_000
    assert done.stderr.count(b"that were printed are not shown") == 1 + int(seconds // REPORT_S)
    shown = done.stderr.count(b"x") + done.stderr.count(b"y")
    cut = json.loads((tmp_path / "summary").read_text())["prints_cut_bytes"]
    assert PRINT_BYTES_MAX // 2 < shown <= PRINTED - cut < shown + 10_000  # line ends, and letters of other lines
    assert b"that the job's code printed are not shown" in done.stderr
    assert json.loads(done.stdout)["value"] == LINES


def test_a_stopped_terminal_does_not_stop_the_job(tmp_path):
    """Nobody reads standard error, which is a pipe that is soon full."""
    readable, writable = os.pipe()
    try:
        more = ("--splits", "20", "-q", "--summary", str(tmp_path / "summary"))
        done = run(tmp_path, FLOODS, *more, stderr=writable)
        assert done.returncode == 0
        assert json.loads(done.stdout)["value"] == LINES
        assert len(os.read(readable, 1 << 20)) > 10_000
        assert json.loads((tmp_path / "summary").read_text())["prints_cut_bytes"] > PRINTED - (1 << 18)
    finally:
        os.close(readable)
        os.close(writable)


def test_a_fork_bomb_is_killed_and_reported(tmp_path):
    before = set(os.listdir("/proc"))
    done = run(tmp_path, FORKS)
    assert done.returncode == 1
    assert b"it had more than 64 processes below it; start fewer at a time" in done.stderr
    mark = f"TMPDIR={tmp_path}".encode()
    for pid in filter(str.isdecimal, set(os.listdir("/proc")) - before):
        try:
            assert mark not in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended


@pytest.mark.parametrize(("code", "said"), [(WRITES, b"File too large"), (LEAKS, b"Too many open files")])
def test_too_large_files_and_too_many_are_failures_that_name_the_line(tmp_path, code, said):
    done = run(tmp_path, code)
    assert done.returncode == 1
    assert said in done.stderr
    assert b"job.py" in done.stderr
    assert b"access.log" in done.stderr


def test_an_attempt_out_of_memory_is_repeated_with_smaller_buffers(tmp_path):
    """Values of 150 MB do not fit beside the limit, nor does their buffer; a careful attempt spills them sooner."""
    (tmp_path / "log").write_text("".join(f"{number:09d}\n" for number in range(100_000)))
    (tmp_path / "job.py").write_text(
        "from mrframe import Job, text\n"
        "def fat(line):\n    yield line, line * 150\n"
        "def widest(key, values):\n    yield key, max(map(len, values))\n"
        "job = Job(read=text, map=fat, reduce=widest)\n"
    )
    command = [sys.executable, "-m", "mrframe", "run", str(tmp_path / "job.py"), str(tmp_path / "log"), "-q"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MRFRAME")}
    done = subprocess.run(
        [*command, "--engine", "local", "--nodes", "1", "--splits", "1", "--memory-limit-bytes", "140MiB"],
        env={**plain, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"value": 1350}') == 100_000


MUCH = """
def look(line):
    for number in range(40):
        yield f"{line}-{number}", line

def longest(key, values):
    for value in values:
        yield key, value * 3
"""


@pytest.mark.parametrize("engine", ["inline", "local"])
@pytest.mark.parametrize(("limit", "fails"), [("2MiB", True), ("1GiB", False)])
def test_a_task_has_a_quota_of_the_disk(engine, limit, fails, tmp_path):
    """Maps of 60 MB of pairs and reduces of as much, with a budget that makes them spill."""
    words = ("--engine", engine, "--splits", "2", "--memory-bytes", "4MiB", "--scratch-bytes-max", limit, "-q")
    done = run(tmp_path, MUCH, *words, "-o", str(tmp_path / "out"), reduce="longest")
    said = done.stderr.decode()
    assert done.returncode == (1 if fails else 0), said
    assert ("--scratch-bytes-max allows 2,097,152" in said) == fails
    assert (tmp_path / "out").exists() != fails
    assert "given up after" not in said, "another try would end the same"
