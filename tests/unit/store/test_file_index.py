"""Files that were read before: known by what the file system says of them, and only when that can be trusted."""

from __future__ import annotations

import os
import time

import pytest

from mrframe.store.file_index import SETTLED_S, FileIndex, FileRecord, FileStat

PIECES = ((0, 100, "ab" * 32), (100, 50, "cd" * 32))


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "a\udcff.log"
    path.write_bytes(b"x" * 150)
    files = FileIndex(str(tmp_path / "seen"))
    assert files.find(str(path)) is None
    state = FileStat.of(str(path))
    files.record(str(path), FileRecord(state, 64, PIECES))
    assert files.find(str(path)) == FileRecord(state, 64, PIECES)
    assert files.find(str(tmp_path / "b.log")) is None


def test_every_change_of_a_file_changes_its_status(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"x")
    os.utime(path, ns=(0, 0))
    states = {FileStat.of(str(path))}
    os.utime(path, ns=(0, 5))
    states.add(FileStat.of(str(path)))
    path.write_bytes(b"xy")
    states.add(FileStat.of(str(path)))
    path.rename(tmp_path / "b.log")
    assert FileStat.of(str(path)) is None
    path.write_bytes(b"xy")
    states.add(FileStat.of(str(path)))
    assert len(states) == 4


def test_fresh_changes_are_not_settled(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"x")
    os.utime(path, ns=(0, 0))
    state = FileStat.of(str(path))
    assert not state.settled(time.time()), "its mtime is old, its ctime is not"
    assert state.settled(state.ctime_ns / 1e9 + SETTLED_S + 0.1)


def test_a_damaged_record_is_ignored(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"x")
    files = FileIndex(str(tmp_path / "seen"))
    files.record(str(path), FileRecord(FileStat.of(str(path)), 64, PIECES))
    (place,) = (tmp_path / "seen").iterdir()
    whole = place.read_bytes()
    for at in range(len(whole)):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert files.find(str(path)) is None


def test_records_are_bounded(tmp_path):
    files = FileIndex(str(tmp_path / "seen"))
    path = tmp_path / "a.log"
    path.write_bytes(b"x")
    state = FileStat.of(str(path))
    for number in range(5):
        files.record(f"/logs/{number}", FileRecord(state, 64, PIECES))
        os.utime(next(p for p in (tmp_path / "seen").iterdir() if p.stat().st_mtime > 1000), (number, number))
    files.trim(2)
    assert [files.find(f"/logs/{number}") is not None for number in range(5)] == [False] * 3 + [True] * 2
    files.clear()
    assert list((tmp_path / "seen").iterdir()) == []


def test_files_that_are_no_records_are_never_deleted(tmp_path):
    files = FileIndex(str(tmp_path / "seen"))
    files.record("/logs/a", FileRecord(FileStat(1, 2, 3, 4, 5), 64, PIECES))
    foreign = tmp_path / "seen" / "notes.txt"
    foreign.write_text("mine")
    (tmp_path / "seen" / ("0" * 32)).mkdir()
    (tmp_path / "seen" / f"{'1' * 32}.0123456789abcdef").write_bytes(b"left by a killed process")
    files.clear()
    assert sorted(entry.name for entry in (tmp_path / "seen").iterdir()) == ["0" * 32, "notes.txt"]
    assert files.find("/logs/a") is None


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        pytest.param("file/seen", "Not a directory", id="below a file"),
        pytest.param("open", "0755", id="open to others"),
    ],
)
def test_an_unusable_folder_is_reported_and_raises_nothing(tmp_path, folder, reason):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "open").mkdir(mode=0o755)
    told = FileIndex(str(tmp_path / folder)).record("/logs/a", FileRecord(FileStat(1, 2, 3, 4, 5), 64, PIECES))
    assert str(tmp_path / folder) in told
    assert reason in told


def test_a_usable_folder_has_nothing_to_report(tmp_path):
    index = FileIndex(str(tmp_path / "seen"))
    assert index.record("/logs/a", FileRecord(FileStat(1, 2, 3, 4, 5), 64, PIECES)) == ""
