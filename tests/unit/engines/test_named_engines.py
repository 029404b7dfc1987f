"""Engines by name: built in, of another package (`tests/plugins`), unknown, broken, and lacking a feature."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mrframe
from mrframe import Job, RunOptions, count, text
from mrframe.engines.protocol import needed_features
from mrframe.errors import PluginBroken, UsageError

PLUGINS = str(Path(__file__).parents[2] / "plugins")
BY_LINE = Job(read=text, key="line", reduce=count)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("b\na\nb\n")
    return path


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.syspath_prepend(PLUGINS)


def run(log, **options):
    with mrframe.run(BY_LINE, [str(log)], RunOptions(**options)) as result:
        return list(result), result.summary


@pytest.mark.usefixtures("toys")
def test_an_engine_of_another_package_runs_a_job(log):
    rows, summary = run(log, engine="toy", split_bytes=2, partitions=3)
    assert rows == [("a", 1), ("b", 2)]
    assert summary.engine == "toy" and summary.tasks > 3


def test_an_engine_of_another_package_runs_a_job_of_the_command(log):
    words = ["-m", "mrframe", "run", "sort", str(log), "--engine", "toy", "-o", "-"]
    environment = os.environ | {"PYTHONPATH": PLUGINS}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "toy" in done.stderr


@pytest.mark.usefixtures("toys")
def test_an_unknown_engine_is_refused_with_the_nearest_and_the_group(log):
    with pytest.raises(UsageError, match=r"'toyy'.*did you mean 'toy'.*auto, inline, local.*mrframe\.engines"):
        run(log, engine="toyy")


def test_an_unknown_engine_is_refused_before_the_job_is_made(log):
    with pytest.raises(UsageError, match=r"'lokal'.*did you mean 'local'.*no installed package"):
        mrframe.run("no_such_job.py", [str(log)], RunOptions(engine="lokal"))


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("toy_failing", "RuntimeError: the toy is broken"),
        ("toy_missing", "No module named 'mrframe_toy.no_such_module'"),
        ("toy_wrong", "the engine has no name, lacks, run"),
    ],
)
def test_a_broken_engine_is_refused_with_its_package(log, name, fault):
    with pytest.raises(
        PluginBroken, match=rf"{name!r} in .*mrframe\.engines of the package mrframe-toy 0\.1.*{fault}"
    ):
        run(log, engine=name)


@pytest.mark.usefixtures("toys")
def test_an_engine_that_lacks_a_feature_refuses_before_it_starts(log, monkeypatch):
    import mrframe_toy.engine

    monkeypatch.setattr(mrframe_toy.engine.ToyEngine, "lacks", frozenset({"rejects"}))
    monkeypatch.delattr(mrframe_toy.engine, "run_stages")
    with pytest.raises(UsageError, match="the engine toy lacks rejects, which --rejects needs"):
        mrframe.run(BY_LINE, [str(log)], RunOptions(engine="toy"), rejects=str(log) + ".rejects")


def test_no_package_is_looked_for_when_the_engine_is_built_in(log):
    code = (
        "import sys, mrframe\n"
        "from mrframe import Job, RunOptions, count, text\n"
        "job = Job(read=text, key='line', reduce=count)\n"
        "mrframe.run(job, sys.argv[1:], RunOptions(engine='inline')).close()\n"
        "assert 'importlib.metadata' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(log)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_features_of_a_plain_run_are_none(log, monkeypatch):
    from mrframe.engines.inline import InlineEngine

    plans = []
    plain_run = InlineEngine.run
    monkeypatch.setattr(InlineEngine, "run", lambda self, plan, on: plans.append(plan) or plain_run(self, plan, on))
    run(log, engine="inline")
    assert needed_features(plans[0]) == {}
