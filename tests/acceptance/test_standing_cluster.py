"""The real command against a standing cluster: submit, wait, result; the master killed; nothing left after stop."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from standing import LOG, answer


def test_submit_wait_result_and_nothing_is_left(standing):
    standing.cluster("start", "--nodes", 2, "--slots", 1)
    refused = standing.cluster("start", code=4)
    assert b"runs in" in refused.stderr
    assert b"already" in refused.stderr
    job = standing.submit("top_urls", LOG, "--limit", 5, "--split-bytes", 20_000)
    assert job == "job-1"
    standing.run("wait", job, "--dir", standing.home)
    got = standing.run("result", "@", "--dir", standing.home)
    assert got.stdout == answer(standing, "top_urls", LOG, "--limit", 5)
    state = json.loads(standing.cluster("status", "--json").stdout)
    assert [(node["node"], node["state"]) for node in state["nodes"]] == [("node-1", "joined"), ("node-2", "joined")]
    assert [(one["job"], one["state"]) for one in state["submissions"]] == [("job-1", "done")]
    standing.run("wait", "job-9", "--dir", standing.home, code=2)
    standing.cluster("stop")
    assert standing.processes() == {}
    assert sorted(os.listdir(standing.home)) == ["blocks", "journal", "log", "nodes", "submissions"]
    assert not list(Path(standing.environment["TMPDIR"]).glob("mrframe-*"))
    standing.cluster("start", "--nodes", 2, "--slots", 1)
    assert standing.run("result", job, "--dir", standing.home).stdout == got.stdout
    standing.cluster("stop")


def test_the_master_a_node_and_the_keeper_are_killed_and_the_answer_is_the_same(standing):
    standing.cluster("start", "--nodes", 2, "--slots", 1)
    jobs = []
    for victim in ("mrframe master", "mrframe node-1", "mrframe keeper"):
        jobs.append(standing.submit("visitors", LOG, "--split-bytes", 3000))
        standing.kill(victim)
    wanted = answer(standing, "visitors", LOG)
    for job in jobs:
        standing.run("wait", job, "--timeout-s", 50, "--dir", standing.home)
        assert standing.run("result", job, "--dir", standing.home).stdout == wanted
    assert json.loads(standing.cluster("status", "--json").stdout)["epoch"] == 3
    standing.cluster("stop")
    assert standing.processes() == {}


@pytest.mark.slow
@pytest.mark.parametrize("kills", [30])
def test_the_master_is_killed_again_and_again(standing, kills):
    standing.cluster("start", "--nodes", 2, "--slots", 1)
    wanted = answer(standing, "visitors", LOG)
    for number in range(kills // 2):
        job = standing.submit("visitors", LOG, "--split-bytes", 1000 + 137 * number)
        for _ in range(2):
            standing.kill("mrframe master")
            standing.cluster("status")  # the next one answers
        standing.run("wait", job, "--timeout-s", 50, "--dir", standing.home)
        assert standing.run("result", job, "--dir", standing.home).stdout == wanted
    state = json.loads(standing.cluster("status", "--json").stdout)
    assert [one["state"] for one in state["submissions"]] == ["done"] * (kills // 2)
    standing.cluster("stop")
    assert standing.processes() == {}


@pytest.mark.slow
def test_everything_is_killed_and_the_next_cluster_goes_on(standing):
    standing.cluster("start", "--nodes", 2, "--slots", 1)
    job = standing.submit("status_codes", LOG, "--split-bytes", 3000)
    standing.kill("mrframe super")  # its keeper ends all the rest
    standing.cluster("start", "--nodes", 2, "--slots", 1)
    standing.run("wait", job, "--timeout-s", 50, "--dir", standing.home)
    assert standing.run("result", job, "--dir", standing.home).stdout == answer(standing, "status_codes", LOG)
    standing.cluster("stop")
    assert standing.processes() == {}


@pytest.mark.parametrize("words", [("submit", "status_codes", LOG), ("cluster", "stop")], ids=["submit", "stop"])
def test_without_a_cluster_there_is_an_error_with_the_remedy(standing, words):
    refused = standing.run(*words, "--dir", standing.home, code=4)
    assert b"no cluster runs in" in refused.stderr
    assert b"mrframe cluster start" in refused.stderr


@pytest.mark.slow
def test_wait_reports_the_failure_of_a_job(standing, tmp_path):
    job = tmp_path / "bad.py"
    job.write_text(
        "from mrframe import Job, logs, count\n\n\ndef fail(status):\n    raise ValueError('no good')\n"
        "    yield status, 1\n\n\njob = Job(read=logs.combined, map=fail, reduce=count)\n"
    )
    standing.cluster("start", "--nodes", 1, "--slots", 1)
    name = standing.submit(job, LOG)
    assert b"no good" in standing.run("wait", name, "--dir", standing.home, code=1).stderr
    assert b"no good" in standing.run("result", name, "--dir", standing.home, code=1).stderr
    standing.cluster("stop")


@pytest.mark.slow
def test_a_damaged_journal_is_an_error_and_not_an_empty_one(standing):
    standing.cluster("start", "--nodes", 1, "--slots", 1)
    standing.cluster("stop")
    with open(standing.home / "journal" / "journal.mark", "r+b") as file:
        file.write(b"\xff")
    refused = standing.cluster("start", code=1)
    assert b"is damaged" in refused.stderr
    assert standing.processes() == {}


def test_a_cluster_directory_open_to_others_is_refused(standing):
    standing.home.mkdir(mode=0o755)
    assert b"lets others in" in standing.cluster("start", code=2).stderr
