"""The journal's file: what is appended is there again, or it is said that it is not."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3

import pytest

from mrframe.errors import ClusterUnreachable, CorruptData, NotPrivate, OutputError
from mrframe.store.journal import FILE, MARK, JournalFile, Row


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "journal")


def turn(number):
    job = f"job-{number % 3 + 1}"
    return [Row(job, f"{number}.{i} ".encode() * 40) for i in range(1 + number % 3)]


def write(folder, turns, *, close=True):
    journal = JournalFile(folder)
    journal.begin_epoch()
    for number in range(turns):
        journal.append(turn(number), {f"job-{number + 1}": b"package" * 50} if number < 3 else {})
    if close:
        journal.close()
    return journal


def read(folder):
    journal = JournalFile(folder)
    journal.close()
    return journal.rows, journal.packages


def wanted(turns):
    return [row for number in range(turns) for row in turn(number)]


def test_appended_rows_are_read_again(folder):
    write(folder, 9)
    rows, packages = read(folder)
    assert rows == wanted(9)
    assert packages == {f"job-{n}": b"package" * 50 for n in (1, 2, 3)}


def test_epochs_count_the_starts(folder):
    for number in (1, 2, 3):
        journal = JournalFile(folder)
        assert journal.begin_epoch() == journal.epoch == number
        journal.close()


def test_a_killed_process_leaves_a_valid_journal(folder, tmp_path):
    """The files are copied while the journal is open: the last turns are in the WAL alone."""
    journal = write(folder, 5, close=False)
    assert os.path.getsize(os.path.join(folder, FILE + "-wal")) > 0
    shutil.copytree(folder, tmp_path / "copy")
    journal.close()
    assert read(str(tmp_path / "copy"))[0] == wanted(5)


def test_a_turn_that_was_not_committed_leaves_nothing(folder, tmp_path):
    journal = write(folder, 5, close=False)
    journal._database.execute("BEGIN IMMEDIATE")
    journal._insert(Row("job-1", b"never"))
    shutil.copytree(folder, tmp_path / "copy")
    journal.close()
    assert read(str(tmp_path / "copy"))[0] == wanted(5)


def test_a_master_killed_between_a_turn_and_its_mark_loses_nothing(folder, tmp_path, monkeypatch):
    journal = write(folder, 5, close=False)
    monkeypatch.setattr(journal, "_write_mark", lambda: None)
    journal.append(turn(5))
    shutil.copytree(folder, tmp_path / "copy")
    journal.close()
    assert read(str(tmp_path / "copy"))[0] == wanted(6)


def test_no_master_gets_the_epoch_of_one_that_a_lost_journal_has_counted(folder):
    journal = write(folder, 1, close=False)
    for seen, wanted_epoch in ((journal.epoch + 6, journal.epoch + 7), (2, journal.epoch + 8)):
        journal.pass_epoch(seen)
        assert journal.begin_epoch() == wanted_epoch
    journal.close()


def test_one_process_at_a_time(folder):
    journal = write(folder, 1, close=False)
    with pytest.raises(ClusterUnreachable, match=r"another process has the journal .* stop that first"):
        JournalFile(folder)
    journal.append(turn(1))
    journal.close()
    assert read(folder)[0] == wanted(2)


def test_a_released_job_shrinks_to_one_row_in_its_first_place(folder):
    write(folder, 6)
    journal = JournalFile(folder)
    journal.append([Row("job-2", b"released")], {}, {"job-2": b"released"})
    journal.close()
    rows, packages = read(folder)
    kept = [row for row in wanted(6) if row.job != "job-2"]
    at = wanted(6).index(turn(1)[0])
    assert rows == [*kept[:at], Row("job-2", b"released"), *kept[at:]]
    assert sorted(packages) == ["job-1", "job-3"]


def test_the_files_are_private(folder):
    journal = write(folder, 2, close=False)
    for name in (FILE, FILE + "-wal", MARK):
        assert os.stat(os.path.join(folder, name)).st_mode & 0o777 == 0o600, name
    assert os.stat(folder).st_mode & 0o777 == 0o700
    journal.close()


@pytest.mark.parametrize("name", ["", FILE, MARK])
def test_files_open_to_others_are_refused(folder, name):
    write(folder, 1)
    os.chmod(os.path.join(folder, name), 0o755 if not name else 0o644)
    with pytest.raises(NotPrivate, match=r"lets others in.* chmod"):
        JournalFile(folder)


@pytest.mark.parametrize("name", ["", FILE, MARK])
def test_a_link_is_refused(folder, name, tmp_path):
    write(folder, 1)
    path = os.path.join(folder, name).rstrip("/")
    os.rename(path, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", path)
    with pytest.raises(NotPrivate, match="no plain"):
        JournalFile(folder)


def test_files_of_another_user_are_refused(folder, monkeypatch):
    write(folder, 1)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(NotPrivate, match="belongs to user"):
        JournalFile(folder)


@pytest.mark.parametrize("name", [FILE, MARK])
def test_a_missing_file_is_noticed(folder, name):
    write(folder, 3)
    os.unlink(os.path.join(folder, name))
    with pytest.raises(CorruptData, match="damaged"):
        JournalFile(folder)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM row WHERE place = 3",
        "DELETE FROM package WHERE job = 'job-2'",
        "UPDATE row SET job = 'job-9' WHERE place = 4",
        "UPDATE row SET body = x'00' WHERE place = 4",
        "UPDATE row SET place = 99 WHERE place = 4",
        "UPDATE total SET epoch = 0",
        "DELETE FROM total",
        "PRAGMA application_id = 1",
    ],
)
def test_missing_and_changed_rows_are_noticed(folder, change):
    write(folder, 6)
    database = sqlite3.connect(os.path.join(folder, FILE))
    database.execute(change)
    database.commit()
    database.close()
    with pytest.raises(CorruptData, match="damaged"):
        JournalFile(folder)


def test_a_later_version_is_refused(folder):
    write(folder, 1)
    database = sqlite3.connect(os.path.join(folder, FILE))
    database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(CorruptData, match="of version 2, and this mrframe reads version 1"):
        JournalFile(folder)


def test_an_older_copy_of_the_database_is_noticed(folder, tmp_path):
    write(folder, 3)
    shutil.copy(os.path.join(folder, FILE), tmp_path / "old")
    journal = JournalFile(folder)
    journal.append(turn(3))
    journal.close()
    shutil.copy(tmp_path / "old", os.path.join(folder, FILE))
    with pytest.raises(CorruptData, match="its last 1 of 5 turns are gone"):
        JournalFile(folder)


def harmless_or_noticed(folder):
    """Whether damage was noticed; the rows are what they were when it was not."""
    try:
        rows, packages = read(folder)
    except CorruptData:
        return True
    assert rows == wanted(12)
    assert len(packages) == 3
    return False


@pytest.mark.parametrize("name", [FILE, FILE + "-wal", MARK])
def test_every_flipped_bit_is_noticed_or_changes_nothing(folder, tmp_path, name):
    """Where pages hold nothing a flip is harmless; of the WAL, where all is checked, and of the mark none is."""
    journal = write(folder, 12, close=False)
    shutil.copytree(folder, tmp_path / "killed")
    journal.close()
    source = tmp_path / "killed" if name != FILE else folder
    size = os.path.getsize(os.path.join(source, name))
    draw = random.Random(7)
    noticed = 0
    for trial in range(40):
        copy = str(tmp_path / "copy")
        shutil.copytree(source, copy)
        with open(os.path.join(copy, name), "r+b") as file:
            file.seek(draw.randrange(size))
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes((byte ^ 1 << draw.randrange(8),)))
        noticed += harmless_or_noticed(copy)
        shutil.rmtree(copy)
    assert noticed == 40 if name != FILE else noticed >= 10


TRUNCATIONS = {
    "nothing kept": lambda size: 0,
    "one byte kept": lambda size: 1,
    "header kept": lambda size: 32,
    "a third kept": lambda size: size // 3,
    "half kept": lambda size: size // 2,
    "a page lost": lambda size: size - 4096,
    "one byte lost": lambda size: size - 1,
}


@pytest.mark.parametrize("kept", TRUNCATIONS.values(), ids=TRUNCATIONS.keys())
def test_every_truncation_of_the_wal_is_noticed(folder, tmp_path, kept):
    journal = write(folder, 12, close=False)
    shutil.copytree(folder, tmp_path / "killed")
    journal.close()
    wal = tmp_path / "killed" / (FILE + "-wal")
    os.truncate(wal, kept(wal.stat().st_size))
    with pytest.raises(CorruptData, match="damaged"):
        JournalFile(str(tmp_path / "killed"))


class FullDisk:
    """A connection whose disk has no room at its commit."""

    def __init__(self, connection):
        self.connection = connection

    def execute(self, statement, *values):
        if statement == "COMMIT":
            self.connection.execute("PRAGMA max_page_count = 1")
            return self.connection.execute("CREATE TABLE big AS SELECT randomblob(1000000)")
        return self.connection.execute(statement, *values)

    def close(self):
        self.connection.close()


def test_a_full_disk_is_an_error_with_the_room_left_and_keeps_what_was_there(folder):
    journal = write(folder, 4, close=False)
    journal._database = FullDisk(journal._database)
    with pytest.raises(OutputError, match=r"cannot be written: .*full \([\d,]+ bytes free at"):
        journal.append(turn(4))
    assert read(folder)[0] == wanted(4)
