"""Blocks on disk: named by their content, whole or not at all, judged whenever they are read."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe.errors import CorruptData, NotPrivate, OutputError, StoreFull
from mrframe.store import blocks
from mrframe.store.blocks import PIECE_BYTES, BlockStore, name_of, read_block

LINES = b"127.0.0.1 - - GET /index.html 200 1234\n" * 40
NOISE = random.Random(1).randbytes(2_000)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def store(folder):
    with BlockStore(str(folder)) as store:
        yield store


def add(store, content: bytes, **more):
    return store.add([content], length=len(content), **more)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock")


CONTENT = st.one_of(
    st.lists(st.binary(max_size=200), max_size=5),
    st.lists(st.sampled_from([LINES, NOISE, b"", b"\0" * (PIECE_BYTES + 1)]), max_size=4),
)


@settings(max_examples=30)
@given(CONTENT)
def test_what_was_added_is_read_under_the_hash_of_its_content(tmp_path_factory, chunks):
    content = b"".join(chunks)
    with BlockStore(str(tmp_path_factory.mktemp("any") / "store")) as store:
        stored = store.add(chunks, length=len(content))
        assert (stored.name, stored.length, stored.is_new) == (name_of(content), len(content), True)
        assert stored.file_bytes == os.stat(store.file(stored.name)).st_size
        assert store.read(stored.name) == content
        assert store.names() == [stored.name]
        assert not store.add(chunks, length=len(content)).is_new
        assert all(len(piece) <= PIECE_BYTES for piece in read_block(store.file(stored.name), stored.name))


def test_names_are_the_same_for_ever():
    assert name_of(b"") == "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"


def test_logs_are_compressed_and_noise_is_not(store):
    assert add(store, LINES).file_bytes < len(LINES) / 5
    assert len(NOISE) < add(store, NOISE).file_bytes < len(NOISE) + 100


@pytest.mark.parametrize("content", [LINES[:160], NOISE[:24], b""], ids=["compressed", "plain", "empty"])
def test_every_flipped_bit_truncation_and_addition_is_found_and_named(store, content):
    name = add(store, content).name
    path = Path(store.file(name))
    whole = path.read_bytes()
    ruined = [whole[:cut] for cut in range(len(whole))] + [whole + b"\0"]
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        ruined.append(bytes(flipped))
    for data in ruined:
        path.write_bytes(data)
        assert name in (store.fault(name) or "")
    path.write_bytes(whole)
    assert store.read(name) == content


def test_a_whole_file_of_other_content_is_not_the_block(store):
    ours, other = add(store, LINES).name, add(store, NOISE).name
    os.replace(store.file(other), store.file(ours))
    with pytest.raises(CorruptData, match="not that of its name"):
        store.read(ours)


def test_a_file_that_would_grow_without_end_is_stopped_at_what_it_said(store):
    name = add(store, b"\0" * (8 * PIECE_BYTES)).name
    path = Path(store.file(name))
    head = bytearray(path.read_bytes())
    head[24:32] = (10).to_bytes(8, "little")
    path.write_bytes(head)
    taken = 0
    with pytest.raises(CorruptData, match="longer than its header says"):
        for piece in read_block(str(path), name):
            taken += len(piece)
    assert taken == 0


def test_scrub_names_exactly_what_is_damaged_and_add_puts_it_right(store):
    names = [add(store, LINES + bytes([number])).name for number in range(5)]
    path = Path(store.file(names[2]))
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    assert [fault.name for fault in store.scrub() if fault] == [names[2]]
    assert add(store, LINES + bytes([2])).is_new
    assert list(store.scrub()) == [None] * 5
    assert store.read(names[2]) == LINES + bytes([2])


def test_what_is_deleted_is_gone(store):
    name = add(store, LINES).name
    assert store.delete(name)
    assert not store.delete(name)
    assert (store.names(), list(store.scrub())) == ([], [])
    with pytest.raises(CorruptData, match="gone"):
        store.read(name)


@pytest.mark.parametrize("name", ["", "../lock", "a" * 63, "A" * 64, "a" * 64 + "\n", "a" * 64 + "/x"])
def test_what_is_no_name_of_a_block_is_never_a_path(store, name):
    for use in (store.file, store.read, store.delete, store.fault):
        with pytest.raises(ValueError, match="not the name of a block"):
            use(name)


# ---- whole or not at all ----------------------------------------------------------------------------


def test_content_that_breaks_off_or_is_not_what_was_announced_leaves_nothing(store, folder):
    def broken():
        yield LINES
        raise InterruptedError("the client has gone")

    with pytest.raises(InterruptedError, match="the client has gone"):  # which is no fault of the store
        store.add(broken(), length=len(LINES))
    for length, name in ((len(LINES) + 1, None), (len(LINES), name_of(NOISE))):
        with pytest.raises(CorruptData, match="put it again"):
            store.add([LINES], length=length, name=name)
    assert files(folder) == []


def test_a_process_killed_within_an_add_leaves_nothing_for_the_next(folder):
    script = f"""
import sys
from mrframe.store.blocks import BlockStore
def chunks():
    yield b"line\\n" * 1_000_000
    print("within", flush=True)
    sys.stdin.read()
BlockStore({str(folder)!r}).add(chunks(), length=10_000_000)
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"within\n"
        assert len(files(folder)) == 1
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    with BlockStore(str(folder)) as store:
        assert (store.names(), files(folder)) == ([], [])


def test_file_then_name_are_on_the_disk_before_an_add_returns(store, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def note_sync(fd):
        done.append(("fsync", os.path.basename(os.path.dirname(path := os.readlink(f"/proc/self/fd/{fd}"))), path))
        fsync(fd)

    def note_replace(old, new):
        done.append(("replace", old, new))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    add(store, LINES)
    assert [(what, where if what == "fsync" else "") for what, where, _ in done] == [
        ("fsync", "staging"),
        ("replace", ""),
        ("fsync", "store"),
    ]
    done.clear()
    add(store, LINES)  # who put it first may have been killed before its name was on the disk
    assert done[-1][2].endswith("/blocks")


def test_a_disk_without_room_is_an_error_before_anything_is_written(store, folder, monkeypatch):
    monkeypatch.setattr(
        os, "statvfs", lambda _: SimpleNamespace(f_bavail=blocks.RESERVE_BYTES // 4096, f_frsize=4096)
    )
    with pytest.raises(StoreFull, match=r"no room for 1,[\d]+ bytes: 67,108,864 bytes are free"):
        add(store, LINES)
    assert files(folder) == []


def test_a_disk_that_fills_up_meanwhile_is_the_same_error_and_nothing_is_kept(store, folder, monkeypatch):
    def full(_fd):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull, match="No space left on device"):
        add(store, LINES)
    assert files(folder) == []


# ---- whose it is ------------------------------------------------------------------------------------


def test_one_process_has_the_store_at_a_time(store, folder):
    with pytest.raises(OutputError, match="open in another process"):
        BlockStore(str(folder))


def test_all_of_it_is_this_users_alone(store, folder):
    add(store, LINES)
    assert {oct(path.stat().st_mode & 0o777) for path in (folder, *folder.rglob("*")) if path.is_dir()} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in folder.rglob("*") if path.is_file()} == {"0o600"}


@pytest.mark.parametrize("part", [".", "blocks", "staging"])
def test_a_folder_that_lets_others_in_is_refused(folder, part):
    BlockStore(str(folder)).close()
    (folder / part).chmod(0o755)
    with pytest.raises(NotPrivate):
        BlockStore(str(folder))


def test_a_block_that_is_a_link_or_open_to_others_is_refused(store, tmp_path):
    name = add(store, LINES).name
    path = Path(store.file(name))
    path.chmod(0o644)
    with pytest.raises(NotPrivate):
        store.read(name)
    path.chmod(0o600)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotPrivate):
        store.read(name)


def test_the_compressor_is_the_fast_one(store):
    """The bar of `put` is measured against it."""
    assert add(store, LINES).file_bytes - len(zlib.compress(LINES, 1)) == 40
