"""A machine without room: an attempt that met it is tried again after a pause, and spends none of its four tries."""

from __future__ import annotations

import pytest

import mrframe
from mrframe import RunOptions
from mrframe.errors import UserCodeError

JOB = """
import errno, os
from mrframe import Job, count, text

def refused(line):
    with open("attempts", "a") as file:
        file.write(".")
    if os.path.getsize("attempts") <= {times}:
        raise OSError(errno.{name}, os.strerror(errno.{name}), "a/file")
    yield line, 1

job = Job(read=text, map=refused, reduce=count)
"""


def run(tmp_path, monkeypatch, **made):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.py").write_text(JOB.format(**made))
    (tmp_path / "log").write_text("a\n")
    options = RunOptions(engine="local", nodes=1, slots=1, speculate="off")
    with mrframe.run("job.py", ["log"], options, keep=False) as result:
        return dict(result)


@pytest.mark.parametrize("name", ["ENOSPC", "ENFILE"])
def test_more_refusals_than_tries_fail_no_job_when_there_is_room_again(tmp_path, monkeypatch, name):
    times = 5 if name == "ENOSPC" else 2
    assert run(tmp_path, monkeypatch, name=name, times=times) == {"a": 1}
    assert (tmp_path / "attempts").stat().st_size == times + 1


def test_another_error_of_the_job_s_code_is_not_tried_again(tmp_path, monkeypatch):
    with pytest.raises(UserCodeError):
        run(tmp_path, monkeypatch, name="EISDIR", times=5)
    assert (tmp_path / "attempts").stat().st_size == 1
