"""The journal's file: rows of opaque bytes in SQLite, appended turn by turn and checked when opened.

Not here: facts, and anything about jobs but their names. `cluster/master/fact_journal.py` gives the bytes their
meaning.

Rules.
- All rows of one turn are one transaction, on the disk when `append` returns (WAL, synchronous=FULL). A turn that
  failed is never tried again: after a failed fsync nobody knows what is on the disk, so the master ends.
- A file whose sync has failed is not synced again: a second fsync succeeds though the first has lost data. A process
  that opens a journal may also read from memory what is not on the disk. So everything in the WAL is written into the
  database and synced there before anything depends on it.
- One process has the journal at a time (SQLite's exclusive lock). A second one is refused.
- No appended row may be lost or changed unnoticed. SQLite itself drops the end of a damaged WAL silently and has no
  checksums on its pages. So each row carries a hash. The row `total` counts the turns and adds up the hashes in the
  same transaction. The file `journal.mark`, written after each transaction, says how far the journal had come at
  least. A journal behind its mark has lost turns that something relied on. One that is ahead of it belongs to a
  master that was killed between the two writes.
- A released job is compacted in the same transaction: one row that stands for all replaces its first row, and the
  others and its package are deleted. Rows of other jobs keep their places.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple, NoReturn

from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import ClusterUnreachable, CorruptData, OutputError
from mrframe.store.disk import fault_text, sync_directory
from mrframe.store.private import check_private, open_private, private_directory

FILE = "journal.db"
MARK = "journal.mark"
SCHEMA_VERSION = 1
PAGE_BYTES = 4096  # SQLite's own
APPLICATION_ID = 0x6D72666A  # "mrfj"

_MARK = struct.Struct(">QQQ8s")  # turn, rows, digest, hash of these
_MODULUS = 1 << 64
_SCHEMA = (
    "CREATE TABLE row (place INTEGER PRIMARY KEY, job TEXT NOT NULL, body BLOB NOT NULL, hash BLOB NOT NULL)",
    "CREATE INDEX row_of_job ON row (job, place)",
    "CREATE TABLE package (job TEXT PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL)",
    "CREATE TABLE total (turn INTEGER, epoch INTEGER, rows INTEGER, digest BLOB NOT NULL, hash BLOB NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


class Row(NamedTuple):
    """One fact as bytes, and the job that it is about."""

    job: str
    body: bytes


@dataclass(slots=True)
class _Total:
    """Sums over all rows and packages: turns so far, starts of masters, rows, and the sum of all hashes."""

    turn: int = 0
    epoch: int = 0
    rows: int = 0
    digest: int = 0

    def add(self, hashed: bytes) -> None:
        self.rows += 1
        self.digest = (self.digest + int.from_bytes(hashed)) % _MODULUS

    def remove(self, hashed: bytes) -> None:
        self.rows -= 1
        self.digest = (self.digest - int.from_bytes(hashed)) % _MODULUS

    def values(self) -> tuple[int, int, int, bytes, bytes]:
        digest = self.digest.to_bytes(8)
        return self.turn, self.epoch, self.rows, digest, _hash("total", self.turn, self.epoch, self.rows, digest)

    def mark(self) -> bytes:
        hashed = _hash("mark", self.turn, self.rows, self.digest)
        return _MARK.pack(self.turn, self.rows, self.digest, hashed)


class JournalFile:
    """The journal in `directory`, which is private. Open until `close`. Not thread-safe.

    `rows` are all rows in order and `packages` all packages by job, as they were when the journal was opened. The
    caller takes them and may clear both. Raises NotPrivate when the directory or its files are not private to this
    user, CorruptData when anything in it was lost or changed, ClusterUnreachable when another process has it open
    (and still has it after `wait_s`), OutputError when the disk refuses.
    """

    def __init__(self, directory: str, *, wait_s: float = 0.0) -> None:
        self.path = os.path.join(private_directory(directory), FILE)
        self.rows: list[Row] = []
        self.packages: dict[str, bytes] = {}
        self._total = _Total()
        self._mark_fd = -1
        self._database = nothing = sqlite3.Connection(":memory:")  # stands for one that cannot be opened
        try:
            mark = self._prepare(directory)
            self._database = sqlite3.connect(self.path, isolation_level=None, timeout=wait_s, check_same_thread=False)
            nothing.close()
            self._open(mark)
        except sqlite3.Error as error:
            self._fail(error)
        except OSError as error:
            self._refused(error)
        except BaseException:
            self.close()
            raise

    # ---- opening ------------------------------------------------------------------------------------

    def _prepare(self, directory: str) -> tuple[int, int, int]:
        """Check or make the files, all private. Returns the mark (see `_read_mark`)."""
        mark_path = os.path.join(directory, MARK)
        there = check_private(mark_path)
        if not there and os.path.lexists(self.path):
            self._damaged(f"its mark {MARK} is gone")
        for suffix in ("", "-wal"):
            check_private(self.path + suffix)
        try:
            self._mark_fd = open_private(mark_path)
            self._clear_unborn()
            if os.path.lexists(f"{self.path}-journal"):  # mrframe never makes one, and SQLite would play it back
                self._damaged("a rollback journal beside it was not made by mrframe")
            os.close(open_private(self.path))
            sync_directory(directory)
        except OSError as error:
            raise OutputError(f"the journal {self.path} cannot be opened: {fault_text(error, directory)}") from None
        return self._read_mark()

    def _clear_unborn(self) -> None:
        """Delete the files of a process that ended while it made the journal, before anything was kept in it.

        SQLite makes a rollback journal for the first page only. Data that was kept has a mark, or is in a WAL.
        """
        made, rollback, wal = (_size(self.path + suffix) for suffix in ("", "-journal", "-wal"))
        if not os.fstat(self._mark_fd).st_size and rollback >= 0 and made <= PAGE_BYTES and wal <= 0:
            os.unlink(f"{self.path}-journal")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)

    def _read_mark(self) -> tuple[int, int, int]:
        """Return (turn, rows, digest) of the mark, or zeros when the journal is new."""
        data = os.pread(self._mark_fd, _MARK.size + 1, 0)
        if not data:
            return 0, 0, 0
        turn, rows, digest, hashed = _MARK.unpack(data) if len(data) == _MARK.size else (0, 0, 0, b"")
        if hashed != _hash("mark", turn, rows, digest):
            self._damaged(f"its mark {MARK} does not match its checksum")
        return turn, rows, digest

    def _open(self, mark: tuple[int, int, int]) -> None:
        run = self._database.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        if run("PRAGMA journal_mode = WAL").fetchall() != [("wal",)]:  # fetchall: an error is raised by the last step
            raise OutputError(f"the journal {self.path} cannot be kept there: SQLite has no WAL on that file system")
        run("PRAGMA synchronous = FULL")
        run("BEGIN IMMEDIATE")
        if not run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            if mark[0]:
                self._damaged(f"it is empty, and held {mark[0]:,} turns")
            self._create()
        run("COMMIT")
        self._check_version()
        self._load()
        self._check_mark(mark)
        if run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0]:
            raise ClusterUnreachable(f"another process reads the journal {self.path}; end that first")
        self._write_mark()

    def _create(self) -> None:
        for statement in _SCHEMA:
            self._database.execute(statement)
        self._database.execute("INSERT INTO total VALUES (?, ?, ?, ?, ?)", self._total.values())

    def _check_version(self) -> None:
        run = self._database.execute
        if run("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            self._damaged("it is not a journal of mrframe")
        version = run("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise CorruptData(
                f"the journal {self.path} is of version {version}, and this mrframe reads version {SCHEMA_VERSION}; "
                "start the cluster with the mrframe that wrote it"
            )
        found = run("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            self._damaged(found)

    def _load(self) -> None:
        """Read everything and compare it with the sums that were kept while it was written."""
        run = self._database.execute
        totals = run("SELECT turn, epoch, rows, digest, hash FROM total").fetchall()
        if len(totals) != 1:
            self._damaged(f"it has {len(totals)} totals")
        found = _Total(turn=totals[0][0], epoch=totals[0][1])
        for position, job, body, hashed in run("SELECT place, job, body, hash FROM row ORDER BY place"):
            if hashed != _hash("row", position, job, body):
                self._damaged(f"row {position} does not match its checksum")
            found.add(hashed)
            self.rows.append(Row(job, body))
        for job, body, hashed in run("SELECT job, body, hash FROM package"):
            if hashed != _hash("package", job, body):
                self._damaged(f"the package of {job} does not match its checksum")
            found.add(hashed)
            self.packages[job] = body
        if totals[0] != found.values():
            self._damaged("its rows do not add up to its total")
        self._total = found

    def _check_mark(self, mark: tuple[int, int, int]) -> None:
        turn, rows, digest = mark
        total = self._total
        if turn > total.turn:
            self._damaged(f"its last {turn - total.turn:,} of {turn:,} turns are gone")
        if turn == total.turn and (rows, digest) != (total.rows, total.digest):
            self._damaged("its mark belongs to another journal")

    # ---- writing ------------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Return the number of masters that have started with this journal."""
        return self._total.epoch

    def pass_epoch(self, seen: int) -> None:
        """Let the next start count from `seen` if that is more than is known here: this may be an older copy."""
        if seen > self._total.epoch:
            self._total.epoch = seen
            self.append(())

    def begin_epoch(self) -> int:
        """Count one more start of a master. The new count is on the disk before it is returned."""
        self._total.epoch += 1
        self.append(())
        return self._total.epoch

    def append(
        self,
        rows: Sequence[Row],
        packages: Mapping[str, bytes] | None = None,
        released: Mapping[str, bytes] | None = None,
    ) -> None:
        """Append one turn: its rows, packages by job, and jobs to compact with the row that remains. All or nothing.

        Raises OutputError when the disk refuses. Then nobody knows whether the turn was kept until the journal is
        opened again, and this object must not be used any more.
        """
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for row in rows:
                self._insert(row)
            for job, package in (packages or {}).items():
                self._insert_package(job, package)
            for job, body in (released or {}).items():
                self._compact(job, body)
            self._total.turn += 1
            self._database.execute(
                "UPDATE total SET turn = ?, epoch = ?, rows = ?, digest = ?, hash = ?", self._total.values()
            )
            self._database.execute("COMMIT")
            self._write_mark()
        except sqlite3.Error as error:
            self._fail(error)
        except OSError as error:
            self._refused(error)

    def _insert(self, row: Row) -> None:
        (last,) = self._database.execute("SELECT coalesce(max(place), 0) FROM row").fetchone()
        hashed = _hash("row", last + 1, row.job, row.body)
        self._database.execute("INSERT INTO row VALUES (?, ?, ?, ?)", (last + 1, row.job, row.body, hashed))
        self._total.add(hashed)

    def _insert_package(self, job: str, package: bytes) -> None:
        hashed = _hash("package", job, package)
        self._database.execute("INSERT INTO package VALUES (?, ?, ?)", (job, package, hashed))
        self._total.add(hashed)

    def _compact(self, job: str, body: bytes) -> None:
        run = self._database.execute
        kept = run("SELECT place, hash FROM row WHERE job = ? ORDER BY place", (job,)).fetchall()
        for (hashed,) in run("SELECT hash FROM package WHERE job = ?", (job,)).fetchall():
            self._total.remove(hashed)
        for _, hashed in kept:
            self._total.remove(hashed)
        run("DELETE FROM package WHERE job = ?", (job,))
        run("DELETE FROM row WHERE job = ?", (job,))
        if kept:
            position = kept[0][0]
            hashed = _hash("row", position, job, body)
            run("INSERT INTO row VALUES (?, ?, ?, ?)", (position, job, body, hashed))
            self._total.add(hashed)

    def _write_mark(self) -> None:
        os.pwrite(self._mark_fd, self._total.mark(), 0)

    # ---- the end ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Release the journal. May be called again."""
        self._database.close()
        if self._mark_fd >= 0:
            os.close(self._mark_fd)
            self._mark_fd = -1

    def _damaged(self, fault: str) -> NoReturn:
        raise CorruptData(
            f"the journal {self.path} is damaged: {fault}. Its content is not used; restore a copy of "
            f"{os.path.dirname(self.path)}, or move that directory away to begin without its submissions; datasets "
            "stay on the nodes, and `mrframe fs recover` brings them back"
        )

    def _fail(self, error: sqlite3.Error) -> NoReturn:
        """Close the journal and raise the error that stands for one of SQLite."""
        self.close()
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        directory = os.path.dirname(self.path)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise ClusterUnreachable(
                f"another process has the journal {self.path} open: a master that uses it is running; stop that first"
            ) from None
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            room = os.statvfs(directory)
            free = room.f_bavail * room.f_frsize
            raise OutputError(
                f"the journal {self.path} cannot be written: {error} ({free:,} bytes free at {directory}); free some "
                "space, or check the disk"
            ) from None
        self._damaged(str(error))

    def _refused(self, error: OSError) -> NoReturn:
        """Close the journal and raise the error for a fault of the mark."""
        self.close()
        raise OutputError(f"the journal {self.path} cannot be written: {fault_text(error, self.path)}") from None


def _size(path: str) -> int:
    """Return the size of a file in bytes, or -1 when it does not exist."""
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return -1


def _hash(kind: str, *parts: object) -> bytes:
    """Return eight bytes that cover a row, a package, a total or a mark."""
    hashed = blake2b(kind.encode(), digest_size=8)
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        hashed.update(struct.pack(">Q", len(data)))
        hashed.update(data)
    return hashed.digest()
