"""Saved results on disk: a bounded folder of sealed map results, for runs that read the same bytes again.

    <folder>/lock                 shared by runs, exclusive while entries are evicted
    <folder>/jobs/<job>/about     the job's name, for people (JSON)
    <folder>/jobs/<job>/<key>     one entry: header, a report, the bytes of a run file

`job` and `key` are digests in hex that their makers answer for (`task/cache/map_results.py`): the same key means the
same result. The key of a part of a whole answer ends with its number (`-0`), so no entry of a map has it.

An entry appears complete or not at all. Its SHA-256 covers job, key and content, so a file that is damaged, of an
older form or in the place of another is ignored. An entry may disappear at any time: no answer depends on it, and a
fault of the disk counts as "no entry". Entries may hold pickled values, which executors open, so the folder must be
private to this user. Files with other names are not mrframe's and are never deleted. Not here: which results are the
same.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import NotPrivate
from mrframe.store.disk import RANDOM_NAME, fault_text, token, try_lock
from mrframe.store.private import private_directory

ABOUT = "about"
LOCK = "lock"
COPY_BYTES = 1 << 20
_HEAD = struct.Struct("<16s32sIQ")  # magic, SHA-256 (`_begun`), bytes of the report, bytes of the run file
_MAGIC = b"mrframe-saved 2\n"
_NEW = ".new-"
_JOB = re.compile("[0-9a-f]{40}")
_ENTRY = re.compile(rf"[0-9a-f]{{40}}(-[0-9]+)?|{re.escape(_NEW)}{RANDOM_NAME}")


@dataclass(frozen=True, slots=True)
class SavedJob:
    """One job's entries: its folder, its description, their number and bytes, and the last use (epoch)."""

    job: str
    about: dict[str, str]
    entries: int
    size_bytes: int
    used_s: float

    @property
    def name(self) -> str:
        """The job's name, for people."""
        return str(self.about.get("name", ""))


class ResultStore:
    """The saved results in the folder at `path`, made at the first `save`.

    Raises NotPrivate when it is not private.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = -1

    def use(self) -> None:
        """Keep all entries from being evicted, until `close` or the end of this process."""
        private_directory(self.path)
        if self._lock < 0:
            self._lock = self._open_lock()
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let other runs evict entries."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def knows(self, job: str) -> bool:
        """Return whether this job has saved something that may still be there."""
        return os.path.isdir(self._folder(job))

    def size_bytes(self, job: str, key: str) -> int | None:
        """Return the size of an entry in bytes, or None if it does not exist."""
        try:
            return os.stat(os.path.join(self._folder(job), key)).st_size
        except OSError:
            return None

    def load(self, job: str, key: str, run_path: str | None) -> bytes | None:
        """Return the report of an entry and copy its run file to `run_path`, or None if it does not exist.

        Without `run_path` the entry is only verified. Raises OSError when `run_path` cannot be written.
        """
        path = os.path.join(self._folder(job), key)
        try:
            file = open(path, "rb")  # noqa: SIM115  (closed below. A missing file is not a fault of the disk)
        except OSError:
            return None
        with file:
            report = _read(file, run_path, _begun(job, key))
            if report is not None:
                _use(file)
            return report

    def save(self, job: str, key: str, report: bytes, run_paths: list[str], about: dict[str, str]) -> str:
        """Save a report and run files, one after the other, as an entry.

        Returns the reason if the disk refuses, else "".
        """
        folder = self._folder(job)
        new = os.path.join(folder, f"{_NEW}{token()}")
        try:
            if not os.path.isdir(folder):
                private_directory(self.path)
                os.makedirs(folder, mode=0o700, exist_ok=True)
                _write_about(folder, about)
            with open(new, "xb", opener=_private) as file:
                _write(file, report, run_paths, _begun(job, key))
            os.replace(new, os.path.join(folder, key))
        except NotPrivate as error:
            return str(error)
        except OSError as error:
            _unlink(new)
            return f"{folder}: {fault_text(error, folder)}"
        return ""

    def drop(self, job: str, key: str) -> None:
        """Delete one entry."""
        _unlink(os.path.join(self._folder(job), key))

    def jobs(self) -> list[SavedJob]:
        """Return all jobs with entries, the last used first."""
        found = []
        for job in self._jobs():
            entries = list(self._entries(job))
            used_s = max((used for used, _, _ in entries), default=0.0)
            found.append(SavedJob(job, self._about(job), len(entries), sum(size for _, size, _ in entries), used_s))
        return sorted(found, key=lambda job: (-job.used_s, job.job))

    def evict(self, bytes_max: int) -> int:
        """Delete the entries unused for longest until at most `bytes_max` is left. Returns the bytes deleted.

        Does nothing while another run uses the folder: the last run does it.
        """
        self.close()
        try:
            lock = self._open_lock()
        except OSError:
            return 0
        try:
            return self._evict(bytes_max) if try_lock(lock) else 0
        finally:
            os.close(lock)

    def clear(self) -> int:
        """Delete everything that no run uses now. Returns the number of bytes deleted."""
        return self.evict(0)

    def _evict(self, bytes_max: int) -> int:
        names = self._jobs()
        entries = sorted(entry for job in names for entry in self._entries(job))
        left = before = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if left <= bytes_max:
                break
            _unlink(path)
            left -= size
        for job in names:
            if not any(self._entries(job)):
                self._forget(job)
        return before - left

    def _forget(self, job: str) -> None:
        """Delete the folder of a job without entries, unless it holds other files."""
        if set(_names(self._folder(job))) <= {ABOUT}:
            _unlink(os.path.join(self._folder(job), ABOUT))
            try:
                os.rmdir(self._folder(job))
            except OSError:
                return  # another process saves something there

    def _jobs(self) -> list[str]:
        return [name for name in _names(os.path.join(self.path, "jobs")) if _JOB.fullmatch(name)]

    def _open_lock(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(os.path.join(self.path, LOCK), flags, 0o600)

    def _folder(self, job: str) -> str:
        return os.path.join(self.path, "jobs", job)

    def _about(self, job: str) -> dict[str, str]:
        try:
            with open(os.path.join(self._folder(job), ABOUT), encoding="utf-8") as file:
                about = json.load(file)
        except (OSError, ValueError):
            return {}
        return about if isinstance(about, dict) else {}

    def _entries(self, job: str) -> Iterator[tuple[float, int, str]]:
        """Yield (last use, bytes, path) of each entry, and of unfinished ones that a killed process has left."""
        try:
            with os.scandir(self._folder(job)) as found:
                for entry in found:
                    if _ENTRY.fullmatch(entry.name):
                        state = entry.stat(follow_symlinks=False)
                        if not stat.S_ISREG(state.st_mode):
                            continue
                        yield state.st_mtime, state.st_size, entry.path
        except OSError:
            return  # another process deletes it


def _begun(job: str, key: str) -> Any:
    """Return the hash of an entry, begun with its name, so that no entry passes for another."""
    from hashlib import sha256  # loads OpenSSL, which a run without saved results does not need

    return sha256(f"{job}/{key}\n".encode())


def _read(file: BinaryIO, run_path: str | None, digest: Any) -> bytes | None:
    """Return the report, or None unless the file is a valid entry of this name.

    Raises OSError when `run_path` cannot be written.
    """
    head = _bytes_of(file, _HEAD.size)
    if len(head) < _HEAD.size:
        return None
    magic, stated, report_bytes, run_bytes = _HEAD.unpack(head)
    size = os.fstat(file.fileno()).st_size
    if magic != _MAGIC or size != _HEAD.size + report_bytes + run_bytes:
        return None
    report = _bytes_of(file, report_bytes)
    digest.update(head[_HEAD.size - 12 :])
    digest.update(report)
    if run_path is None:
        for data in iter(lambda: _bytes_of(file, COPY_BYTES), b""):
            digest.update(data)
    else:
        with open(run_path, "xb") as target:
            for data in iter(lambda: _bytes_of(file, COPY_BYTES), b""):
                digest.update(data)
                target.write(data)
    if digest.digest() == stated:
        return report
    if run_path is not None:
        os.unlink(run_path)
    return None


def _bytes_of(file: BinaryIO, length: int) -> bytes:
    """Return the next bytes, or fewer when the disk does not give them, which the digest then shows."""
    try:
        return file.read(length)
    except OSError:
        return b""


def _use(file: BinaryIO) -> None:
    """Note that an entry was used just now."""
    try:
        os.utime(file.fileno())
    except OSError:
        return  # the file system is read-only


def _write(file: BinaryIO, report: bytes, run_paths: list[str], digest: Any) -> None:
    file.write(bytes(_HEAD.size))
    file.write(report)
    run_bytes = sum(os.path.getsize(path) for path in run_paths)
    digest.update(struct.pack("<IQ", len(report), run_bytes))
    digest.update(report)
    for path in run_paths:
        with open(path, "rb") as run:
            for data in iter(lambda: run.read(COPY_BYTES), b""):
                digest.update(data)
                file.write(data)
    file.seek(0)
    file.write(_HEAD.pack(_MAGIC, digest.digest(), len(report), run_bytes))


def _write_about(folder: str, about: dict[str, str]) -> None:
    new = os.path.join(folder, f"{_NEW}{token()}")
    with open(new, "x", encoding="utf-8", opener=_private) as file:
        json.dump(about, file)
    os.replace(new, os.path.join(folder, ABOUT))


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # it is gone, or another process may delete it


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
