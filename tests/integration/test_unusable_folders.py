"""What goes wrong beside the answer costs what is saved or kept, and a warning; never the answer."""

from __future__ import annotations

import gzip
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

import mrframe
from mrframe import Job, RunOptions, count, text
from mrframe.engines.cache.run_cache import RunCache
from mrframe.engines.history import kept_runs
from mrframe.errors import OutputError, UserCodeError
from mrframe.store import file_index, scratch
from mrframe.task.cache import fingerprint

JOB = Job(read=text, key="line", reduce=count)
ANSWER = [("line 0", 2), *((f"line {n}", 1) for n in range(1, 10))]
MADE_TO_VANISH = """
import os, shutil
from mrframe import Job, count, text
def by_line(line):
    shutil.rmtree({gone!r}, ignore_errors=True)
    yield line, None
job = Job(read=text, map=by_line, reduce=count, pure=True)
"""


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setattr(file_index, "SETTLED_S", 0.0)
    path = tmp_path / "a.log"
    path.write_text("".join(f"line {n}\n" for n in (*range(10), 0)))
    return path


def run(log: Path, cache: Path | None, job: Job | str = JOB, **options):
    """(warnings, summary) of a run whose answer is right."""
    given = {"engine": "inline", "cache": "on", "split_bytes": 40, **options}
    where = {} if cache is None else {"cache_dir": str(cache)}
    with mrframe.run(job, [str(log)], RunOptions(**given, **where)) as result:
        assert list(result) == ANSWER
    return result.summary.warnings, result.summary


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 8 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "none", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a disk of its own")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_can_be_used_costs_no_warning(log, tmp_path):
    assert run(log, tmp_path / "cache")[0] == []
    assert run(log, tmp_path / "cache")[1].saved_maps > 0


@pytest.mark.parametrize(("name", "engine"), [("results", "inline"), ("seen", "inline"), ("seen", "local")])
def test_a_folder_with_the_wrong_mode_costs_a_warning(log, tmp_path, name, engine):
    cache = tmp_path / "cache"
    (cache / name).mkdir(parents=True, mode=0o755)
    warnings, summary = run(log, cache, engine=engine, nodes=1)
    (warning,) = warnings
    assert str(cache / name) in warning and "mode 0755" in warning
    assert summary.not_saved == warning


@pytest.mark.parametrize("name", ["", "results", "seen", "results/jobs", "results/lock"])
def test_a_file_of_the_wrong_kind_costs_a_warning(log, tmp_path, name):
    place = tmp_path / "cache" / name
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if name == "results/lock":
        place.mkdir()
    else:
        place.write_bytes(b"")
    if place.parent.name == "results":
        place.parent.chmod(0o700)
    (warning,) = run(log, tmp_path / "cache")[0]
    assert str(tmp_path / "cache") in warning


def test_a_folder_that_cannot_be_made_costs_a_warning(log):
    """Also for root: nobody makes a directory in /proc."""
    (warning,) = run(log, Path("/proc/mrframe"))[0]
    assert "the directory /proc/mrframe/results cannot be made" in warning


def test_a_read_only_disk_costs_a_warning(log, tiny_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    (warning,) = run(log, tiny_disk / "cache")[0]
    assert str(tiny_disk) in warning and "Read-only file system" in warning


def test_saved_results_are_used_from_a_disk_that_became_read_only(log, tiny_disk):
    subprocess.run(["mount", "-o", "remount,size=10m", str(tiny_disk)], check=True)
    run(log, tiny_disk / "cache")
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    (warning,) = run(log, tiny_disk / "cache")[0]
    assert "Read-only file system" in warning


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_full_disk_costs_a_warning(log, tiny_disk, engine):
    (warning,) = run(log, tiny_disk / "cache", engine=engine, nodes=1)[0]
    assert str(tiny_disk) in warning and "No space left" in warning and "free" in warning


def test_a_disk_that_is_full_for_the_records_of_files_alone_costs_a_warning(log, tmp_path, tiny_disk):
    cache = tmp_path / "cache"
    (tiny_disk / "filler").write_bytes(b"x" * 4096)
    (tiny_disk / "seen").mkdir(mode=0o700)
    cache.mkdir()
    subprocess.run(["mount", "--bind", str(tiny_disk / "seen"), str(mkdir(cache / "seen"))], check=True)
    try:
        with open(tiny_disk / "more", "wb", buffering=0) as file:
            fill(file)
        (warning,) = run(log, cache)[0]
    finally:
        subprocess.run(["umount", str(cache / "seen")], check=True)
    assert str(cache / "seen") in warning and "No space left" in warning


def mkdir(path: Path) -> Path:
    path.mkdir(mode=0o700)
    return path


def fill(file) -> None:
    try:
        while True:
            file.write(b"x" * 512)
    except OSError:
        return


@pytest.mark.parametrize("name", ["", "results", "seen", "results/jobs"])
def test_a_folder_that_vanishes_while_the_job_runs_costs_no_answer(log, tmp_path, name):
    path = tmp_path / "job.py"
    path.write_text(MADE_TO_VANISH.format(gone=str(tmp_path / "cache" / name)))
    run(log, tmp_path / "cache", str(path))
    run(log, tmp_path / "cache", str(path))
    assert not (tmp_path / "~").exists()


def test_saved_results_that_vanish_after_planning_cost_a_warning(log, tmp_path, monkeypatch):
    packed = tmp_path / "a.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    run(packed, tmp_path / "cache")
    with open(packed, "ab") as file:
        file.write(gzip.compress(b""))  # other bytes, the same content

    def gone(self, plan):
        assert any(split.kind == "saved" for split in plan.splits)
        shutil.rmtree(tmp_path / "cache")

    monkeypatch.setattr(RunCache, "whole_result", gone)
    (warning,) = run(packed, tmp_path / "cache")[0]
    assert "cached results were gone" in warning


def test_a_user_without_a_home_gets_the_answer_and_nothing_is_kept(log, tmp_path, monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(_uid):
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.chdir(tmp_path)
    (warning,) = run(log, None)[0]
    assert "no home directory ($HOME)" in warning and "$XDG_CACHE_HOME" in warning
    with mrframe.run(JOB, [str(log)], RunOptions(engine="inline"), keep={}) as result:
        assert list(result) == ANSWER
    assert "no home directory ($HOME)" in result.summary.not_kept
    assert not (tmp_path / "~").exists()


def test_a_run_that_cannot_be_kept_has_its_answer_whatever_the_reason(log, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(log))
    with mrframe.run(JOB, [str(log)], RunOptions(engine="inline"), keep={}) as result:
        assert list(result) == ANSWER
    assert str(log) in result.summary.not_kept
    monkeypatch.setattr(kept_runs, "input_maps", None)
    with mrframe.run(JOB, [str(log)], RunOptions(engine="inline"), keep={}) as result:
        assert list(result) == ANSWER
    assert "TypeError" in result.summary.not_kept


def test_a_failure_that_cannot_be_kept_is_still_reported(log, tmp_path, monkeypatch):
    def fails(line):
        yield line, 1 // (line != "line 3")

    monkeypatch.setattr(kept_runs, "pack", None)
    with pytest.raises(UserCodeError, match="ZeroDivisionError") as raised:
        mrframe.run(Job(read=text, map=fails, reduce=count), [str(log)], RunOptions(engine="inline"), keep={})
    assert "TypeError" in raised.value.not_kept


def test_a_scratch_directory_that_cannot_be_removed_costs_no_answer(log, tmp_path, monkeypatch):
    def stuck(path):
        raise OutputError(f"the scratch directory {path} cannot be removed")

    with monkeypatch.context() as patch:
        patch.setattr(scratch, "remove_tree", stuck)
        (warning,) = run(log, tmp_path / "cache", scratch_dir=str(mkdir(tmp_path / "scratch")))[0]
    assert "cannot be removed" in warning


def test_a_scratch_folder_that_cannot_be_listed_is_not_swept(log, tmp_path, monkeypatch):
    real = os.listdir

    def unlistable(path="."):
        if isinstance(path, int):
            raise OSError(5, "Input/output error")
        return real(path)

    monkeypatch.setattr(os, "listdir", unlistable)
    assert scratch.sweep_stale(str(tmp_path)) == []


def test_a_job_whose_fingerprint_fails_has_its_answer(log, tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprint, "own_code", None)
    (warning,) = run(log, tmp_path / "cache")[0]
    assert "cannot be analysed: TypeError" in warning
