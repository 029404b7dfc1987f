"""The directory of a standing cluster: what is where, who may look, and whether a cluster lives there now.

    <home>/lock              held by the supervisor while it lives
    <home>/journal/          the master's journal
    <home>/nodes/node-1/     what that node has sealed
    <home>/blocks/node-1/    the blocks of datasets that this node keeps
    <home>/submissions/job-7/record    what its client wrote about a submission, before it was submitted
    <home>/submissions/job-7/package   the job itself, for `mrframe replay`
    <home>/submissions/job-6/          empty: it was removed, and its id is not given to another
    <home>/run/              while the cluster runs: `access` (addresses and keys), the processes' log, and `log.1`,
                             what was in that before; `fault` says why the master cannot go on, else it is blank
    <home>/last.log          the log of the last cluster that ended otherwise than by `stop`, until one does

All of it is this user's alone (`store/private.py`) and refused otherwise. `run/` and `lock` go when it stops.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re

from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import ClusterUnreachable, CorruptData, OutputError, UsageError
from mrframe.store.disk import fault_text, is_at, sync_directory, try_lock
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
"""Of the log, and of `log.1`. It is looked at every second, and what is written in between comes on top."""
FAULT_BYTES = 4096
_JOB = re.compile(r"job-([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Access:
    """What a client needs to talk to a cluster. Keys are in Z85; `members` are (name, public key)."""

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


def default_home() -> str:
    """Where a cluster lives when nothing else is said: in the user's state directory."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(state, "mrframe", "cluster")


class ClusterDir:
    """The directory at `path`, which `make` makes. NotPrivate when it is there and is not this user's alone."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.journal = os.path.join(self.path, "journal")
        self.nodes = os.path.join(self.path, "nodes")
        self.blocks = os.path.join(self.path, "blocks")
        self.submissions = os.path.join(self.path, "submissions")
        self.run = os.path.join(self.path, "run")
        self.log = os.path.join(self.run, "log")
        self.last_log = os.path.join(self.path, "last.log")
        self._lock_path = os.path.join(self.path, "lock")
        self._access = os.path.join(self.run, "access")
        self._fault = os.path.join(self.run, "fault")
        self._lock = -1
        for place in (self.path, self.nodes, self.blocks, self.submissions):
            check_private_directory(place)

    def make(self) -> None:
        """Make the directories that are not there."""
        for place in (self.path, self.nodes, self.blocks, self.submissions):
            private_directory(place)

    # ---- of the supervisor --------------------------------------------------------------------------

    def claim(self) -> None:
        """Be the one cluster here, until this process ends. ClusterUnreachable when another one lives here."""
        self.make()
        while self._lock < 0:
            fd = open_private(self._lock_path)
            if not try_lock(fd):
                os.close(fd)
                raise ClusterUnreachable(
                    f"a cluster runs in {self.path} already; stop it, or name another place with --dir"
                )
            if is_at(fd, self._lock_path):  # the one before may just have removed it
                self._lock = fd
            else:
                os.close(fd)
        self._keep_log()  # of a cluster that was killed
        remove_tree(self.run)
        private_directory(self.run)
        with contextlib.suppress(OSError):  # what is told in it later takes no more room on a disk that is full
            write_private(self._fault, b" " * FAULT_BYTES)

    def _keep_log(self) -> None:
        try:
            os.replace(self.log, self.last_log)
        except OSError:
            pass  # there is none; or the disk refuses, and that ends nothing

    def announce(self, access: Access) -> None:
        """Let clients in."""
        try:
            write_private(self._access, json.dumps(dataclasses.asdict(access)).encode())
        except OSError as error:
            raise OutputError(f"{self._access} cannot be written: {fault_text(error, self.run)}") from None

    def bound_log(self) -> None:
        """Begin the log anew when it is too long; its end is kept as `log.1`. Its writers append."""
        try:
            if os.path.getsize(self.log) <= LOG_BYTES_MAX:
                return
            with open(self.log, "rb") as file:
                file.seek(-LOG_BYTES_MAX, os.SEEK_END)
                end = file.read(LOG_BYTES_MAX)
        except OSError:
            return  # a person has removed it, and who writes to it goes on where nobody reads; or the disk errs
        with contextlib.suppress(OSError):  # the disk may be full, which is a reason more to truncate it
            write_private(f"{self.log}.1", end)
        with contextlib.suppress(OSError):
            os.truncate(self.log, 0)

    def report_fault(self, reason: str) -> None:
        """Tell clients why the master cannot go on, or with "" that it can."""
        text = reason.encode("utf-8", "surrogatepass")[:FAULT_BYTES].ljust(FAULT_BYTES)
        try:
            with open(open_private(self._fault), "r+b", buffering=0) as file:
                file.write(text)
        except OSError:
            pass  # the disk refuses even that: it is in the log at best

    def leave(self, *, clean_exit: bool = True) -> None:
        """The cluster is over: what only a running one needs goes, but for the log of one that ended otherwise."""
        if clean_exit:
            with contextlib.suppress(OSError):
                os.unlink(self.last_log)
        else:
            self._keep_log()
        remove_tree(self.run)
        if self._lock >= 0:
            os.unlink(self._lock_path)
            os.close(self._lock)
            self._lock = -1

    # ---- of clients ---------------------------------------------------------------------------------

    def is_alive(self) -> bool:
        """Whether a supervisor lives here."""
        if not check_private(self._lock_path):
            return False
        fd = open_private(self._lock_path)
        try:
            return not try_lock(fd)
        finally:
            os.close(fd)

    def fault(self) -> str:
        """Why the master cannot go on; "" when it can, as far as is known."""
        try:
            return read_private(self._fault).decode("utf-8", "replace").rstrip()
        except FileNotFoundError:
            return ""

    def access(self) -> Access:
        """How to talk to the cluster that runs here. ClusterUnreachable when none does."""
        if not self.is_alive():
            ended = next(filter(os.path.exists, (self.log, self.last_log)), "")
            why = f" the last one ended by itself, and {ended} may say why;" if ended else ""
            raise ClusterUnreachable(f"no cluster runs in {self.path};{why} start one with: mrframe cluster start")
        check_private_directory(self.run)
        try:
            plain = json.loads(read_private(self._access))
            plain["members"] = tuple((name, key) for name, key in plain["members"])
            return Access(**plain)
        except FileNotFoundError:
            raise ClusterUnreachable(f"the cluster in {self.path} is starting, or stopping; try again") from None
        except (ValueError, KeyError, TypeError):
            raise CorruptData(f"{self._access} is damaged; stop the cluster and start it again") from None

    def add_submission(self, record: bytes, package: bytes) -> str:
        """A new job id, with its record and its package kept; an id is given once, ever."""
        private_directory(self.submissions)
        number = max(self._numbers(), default=0) + 1
        while True:
            job = f"job-{number}"
            try:
                os.mkdir(os.path.join(self.submissions, job), 0o700)
            except FileExistsError:
                number += 1
                continue
            write_private(os.path.join(self.submissions, job, "record"), record)
            write_private(os.path.join(self.submissions, job, "package"), package)
            sync_directory(self.submissions)
            return job

    def record(self, job: str) -> bytes:
        """What was kept of a submission. UsageError when there is none."""
        return self._kept(job, "record")

    def package(self, job: str) -> bytes:
        """The job that was submitted, opaque. UsageError when there is none."""
        return self._kept(job, "package")

    def submitted_s(self, job: str) -> float | None:
        """When it was submitted, as a time of the wall clock for people; None when nothing is kept of it."""
        try:
            return os.stat(os.path.join(self.submissions, job, "record")).st_mtime
        except FileNotFoundError:
            return None

    def forget(self, job: str) -> None:
        """Delete what is kept of a submission; may be done again. OutputError when the disk refuses."""
        for name in ("package", "record"):
            path = os.path.join(self.submissions, job, name)
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass  # it was removed before, or not quite
            except OSError as error:
                raise OutputError(f"{path} cannot be removed: {fault_text(error, path)}") from None

    def was_given(self, job: str) -> bool:
        """Whether this id was given to a submission, ever."""
        return os.path.isdir(os.path.join(self.submissions, job))

    def _kept(self, job: str, name: str) -> bytes:
        try:
            return read_private(os.path.join(self.submissions, self.job(job), name))
        except FileNotFoundError:
            raise UsageError(f"{self.path} knows no submission {job}; `mrframe jobs` lists them") from None

    def job(self, text: str) -> str:
        """The text, if it can be the id of a submission; else UsageError."""
        if _JOB.fullmatch(text) is None:
            raise UsageError(f"{text!r} is no id of a submission; ids are like job-7, and @ is the last one")
        return text

    def last(self) -> tuple[float, str] | None:
        """When the last submission was made that is not removed, and its id; None when there is none."""
        for number in sorted(self._numbers(), reverse=True):
            submitted_s = self.submitted_s(f"job-{number}")
            if submitted_s is not None:
                return submitted_s, f"job-{number}"
        return None

    def _numbers(self) -> list[int]:
        try:
            found = [_JOB.fullmatch(name) for name in os.listdir(self.submissions)]
        except FileNotFoundError:
            return []  # no cluster has been here
        return [int(match[1]) for match in found if match]
