"""A cluster's directory: ids of submissions are given once, also when what they stood for was removed."""

import os

import pytest

from mrframe.cluster.home import Home
from mrframe.errors import OutputError, UsageError


@pytest.fixture
def home(tmp_path):
    return Home(str(tmp_path / "cluster"))


def test_the_id_of_what_was_removed_is_not_given_again(home):
    assert [home.add_submission(b"record", b"package") for _ in range(3)] == ["job-1", "job-2", "job-3"]
    for job in ("job-3", "job-1", "job-3"):
        home.forget(job)
        assert home.was_given(job)
        assert home.submitted_s(job) is None
        with pytest.raises(UsageError, match="mrframe jobs"):
            home.record(job)
    assert home.job("@") == "job-2"
    assert home.record("@") == b"record"
    assert home.add_submission(b"record", b"package") == "job-4"


def test_when_all_are_removed_there_is_no_last_one(home):
    home.forget(home.add_submission(b"record", b"package"))
    with pytest.raises(UsageError, match="no last one"):
        home.job("@")
    assert not home.was_given("job-2")


def test_what_cannot_be_removed_is_named(home):
    job = home.add_submission(b"record", b"package")
    path = f"{home.submissions}/{job}/record"
    home.forget(job)
    os.mkdir(path)
    with pytest.raises(OutputError, match=r"record cannot be removed: Is a directory"):
        home.forget(job)
