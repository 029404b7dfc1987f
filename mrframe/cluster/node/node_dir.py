"""A node's directory: where each attempt's files are, which attempts are sealed, and the jobs' packages.

    <node>/job-1/package             the job's package, opaque
    <node>/job-1/sealed              the complete attempts, one a line, in the order of their sealing
    <node>/job-1/m0003.1.1/          what the executor of this attempt writes, made with the first file in it
    <node>/job-1/r0001.1.1.in/       what was fetched for this attempt

A node process that takes the place of a dead one finds here what it still holds; what is not sealed is gone
with the process that made it. Names come from peers, so they are checked: nothing outside can be named.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil

from mrframe.core.model.block_messages import STORED
from mrframe.core.model.ids import parse_attempt
from mrframe.store.blocks import block_path

_SEALED = "sealed"
_NOTHING = " nothing"  # behind the name of an attempt that has no directory, and is held all the same
_FILE = re.compile(r"[a-z][a-z0-9-]{0,40}(\.mrf)?")
_JOB = re.compile(r"[a-z]+-[0-9]+")


LOGS_MAX = 16
"""Lists of sealed attempts that are open at a time, one for each job."""


class NodeDir:
    """The directory of one node."""

    def __init__(self, path: str, storage: str = "") -> None:
        """`storage`: the folder of the node's block store, whose blocks are files of `STORED` here."""
        self.path = path
        self._storage = storage
        self._logs: dict[str, int] = {}  # by job: the descriptor of its list of sealed attempts
        self._fetching: set[str] = set()  # attempts for which something is or was fetched
        os.makedirs(path, mode=0o700, exist_ok=True)

    def held(self) -> list[str]:
        """The sealed attempts that an earlier process has left; what it left unfinished is deleted."""
        held = []
        for job in sorted(os.listdir(self.path)):
            listed = self._listed(job)
            held += [f"{job}/{name}" for name in sorted(listed) if listed[name]]
            for name in sorted(os.listdir(os.path.join(self.path, job))):
                inside = os.path.join(self.path, job, name)
                if name in listed:
                    held.append(f"{job}/{name}")
                elif os.path.isdir(inside):
                    shutil.rmtree(inside, ignore_errors=True)
        return held

    def last_epoch(self) -> int:
        """The highest epoch of a sealed attempt; 0 when there is none."""
        last = 0
        for job in os.listdir(self.path):
            for name in self._listed(job):
                with contextlib.suppress(ValueError):
                    last = max(last, parse_attempt(f"{job}/{name}").epoch)
        return last

    def _listed(self, job: str) -> dict[str, bool]:
        """{sealed attempt: whether it wrote nothing} of a job; a last line without its end was never written."""
        path = os.path.join(self.path, job, _SEALED)
        if not os.path.exists(path):
            return {}
        with open(path, "r+b") as file:
            data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            file.truncate(len(whole))  # for what is appended from now on
        lines = whole.decode("ascii", "replace").splitlines()
        return {line.removesuffix(_NOTHING): line.endswith(_NOTHING) for line in lines if line}

    def attempt(self, attempt: str) -> str:
        """The directory of an attempt; ValueError when this is no attempt id."""
        parse_attempt(attempt)
        return f"{self.path}/{attempt}"

    def file(self, attempt: str, name: str) -> str:
        """The path of a file of an attempt; ValueError when these are no such names."""
        return file_in(self.path, attempt, name, self._storage)

    def fetched(self, attempt: str) -> str:
        """The directory for what is fetched for an attempt; it is looked for only if it was asked for."""
        path = f"{self.attempt(attempt)}.in"
        self._fetching.add(attempt)
        return path

    def seal(self, attempt: str) -> None:
        """The attempt is complete: what was fetched for it is not needed any more.

        One line in one file, since making a file for each would cost more than the rest of a small task. OSError
        when the disk does not take it: the attempt is not sealed then, and half of a line is cut off before the next.
        """
        job, name = os.path.split(self.attempt(attempt))
        log = self._logs.get(job)
        if log is None:
            self._listed(os.path.basename(job))
            while len(self._logs) >= LOGS_MAX:  # jobs of a standing cluster are many, and stay
                os.close(self._logs.pop(next(iter(self._logs))))
            log = self._logs[job] = os.open(os.path.join(job, _SEALED), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        wrote = "" if os.path.isdir(self.attempt(attempt)) else _NOTHING
        line = f"{name}{wrote}\n".encode()
        written = 0
        try:
            written = os.write(log, line)
        finally:
            if written != len(line):
                del self._logs[job]
                os.close(log)
        if written != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), job)
        self.drop_fetched(attempt)

    def drop_fetched(self, attempt: str) -> None:
        """Delete what was fetched for an attempt."""
        if attempt in self._fetching:
            self._fetching.discard(attempt)
            shutil.rmtree(f"{self.attempt(attempt)}.in", ignore_errors=True)

    def delete_attempt(self, attempt: str) -> None:
        """Delete all of an attempt."""
        shutil.rmtree(self.attempt(attempt), ignore_errors=True)
        self.drop_fetched(attempt)

    def delete_block(self, attempt: str, name: str) -> None:
        """Delete one file of an attempt; it may be gone already."""
        try:
            os.unlink(self.file(attempt, name))
        except OSError:
            pass

    def delete_job(self, job: str) -> None:
        """Delete all of a job."""
        path = self._job(job)
        log = self._logs.pop(path, None)
        if log is not None:
            os.close(log)
        self._fetching = {attempt for attempt in self._fetching if not attempt.startswith(f"{job}/")}
        shutil.rmtree(path, ignore_errors=True)

    def package(self, job: str) -> str:
        """The path of a job's package, which need not be there."""
        return os.path.join(self._job(job), "package")

    def store_package(self, job: str, package: bytes) -> None:
        """Keep a job's package; complete or not at all."""
        path = self.package(job)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(f"{path}.new", "wb", opener=_private) as file:
            file.write(package)
        os.replace(f"{path}.new", path)

    def _job(self, job: str) -> str:
        if _JOB.fullmatch(job) is None:
            raise ValueError(f"not a job id: {job!r}")
        return f"{self.path}/{job}"


def file_in(directory: str, attempt: str, name: str, storage: str = "") -> str:
    """The path of a file of an attempt in a node's directory, or of a block in its store.

    ValueError when these are no such names.
    """
    if attempt == STORED and storage:
        return block_path(storage, name)
    parse_attempt(attempt)
    if _FILE.fullmatch(name) is None:
        raise ValueError(f"not a file of an attempt: {name!r}")
    return f"{directory}/{attempt}/{name}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
