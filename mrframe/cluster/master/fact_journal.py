"""The master's journal of facts: in memory for the cluster of one job, on disk for a standing one.

Not here: the meaning of facts (`core/model/facts.py`, `core/scheduling/recovery.py`) and the file
(`store/journal.py`).
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Protocol

from mrframe.core.model.events import DatasetPut, DatasetRemoved, JobReleased, NodeDrained
from mrframe.core.model.facts import Fact, VersionRemoved
from mrframe.errors import CorruptData
from mrframe.wire.codec import MESSAGE_BYTES_MAX, BadMessage, Vocabulary

FACTS = Vocabulary(*typing.get_args(Fact), bytes_max=MESSAGE_BYTES_MAX + (64 << 10))
_NO_PACKAGES: Mapping[str, bytes] = {}


class Journal(Protocol):
    """A journal. `append` returns when all facts are as safe as this journal makes them."""

    def append(self, facts: Sequence[Fact], packages: Mapping[str, bytes] = _NO_PACKAGES) -> None:
        """Append the facts of one turn, with the packages of jobs that begin in it: all or none."""
        ...


class MemoryJournal:
    """The journal of a cluster that lives for one job and ends with its master."""

    def __init__(self) -> None:
        self.size = 0

    def append(self, facts: Sequence[Fact], packages: Mapping[str, bytes] = _NO_PACKAGES) -> None:  # noqa: ARG002
        """Count the facts. Nobody reads them again, since this master is not restarted."""
        self.size += len(facts)


class DiskJournal:
    """A journal that outlives its master, in a private directory. Raises the errors of `JournalFile`."""

    def __init__(self, directory: str, *, wait_s: float = 0.0) -> None:
        """Wait up to `wait_s` for another process, which is being ended, to release the journal."""
        from mrframe.store.journal import JournalFile  # loads SQLite, which a cluster of one run does not need

        self._file = JournalFile(directory, wait_s=wait_s)

    def recall(self) -> tuple[list[Fact], dict[str, bytes]]:
        """Return all facts in order and the packages by job. Call it once, before the first `append`.

        Raises CorruptData for a row that is not a fact of this version.
        """
        rows, packages = self._file.rows, self._file.packages
        self._file.rows, self._file.packages = [], {}
        try:
            return [FACTS.decode(row.body) for row in rows], packages
        except BadMessage as error:
            raise CorruptData(
                f"the journal {self._file.path} holds a row that is no fact of this version: {error}"
            ) from None

    def pass_epoch(self, seen: int) -> None:
        """Let later masters count from above `seen`, an epoch that a node has seen."""
        self._file.pass_epoch(seen)

    def begin_epoch(self) -> int:
        """Return the number of this master among all that have begun with this journal."""
        return self._file.begin_epoch()

    def append(self, facts: Sequence[Fact], packages: Mapping[str, bytes] = _NO_PACKAGES) -> None:
        """Append these facts and packages in one transaction.

        A job that is released, or a version of a dataset that is removed, is reduced to the fact that says so. Raises
        OutputError when the disk refuses. The master must end then.
        """
        from mrframe.store.journal import Row

        rows = [Row(job_of(fact), FACTS.encode(fact)) for fact in facts]
        over = (JobReleased, DatasetRemoved, VersionRemoved)
        released = {row.job: row.body for row, fact in zip(rows, facts, strict=True) if isinstance(fact, over)}
        self._file.append(rows, packages, released)

    def close(self) -> None:
        """Release the journal for another process."""
        self._file.close()


def job_of(fact: Fact) -> str:
    """Return the subject of a fact: a job, a version of a dataset, or a node."""
    if isinstance(fact, DatasetPut):
        return f"mrfs:{fact.version.dataset}@{fact.version.number}"
    if isinstance(fact, NodeDrained):
        return fact.node
    if isinstance(fact, DatasetRemoved | VersionRemoved):
        return f"mrfs:{fact.dataset}@{fact.number}"
    for name in ("job", "task", "attempt"):
        text = getattr(fact, name, None)
        if text is not None:
            return str(text).partition("/")[0]
    raise AssertionError(f"{fact!r} is about no job")
