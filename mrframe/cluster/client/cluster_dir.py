"""The directory of a standing cluster: its layout, its privacy, and whether a cluster runs there now.

    <dir>/journal/          the master's journal
    <dir>/nodes/node-1/     the sealed attempts of that node
    <dir>/blocks/node-1/    the blocks of datasets that this node keeps
    <dir>/submissions/job-7/record    written by the client before it submits
    <dir>/submissions/job-7/package   the job itself, for `mrframe replay`
    <dir>/submissions/job-7/pending   locked by the client until the cluster has accepted it: `@` is none of these
    <dir>/submissions/job-6/          empty: it was removed, and its id is not used again
    <dir>/log               the log of all processes, of all clusters that ever ran here. `log.1` is the part before
    <dir>/run/              while the cluster runs: `access` (addresses and keys), and `fault`: why the master cannot
                            go on, else blank. It is left, without `access`, by a cluster that ended by itself

All of it is private to this user (`store/private.py`) and refused otherwise. `run/` goes at `stop`. The lock of
the supervisor is on the directory itself, so that it lasts as long as that and no other can be put in its place.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import time
import zlib

from mrframe.cluster.client import cluster_processes
from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import ClusterUnreachable, CorruptData, OutputError, UsageError
from mrframe.store.disk import fault_text, is_at, sync_directory, try_lock, wait_for_lock, writing
from mrframe.store.private import (
    check_private,
    check_private_directory,
    open_private,
    private_directory,
    read_private,
    write_private,
)
from mrframe.store.scratch import remove_tree

LOG_BYTES_MAX = 8 << 20
"""Limit of the log and of `log.1`, in bytes. It is checked every second; output in between comes on top."""
FAULT_BYTES = 4096
PENDING = "pending"
CLAIM_S = 5.0
"""How long the lock of a directory without a supervisor may be held by commands that only test it."""
_JOB = re.compile(r"job-([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Access:
    """Everything that a client needs to talk to a cluster. Keys are in Z85; `members` are (name, public key)."""

    pid: int
    address: str
    nodes: int
    slots: int
    by_path: bool
    public_key: str
    secret_key: str
    members: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return f"Access(pid={self.pid}, address={self.address!r})"


def default_cluster_dir() -> str:
    """Return the directory of the default cluster, in the user's state directory."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(state, "mrframe", "cluster")


class ClusterDir:
    """The directory at `path`, which `make` makes. Raises NotPrivate if it exists and is not private to this user."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.journal = os.path.join(self.path, "journal")
        self.nodes = os.path.join(self.path, "nodes")
        self.blocks = os.path.join(self.path, "blocks")
        self.submissions = os.path.join(self.path, "submissions")
        self.run = os.path.join(self.path, "run")
        self.log = os.path.join(self.path, "log")
        self._access = os.path.join(self.run, "access")
        self._fault = os.path.join(self.run, "fault")
        self._lock = -1
        self._pending: dict[str, int] = {}  # job -> the locked descriptor of its mark
        for folder in (self.path, self.nodes, self.blocks, self.submissions):
            check_private_directory(folder)

    def make(self) -> None:
        """Make the directories that are missing."""
        for folder in (self.path, self.nodes, self.blocks, self.submissions):
            private_directory(folder)

    # ---- for the supervisor -------------------------------------------------------------------------

    def claim(self) -> None:
        """Become the one cluster here until this process ends.

        Raises ClusterUnreachable when another one runs here.
        """
        self.make()
        deadline_s = time.monotonic() + CLAIM_S
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        while not try_lock(self._lock):
            others = set(cluster_processes.supervisors(self.path)) - {os.getpid()}
            if others or time.monotonic() > deadline_s:
                raise self.runs_already()
        _remove(self.run)  # left by a cluster that ended by itself
        private_directory(self.run)
        with contextlib.suppress(OSError):  # a fault written here later takes no more room on a full disk
            write_private(self._fault, b" " * FAULT_BYTES)

    def runs_already(self) -> ClusterUnreachable:
        """Return the error for a directory in which a cluster runs."""
        return ClusterUnreachable(
            f"a cluster runs in {self.path} already; stop it, or name another directory with --dir"
        )

    def is_claimed(self) -> bool:
        """Return whether this process has the directory, and it was neither deleted nor moved since `claim`."""
        return self._lock >= 0 and is_at(self._lock, self.path)

    def announce(self, access: Access) -> None:
        """Write the access file, which lets clients in."""
        plain = dataclasses.asdict(access)
        with writing(self._access):
            write_private(self._access, json.dumps({**plain, "crc32": _checksum(plain)}).encode())

    def bound_log(self) -> None:
        """Truncate the log when it is too long and keep its tail as `log.1`. The processes append to it."""
        try:
            if os.path.getsize(self.log) <= LOG_BYTES_MAX:
                return
            with open(self.log, "rb") as file:
                file.seek(-LOG_BYTES_MAX, os.SEEK_END)
                end = file.read(LOG_BYTES_MAX)
        except OSError:
            return  # a person has removed it and its writers go on unread, or the disk fails
        with contextlib.suppress(OSError):  # the disk may be full: one more reason to truncate
            write_private(f"{self.log}.1", end)
        with contextlib.suppress(OSError):
            os.truncate(self.log, 0)

    def report_fault(self, reason: str) -> None:
        """Tell clients why the master cannot go on; "" means that it can."""
        text = reason.encode("utf-8", "surrogatepass")[:FAULT_BYTES].ljust(FAULT_BYTES)
        try:
            with open(open_private(self._fault), "r+b", buffering=0) as file:
                file.write(text)
        except OSError:
            pass  # the disk refuses even that: it is in the log at best

    def leave(self, *, clean_exit: bool = True) -> None:
        """Remove the files of a running cluster, unless its directory is gone: another may be there by now.

        A cluster that failed leaves `run/`, by which the next command knows that it was not stopped.
        """
        if self.is_claimed():
            _remove(self.run if clean_exit else self._access)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # ---- for clients --------------------------------------------------------------------------------

    def is_alive(self) -> bool:
        """Return whether a supervisor runs here."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return not try_lock(fd)
        finally:
            os.close(fd)

    def require(self) -> None:
        """Raise ClusterUnreachable when no cluster runs here."""
        if not self.is_alive():
            why = f" the last one ended by itself, and {self.log} may say why;" if os.path.isdir(self.run) else ""
            raise ClusterUnreachable(f"no cluster runs in {self.path};{why} start one with: mrframe cluster start")

    def fault(self) -> str:
        """Return why the master cannot go on, or "" when it can, as far as is known."""
        try:
            return read_private(self._fault).decode("utf-8", "replace").rstrip()
        except FileNotFoundError:
            return ""

    def access(self) -> Access:
        """Return how to reach the cluster that runs here. Raises ClusterUnreachable when none does."""
        self.require()
        check_private_directory(self.run)
        try:
            return _access_of(read_private(self._access))
        except FileNotFoundError:
            raise ClusterUnreachable(
                f"the cluster in {self.path} is starting or stopping, or {self._access} was deleted; try again, "
                "or stop it and start it again"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CorruptData(f"{self._access} is damaged; stop the cluster and start it again") from None

    def add_submission(self, record: bytes, package: bytes, *, above: int = 0) -> str:
        """Reserve a new job id and write its record and package. An id is used only once, ever.

        It is above `above`, and above all ids in this directory: records, or output of nodes, may have been deleted.

        The submission is pending until `confirm`. Raises OutputError when the disk refuses, and leaves nothing then.
        """
        private_directory(self.submissions)
        folders = [self.submissions, *(os.path.join(self.nodes, node) for node in _names(self.nodes))]
        number = max([above, *(number for folder in folders for number in self._numbers(folder))]) + 1
        while not self._reserve(f"job-{number}"):
            number += 1
        job = f"job-{number}"
        path = os.path.join(self.submissions, job)
        try:
            with writing(path):
                write_private(os.path.join(path, "record"), record)
                write_private(os.path.join(path, "package"), package)
                sync_directory(self.submissions)
        except BaseException:
            self.forget(job)
            raise
        return job

    def _reserve(self, job: str) -> bool:
        """Make the directory of a submission, with its mark. Returns False when the id was given before."""
        path = os.path.join(self.submissions, job)
        with writing(path):
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                return False
            mark = os.path.join(path, PENDING)
            fd = open_private(mark)
            wait_for_lock(fd)  # another process may take it for abandoned before it is locked
            if is_at(fd, mark):
                self._pending[job] = fd
                return True
            os.close(fd)
            return False

    def confirm(self, job: str) -> None:
        """The cluster has accepted a submission: it is pending no longer, and its id may be given out."""
        path = os.path.join(self.submissions, job, PENDING)
        with writing(path):
            os.unlink(path)
        os.close(self._pending.pop(job))

    def abandon(self, job: str) -> None:
        """Delete the files of a pending submission that failed, but its mark, since the cluster may have it."""
        self._delete(job, "package", "record")
        os.close(self._pending.pop(job))

    def take_abandoned(self) -> list[str]:
        """Return the pending submissions of processes that have ended, and lock them, to be forgotten.

        Nobody was given their ids.
        """
        taken = []
        for job in [f"job-{number}" for number in sorted(self._numbers(self.submissions))]:
            mark = os.path.join(self.submissions, job, PENDING)
            if job in self._pending or not check_private(mark):
                continue
            fd = open_private(mark)
            if try_lock(fd) and is_at(fd, mark):
                self._pending[job] = fd
                taken.append(job)
            else:
                os.close(fd)
        return taken

    def record(self, job: str) -> bytes:
        """Return the record of a submission. Raises UsageError for an unknown one."""
        return self._kept(job, "record")

    def package(self, job: str) -> bytes:
        """Return the package of a submission, opaque. Raises UsageError for an unknown one."""
        return self._kept(job, "package")

    def submitted_s(self, job: str) -> float | None:
        """Return when a job was submitted, in wall-clock seconds for display, or None without a record."""
        try:
            return os.stat(os.path.join(self.submissions, job, "record")).st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return None

    def forget(self, job: str) -> None:
        """Delete the files of a submission. May be repeated. Raises OutputError when the disk refuses."""
        self._delete(job, "package", "record", PENDING)
        if job in self._pending:
            os.close(self._pending.pop(job))

    def _delete(self, job: str, *names: str) -> None:
        for name in names:
            path = os.path.join(self.submissions, job, name)
            try:
                os.unlink(path)
            except (FileNotFoundError, NotADirectoryError):
                pass  # it was removed before, perhaps only in part
            except OSError as error:
                raise OutputError(f"{path} cannot be removed: {fault_text(error, path)}") from None

    def was_given(self, job: str) -> bool:
        """Return whether this id was ever given to a submission."""
        return os.path.isdir(os.path.join(self.submissions, job))

    def _kept(self, job: str, name: str) -> bytes:
        try:
            return read_private(os.path.join(self.submissions, self.job(job), name))
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError(f"{self.path} knows no submission {job}; `mrframe jobs` lists them") from None

    def job(self, text: str) -> str:
        """Return the text if it has the form of a submission's id. Raises UsageError otherwise."""
        if _JOB.fullmatch(text) is None:
            raise UsageError(
                f"{text!r} is not the id of a submission; ids look like job-7, and @ stands for the last one"
            )
        return text

    def last(self) -> tuple[float, str] | None:
        """Return (wall-clock seconds, id) of the latest submission that was accepted and not removed, or None."""
        for number in sorted(self._numbers(self.submissions), reverse=True):
            submitted_s = self.submitted_s(f"job-{number}")
            pending = os.path.lexists(os.path.join(self.submissions, f"job-{number}", PENDING))
            if submitted_s is not None and not pending:
                return submitted_s, f"job-{number}"
        return None

    def _numbers(self, folder: str) -> list[int]:
        """Return the numbers of the jobs that have a directory in this folder."""
        found = [_JOB.fullmatch(name) for name in _names(folder)]
        return [int(match[1]) for match in found if match]


def _names(folder: str) -> list[str]:
    """Return the names in a folder, none when it is not there: no cluster has run yet, or it was deleted."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _access_of(data: bytes) -> Access:
    plain = json.loads(data)
    if plain.pop("crc32") != _checksum(plain):
        raise ValueError
    plain["members"] = tuple((name, key) for name, key in plain["members"])
    return Access(**plain)


def _checksum(access: object) -> int:
    return zlib.crc32(json.dumps(access, sort_keys=True).encode())


def _remove(path: str) -> None:
    """Remove a directory with all that is in it, or any other file that was put in its place."""
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
