"""Runs that are kept: found by id, bounded in age and bytes, and private."""

from __future__ import annotations

import os

import pytest

from mrframe.errors import CorruptData, NotPrivate, UsageError
from mrframe.store import run_records
from mrframe.store.run_records import RunRecords


@pytest.fixture
def kept(tmp_path):
    return RunRecords(str(tmp_path / "runs"))


def test_a_run_is_found_by_its_id_and_as_the_last(kept):
    assert kept.last() is None
    assert [kept.add({"record": b"%d" % n}) for n in range(3)] == ["run-1", "run-2", "run-3"]
    assert kept.last()[1] == "run-3"
    assert kept.read(kept.find("run-2"), "record") == b"1"
    assert kept.names("run-2") == ["record"]
    with pytest.raises(CorruptData, match="no package"):
        kept.read("run-2", "package")


@pytest.mark.parametrize("text", ["run-9", "../run-1", "run-0", "job-1", ""])
def test_an_unknown_run_is_refused_with_the_known_ones(kept, text):
    for n in range(3):
        kept.add({"record": b"%d" % n})
    with pytest.raises(UsageError, match="run-1, run-2, run-3"):
        kept.find(text)


def test_old_and_too_many_runs_are_deleted(kept, monkeypatch, tmp_path):
    monkeypatch.setattr(run_records, "BYTES_MAX", 2500)
    monkeypatch.setattr(run_records, "SMALL_BYTES", 0)
    for _ in range(5):
        kept.add({"record": b"x" * 1000})
    assert sorted(os.listdir(tmp_path / "runs")) == ["run-3", "run-4", "run-5"]
    os.utime(tmp_path / "runs" / "run-4", (1, 1))
    os.utime(tmp_path / "runs" / "run-5", (1, 1))
    kept.add({"record": b"x"})
    assert sorted(os.listdir(tmp_path / "runs")) == ["run-5", "run-6"], "no number comes again"


@pytest.mark.parametrize("size", [10, 30])
def test_small_runs_are_trimmed_now_and_then(kept, monkeypatch, tmp_path, size):
    monkeypatch.setattr(run_records, "BYTES_MAX", 1000)
    monkeypatch.setattr(run_records, "SMALL_BYTES", 20)
    looks = []
    monkeypatch.setattr(kept, "_trim", lambda trim=kept._trim: (looks.append(1), trim()))
    for _ in range(200):
        kept.add({"record": b"x" * size})
        assert sum(path.stat().st_size for path in (tmp_path / "runs").glob("*/record")) <= 1000
    assert len(looks) == (200 // run_records.TRIM_EVERY if size == 10 else 200)


def test_two_runs_at_once_get_two_ids(kept, tmp_path):
    first = kept.add({})
    os.mkdir(tmp_path / "runs" / "run-2")
    assert (first, RunRecords(kept.path).add({})) == ("run-1", "run-3")


def test_a_folder_that_is_open_to_others_is_refused(kept):
    kept.add({"record": b"1"})
    os.chmod(kept.path, 0o755)
    with pytest.raises(NotPrivate):
        RunRecords(kept.path)
