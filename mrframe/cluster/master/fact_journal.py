"""Where a master's facts are kept: in memory for a cluster of one job, in a file for a standing one.

Not here: what the facts mean (`core/model/facts.py`, `core/scheduling/recovery.py`), and how a file keeps them
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
    """Where facts are kept. `append` returns when all of them are as safe as this journal makes them."""

    def append(self, facts: Sequence[Fact], packages: Mapping[str, bytes] = _NO_PACKAGES) -> None:
        """Keep these facts of one turn and the packages of jobs that begin with it, all or none."""
        ...


class MemoryJournal:
    """The journal of a cluster that lives for one job: it ends with the master."""

    def __init__(self) -> None:
        self.size = 0

    def append(self, facts: Sequence[Fact], packages: Mapping[str, bytes] = _NO_PACKAGES) -> None:  # noqa: ARG002
        """Count the facts; nobody will ask for them, since this master is not restarted."""
        self.size += len(facts)


class DiskJournal:
    """A journal that outlives its master, in a private directory. Raises what `JournalFile` raises."""

    def __init__(self, directory: str, *, wait_s: float = 0.0) -> None:
        """`wait_s`: how long another process may still have it, one that is being ended."""
        from mrframe.store.journal import JournalFile  # and with it SQLite, which a run's own cluster does not need

        self._file = JournalFile(directory, wait_s=wait_s)

    def recall(self) -> tuple[list[Fact], dict[str, bytes]]:
        """All facts in order, and the packages of jobs; once, before the first `append`. CorruptData: see above."""
        rows, packages = self._file.rows, self._file.packages
        self._file.rows, self._file.packages = [], {}
        try:
            return [FACTS.decode(row.body) for row in rows], packages
        except BadMessage as error:
            raise CorruptData(
                f"the journal {self._file.path} holds what is no fact of this version: {error}"
            ) from None

    def pass_epoch(self, seen: int) -> None:
        """Masters that begin from now on have higher numbers than this one, which a node has seen."""
        self._file.pass_epoch(seen)

    def begin_epoch(self) -> int:
        """The number of this master among all that have begun with this journal."""
        return self._file.begin_epoch()

    def append(self, facts: Sequence[Fact], packages: Mapping[str, bytes] = _NO_PACKAGES) -> None:
        """Keep these facts and packages, in one transaction; of a job that is released, or a
        version of a dataset that is removed, only that it was.

        OutputError when the disk refuses: the master must end then.
        """
        from mrframe.store.journal import Row

        rows = [Row(job_of(fact), FACTS.encode(fact)) for fact in facts]
        over = (JobReleased, DatasetRemoved, VersionRemoved)
        released = {row.job: row.body for row, fact in zip(rows, facts, strict=True) if isinstance(fact, over)}
        self._file.append(rows, packages, released)

    def close(self) -> None:
        """Give the journal free for another process."""
        self._file.close()


def job_of(fact: Fact) -> str:
    """What a fact is about: a job, a version of a dataset, a node."""
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
