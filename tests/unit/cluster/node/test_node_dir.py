"""A node's directory: what is held after a restart, and that no name leads out of it."""

import errno
import os
from pathlib import Path

import pytest

from mrframe.cluster.node.node_dir import LOGS_MAX, NodeDir, file_in

SEALED, OPEN = "job-1/m0000.1.1", "job-1/m0001.1.1"


def write(path, data=b"x"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def test_sealed_attempts_are_held_and_others_deleted(tmp_path):
    folder = NodeDir(str(tmp_path / "node-1"))
    for attempt in (SEALED, OPEN):
        write(folder.file(attempt, "map.mrf"))
        write(os.path.join(folder.fetched(attempt), "00000"))
    folder.store_package("job-1", b"code")
    folder.seal(SEALED)
    again = NodeDir(str(tmp_path / "node-1"))
    assert again.held() == [SEALED]
    assert sorted(os.listdir(tmp_path / "node-1" / "job-1")) == ["m0000.1.1", "package", "sealed"]
    assert Path(again.package("job-1")).read_bytes() == b"code"


def test_a_file_in_place_of_a_job_is_deleted(tmp_path):
    folder = NodeDir(str(tmp_path))
    write(folder.file(SEALED, "map.mrf"))
    folder.seal(SEALED)
    write(str(tmp_path / "job-2"))
    again = NodeDir(str(tmp_path))
    assert again.last_epoch() == 1
    assert again.held() == [SEALED]
    assert os.listdir(tmp_path) == ["job-1"]


def test_the_highest_epoch_of_sealed_attempts_is_known(tmp_path):
    folder = NodeDir(str(tmp_path))
    assert folder.last_epoch() == 0
    for attempt in ("job-1/m0000.12.1", "job-2/m0000.3.1"):
        write(folder.file(attempt, "map.mrf"))
        folder.seal(attempt)
    write(folder.file("job-1/m0001.40.1", "map.mrf"))
    assert NodeDir(str(tmp_path)).last_epoch() == 12


def test_a_line_that_was_cut_off_seals_nothing_and_the_next_is_not_lost(tmp_path):
    folder = NodeDir(str(tmp_path))
    for attempt in (SEALED, OPEN):
        write(folder.file(attempt, "map.mrf"))
        folder.seal(attempt)
    path = tmp_path / "job-1" / "sealed"
    path.write_bytes(path.read_bytes()[:-3])
    again = NodeDir(str(tmp_path))
    assert again.held() == [SEALED]
    write(again.file(OPEN, "map.mrf"))
    again.seal(OPEN)
    assert NodeDir(str(tmp_path)).held() == [SEALED, OPEN]


def test_an_attempt_that_wrote_nothing_is_held_without_a_directory(tmp_path):
    folder = NodeDir(str(tmp_path))
    write(folder.file(SEALED, "map.mrf"))
    folder.seal(SEALED)
    folder.seal(OPEN)
    assert NodeDir(str(tmp_path)).held() == [OPEN, SEALED]
    assert sorted(os.listdir(tmp_path / "job-1")) == ["m0000.1.1", "sealed"]


def test_a_deleted_attempt_is_not_held(tmp_path):
    folder = NodeDir(str(tmp_path))
    write(folder.file(SEALED, "map.mrf"))
    folder.seal(SEALED)
    folder.delete_attempt(SEALED)
    assert NodeDir(str(tmp_path)).held() == []


def test_attempts_and_jobs_are_deleted_with_all_that_is_theirs(tmp_path):
    folder = NodeDir(str(tmp_path))
    write(folder.file(SEALED, "map.mrf"))
    write(folder.file(OPEN, "map.mrf"))
    write(os.path.join(folder.fetched(OPEN), "00000"))
    folder.delete_attempt(OPEN)
    assert os.listdir(tmp_path / "job-1") == ["m0000.1.1"]
    folder.delete_attempt(OPEN)
    folder.delete_job("job-1")
    assert os.listdir(tmp_path) == []


def test_the_package_is_private(tmp_path):
    folder = NodeDir(str(tmp_path / "node-1"))
    folder.store_package("job-1", b"code")
    assert os.stat(folder.package("job-1")).st_mode & 0o777 == 0o600
    assert os.stat(tmp_path / "node-1").st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "attempt", ["", "..", "../job-1/m0000.1.1", "job-1/../m0000.1.1", "job-1/m0000.1.1/", "/etc"]
)
@pytest.mark.parametrize("method", ["attempt", "fetched", "seal", "delete_attempt"])
def test_no_attempt_id_leads_out_of_the_directory(tmp_path, method, attempt):
    with pytest.raises(ValueError, match="attempt"):
        getattr(NodeDir(str(tmp_path)), method)(attempt)


@pytest.mark.parametrize("job", ["", "..", ".", "job-1/..", "/", "job", "job-1\n"])
@pytest.mark.parametrize("method", ["package", "delete_job"])
def test_no_job_id_leads_out_of_the_directory(tmp_path, method, job):
    with pytest.raises(ValueError, match="job"):
        getattr(NodeDir(str(tmp_path)), method)(job)


@pytest.mark.parametrize("name", ["", "..", ".sealed", "a/b", "map.mrf/", "map.mrf\n", "MAP.mrf", "a" * 60])
def test_no_file_name_leads_out_of_the_directory(name):
    with pytest.raises(ValueError, match="file"):
        file_in("/d", SEALED, name)


def test_a_seal_that_the_disk_refuses_is_an_error_and_the_next_is_not_lost(tmp_path, monkeypatch):
    """Half of the line was written before the disk was full."""
    folder, real = NodeDir(str(tmp_path)), os.write
    for attempt in (SEALED, OPEN):
        write(folder.file(attempt, "map.mrf"))

    def full(fd, data):
        real(fd, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        folder.seal(SEALED)
    monkeypatch.setattr(os, "write", real)
    folder.seal(OPEN)
    assert NodeDir(str(tmp_path)).held() == [OPEN]


def test_many_kept_jobs_hold_few_files_open(tmp_path):
    folder = NodeDir(str(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    for number, job in enumerate([*range(1, 101), 1, 50]):
        attempt = f"job-{job}/m{number:04d}.1.1"
        write(folder.file(attempt, "map.mrf"))
        folder.seal(attempt)
    assert len(os.listdir("/proc/self/fd")) - before <= LOGS_MAX
    assert len(NodeDir(str(tmp_path)).held()) == 102
