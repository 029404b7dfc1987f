"""The page that an isolated attempt leaves behind, and who is about to end."""

import os
import signal
import subprocess
import sys

from mrframe.core.model.spec import FatalPosition
from mrframe.task.isolation import ancestry, own_state
from mrframe.task.isolation.progress_page import ProgressPage, take_page


def test_the_page_of_a_dead_process_tells_its_last_record(tmp_path):
    path = str(tmp_path / "m0000.1.1.page")
    pid = os.fork()
    if pid == 0:
        page = ProgressPage(path)
        page.block(100, 50)
        page.record(7)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert take_page(path) == FatalPosition(100, 50, 7)
    assert take_page(path) is None


def test_the_last_record_is_remembered_when_the_work_begins_again(tmp_path):
    page = ProgressPage(str(tmp_path / "page"))
    page.block(100, 50)
    page.record(7)
    page.clear()
    assert take_page(str(tmp_path / "page")) == FatalPosition(100, 50, 7)


def test_a_page_without_a_position_or_of_another_length_is_none(tmp_path):
    ProgressPage(str(tmp_path / "page"))
    assert take_page(str(tmp_path / "page")) is None
    (tmp_path / "short").write_bytes(b"x")
    assert take_page(str(tmp_path / "short")) is None


def test_a_process_that_was_sent_a_kill_is_ending_before_it_has_ended():
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert not ancestry.is_ending(sleeper.pid)
    sleeper.kill()
    assert ancestry.is_ending(sleeper.pid)  # pending, or a zombie: it is not reaped yet
    sleeper.communicate()
    assert ancestry.is_ending(sleeper.pid)
    assert not any(map(ancestry.is_ending, ancestry.above(3)))


def test_the_record_after_which_a_descriptor_is_closed_is_noted():
    descriptor = os.dup(2)
    page = ProgressPage()
    page.watch(own_state.watch(descriptor))
    page.block(0, 100)
    page.record(0)
    page.record(1)
    assert page.changed() is None
    os.close(descriptor)
    page.record(2)
    page.record(3)
    position, change = page.changed()
    assert position.record == 1
    assert own_state.describe(change) == "it closed file descriptors that it had not opened"
