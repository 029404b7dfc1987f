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

from mrframe.errors import NotPrivate, OutputError, StoreFull
from mrframe.store import blocks
from mrframe.store.blocks import BlockStore

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


def test_a_published_block_exists_until_it_is_deleted(store, folder):
    keep(store, OTHER)
    keep(store)
    keep(store, data=b"again")
    assert store.names() == [NAME, OTHER]
    assert Path(store.file(NAME)).read_bytes() == b"again"
    assert store.delete(NAME)
    assert not store.delete(NAME)
    assert (store.names(), files(folder)) == ([OTHER], [OTHER])


NO_NAMES = {
    "nothing": "",
    "another path": "../lock",
    "too short": "a" * 63,
    "capitals": "A" * 64,
    "line end": "a" * 64 + "\n",
    "path below": "a" * 64 + "/x",
}


@pytest.mark.parametrize("name", NO_NAMES.values(), ids=NO_NAMES.keys())
@pytest.mark.parametrize("use", [BlockStore.file, BlockStore.delete, keep], ids=["file", "delete", "publish"])
def test_only_names_of_blocks_become_paths(store, folder, use, name):
    with pytest.raises(ValueError, match="not the name of a block"):
        use(store, name)
    assert files(folder) == []


# ---- whole or not at all ----------------------------------------------------------------------------


def test_an_interrupted_write_leaves_nothing(store, folder):
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


def test_file_and_then_name_are_synced_before_publish_returns(store, disk_calls):
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


# ---- privacy -----------------------------------------------------------------------------------------


def test_the_store_is_private(store, folder):
    keep(store)
    assert {oct(path.stat().st_mode & 0o777) for path in (folder, *folder.rglob("*")) if path.is_dir()} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in folder.rglob("*") if path.is_file()} == {"0o600"}


@pytest.mark.parametrize("part", [".", "blocks", "staging"])
def test_a_store_open_to_others_is_refused(store, folder, part):
    (folder / part).chmod(0o755)
    with pytest.raises(NotPrivate):
        BlockStore(store.path)
