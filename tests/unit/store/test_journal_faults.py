"""The k-th call that changes the disk fails, in SQLite's own C or at the mark: what was kept is there, and whole.

Each journal is written by a process of its own, which says over a pipe which turns were kept. Of the one that failed
nobody knows; of those after it there are none.
"""

from __future__ import annotations

import errno
import itertools
import os
import sys
import tempfile
from pathlib import Path

import pytest

from mrframe.errors import CorruptData, OutputError
from mrframe.store.journal import JournalFile, Row

sys.path.append(str(Path(__file__).parents[2] / "acceptance" / "seam"))
import sqlite_seam

pytestmark = pytest.mark.skipif(
    sqlite_seam.system() is None, reason="SQLite is part of this Python and not reachable"
)
TURNS = 6
REFUSED = b"r"
AGAIN = b"a"


def turn(number):
    return [Row(f"job-{number % 2 + 1}", f"{number}.{i} ".encode() * 400) for i in range(1 + number % 3)]


@pytest.fixture
def place():
    """A folder whose syncs take no time: what fails here is not left to the disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        yield folder


def write(folder, kth, number, how, said, turns):
    """Be the process: write the turns; the k-th call fails, with `on` all after it, too."""
    calls = 0

    def fails(path):
        nonlocal calls
        if not str(path).startswith(folder):
            return 0
        calls += 1
        return number if calls == kth or (how == "on" and calls > kth > 0) else 0

    sqlite_seam.Guard(fails, lambda _path: os.write(said, AGAIN))
    real = os.pwrite

    def pwrite(fd, data, at):
        if fails(os.readlink(f"/proc/self/fd/{fd}")):
            raise OSError(number, os.strerror(number))
        return real(fd, data, at)

    os.pwrite = pwrite
    try:
        journal = JournalFile(folder)
        journal.begin_epoch()
        for one in turns:
            released = {"job-1": b"released"} if one == TURNS - 2 else {}
            journal.append(turn(one), {f"job-{one}": b"package" * 600}, released)
            os.write(said, str(one).encode())
        if TURNS - 1 in turns:  # else it is killed
            journal.close()
    except OutputError as error:
        os.write(said, REFUSED)
        assert "bytes free" in str(error), error
        assert folder in str(error), error
    os.write(said, b"=" + b"c" * calls)


def written(folder, kth, number, how, turns=range(TURNS)):
    """What such a process has said; it has ended well."""
    readable, said = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            write(folder, kth, number, how, said, turns)
            os._exit(0)
        except BaseException as error:  # the boundary of the process
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
    os.close(said)
    with open(readable, "rb") as pipe:
        words = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0, (kth, number, how)
    return words


def calls_in(words):
    """How many calls might have failed."""
    return len(words.rpartition(b"=")[2])


def there(folder):
    """The rows of the journal, as the next process finds them."""
    journal = JournalFile(folder)
    rows = journal.rows
    journal.append([Row("job-9", b"goes on")])
    journal.close()
    return rows


def after(turns):
    """The rows after so many turns: the next to last one releases job-1."""
    rows = []
    for number in range(turns):
        rows += turn(number)
        if number == TURNS - 2:
            first = next(at for at, row in enumerate(rows) if row.job == "job-1")
            rows = [row for at, row in enumerate(rows) if row.job != "job-1" or at == first]
            rows[first] = Row("job-1", b"released")
    return rows


FAST = ((errno.EIO, "once", 3), (errno.ENOSPC, "on", 0))
ALL = itertools.product((errno.ENOSPC, errno.EIO), ("once", "on"), (0, 3))


@pytest.mark.parametrize(
    ("number", "how", "begun"), [one if one in FAST else pytest.param(*one, marks=pytest.mark.slow) for one in ALL]
)
def test_each_call_fails_and_no_turn_that_was_kept_is_lost(place, number, how, begun):
    """Of a new journal, and of one whose process was killed with turns in the WAL."""
    kth, calls, refused = 0, 1, 0
    while kth <= calls:
        folder = f"{place}/journal-{kth}"
        if begun:
            written(folder, 0, number, how, range(begun))
        words = written(folder, kth, number, how, range(begun, TURNS))
        if kth == 0:
            calls = calls_in(words)
        kept = begun + sum(words.count(str(one).encode()) for one in range(begun, TURNS))
        # while SQLite makes the file, and nothing is in it, it does sync it again
        assert AGAIN not in words or not kept, f"call {kth}: synced again after a sync had failed"
        rows = there(folder)
        assert rows in (after(kept), after(min(kept + 1, TURNS))), (kth, words)
        assert there(folder)[:-1] == rows
        assert REFUSED in words or kept == TURNS
        refused += REFUSED in words
        kth += 1
    assert refused > calls // 2 > 15


def test_data_that_the_disk_may_have_lost_is_written_again_before_use(place):
    """The turns of the WAL may be in memory alone; the next process has them in the database before it is open."""
    folder = f"{place}/journal"
    written(folder, 0, errno.EIO, "once", range(3))
    wal = f"{folder}/journal.db-wal"
    assert os.path.getsize(wal) > 0
    journal = JournalFile(folder)
    assert os.path.getsize(wal) == 0
    assert journal.rows == after(3)
    journal.close()


def test_an_unfinished_new_journal_is_begun_again(place):
    """A process was killed while SQLite made it, with the rollback journal of its first page beside it."""
    folder = f"{place}/journal"
    os.mkdir(folder, 0o700)
    for name in ("journal.db", "journal.mark", "journal.db-journal"):
        with open(os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
            file.write(b"" if name == "journal.mark" else b"half a page")
    assert there(folder) == []
    os.truncate(f"{folder}/journal.mark", 0)
    with open(f"{folder}/journal.db-journal", "xb"):
        pass
    with pytest.raises(CorruptData, match="a rollback journal beside it was not made by mrframe"):
        JournalFile(folder)


def test_a_turn_is_synced_before_append_returns(place):
    """Seen in SQLite's own calls: after the last write of a turn comes a sync of the same file."""
    readable, said = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            journal = JournalFile(place)
            journal.close()
            done = []
            sqlite_seam.Guard(lambda _path: 0, lambda _path: None, lambda *what: done.append(what))
            journal = JournalFile(place)
            for number in range(TURNS):
                done.clear()
                journal.append(turn(number), {f"job-{number}": b"package"})
                last = {path: what for what, path in done if path.startswith(place) and not path.endswith("-shm")}
                os.write(said, b"s" if last and set(last.values()) == {"sync"} else b"-")
            os._exit(0)
        except BaseException as error:  # the boundary of the process
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
    os.close(said)
    with open(readable, "rb") as pipe:
        assert pipe.read() == b"s" * TURNS
    assert os.waitpid(pid, 0)[1] == 0
