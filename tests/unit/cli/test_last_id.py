"""`@`: the last thing that was run or submitted; every command says which, and refuses what it does not take."""

from __future__ import annotations

import os

import pytest

from mrframe.cli.last_id import named, named_submission
from mrframe.cluster.client.cluster_dir import ClusterDir
from mrframe.errors import UsageError
from mrframe.store.run_records import RunRecords, default_folder


@pytest.fixture
def things(tmp_path, monkeypatch):
    """Adds runs and submissions, each a second later than the one before."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    home = str(tmp_path / "home")
    clock = iter(range(1_700_000_000, 1_800_000_000))

    def add(kind: str) -> str:
        at_s = next(clock)
        if kind == "run":
            runs = RunRecords(default_folder())
            name = runs.add({"record": b""})
            os.utime(os.path.join(runs.path, name), (at_s, at_s))
        else:
            cluster_dir = ClusterDir(home)
            cluster_dir.make()
            name = cluster_dir.add_submission(b"", b"")
            cluster_dir.confirm(name)
            os.utime(os.path.join(cluster_dir.submissions, name, "record"), (at_s, at_s))
        return name

    return add, home


def test_at_is_the_last_run_or_submission_and_is_named(things, capsys):
    add, home = things
    for kind, name in [("run", "run-1"), ("job", "job-1"), ("run", "run-2"), ("run", "run-3"), ("job", "job-2")]:
        assert add(kind) == name
        assert named("@", home) == name
        assert capsys.readouterr().err == f"@ is {name}\n"


def test_at_is_no_submission_that_was_not_accepted(things):
    add, home = things
    assert add("job") == "job-1"
    assert ClusterDir(home).add_submission(b"", b"") == "job-2"
    assert named("@", home) == named_submission("@", home) == "job-1"


def test_at_is_refused_for_a_submission_while_a_run_is_the_last(things, capsys):
    add, home = things
    add("run")
    add("job")
    assert named_submission("@", home) == "job-1"
    assert capsys.readouterr().err == "@ is job-1\n"
    add("run")
    with pytest.raises(UsageError, match=r"@ is .* run-2, and .* submissions alone; .* job-1$"):
        named_submission("@", home)


def test_an_id_stands_for_itself_and_asking_makes_no_folder(things, capsys):
    _, home = things
    assert (named("run-7", home), named_submission("job-7", home)) == ("run-7", "job-7")
    for ask, says in ((named, "no run is kept"), (named_submission, "no submission")):
        with pytest.raises(UsageError, match=says):
            ask("@", home)
    assert capsys.readouterr().err == ""
    assert not os.path.exists(home)
