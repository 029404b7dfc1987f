"""Pipes of the shell and standard input are inputs of `run`, `count` and `formats`, and an empty log is no error."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LINE = '192.0.2.1 - - [17/May/2026:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl/8"\n'
ROW = '{"key": 200, "value": 2}\n'


@pytest.fixture
def bash(tmp_path):
    (tmp_path / "a.log").write_text(LINE * 2)
    (tmp_path / "empty.log").write_text("")

    def call(command):
        environment = {**os.environ, "MR": f"{sys.executable} -m mrframe"}
        words = ["bash", "-c", command.replace("mrframe", "$MR")]
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return call


@pytest.mark.parametrize(
    "command",
    [
        "mrframe run status_codes <(cat a.log) -q",
        "mrframe run status_codes <(cat a.log) -q --engine local </dev/null",
        "mrframe run status_codes <(gzip -c a.log) -q --timeout-s 60",
        "mrframe count status <(cat a.log) -q",
        "cat a.log | mrframe count status /dev/stdin -q",
        "mrframe count status - -q <a.log",
    ],
)
def test_a_pipe_is_read_like_standard_input(bash, command):
    done = bash(command)
    assert (done.stdout, done.stderr, done.returncode) == (ROW, "", 0)


@pytest.mark.parametrize(
    "source", ["cat a.log | mrframe formats detect -", "mrframe formats detect <(gzip -c a.log)"]
)
def test_the_format_of_a_stream_is_detected(bash, source):
    assert "combined: matches 2 of the first 2 lines" in bash(source).stdout


def test_two_pipes_are_refused_with_the_remedy(bash):
    done = bash("mrframe run status_codes <(cat a.log) <(cat a.log) -q")
    assert done.returncode == 2
    assert "join several: cat <(…) <(…) | mrframe run JOB -" in done.stderr


@pytest.mark.parametrize("words", ["run status_codes", "run latency", "count status", "count level"])
def test_an_empty_log_gives_no_rows_and_no_error(bash, words):
    done = bash(f"mrframe {words} empty.log -q")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
