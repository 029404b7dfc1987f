"""A watched child, seen from both of its sides."""

import os

import pytest

from mrframe.task.isolation.progress_page import ProgressPage
from mrframe.task.isolation.watched_child import watched


class Stopped(Exception):
    """What `alive` raises when the attempt is not wanted any more."""


def test_a_child_whose_parent_is_gone_exits_silently(tmp_path, capfd):
    readable, writable = os.pipe()

    def work():
        os.close(writable)
        os.read(readable, 1)  # until the test has stopped listening

    def stop():
        raise Stopped

    with pytest.raises(Stopped):
        watched(work, ProgressPage(), None, stop, str(tmp_path))
    os.close(writable)
    _, status = os.wait()
    os.close(readable)
    assert status == 0
    assert capfd.readouterr() == ("", "")
