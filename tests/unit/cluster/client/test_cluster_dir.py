"""A cluster's directory: ids of submissions are given once, also when what they stood for was removed."""

import os

import pytest

from mrframe.cluster.client import cluster_dir
from mrframe.cluster.client.cluster_dir import FAULT_BYTES, LOG_BYTES_MAX, ClusterDir
from mrframe.errors import OutputError, UsageError
from mrframe.store.private import write_private


@pytest.fixture
def home(tmp_path):
    made = ClusterDir(str(tmp_path / "cluster"))
    made.make()
    return made


def test_the_id_of_a_removed_submission_is_not_reused(home):
    assert [home.add_submission(b"record", b"package") for _ in range(3)] == ["job-1", "job-2", "job-3"]
    for job in ("job-3", "job-1", "job-3"):
        home.forget(job)
        assert home.was_given(job)
        assert home.submitted_s(job) is None
        with pytest.raises(UsageError, match="mrframe jobs"):
            home.record(job)
    assert home.last() == (home.submitted_s("job-2"), "job-2")
    assert home.record("job-2") == b"record"
    assert home.add_submission(b"record", b"package") == "job-4"


def test_there_is_no_last_submission_when_all_are_removed(home):
    home.forget(home.add_submission(b"record", b"package"))
    assert home.last() is None
    assert not home.was_given("job-2")


def test_a_file_that_cannot_be_removed_is_named(home):
    job = home.add_submission(b"record", b"package")
    path = f"{home.submissions}/{job}/record"
    home.forget(job)
    os.mkdir(path)
    with pytest.raises(OutputError, match=r"record cannot be removed: Is a directory"):
        home.forget(job)


def test_a_long_log_is_truncated_and_its_tail_kept(home):
    os.mkdir(home.run, 0o700)
    home.bound_log()  # there is none
    write_private(home.log, b"x" * LOG_BYTES_MAX)
    home.bound_log()
    assert os.listdir(home.run) == ["log"]
    with open(home.log, "ab", buffering=0) as writer:
        for word in (b"first", b"again"):
            writer.write(b"y" * LOG_BYTES_MAX + word)
            home.bound_log()
            assert os.path.getsize(home.log) == 0
            with open(f"{home.log}.1", "rb") as file:
                kept = file.read()
            assert (len(kept), kept[-5:]) == (LOG_BYTES_MAX, word)
        writer.write(b"the next line")
        assert os.path.getsize(home.log) == 13
    assert sorted(os.listdir(home.run)) == ["log", "log.1"]


def test_a_log_is_bounded_even_on_a_full_disk(home, monkeypatch):
    os.mkdir(home.run, 0o700)
    write_private(home.log, b"x" * (LOG_BYTES_MAX + 1))
    monkeypatch.setattr(cluster_dir, "write_private", full)
    home.bound_log()
    assert os.path.getsize(home.log) == 0


def full(_path, _data):
    raise OSError(28, os.strerror(28))


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        pytest.param("no space left on caf\udce9", "no space left on caf\ufffd\ufffd\ufffd", id="not UTF-8"),
        pytest.param("x" * 10_000, "x" * FAULT_BYTES, id="too long"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_fault_of_the_master_is_reported_in_space_reserved_before(home, reason, shown):
    """A disk that is full takes no new file, but lets those be written over that it has."""
    home.claim()
    assert home.fault() == ""
    before = os.stat(f"{home.run}/fault")
    home.report_fault(reason)
    assert home.fault() == shown
    now = os.stat(f"{home.run}/fault")
    assert (now.st_ino, now.st_size) == (before.st_ino, before.st_size)
    home.leave()


def test_a_later_fault_replaces_the_earlier_one(home):
    home.claim()
    home.report_fault("a long reason")
    home.report_fault("short")
    assert home.fault() == "short"
    home.leave()
