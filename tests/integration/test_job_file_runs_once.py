"""A command executes its job file once, however many times it asks for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mrframe import RunOptions, api
from mrframe.api.explain.trial import ways

JOB = """
import os
from mrframe import Job, count, text

with open("executed", "a") as file:
    file.write(f"{os.getpid()}\\n")

def job(limit: int = 1):
    return Job(read=text, key="line", reduce=count)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a job that notes each execution, and a log."""
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "log").write_text("a\nb\na\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def executions(folder, *words):
    """How often the command executes the job file, in its own process and in those that it starts."""
    path = folder / "executed"
    path.unlink(missing_ok=True)
    command = subprocess.Popen([sys.executable, "-m", "mrframe", *words], stdout=subprocess.PIPE)
    command.communicate()
    assert command.returncode == 0
    pids = path.read_text().split() if path.exists() else []
    return pids.count(str(command.pid)), len(pids)


@pytest.mark.parametrize(
    ("words", "times"),
    [
        (["run", "job.py", "log", "--limit", "2"], 1),
        (["run", "job.py", "log", "--no-cache", "-o", "answer/"], 1),
        (["run", "job.py", "log", "--dry-run"], 1),
        (["run", "job.py", "log", "--dry-run", "--json"], 1),
        (["run", "job.py", "--help"], 1),
        (["count", "line", "log", "--read", "text"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_executes_the_job_file_once(folder, words, times):
    assert executions(folder, *words) == (times, times)


def test_on_a_cluster_only_executors_execute_it_again(folder):
    own, all_of_them = executions(folder, "run", "job.py", "log", "--engine", "local", "--nodes", "1")
    assert own == 1
    assert all_of_them > 1


def test_submit_executes_it_once(folder):
    words = ("--dir", str(folder / "home"))
    run = [sys.executable, "-m", "mrframe"]
    subprocess.run([*run, "cluster", "start", "--nodes", "1", "--slots", "1", *words], check=True)
    try:
        assert executions(folder, "submit", "job.py", "log", *words)[0] == 1
        subprocess.run([*run, "wait", "@", *words], check=True)
    finally:
        subprocess.run([*run, "cluster", "stop", *words], check=True)


def test_check_executes_it_once_for_each_way_of_its_own_process(folder):
    """Each way starts from fresh globals, which is what tells whether a job keeps state from an earlier run."""
    here = [way for way in ways() if not way.python_seed]
    own, _ = executions(folder, "check", "job.py", "log")
    assert own == len(here) + 1  # once more to say why results are not saved


def test_a_found_job_is_executed_again_for_a_second_run(folder):
    found = api.find_job("job.py")
    assert [parameter.name for parameter in found.parameters()] == ["limit"]
    for times in (1, 2):
        with api.run(found, ["log"], RunOptions(engine="inline")) as result:
            assert list(result) == [("a", 2), ("b", 1)]
        assert len((folder / "executed").read_text().split()) == times
