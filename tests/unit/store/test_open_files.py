"""The limit of open files: raised for listeners, given back to user code, waited for when nothing is left."""

import contextlib
import os
import resource
import subprocess
import sys

import pytest

from mrframe.errors import UsageError
from mrframe.store import open_files


@pytest.fixture
def limits():
    """Restore the limits of this process afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    open_files.relieve_by(None)
    open_files._Limits.usual = None


def all_descriptors():
    """Open files until no descriptor is left, and return them."""
    held = []
    with contextlib.suppress(OSError):
        while True:
            held.append(os.dup(2))
    return held


def test_the_limit_is_raised_to_the_hard_one_less_a_reserve_and_user_code_gets_the_usual_one(limits):
    hard = limits[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    open_files.raise_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard - open_files.RESERVE, hard)
    assert open_files.usual_limit() == 300


def test_an_executor_starts_with_the_limit_that_its_user_has_set():
    code = (
        "import resource; from mrframe.store import open_files; from mrframe.task.isolation.process_limits import "
        "confine; open_files.raise_limit(); confine(); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    command = ["sh", "-c", 'ulimit -Sn 300; exec "$@"', "sh", sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == "300\n"


def test_an_open_that_finds_no_descriptor_makes_room_and_is_tried_again(limits):
    open_files.set_soft_limit(open_files.lowest_free() + 20)
    held = all_descriptors()
    open_files.relieve_by(lambda: held and os.close(held.pop()))
    fd = open_files.patiently(lambda: os.open(os.devnull, os.O_RDONLY))
    for one in [fd, *held]:
        os.close(one)


def test_other_errors_are_raised_at_once():
    calls = []

    def fails():
        calls.append(1)
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        open_files.patiently(fails)
    assert len(calls) == 1


def test_more_files_than_the_hard_limit_allows_are_refused_by_name(limits):
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, limits[1]))
    open_files.need(200, "--nodes 30")
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 200
    with pytest.raises(UsageError, match=r"--nodes 9999 needs 1,000,000,000 open files, and the system allows"):
        open_files.need(10**9, "--nodes 9999")
