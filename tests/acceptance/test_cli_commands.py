"""The other commands with real data: count, init, formats, check, doctor, and run's plan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from mrframe.cli.main import group
from mrframe.errors import FormatError, InputError, OutputError, UnknownField, UsageError

ROOT = Path(__file__).parents[2]
LINES = [
    '192.0.2.1 - - [17/May/2026:10:05:03 +0000] "GET /a HTTP/1.1" 200 1000 "-" "Mozilla/5.0"\n',
    '192.0.2.2 - - [17/May/2026:10:05:09 +0000] "GET /b?q=1 HTTP/1.1" 503 - "-" "curl/8.0"\n',
    '192.0.2.1 - - [18/May/2026:11:00:00 +0000] "POST /a HTTP/1.1" 500 50 "-" "Mozilla/5.0"\n',
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a log of 30 lines, JSON lines and a text; the working directory."""
    (tmp_path / "access.log").write_text("".join(LINES) * 10)
    rows = [{"level": level, "request": {"method": m}} for level, m in [("info", "GET"), ("error", "GET")]]
    (tmp_path / "app.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "book.txt").write_text("one two\ntwo\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    return tmp_path


@pytest.fixture
def mrframe(folder):
    def run(*args: str):
        return CliRunner().invoke(group, list(args), prog_name="mrframe")

    return run


def rows_of(result) -> list[tuple]:
    assert result.exit_code == 0, (result.output, result.exception)
    return [(row["key"], row["value"]) for row in map(json.loads, result.stdout.splitlines())]


# ── count ──


@pytest.mark.parametrize(
    ("args", "rows"),
    [
        (["status", "access.log"], [(200, 10), (500, 10), (503, 10)]),
        (["host", "path", "access.log"], [(["192.0.2.1", "/a"], 20), (["192.0.2.2", "/b"], 10)]),
        (["path", "access.log", "--where", "status >= 500"], [("/a", 10), ("/b", 10)]),
        (["path", "access.log", "--where", "status >= 500 and size > 10"], [("/a", 10)]),
        (["path", "access.log", "--where", "agent.startswith('curl')"], [("/b", 10)]),
        (["host", "access.log", "--top", "1"], [("192.0.2.1", 20)]),
        (["host", "access.log", "--value", "size"], [("192.0.2.1", 10500), ("192.0.2.2", 0)]),
        (["day", "access.log", "--value", "host", "--reduce", "distinct"], [("2026-05-17", 2), ("2026-05-18", 1)]),
        (["day", "access.log", "--value", "size", "--reduce", "largest"], [("2026-05-17", 1000), ("2026-05-18", 50)]),
        (["level", "app.jsonl"], [("error", 1), ("info", 1)]),
        (["request.method", "app.jsonl"], [("GET", 2)]),
        (["level", "app.jsonl", "--where", "request.method == 'GET' and level != 'info'"], [("error", 1)]),
        (["word", "book.txt"], [("one", 1), ("two", 2)]),
        (["line", "book.txt", "--read", "text"], [("one two", 1), ("two", 1)]),
        (["status", "access.log", "./access.log"], [(200, 10), (500, 10), (503, 10)]),
    ],
)
def test_count_gives_the_rows(mrframe, args, rows):
    assert rows_of(mrframe("count", *args)) == rows


@pytest.mark.parametrize(
    ("args", "kind", "said"),
    [
        (["pth", "access.log"], UnknownField, "'path'"),
        (["status", "access.log", "--where", "sttus > 3"], UnknownField, "'status'"),
        (["status", "acces.log", "access.log"], UnknownField, "acces.log"),
        (["status"], InputError, "no file is called status"),
        (["./access.log"], UsageError, "needs a field first"),
        (["status", "access.log", "--reduce", "mean"], UsageError, "--value"),
        (["status", "access.log", "--value", "size", "--reduce", "count"], UsageError, "--value"),
        (["status", "book.txt"], FormatError, "no known log format"),
    ],
)
def test_impossible_questions_are_refused(mrframe, args, kind, said):
    result = mrframe("count", *args)
    assert isinstance(result.exception, kind), result.exception
    assert said in str(result.exception)


# ── init ──


def test_every_ready_job_can_be_started_from_and_its_test_passes(mrframe, folder):
    jobs = sorted(p.stem for p in (ROOT / "jobs").rglob("[!_]*.py"))
    for job in jobs:
        assert mrframe("init", f"my_{job}", "--from", job).stdout == f"my_{job}.py\ntest_my_{job}.py\n"
        assert f"Started from the ready job `{job}`" in (folder / f"my_{job}.py").read_text()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "mrframe.testing.plugin"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(jobs)} passed" in done.stdout


def test_init_does_not_overwrite_a_file(mrframe, folder):
    (folder / "test_mine.py").write_text("mine")
    assert isinstance(mrframe("init", "mine").exception, OutputError)
    assert not (folder / "mine.py").exists()
    assert mrframe("init", "sub/top_urls.py").exit_code == 0
    assert "the busiest" in (folder / "sub" / "top_urls.py").read_text()


def test_init_suggests_the_nearest_name(mrframe):
    assert "did you mean 'top_urls'?" in str(mrframe("init", "x", "--from", "top_url").exception)
    assert "cannot be the name" in str(mrframe("init", "my-job").exception)


# ── formats ──


def test_formats_list_names_the_formats_and_detect_says_which_fits(mrframe):
    assert {"combined", "common", "json"} <= {
        line.split()[0] for line in mrframe("formats", "list").stdout.splitlines() if line
    }
    text = mrframe("formats", "detect", "access.log").stdout
    assert text.startswith("access.log: combined: matches 30 of the first 30 lines")
    assert "  status    200\n" in text
    found = json.loads(mrframe("formats", "detect", "app.jsonl", "--json").stdout)
    assert (found["format"], found["matched"], found["fields"]["level"]) == ("json", 2, "info")
    assert isinstance(mrframe("formats", "detect", "book.txt").exception, FormatError)


def test_a_format_string_is_tried_and_shows_where_a_line_stops_to_match(mrframe, folder):
    apache = r'LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined'
    assert "status" in mrframe("formats", "test", apache).stdout
    good = mrframe("formats", "test", apache, "access.log")
    assert (good.exit_code, good.stdout.splitlines()[0]) == (0, "matches 30 of the first 30 lines of access.log")
    bad = mrframe("formats", "test", r'%h %l %u %t "%r" %>s %b', "access.log")
    assert bad.exit_code == 3
    lines = bad.stdout.splitlines()
    assert lines[0] == "matches 0 of the first 30 lines of access.log"
    assert lines[2][lines[2].index("^") :] == "^ expected the end of the line"
    assert lines[1][lines[2].index("^") :].startswith(' "-" "Mozilla')
    assert isinstance(mrframe("formats", "test", "nonsense").exception, FormatError)


def test_a_dry_run_shows_the_plan(mrframe):
    text = mrframe("run", "top_urls", "access.log", "--dry-run", "--splits", "3").stdout
    assert "format  combined" in text
    assert "3 map tasks, 2 reduce tasks" in text
    assert isinstance(mrframe("run", "top_urls", "-", "--dry-run").exception, UsageError)


# ── check, doctor ──

GOOD = """
from mrframe import Job, logs
def by_path(path, size):
    yield path, size or 0
def add(path, sizes):
    yield path, sum(sizes)
def job(unused: bool = False) -> Job:
    return Job(read=logs.access, map=by_path, combine=add, reduce=add)
"""
MEAN_OF_MEANS = GOOD.replace("sum(sizes)", "(lambda all: sum(all) / len(all))(list(sizes))")
NUMBERED = """
from mrframe import Job, logs, collect
seen = [0]
def by_path(path):
    seen[0] += 1
    yield path, seen[0]
job = Job(read=logs.access, map=by_path, reduce=collect)
"""
HASHED = """
from mrframe import Job, logs, count
def by_path(path):
    yield hash(path) % 100, 1
job = Job(read=logs.access, map=by_path, reduce=count)
"""
CLOCK = """
import time
from mrframe import Job, logs, largest
def by_path(path):
    yield path, time.perf_counter_ns()
job = Job(read=logs.access, map=by_path, reduce=largest)
"""


def test_a_safe_job_gives_the_same_bytes_in_every_way(mrframe, folder):
    (folder / "good.py").write_text(GOOD)
    result = mrframe("check", "good.py", "access.log", "--unused")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[-1] == f"the same bytes in all {len(lines) - 1} ways"
    assert all(line.endswith("same") for line in lines[:-1])
    assert {"inline", "7 splits", "local, 2 nodes"} <= {line[:18].strip() for line in lines[:-1]}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (MEAN_OF_MEANS, "the combiner is not associative"),
        (NUMBERED, "the job keeps state from one task to the next"),
        (HASHED, "hash()"),
        (CLOCK, "two equal runs differ"),
    ],
)
def test_an_unsafe_job_is_found_and_the_reason_named(mrframe, folder, source, reason):
    (folder / "unsafe.py").write_text(source)
    (folder / "access.log").write_text("".join(LINES[i % 3].replace("1000", str(i)) for i in range(31)))
    result = mrframe("check", "unsafe.py", "access.log")
    assert result.exit_code == 1, (result.output, result.exception)
    assert reason in result.stdout
    assert "first difference:" in result.stdout
    found = json.loads(mrframe("check", "unsafe.py", "access.log", "--json").stdout)
    assert found["safe"] is False
    assert reason in found["reason"]


def test_check_refuses_standard_input(mrframe):
    assert isinstance(mrframe("check", "top_urls", "-").exception, UsageError)


def test_the_doctor_finds_no_fault_on_this_machine(mrframe):
    result = mrframe("doctor", "--json")
    report = json.loads(result.stdout)
    assert report["healthy"], report
    assert {f["name"] for f in report["findings"]} >= {"python", "zeromq", "scratch", "processes", "cluster"}
    assert result.exit_code == 0


def test_the_doctor_names_faults(mrframe, folder, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "nowhere"))
    result = mrframe("doctor")
    assert result.exit_code == 1
    assert "WRONG  scratch" in result.stdout
    assert "set TMPDIR" in result.stdout
