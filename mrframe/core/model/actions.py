"""Actions: the results of a decision of the scheduler or of a node.

The driver performs the actions of one turn in order, `Persist` first, so that no message depends on a fact that is
not yet on disk. Messages to a node are the node's own events (`core/model/events.py`).
"""

from __future__ import annotations

from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.block_messages import DropBlock, JudgeBlocks, StoreBlock
from mrframe.core.model.events import (
    AcknowledgeBlock,
    AttemptFailed,
    AttemptSealed,
    BlockSealed,
    CommitAttempt,
    DiscardAttempt,
    ForgetJob,
    NodeBeat,
    NodeJoined,
    StartAttempt,
    Welcome,
)
from mrframe.core.model.manifest_messages import DropVersion, KeepVersion, VersionAsked
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Failure, Order

# ---- of the scheduler -----------------------------------------------------------------------------

ToNode = (
    Welcome
    | StartAttempt
    | CommitAttempt
    | DiscardAttempt
    | AcknowledgeBlock
    | ForgetJob
    | StoreBlock
    | DropBlock
    | JudgeBlocks
    | KeepVersion
    | DropVersion
    | VersionAsked
)


@dataclass(frozen=True, slots=True)
class Persist:
    """Write this fact to the journal before any other action of the turn."""

    fact: Any


@dataclass(frozen=True, slots=True)
class SendNode:
    """Send a message to a node."""

    node: str
    message: ToNode


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A job is over.

    outputs  (attempt, node) of the committed reduces of the last step, in partition order
    reports  (attempt, step, node, split or None, report) of all committed attempts, for the summary
    failure  None if the job succeeded. A cancelled job has the kind "refused" and the error_slug "cancelled".
    """

    job: str
    outputs: tuple[tuple[str, str], ...]
    reports: tuple[tuple[str, int, str, Any, TaskReport], ...]
    failure: Failure | None


SchedulerAction = Persist | SendNode | JobEnded

# ---- of a node ------------------------------------------------------------------------------------

ToMaster = NodeJoined | NodeBeat | AttemptSealed | AttemptFailed | BlockSealed


@dataclass(frozen=True, slots=True)
class SendMaster:
    """Send a message to the master."""

    message: ToMaster


@dataclass(frozen=True, slots=True)
class SpawnExecutor:
    """Start one more executor. `ExecutorReady` follows."""

    executor: int


@dataclass(frozen=True, slots=True)
class KillExecutor:
    """Kill an executor. `ExecutorDied` follows."""

    executor: int


@dataclass(frozen=True, slots=True)
class Execute:
    """Give an executor instructions, to be carried out one after the other.

    It is idle, or all that it has and gets are for small attempts (`core/node/handing_out.py`).
    """

    executor: int
    job: str
    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class Fetch:
    """Make these sources of an attempt local: (attempt id, node, name of the file in its directory).

    Only the sections of `partition`, one of `partitions`, are needed of a run file, or with -1 the whole file. The
    reply is `Fetched` with local paths in the same order, or `FetchFailed`.
    """

    attempt: str
    sources: tuple[tuple[str, str, str], ...]
    partition: int
    partitions: int = 0


@dataclass(frozen=True, slots=True)
class DeleteAttempt:
    """Delete an attempt's directory."""

    attempt: str


@dataclass(frozen=True, slots=True)
class DeleteBlock:
    """Delete one decoded block of an attempt: the file of this name in its directory.

    An executor that still decodes (0: none) is notified, because it pauses while too many blocks wait.
    """

    attempt: str
    name: str
    executor: int


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete all files of a job on this node, and end its fetches."""

    job: str


NodeAction = SendMaster | SpawnExecutor | KillExecutor | Execute | Fetch | DeleteAttempt | DeleteBlock | DeleteJob
