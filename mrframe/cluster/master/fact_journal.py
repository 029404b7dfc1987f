"""The master's journal of facts: a file in the scratch directory of a run, a database for a standing cluster.

Not here: the meaning of facts (`core/model/facts.py`, `core/scheduling/recovery.py`) and the files
(`store/run_journal.py`, `store/journal.py`).
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Protocol

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.events import DatasetPut, DatasetRemoved, JobReleased, NodeDrained
from mrframe.core.model.facts import Fact, VersionRemoved
from mrframe.errors import CorruptData
from mrframe.store.run_journal import RunJournalFile
from mrframe.wire.codec import MESSAGE_BYTES_MAX, BadMessage, Vocabulary

FACTS = Vocabulary(*typing.get_args(Fact), bytes_max=MESSAGE_BYTES_MAX + (64 << 10))
TURN_BYTES_MAX = 1 << 31
"""Limit of a turn: as many messages as a turn takes, each of them limited."""
_NO_PACKAGES: Mapping[str, bytes] = {}


class Journal(Protocol):
    """A journal. `append` returns when all facts are as safe as this journal makes them."""

    def append(self, facts: Sequence[Fact], packages: Mapping[str, bytes] = _NO_PACKAGES) -> None:
        """Append the facts of one turn, with the packages of jobs that begin in it: all or none."""
        ...


@dataclass(frozen=True, slots=True)
class JournalTurn:
    """What the journal of a run holds for a turn: the epoch of its master, facts, and packages of jobs that begin."""

    epoch: int
    facts: tuple[Fact, ...]
    packages: tuple[tuple[str, bytes], ...]


TURNS = Vocabulary(JournalTurn, bytes_max=TURN_BYTES_MAX)


class RunJournal:
    """The journal of a cluster that lives for one run, in a file of its scratch directory. `new`: it is made.

    It outlives its master, but not the machine. Raises the errors of `RunJournalFile`.
    """

    def __init__(self, path: str, *, new: bool) -> None:
        self._file = RunJournalFile(path, new=new)
        self._epoch = 0

    def recall(self) -> tuple[list[Fact], dict[str, bytes]]:
        """Return all facts in order and the packages by job. Call it once, before `begin_epoch`."""
        turns: list[JournalTurn] = [TURNS.decode(turn) for turn in self._file.turns]
        self._file.turns = []
        self._epoch = turns[-1].epoch if turns else 0
        facts = [fact for turn in turns for fact in turn.facts]
        return facts, {job: package for turn in turns for job, package in turn.packages}

    def begin_epoch(self) -> int:
        """Return the number of this master among all that have begun with this journal."""
        self._epoch += 1
        self.append(())
        return self._epoch

    def append(self, facts: Sequence[Fact], packages: Mapping[str, bytes] = _NO_PACKAGES) -> None:
        """Append these facts and packages as one turn. Raises OutputError when the disk refuses."""
        self._file.append(TURNS.encode(JournalTurn(self._epoch, tuple(facts), tuple(packages.items()))))

    def close(self) -> None:
        """Release the journal for another process."""
        self._file.close()


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
