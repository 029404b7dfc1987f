"""A kind of reader that a package adds (`tests/plugins`) works in every command, and no other code knows of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from standing import ROOT, StandingCluster

PLUGINS = ROOT / "tests" / "plugins"
LINES = """\
time=2026-05-17T10:05:03|level=error|ms=40
time=2026-05-17T10:05:09|level=info|ms=soon
torn
time=2026-05-17T11:00:00|level=error|ms=5
"""
JOB = """
from mrframe import Job, Reader, count
job = Job(read=Reader("toy"), key="level", reduce=count)
"""


class ToyCluster(StandingCluster):
    """Has the package on its path, and a log that only the toy reads."""

    def __init__(self, folder, plugins):
        super().__init__(folder)
        self.environment |= {"PYTHONPATH": f"{ROOT}:{plugins}", "XDG_CACHE_HOME": str(folder / "cache")}
        self.log = folder / "toy.log"
        self.log.write_text(LINES * 20)
        self.job = folder / "levels.py"
        self.job.write_text(JOB)

    def rows(self, *words):
        done = self.run(*words, "--max-bad", "50%", "--format", "jsonl")
        return [tuple(json.loads(line).values()) for line in done.stdout.splitlines()]


@pytest.fixture
def toy(tmp_path):
    toy = ToyCluster(tmp_path, PLUGINS)
    yield toy
    toy.kill_all()


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_job_reads_it_on_each_engine(toy, engine):
    assert toy.rows("run", toy.job, toy.log, "--engine", engine) == [("error", 40), ("info", 20)]


def test_count_finds_it_from_the_data_and_by_its_name(toy):
    assert toy.rows("count", "level", toy.log) == [("error", 40), ("info", 20)]
    assert toy.rows("count", "level", toy.log, "--read", "toy") == [("error", 40), ("info", 20)]
    assert toy.rows("count", "level", toy.log, "--log-format", "toy", "--value", "ms", "--reduce", "largest") == [
        ("error", 40),
        ("info", None),
    ]


def test_a_window_of_time_asks_its_times(toy):
    assert toy.rows("count", "level", toy.log, "--since", "2026-05-17T10:30") == [("error", 20)]


def test_formats_list_detect_and_test_know_it(toy):
    listed = json.loads(toy.run("formats", "list", "--json").stdout)["formats"]
    names = {one["name"]: one["what"] for one in listed}
    assert names["toy"] == "key=value, joined by bars"
    assert "cannot be used" in names["toy_missing"] and "cannot be used" in names["toy_wrong"]
    found = json.loads(toy.run("formats", "detect", toy.log, "--json").stdout)
    assert (found["format"], found["matched"], found["fields"]["level"]) == ("toy", 60, "error")
    tried = json.loads(toy.run("formats", "test", "toy", toy.log, "--json", code=3).stdout)
    assert (tried["matched"], len(tried["mismatches"])) == (60, 20)


def test_why_finds_the_lines_behind_a_key(toy):
    toy.rows("run", toy.job, toy.log)
    found = toy.run("why", "@", "info", "--json").stdout.splitlines()
    assert [json.loads(line)["line"] for line in found] == [4 * at + 2 for at in range(20)]


def test_datasets_hold_its_logs(toy):
    toy.cluster("start", "--nodes", 1, "--slots", 1)
    toy.run("fs", "put", "toys", toy.log, "--dir", toy.home)
    job = toy.submit(toy.job, "mrfs:toys", "--max-bad", "50%")
    toy.run("wait", job, "--timeout-s", 50, "--dir", toy.home)
    answer = toy.run("result", job, "--dir", toy.home).stdout.splitlines()
    assert [tuple(json.loads(line).values()) for line in answer] == [("error", 40), ("info", 20)]


def test_its_results_are_saved_until_its_code_changes(tmp_path):
    plugins = tmp_path / "plugins"
    shutil.copytree(PLUGINS, plugins, ignore=shutil.ignore_patterns("__pycache__"))
    toy = ToyCluster(tmp_path, plugins)
    toy.log.write_text("time=2026-05-17T10:05:03|level=error|ms=40\n" * 1_600_000)  # hashing small inputs is skipped
    assert toy.rows("run", toy.job, toy.log) == [("error", 1_600_000)]
    summary = tmp_path / "summary.json"
    toy.rows("run", toy.job, toy.log, "--summary", summary)
    assert json.loads(summary.read_text())["saved_maps"] > 0
    reader = plugins / "mrframe_toy" / "reader.py"
    reader.write_text(reader.read_text().replace('"level": level,', '"level": level.upper(),'))
    assert toy.rows("run", toy.job, toy.log) == [("ERROR", 1_600_000)]


def test_without_the_package_the_group_is_named(toy):
    toy.environment["PYTHONPATH"] = str(ROOT)
    said = toy.run("run", toy.job, toy.log, code=2).stderr.decode()
    assert "the reader 'toy'" in said and "mrframe.readers" in said


@pytest.mark.parametrize("name", ["toy_missing", "toy_wrong"])
def test_one_that_cannot_be_used_is_refused_by_name(toy, name):
    toy.job.write_text(JOB.replace("toy", name))
    said = toy.run("run", toy.job, toy.log, code=2).stderr.decode()
    assert repr(name) in said and "package mrframe-toy 0.1" in said


def test_the_fuzzer_holds_it_to_its_parser_of_one_line(toy):
    words = ["-m", "mrframe.testing.fuzz", "--mutations", "500", "--kind", "toy", str(toy.log)]
    done = subprocess.run([sys.executable, *words], env=toy.environment, capture_output=True, check=False, text=True)
    assert done.returncode == 0 and "500 mutations" in done.stdout, done.stdout + done.stderr
