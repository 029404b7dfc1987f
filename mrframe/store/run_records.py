"""Records of one-shot runs: a bounded number of small folders, `run-7`, in the user's state directory.

    <folder>/run-7/record     the run and its outcome
    <folder>/run-7/package    its job, opaque
    <folder>/run-7/failure-1  a record or group on which the job's code failed

Files are written once, all of them before the id is reported. A later run deletes records older than `AGE_S`, and the
oldest ones beyond `BYTES_MAX`. All of it is private to this user and refused otherwise, since a package is code that
`replay` runs. Not here: the content of the files.
"""

from __future__ import annotations

import os
import re
import shutil
import time

from mrframe.errors import CorruptData, UsageError
from mrframe.store.disk import writing
from mrframe.store.private import check_private_directory, private_directory, read_private, user_folder

AGE_S = 7 * 86_400.0
BYTES_MAX = 100 << 20
_RUN = re.compile(r"run-([1-9][0-9]{0,8})")

TRIM_EVERY = 16  # small runs between two calls of `_trim`. Its cost grows with the number of records
SMALL_BYTES = 256 << 10


def default_folder() -> str:
    """Return the folder of the runs, in the user's state directory. Raises NotPrivate when the user has no home."""
    return os.path.join(user_folder("XDG_STATE_HOME", os.path.join(".local", "state")), "mrframe", "runs")


class RunRecords:
    """The runs kept in the folder at `path`, made by `add`. Raises NotPrivate when it is not private."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        check_private_directory(self.path)

    def add(self, files: dict[str, bytes]) -> str:
        """Keep these files. Returns the id of the run. Raises OutputError when the disk refuses."""
        with writing(self.path):
            return self._add(files)

    def _add(self, files: dict[str, bytes]) -> str:
        private_directory(self.path)
        number = max(self._numbers(), default=0) + 1
        if number % TRIM_EVERY == 0 or sum(map(len, files.values())) > SMALL_BYTES:
            self._trim()
        while True:
            run = f"run-{number}"
            try:
                os.mkdir(os.path.join(self.path, run), 0o700)
                break
            except FileExistsError:
                number += 1
        try:
            for name, data in files.items():
                with open(os.path.join(self.path, run, name), "xb", opener=_private) as file:
                    file.write(data)
        except OSError:
            shutil.rmtree(os.path.join(self.path, run), ignore_errors=True)
            raise
        return run

    def read(self, run: str, name: str) -> bytes:
        """Return a file of a run. Raises CorruptData when it does not exist."""
        try:
            return read_private(os.path.join(self.path, run, name))
        except FileNotFoundError:
            raise CorruptData(f"{run} has no {name} in {self.path}; it was not kept, or is gone") from None

    def names(self, run: str) -> list[str]:
        """Return the names of a run's files, sorted."""
        return sorted(os.listdir(os.path.join(self.path, run)))

    def find(self, text: str) -> str:
        """Return the run with this id. Raises UsageError if it does not exist."""
        if _RUN.fullmatch(text) is None or not os.path.isdir(os.path.join(self.path, text)):
            known = ", ".join(f"run-{number}" for number in sorted(self._numbers())[-5:])
            raise UsageError(f"no run {text!r} is kept in {self.path}; the last ones are: {known or 'none'}")
        return text

    def ids(self) -> list[str]:
        """Return the ids of all runs that are kept, the last one first."""
        return [f"run-{number}" for number in sorted(self._numbers(), reverse=True)]

    def last(self) -> tuple[float, str] | None:
        """Return (wall-clock seconds, id) of the last run, or None without any run."""
        for run in self.ids():
            try:
                return os.stat(os.path.join(self.path, run)).st_mtime, run
            except FileNotFoundError:
                continue  # another run deletes it
        return None

    def _numbers(self) -> list[int]:
        try:
            found = [_RUN.fullmatch(name) for name in os.listdir(self.path)]
        except FileNotFoundError:
            return []  # none was kept yet
        return [int(match[1]) for match in found if match]

    def _trim(self) -> None:
        """Delete records that are too old or too many. The last run stays, so that no id is used twice in a row."""
        now_s, size = time.time(), TRIM_EVERY * SMALL_BYTES  # reserved for the runs until the next call
        numbers = sorted(self._numbers(), reverse=True)
        for number in numbers:
            path = os.path.join(self.path, f"run-{number}")
            try:
                with os.scandir(path) as entries:
                    size += sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
                old = now_s - os.stat(path).st_mtime > AGE_S
            except OSError:
                continue  # another run deletes it
            if (old or size > BYTES_MAX) and number != numbers[0]:
                shutil.rmtree(path, ignore_errors=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
