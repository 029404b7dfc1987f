"""A command that only reads writes nothing: not into a directory of a cluster that is missing, foreign or empty."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

QUERIES = [
    ["jobs"],
    ["wait", "job-1"],
    ["result", "job-1"],
    ["cancel", "job-1"],
    ["rm", "job-1"],
    ["why", "job-1", "200"],
    ["replay", "job-1"],
    ["cluster", "status"],
    ["cluster", "stop"],
    ["fs", "ls"],
    ["fs", "stat", "access"],
    ["fs", "cat", "access"],
    ["fs", "rm", "access"],
    ["fs", "fsck"],
    ["submit", "status_codes", "access.log"],
]
ALONE = [
    ["cache", "ls"],
    ["config", "show"],
    ["formats", "list"],
    ["formats", "detect", "access.log"],
    ["why", "@", "1"],
]
LINE = '192.0.2.1 - - [17/May/2026:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl/8"\n'


def entries(folder):
    """Each path below, with what would change if it were written."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def call(tmp_path):
    work, home = tmp_path / "work", tmp_path / "home"
    for folder in (work, home, work / "empty", work / "foreign" / "inside"):
        folder.mkdir(parents=True)
    (work / "access.log").write_text(LINE)
    (work / "foreign" / "secret").write_text("x")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment |= {"HOME": str(home), "TMPDIR": str(tmp_path)}

    def run(*words):
        before = entries(tmp_path)
        command = [sys.executable, "-m", "mrframe", *words]
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        assert entries(tmp_path) == before, done.stderr
        return done

    return run


@pytest.mark.parametrize("words", QUERIES, ids=" ".join)
def test_nothing_is_made_in_a_directory_without_a_cluster(call, words):
    for directory in ("missing", "empty", "foreign"):
        assert call(*words, "--dir", directory).returncode


@pytest.mark.parametrize("words", ALONE, ids=" ".join)
def test_nothing_is_made_in_the_home_of_the_user(call, words):
    call(*words)
