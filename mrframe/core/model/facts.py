"""Facts: the scheduler's decisions that must outlive the master. The journal holds them in order.

A fact is written before anything that depends on it is sent (`actions.Persist`). The events of clients
(`JobSubmitted`, `SplitsAdded`, `InputsClosed`, `CancelRequested`, `JobReleased`, `DatasetPut`, `DatasetRemoved`,
`NodeDrained`) are facts as they are. The others are here. `Scheduler.recover` replays all of them in the same order.
Attempts under way are not facts: a new epoch starts new ones.

Compaction: once a job is released, its `JobReleased` may replace all its facts, at the position of the first. So may
the `VersionRemoved` of a version.
"""

from __future__ import annotations

from dataclasses import field

from mrframe.core.fast_dataclass import ADDED, dataclass
from mrframe.core.model.events import (
    CancelRequested,
    DatasetPut,
    DatasetRemoved,
    InputsClosed,
    JobReleased,
    JobSubmitted,
    NodeDrained,
    SplitsAdded,
)
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Failure, Split


@dataclass(frozen=True, slots=True)
class VersionRemoved:
    """This version of a dataset was removed. `put` tells it from a version of that number in another journal.

    Older journals have `DatasetRemoved`, which lacks `put`.
    """

    dataset: str
    number: int
    put: int


@dataclass(frozen=True, slots=True)
class BlockRecorded:
    """A decode task (`task`, an id) has made this block, for which a map task now exists.

    The node that holds the block is not recorded here: the commit of the decode task names it.
    """

    task: str
    split: Split


@dataclass(frozen=True, slots=True)
class AttemptCommitted:
    """This attempt, sealed on `node`, is its task's result. A task has one result, until `OutputLost` revokes it."""

    attempt: str
    node: str
    report: TaskReport


@dataclass(frozen=True, slots=True)
class OutputLost:
    """The output of a committed attempt was lost with its node. The task may be committed again."""

    attempt: str
    node: str


@dataclass(frozen=True, slots=True)
class JobFinished:
    """The job is over. `failure` is None if it succeeded.

    ended_s  when it ended first, in seconds of the clock on the wall, for people. 0 in older journals
    """

    job: str
    failure: Failure | None
    ended_s: float = field(default=0.0, metadata=ADDED)


Fact = (
    JobSubmitted
    | SplitsAdded
    | InputsClosed
    | CancelRequested
    | JobReleased
    | DatasetPut
    | DatasetRemoved
    | VersionRemoved
    | NodeDrained
    | BlockRecorded
    | AttemptCommitted
    | OutputLost
    | JobFinished
)
