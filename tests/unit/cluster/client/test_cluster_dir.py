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


def submitted(home):
    """A submission that the cluster has accepted."""
    job = home.add_submission(b"record", b"package")
    home.confirm(job)
    return job


def test_the_id_of_a_removed_submission_is_not_reused(home):
    assert [submitted(home) for _ in range(3)] == ["job-1", "job-2", "job-3"]
    for job in ("job-3", "job-1", "job-3"):
        home.forget(job)
        assert home.was_given(job)
        assert home.submitted_s(job) is None
        with pytest.raises(UsageError, match="mrframe jobs"):
            home.record(job)
    assert home.last() == (home.submitted_s("job-2"), "job-2")
    assert home.record("job-2") == b"record"
    assert home.add_submission(b"record", b"package") == "job-4"


def test_an_id_is_above_all_that_the_cluster_or_a_node_has_had(home):
    assert home.add_submission(b"record", b"package", above=6) == "job-7"
    os.makedirs(f"{home.nodes}/node-2/job-11")
    assert home.add_submission(b"record", b"package", above=3) == "job-12"


def test_there_is_no_last_submission_when_all_are_removed(home):
    home.forget(submitted(home))
    assert home.last() is None
    assert not home.was_given("job-2")


def test_a_pending_submission_is_not_the_last_one_and_is_abandoned_with_its_process(home):
    assert submitted(home) == "job-1"
    submitting = ClusterDir(home.path)
    assert submitting.add_submission(b"record", b"package") == "job-2"
    assert home.last()[1] == "job-1"
    assert home.take_abandoned() == []
    os.close(submitting._pending["job-2"])  # as the end of its process does
    assert home.take_abandoned() == ["job-2"]
    assert ClusterDir(home.path).take_abandoned() == [], "one process forgets it"
    home.forget("job-2")
    assert os.listdir(f"{home.submissions}/job-2") == []
    assert home.take_abandoned() == []
    assert submitted(home) == "job-3"


def test_a_submission_that_failed_keeps_its_mark_until_the_cluster_has_forgotten_it(home):
    job = home.add_submission(b"record", b"package")
    home.abandon(job)
    assert os.listdir(f"{home.submissions}/{job}") == ["pending"]
    assert home.take_abandoned() == [job]


@pytest.mark.parametrize("name", ["record", "package"])
def test_a_submission_that_cannot_be_written_leaves_nothing_and_names_its_path(home, monkeypatch, name):
    def write(path, data):
        if path.endswith(name):
            raise OSError(28, os.strerror(28))
        write_private(path, data)

    monkeypatch.setattr(cluster_dir, "write_private", write)
    with pytest.raises(OutputError, match=rf"{home.submissions}/job-1 cannot be written: No space left.* bytes free"):
        home.add_submission(b"record", b"package")
    assert os.listdir(f"{home.submissions}/job-1") == []
    assert home.last() is None


def test_a_file_that_cannot_be_removed_is_named(home):
    job = submitted(home)
    path = f"{home.submissions}/{job}/record"
    home.forget(job)
    os.mkdir(path)
    with pytest.raises(OutputError, match=r"record cannot be removed: Is a directory"):
        home.forget(job)


def logs(home):
    return sorted(name for name in os.listdir(home.path) if name.startswith("log"))


def test_a_long_log_is_truncated_and_its_tail_kept(home):
    home.bound_log()  # there is none
    write_private(home.log, b"x" * LOG_BYTES_MAX)
    home.bound_log()
    assert logs(home) == ["log"]
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
    assert logs(home) == ["log", "log.1"]


def test_a_log_is_bounded_even_on_a_full_disk(home, monkeypatch):
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
