"""Each ready job gives the known answer over the samples, as they are run by people: by name, in a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mrframe
from mrframe import api

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_logs"
KNOWN = json.loads((SAMPLES / "known_answers.json").read_text())
ACCESS, TEXT, APP = ["access.log*"], ["*.txt"], ["app.jsonl"]
# name of the job, its inputs, its options
RUNS = {
    "bytes_by_day": (ACCESS, {}),
    "error_rate": (ACCESS, {}),
    "inverted_index": (TEXT, {}),
    "latency": (APP, {}),
    "not_found": (ACCESS, {}),
    "referrers": (ACCESS, {}),
    "sort": (TEXT, {}),
    "status_codes": (ACCESS, {}),
    "top_urls": (ACCESS, {}),
    "visitors": (ACCESS, {}),
    "word_count": (TEXT, {}),
}
LOCAL = ("inverted_index", "sort", "status_codes", "top_urls", "visitors")  # one of each kind


def answer(name, options, job=None):
    """The rows as JSON sees them, and the summary; the working directory is that of the samples."""
    inputs, job_options = RUNS[name]
    with api.run(job or name, inputs, options, job_options=job_options) as result:
        rows = json.loads(json.dumps([[key, value] for key, value in result.rows()]))
        return rows, result.summary


def malformed(pattern):
    return sum(len(lines) for name, lines in KNOWN["malformed"].items() if Path(name).match(pattern))


@pytest.fixture(autouse=True)
def among_the_samples(monkeypatch):
    monkeypatch.chdir(SAMPLES)


@pytest.mark.parametrize("name", RUNS)
def test_a_ready_job_gives_its_known_answer(name):
    rows, summary = answer(name, mrframe.RunOptions(engine="inline"))
    assert rows == KNOWN["jobs"][name]
    assert summary.malformed == malformed(RUNS[name][0][0])
    assert not summary.bad_fields


@pytest.mark.parametrize("name", LOCAL)
def test_a_ready_job_gives_its_known_answer_on_a_cluster_of_two_nodes(name):
    options = mrframe.RunOptions(engine="local", nodes=2, partitions=3, split_bytes=50_000)
    rows, summary = answer(name, options)
    assert rows == KNOWN["jobs"][name]
    assert (summary.engine, summary.nodes) == ("local", 2)
    assert summary.malformed == malformed(RUNS[name][0][0])


def test_the_samples_of_malformed_lines_are_at_known_places():
    _, summary = answer("status_codes", mrframe.RunOptions(engine="inline"))
    assert summary.samples
    for sample in summary.samples:
        assert sample.line in KNOWN["malformed"][Path(sample.source).name]


def test_every_ready_job_has_a_known_answer():
    """grep has none of its own: what it finds is looked for below."""
    assert {path.stem for path in (ROOT / "jobs").rglob("*.py")} == {*RUNS, "grep"}
    assert set(RUNS) == set(KNOWN["jobs"])


def test_grep_finds_the_lines_that_plain_python_finds():
    expected = [
        [[path.name, offset], line]
        for path in sorted(SAMPLES.glob("*.txt"))
        for offset, line in lines_of(path)
        if "ferry" in line and "snow" not in line
    ]
    with api.run("grep", TEXT, job_options={"pattern": "ferry(?!.*snow)"}) as result:
        rows = [[list(key), value] for key, value in result.rows()]
    assert rows == expected
    assert rows


def lines_of(path):
    offset = 0
    for line in path.read_text().splitlines(keepends=True):
        yield offset, line.rstrip("\n")
        offset += len(line)


@pytest.mark.parametrize("limit", [1, 3])
def test_a_job_with_options_takes_them_from_the_command_line(limit):
    command = [sys.executable, ROOT / "jobs" / "top_urls.py", *sorted(map(str, SAMPLES.glob("access*")))]
    done = subprocess.run([*command, "--limit", str(limit), "-q"], capture_output=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [[row["key"], row["value"]] for row in rows] == KNOWN["jobs"]["top_urls"][:limit]


def test_visitors_per_hour_adds_hours_up_to_at_least_days():
    with api.run("visitors", ACCESS, job_options={"per": "hour"}) as result:
        hours = dict(result.rows())
    assert sorted(hours) == [key for key, _ in KNOWN["jobs"]["error_rate"]]
    for day, hosts in KNOWN["jobs"]["visitors"]:
        assert sum(count for hour, count in hours.items() if hour.startswith(day)) >= hosts


def test_a_copied_job_needs_nothing_but_mrframe(tmp_path):
    """The files are there to be copied: one alone in a folder runs, from a folder that is not the project's."""
    (tmp_path / "mine.py").write_bytes((ROOT / "jobs" / "status_codes.py").read_bytes())
    command = [
        sys.executable,
        "-m",
        "mrframe",
        "run",
        "mine.py",
        str(SAMPLES / "access.log*"),
        "-q",
        "--format",
        "csv",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    rows = [line.split(",") for line in done.stdout.split()][1:]
    assert [[int(key), int(value)] for key, value in rows] == KNOWN["jobs"]["status_codes"]
