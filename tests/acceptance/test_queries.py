"""Commands that only ask leave the disk as it is, also where no cluster has ever been."""

from __future__ import annotations

import os

import pytest
from click.testing import CliRunner

from mrframe.cli.main import group

ASKING = [
    ("jobs",),
    ("wait", "job-1"),
    ("wait", "@"),
    ("result", "job-1"),
    ("cancel", "job-1"),
    ("rm", "job-1"),
    ("why", "job-1", "key"),
    ("why", "run-1", "key"),
    ("replay", "job-1"),
    ("replay", "run-1"),
    ("submit", "status_codes", __file__),
    ("cluster", "status"),
    ("cluster", "stop"),
    ("fs", "ls"),
    ("fs", "stat", "access"),
    ("fs", "cat", "access"),
    ("fs", "rm", "access@1"),
    ("fs", "fsck"),
    ("fs", "recover"),
    ("fs", "balance"),
    ("fs", "decommission", "node-1"),
    ("fs", "put", "access", __file__),
]


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
@pytest.mark.parametrize("there", [False, True], ids=["no folder", "empty folder"])
def test_queries_create_no_files_where_no_cluster_is(words, there, tmp_path, monkeypatch):
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    (tmp_path / "tmpdir").mkdir()
    place = tmp_path / "nobody"
    if there:
        place.mkdir(mode=0o700)
    done = CliRunner().invoke(group, [*words, "--dir", str(place)])
    assert done.exit_code != 0
    assert sorted(os.listdir(tmp_path)) == (["nobody", "tmpdir"] if there else ["tmpdir"])
    assert os.listdir(tmp_path / "tmpdir") == []
    assert not there or os.listdir(place) == []
