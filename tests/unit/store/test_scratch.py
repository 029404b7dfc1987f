"""Scratch directories: private, locked, removed by their maker alone, swept only when their owners are gone."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile

import pytest

from mrframe.errors import OutputError
from mrframe.store import scratch as scratch_module
from mrframe.store.disk import fault_text
from mrframe.store.scratch import LOCK, Scratch, remove_tree, sweep_stale

HOLD = """
import sys
from mrframe.store.scratch import Scratch
scratch = Scratch(sys.argv[1])
open(scratch.path + "/data", "w").close()
print(scratch.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process with a scratch directory in tmp_path, and the directory's path."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_a_scratch_directory_is_private_locked_and_gone_after_close(tmp_path):
    with Scratch(str(tmp_path)) as scratch:
        assert os.path.dirname(scratch.path) == str(tmp_path)
        assert stat.S_IMODE(os.stat(scratch.path).st_mode) == 0o700
        os.makedirs(os.path.join(scratch.path, "a/b"))
        with open(os.path.join(scratch.path, "a/b/c"), "w") as file:
            file.write("x")
        assert sweep_stale(str(tmp_path)) == []
        assert os.path.exists(os.path.join(scratch.path, "a/b/c"))
    assert os.listdir(tmp_path) == []
    scratch.close()


def test_a_later_scratch_directory_is_made_once_and_close_works_without_it(tmp_path):
    with Scratch(str(tmp_path), later=True) as scratch:
        assert os.listdir(tmp_path) == []
        assert scratch.make() == scratch.make() == scratch.path
        assert sweep_stale(str(tmp_path)) == []
        assert os.listdir(scratch.path) == [LOCK]
    assert os.listdir(tmp_path) == []
    with Scratch(str(tmp_path), later=True):
        pass


def test_the_default_parent_is_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Scratch() as scratch:
        assert os.path.dirname(scratch.path) == str(tmp_path)
        assert sweep_stale() == []


def test_the_default_parent_is_found_without_trying_it_out(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Scratch() as scratch:
        assert os.path.dirname(scratch.path) == str(tmp_path)


def test_a_killed_owner_leaves_what_the_next_sweep_takes(tmp_path, holder):
    process, path = holder
    assert sweep_stale(str(tmp_path)) == []
    assert os.path.exists(os.path.join(path, "data"))
    process.kill()
    process.wait()
    assert sweep_stale(str(tmp_path)) == [path]
    assert os.listdir(tmp_path) == []
    assert sweep_stale(str(tmp_path)) == []


def test_a_forked_child_keeps_the_lock_and_never_removes(tmp_path):
    scratch = Scratch(str(tmp_path))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        scratch.close()  # not the maker: nothing happens
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    os.close(scratch._lock)  # the maker is gone; its child is not
    assert sweep_stale(str(tmp_path)) == []
    os.close(write)
    os.waitpid(child, 0)
    assert sweep_stale(str(tmp_path)) == [scratch.path]


def test_a_sweep_takes_nothing_but_stale_scratch_directories(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (outside / LOCK).write_text("")
    places = tmp_path / "places"
    places.mkdir()
    name = "mrframe-" + "0" * 15
    (places / (name + "1")).symlink_to(outside)
    (places / (name + "2")).write_text("a file")
    (places / (name + "3")).mkdir()
    (places / (name + "3") / "no lock here").write_text("x")
    (places / "mrframe-notes").mkdir()
    (places / "mrframe-notes" / LOCK).write_text("")
    (places / (name + "4")).mkdir()
    (places / (name + "4") / LOCK).symlink_to(outside / "precious")
    (places / (name + "5")).mkdir()  # its maker died before it was locked
    (places / (name + "6")).mkdir()
    (places / (name + "6") / LOCK).write_text("")
    (places / (name + "6") / "link").symlink_to(outside)
    before = sorted(os.listdir(places))
    assert sweep_stale(str(places)) == [str(places / (name + "5")), str(places / (name + "6"))]
    assert sorted(os.listdir(places)) == [n for n in before if n[-1] not in "56"]
    assert sorted(os.listdir(outside)) == [LOCK, "precious"]


def test_a_sweep_leaves_directories_of_other_users(tmp_path, monkeypatch):
    stale = tmp_path / ("mrframe-" + "a" * 16)
    stale.mkdir()
    (stale / LOCK).write_text("")
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert sweep_stale(str(tmp_path)) == []
    assert stale.exists()


def test_a_sweep_of_a_missing_folder_is_nothing(tmp_path):
    assert sweep_stale(str(tmp_path / "no")) == []


@pytest.mark.parametrize("moment", ["mkdir", "open"])
def test_a_sweep_between_making_and_locking_costs_only_another_try(tmp_path, monkeypatch, moment):
    real, swept = getattr(os, moment), []

    def then_swept(path, *args, **kwargs):
        result = real(path, *args, **kwargs)
        if not swept and "mrframe-" in str(path) and "dir_fd" not in kwargs:
            swept.append(path)
            monkeypatch.setattr(os, moment, real)
            assert len(sweep_stale(str(tmp_path))) == 1
        return result

    monkeypatch.setattr(os, moment, then_swept)
    with Scratch(str(tmp_path)) as scratch:
        assert swept and os.listdir(tmp_path) == [os.path.basename(scratch.path)]
        assert sweep_stale(str(tmp_path)) == []


def test_a_missing_parent_is_named_with_the_remedy(tmp_path):
    with pytest.raises(OutputError, match=r"no/where does not exist; make it, or .*--scratch-dir"):
        Scratch(str(tmp_path / "no/where"))


def test_a_full_disk_is_named_with_path_and_free_bytes(tmp_path, monkeypatch):
    def full(path, mode):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(
        OutputError, match=rf"{tmp_path}: No space left .*[0-9,]+ bytes free at {tmp_path}.*free some"
    ):
        Scratch(str(tmp_path))


def faults_of_scratch(path):
    return [
        FileNotFoundError(errno.ENOENT, "No such file or directory", f"{path}/stdin/stdin-00000"),
        PermissionError(errno.EACCES, "Permission denied", path),
        OSError(errno.EROFS, "Read-only file system", f"{path}/out"),
        OSError(errno.ENOSPC, "No space left on device"),  # as a write says it
    ]


@pytest.mark.parametrize("number", range(4))
def test_a_fault_of_the_disk_in_a_scratch_directory_names_it(tmp_path, number):
    with pytest.raises(OutputError) as raised, Scratch(str(tmp_path)) as scratch:
        raise faults_of_scratch(scratch.path)[number]
    assert f"the scratch directory {scratch.path} cannot be written" in str(raised.value)
    assert number != 3 or " bytes free at " in str(raised.value)
    assert not os.path.exists(scratch.path)


def test_other_errors_leave_a_scratch_directory_as_they_are(tmp_path):
    beside = f"{tmp_path}/mrframe-other"
    for error in (
        FileNotFoundError(errno.ENOENT, "No such file or directory", beside),
        OSError(errno.ENOSPC, "No space left on device", beside),
        OSError(errno.EMFILE, "Too many open files"),
        ValueError("nothing about disks"),
    ):
        with pytest.raises(type(error)) as raised, Scratch(str(tmp_path)):
            raise error
        assert raised.value is error


def test_fault_text_names_the_remedy():
    assert "may write" in fault_text(PermissionError(errno.EACCES, "Permission denied"), "/x/y")
    assert "another disk" in fault_text(OSError(errno.EROFS, "Read-only file system"), "/x/y")
    assert "bytes free at /" in fault_text(OSError(errno.EIO, "Input/output error"), "/no/such/folder")


def test_a_file_made_while_the_tree_is_removed_is_removed_too(tmp_path, monkeypatch):
    tree = tmp_path / "tree"
    tree.mkdir()
    real, passes = shutil.rmtree, []

    def racing(path):
        passes.append(path)
        if len(passes) == 1:
            raise OSError(errno.ENOTEMPTY, "Directory not empty", path)
        real(path)

    monkeypatch.setattr(scratch_module.shutil, "rmtree", racing)
    remove_tree(str(tree))
    assert len(passes) == 2 and not tree.exists()
    remove_tree(str(tree))


def test_a_tree_that_two_processes_remove_is_gone_at_the_end(tmp_path, monkeypatch):
    tree = tmp_path / "tree"
    tree.mkdir()
    real, passes = shutil.rmtree, []

    def overtaken(path):
        passes.append(path)
        if len(passes) < 5:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        real(path)

    monkeypatch.setattr(scratch_module.shutil, "rmtree", overtaken)
    remove_tree(str(tree))
    assert not tree.exists()


def test_a_tree_that_cannot_be_removed_is_named(tmp_path, monkeypatch):
    def stuck(path):
        raise OSError(errno.EBUSY, "Device or resource busy", path)

    monkeypatch.setattr(scratch_module.shutil, "rmtree", stuck)
    with pytest.raises(OutputError, match=r"cannot be removed: Device or resource busy .*by hand"):
        remove_tree(str(tmp_path))
