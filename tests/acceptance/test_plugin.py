"""The pytest plugin, from the point of view of somebody who tests a job with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mrframe.testing import plugin

pytest_plugins = ["pytester"]

JOB = """
from mrframe import Job, count, text, words

job = Job(read=words, key="word", reduce=count)
"""


@pytest.fixture
def run_tests(pytester, monkeypatch):
    """Run a test file as a user's own pytest does, with this plugin and no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source):
        pytester.makepyfile(JOB + source)
        return pytester.runpytest_subprocess("-p", "mrframe.testing.plugin", "-p", "no:cacheprovider")

    return run


def test_mr_run_takes_text_lines_files_and_names(run_tests):
    result = run_tests("""
def test_forms(mr_run, tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("a b\\na\\n")
    expected = [("a", 2), ("b", 1)]
    assert mr_run(job, "a b\\na\\n") == expected
    assert mr_run(job, b"a b\\na") == expected
    assert mr_run(job, ["a b", "a"]) == expected
    assert mr_run(job, path) == expected
    other = tmp_path / "y.txt"
    other.write_text("a b\\na\\n")
    assert mr_run(job, [path, other]) == [("a", 4), ("b", 2)]
    assert mr_run(job, [path, path]) == expected
    assert mr_run(job, {"one.txt": "a b\\n", "two.txt": "a\\n"}) == expected

def limited(least: int = 1):
    def long(word):
        return len(word) >= least
    return Job(read=words, key="word", where=long, reduce=count)

def test_options_and_summary(mr_run):
    rows = mr_run(limited, "a bb\\n", job_options={"least": 2}, partitions=3)
    assert rows == [("bb", 1)]
    assert rows.summary.engine == "inline"
    assert rows.summary.partitions == 3
""")
    result.assert_outcomes(passed=2)


def test_mr_cluster_is_a_real_cluster_that_leaves_nothing(run_tests):
    result = run_tests("""
import os

def where(line):
    yield os.getpid(), 1

def test_same_rows(mr_run, mr_cluster):
    text = "one two\\nthree two\\n" * 50
    rows = mr_cluster(job, text)
    assert rows == mr_run(job, text)
    assert (rows.summary.engine, rows.summary.nodes) == ("local", 2)

def test_other_processes(mr_cluster):
    rows = mr_cluster(Job(read=text, map=where, reduce=count), "one\\n")
    assert rows[0][0] != os.getpid()
""")
    result.assert_outcomes(passed=2)


def test_a_process_that_a_job_starts_and_forgets_ends_with_the_cluster(run_tests):
    result = run_tests("""
import os, subprocess
import pytest

def starts_another(line):
    child = subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL)
    yield child.pid, 1

started = []

def test_start(mr_cluster):
    started.append(mr_cluster(Job(read=text, map=starts_another, reduce=count), "one\\n")[0][0])

def test_ended():
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)
""")
    result.assert_outcomes(passed=2)


def test_a_process_that_outlives_its_cluster_fails_the_test_and_is_ended(run_tests, pytester):
    """The engine here is one that forgets a process: it starts one and gives an answer."""
    result = run_tests("""
import subprocess
from mrframe import RunOptions, api
from mrframe.testing import plugin

def forgetful(job, inputs, options, job_options=None, keep=None, run=api.run):
    child = subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL)
    with open("pid", "w") as file:
        file.write(str(child.pid))
    child.returncode = 0  # so that subprocess forgets it too
    return run(job, inputs, RunOptions(engine="inline"))

def test_leak(monkeypatch, mr_cluster):
    monkeypatch.setattr(api, "run", forgetful)
    monkeypatch.setattr(plugin, "LEAVE_S", 0.2)
    assert mr_cluster(job, "one\\n") == [("one", 1)]
""")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*left processes that still ran*sleep 600*"])
    pid = int((pytester.path / "pid").read_text())
    assert plugin._outliving({pid}, 10) == set()


def test_a_test_of_ones_own_still_fails_by_its_own_assertion(run_tests):
    result = run_tests("""
def test_wrong(mr_run):
    assert mr_run(job, "a\\n") == [("a", 2)]
""")
    result.assert_outcomes(failed=1)


def test_pytest_starts_without_what_the_plugin_needs_later():
    """Every pytest run loads the plugin: it may cost pytest users nothing."""
    code = "import sys, mrframe.testing.plugin; print(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"zmq", "msgpack", "cloudpickle", "click", "sqlite3", "mrframe.api", "mrframe.core.job.job"}
    assert heavy.isdisjoint(modules)


class TestProcesses:
    """The leak check itself, with a process that is no cluster's."""

    @pytest.fixture
    def sleeper(self):
        process = subprocess.Popen(["sleep", "600"], env=os.environ | {plugin.MARK: "feed"})
        while Path(f"/proc/{process.pid}/cmdline").read_bytes() != b"sleep\x00600\x00":
            pass  # until exec has happened in the child, its environment is still ours
        yield process
        process.kill()
        process.wait()

    def test_processes_are_found_by_the_mark_and_as_children(self, sleeper):
        assert plugin._marked("feed") == {sleeper.pid}
        assert plugin._marked("fee") == set()
        assert sleeper.pid in plugin._children()

    def test_only_those_that_live_on_are_outliving(self, sleeper):
        assert plugin._outliving({sleeper.pid}, 0.01) == {sleeper.pid}
        sleeper.send_signal(signal.SIGKILL)
        assert plugin._outliving({sleeper.pid}, 10) == set()
        sleeper.wait()
        assert plugin._outliving({sleeper.pid}, 10) == set()
