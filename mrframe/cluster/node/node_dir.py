"""A node's directory: the files of attempts, the lists of sealed ones, and the jobs' packages.

    <node>/job-1/package             the job's package, opaque
    <node>/job-1/sealed              names of the complete attempts, one a line, in the order of their sealing
    <node>/job-1/m0003.1.1/          output of this attempt's executor, made with the first file in it
    <node>/job-1/m0004.1.1.page      position of an isolated attempt (`task/isolation/progress_page.py`)
    <node>/job-1/r0001.1.1.in/       files that were fetched for this attempt

A node process that replaces a dead one finds here the attempts that it still holds. Unsealed attempts are deleted.
Names come from peers, so they are checked: nothing outside the directory can be named.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from functools import partial

from mrframe.core.model.block_messages import STORED
from mrframe.core.model.ids import parse_attempt
from mrframe.core.model.spec import FatalPosition
from mrframe.store.blocks import block_path
from mrframe.store.open_files import patiently
from mrframe.task.isolation.progress_page import PAGE, take_page

_SEALED = "sealed"
_NOTHING = " nothing"  # follows the name of an attempt that is held although it has no directory
_FILE = re.compile(r"[a-z][a-z0-9-]{0,40}(\.mrf)?")
_JOB = re.compile(r"[a-z]+-[0-9]+")


LOGS_MAX = 16
"""Number of lists of sealed attempts that are open at a time, one per job."""


class NodeDir:
    """The directory of one node."""

    def __init__(self, path: str, storage: str = "") -> None:
        """`storage` is the folder of the node's block store. Its blocks are the files of `STORED` here."""
        self.path = path
        self._storage = storage
        self._logs: dict[str, int] = {}  # by job: the descriptor of its list of sealed attempts
        self._fetching: set[str] = set()  # attempts with fetched files
        os.makedirs(path, mode=0o700, exist_ok=True)

    def held(self) -> list[str]:
        """Return the sealed attempts that an earlier process has left, and delete its unfinished ones."""
        held = []
        for job in sorted(os.listdir(self.path)):
            folder = os.path.join(self.path, job)
            if not os.path.isdir(folder):  # not a job's: what was one is lost
                with contextlib.suppress(OSError):
                    os.unlink(folder)
                continue
            listed = self._listed(job)
            held += [f"{job}/{name}" for name in sorted(listed) if listed[name]]
            for name in sorted(os.listdir(folder)):
                inside = os.path.join(folder, name)
                if name in listed:
                    held.append(f"{job}/{name}")
                elif os.path.isdir(inside):
                    shutil.rmtree(inside, ignore_errors=True)
        return held

    def interrupted(self) -> list[tuple[str, FatalPosition]]:
        """Return the isolated attempts that an earlier process has left unfinished, each with its position."""
        found = []
        for job in sorted(os.listdir(self.path)):
            folder = os.path.join(self.path, job)
            for name in sorted(name for name in os.listdir(folder) if name.endswith(PAGE)):
                position = take_page(os.path.join(folder, name))
                if position is not None:
                    found.append((f"{job}/{name.removesuffix(PAGE)}", position))
        return found

    def last_epoch(self) -> int:
        """Return the highest epoch of a sealed attempt, or 0 without any."""
        last = 0
        for job in os.listdir(self.path):
            for name in self._listed(job):
                with contextlib.suppress(ValueError):
                    last = max(last, parse_attempt(f"{job}/{name}").epoch)
        return last

    def _listed(self, job: str) -> dict[str, bool]:
        """Return {sealed attempt:

        whether it wrote nothing} of a job. An incomplete last line counts as never written.
        """
        path = os.path.join(self.path, job, _SEALED)
        if not os.path.exists(path):
            return {}
        with patiently(lambda: open(path, "r+b")) as file:
            data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            file.truncate(len(whole))  # for lines appended from now on
        lines = whole.decode("ascii", "replace").splitlines()
        return {line.removesuffix(_NOTHING): line.endswith(_NOTHING) for line in lines if line}

    def attempt(self, attempt: str) -> str:
        """Return the directory of an attempt. Raises ValueError for an invalid attempt id."""
        parse_attempt(attempt)
        return f"{self.path}/{attempt}"

    def file(self, attempt: str, name: str) -> str:
        """Return the path of a file of an attempt. Raises ValueError for names of another form."""
        return file_in(self.path, attempt, name, self._storage)

    def fetched(self, attempt: str) -> str:
        """Return the directory for files fetched for an attempt, and note that there are some."""
        path = f"{self.attempt(attempt)}.in"
        self._fetching.add(attempt)
        return path

    def seal(self, attempt: str) -> None:
        """Record that an attempt is complete, and delete the files that were fetched for it.

        It is one line in one file per job, since a file for each attempt would cost more than the rest of a small
        task. Raises OSError when the disk refuses. The attempt is not sealed then, and half a line is cut off before
        the next one.
        """
        job, name = os.path.split(self.attempt(attempt))
        log = self._logs.get(job)
        if log is None:
            self._listed(os.path.basename(job))
            while len(self._logs) >= LOGS_MAX:  # a standing cluster keeps many jobs
                os.close(self._logs.pop(next(iter(self._logs))))
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            log = self._logs[job] = patiently(partial(os.open, os.path.join(job, _SEALED), flags, 0o600))
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
        """Delete the files that were fetched for an attempt."""
        if attempt in self._fetching:
            self._fetching.discard(attempt)
            shutil.rmtree(f"{self.attempt(attempt)}.in", ignore_errors=True)

    def delete_attempt(self, attempt: str) -> None:
        """Delete all files of an attempt."""
        shutil.rmtree(self.attempt(attempt), ignore_errors=True)
        self.drop_fetched(attempt)

    def delete_block(self, attempt: str, name: str) -> None:
        """Delete one file of an attempt. It may be gone already."""
        try:
            os.unlink(self.file(attempt, name))
        except OSError:
            pass

    def delete_job(self, job: str) -> None:
        """Delete all files of a job."""
        path = self._job(job)
        log = self._logs.pop(path, None)
        if log is not None:
            os.close(log)
        self._fetching = {attempt for attempt in self._fetching if not attempt.startswith(f"{job}/")}
        shutil.rmtree(path, ignore_errors=True)

    def package(self, job: str) -> str:
        """Return the path of a job's package, which need not exist."""
        return os.path.join(self._job(job), "package")

    def store_package(self, job: str, package: bytes) -> None:
        """Write a job's package: all of it or nothing."""
        path = self.package(job)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with patiently(lambda: open(f"{path}.new", "wb", opener=_private)) as file:
            file.write(package)
        os.replace(f"{path}.new", path)

    def _job(self, job: str) -> str:
        if _JOB.fullmatch(job) is None:
            raise ValueError(f"not a job id: {job!r}")
        return f"{self.path}/{job}"


def file_in(directory: str, attempt: str, name: str, storage: str = "") -> str:
    """Return the path of a file of an attempt in a node's directory, or of a block in its store.

    Raises ValueError for names of another form.
    """
    if attempt == STORED and storage:
        return block_path(storage, name)
    parse_attempt(attempt)
    if _FILE.fullmatch(name) is None:
        raise ValueError(f"not a file of an attempt: {name!r}")
    return f"{directory}/{attempt}/{name}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
