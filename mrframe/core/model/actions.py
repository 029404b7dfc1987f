"""Actions: the results of a decision of the scheduler or of a node.

The driver performs the actions of one turn in order, `Persist` first: nothing is sent that depends on a fact not yet
on disk. Messages to a node are the node's own events (`core/model/events.py`).
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
    """Write this fact to the journal before anything else of the turn is done."""

    fact: Any


@dataclass(frozen=True, slots=True)
class SendNode:
    """Send a message to a node."""

    node: str
    message: ToNode


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A job is over.

    `outputs` are the committed reduce attempts of the last step with their nodes, in partition order;
    `reports` all committed attempts' (attempt, step, node, split or None, report), for the summary.
    `failure` is None when it is done; for a cancelled job its kind is "refused" and error_slug "cancelled".
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
    """Start one more executor; `ExecutorReady` follows."""

    executor: int


@dataclass(frozen=True, slots=True)
class KillExecutor:
    """End an executor at once; `ExecutorDied` follows."""

    executor: int


@dataclass(frozen=True, slots=True)
class Execute:
    """Hand an order to an idle executor."""

    executor: int
    job: str
    order: Order


@dataclass(frozen=True, slots=True)
class Fetch:
    """Make these sources of an attempt local: (attempt id, node, name of the file in its directory).

    `partition`, of `partitions`, says which sections of a run file are wanted, -1 for the whole file. Answered by
    `Fetched` with local paths in the same order, or `FetchFailed`.
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

    The executor, when it still decodes (0: it does not), is told, since it waits when there are too many.
    """

    attempt: str
    name: str
    executor: int


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete everything of a job on this node, fetches under way included."""

    job: str


NodeAction = SendMaster | SpawnExecutor | KillExecutor | Execute | Fetch | DeleteAttempt | DeleteBlock | DeleteJob
