"""Blocks on disk: whole or not at all, this user's alone, and never at a path that a peer has named."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mrframe.core.model.block_messages import JudgeOrder, StoreOrder
from mrframe.errors import NotPrivate, OutputError, StoreFull
from mrframe.store import blocks
from mrframe.store.blocks import BlockStore
from mrframe.task.block_work import do_block

NAME, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def store(folder):
    return BlockStore(str(folder))


def keep(store, name=NAME, data=b"content"):
    with store.stage(len(data)) as file:
        file.write(data)
        store.publish(file, name)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_is_kept_is_there_until_it_is_deleted(store, folder):
    keep(store, OTHER)
    keep(store)
    keep(store, data=b"again")
    assert store.names() == [NAME, OTHER]
    assert Path(store.file(NAME)).read_bytes() == b"again"
    assert store.delete(NAME)
    assert not store.delete(NAME)
    assert (store.names(), files(folder)) == ([OTHER], [OTHER])


@pytest.mark.parametrize("name", ["", "../lock", "a" * 63, "A" * 64, "a" * 64 + "\n", "a" * 64 + "/x"])
def test_what_is_no_name_of_a_block_is_never_a_path(store, folder, name):
    for use in (store.file, store.delete):
        with pytest.raises(ValueError, match="not the name of a block"):
            use(name)
    with pytest.raises(ValueError, match="not the name of a block"):
        keep(store, name)
    assert files(folder) == []


# ---- whole or not at all ----------------------------------------------------------------------------


def test_what_breaks_off_leaves_nothing(store, folder):
    with pytest.raises(RuntimeError), store.stage(10) as file:
        file.write(b"half")
        raise RuntimeError
    assert files(folder) == []


def test_a_process_killed_while_it_writes_leaves_nothing_after_the_next_sweep(folder):
    script = f"""
import sys
from mrframe.store.blocks import BlockStore
with BlockStore({str(folder)!r}).stage(10) as file:
    file.write(b"half")
    file.flush()
    print("within", flush=True)
    sys.stdin.read()
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"within\n"
        assert len(files(folder)) == 1
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    store = BlockStore(str(folder))
    assert store.names() == []
    store.sweep()
    assert files(folder) == []


def test_file_then_name_are_on_the_disk_before_it_is_kept(store, disk_calls):
    keep(store)
    assert [what for what, _ in disk_calls] == ["fsync", "replace", "fsync"]
    assert "/staging/" in disk_calls[0][1]
    assert (disk_calls[1][1], disk_calls[2][1]) == (store.file(NAME), os.path.dirname(store.file(NAME)))


def test_a_disk_without_room_is_an_error_before_anything_is_written(store, folder, monkeypatch):
    monkeypatch.setattr(
        os, "statvfs", lambda _: SimpleNamespace(f_bavail=blocks.RESERVE_BYTES // 4096, f_frsize=4096)
    )
    with pytest.raises(StoreFull, match=r"no room for 7 bytes: 67,108,864 bytes are free"):
        keep(store)
    assert files(folder) == []


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, StoreFull), (errno.EIO, OutputError)])
def test_a_disk_that_refuses_meanwhile_is_named_and_nothing_is_kept(store, folder, monkeypatch, number, error):
    def refuse(_fd):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(error, match=os.strerror(number)):
        keep(store)
    assert files(folder) == []


# ---- what a block executor makes of orders ------------------------------------------------------------


def test_a_block_is_stored_once_judged_and_put_right(store, folder, tmp_path):
    from hashlib import sha256

    log = tmp_path / "access.log"
    log.write_bytes(b"skipped\n" + b"a line\n" * 1000 + b"more\n")
    name = sha256(b"a line\n" * 1000).hexdigest()
    order = StoreOrder(name, 7000, str(folder), str(log), 8, is_block=False)
    assert (done := do_block(0, order)).kind == ""
    assert done.new
    assert not do_block(0, order).new
    path = Path(store.file(name))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert do_block(0, JudgeOrder(name, str(folder))).kind == "damaged"
    copy = tmp_path / "other"
    BlockStore(str(copy))
    from_damaged = StoreOrder(name, 7000, str(copy), str(path), 0, is_block=True)
    assert do_block(0, from_damaged).kind == "gone"
    assert files(copy) == []
    assert do_block(0, order).new
    assert path.read_bytes() == whole
    assert do_block(0, JudgeOrder(name, str(folder))).kind == ""
    assert do_block(0, from_damaged).new
    assert files(copy) == [name]


def test_a_file_that_is_not_what_was_offered_is_refused_and_nothing_is_kept(folder, tmp_path):
    log = tmp_path / "access.log"
    log.write_bytes(b"a line\n")
    for order in (
        StoreOrder(NAME, 7, str(folder), str(log), 0, is_block=False),
        StoreOrder(NAME, 8, str(folder), str(log), 0, is_block=False),
        StoreOrder(NAME, 7, str(folder), str(tmp_path / "none"), 0, is_block=False),
    ):
        done = do_block(0, order)
        assert done.kind == "changed"
        assert str(tmp_path) in done.reason
    assert files(folder) == []


# ---- whose it is ------------------------------------------------------------------------------------


def test_all_of_it_is_this_users_alone(store, folder):
    keep(store)
    assert {oct(path.stat().st_mode & 0o777) for path in (folder, *folder.rglob("*")) if path.is_dir()} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in folder.rglob("*") if path.is_file()} == {"0o600"}


@pytest.mark.parametrize("part", [".", "blocks", "staging"])
def test_a_folder_that_lets_others_in_is_refused(store, folder, part):
    (folder / part).chmod(0o755)
    with pytest.raises(NotPrivate):
        BlockStore(store.path)
