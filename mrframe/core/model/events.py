"""Events: the input of the scheduler and of a node.

Each event is news about the world. The events that a node sends to the scheduler are also messages on the wire
(`wire/messages.py`).
"""

from __future__ import annotations

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.block_messages import (
    BlockDamaged,
    BlockRefused,
    BlocksHeld,
    BlocksJudged,
    BlocksOffered,
    BlockStored,
    JudgingWanted,
    PutEnded,
)
from mrframe.core.model.catalog import Version
from mrframe.core.model.manifest_messages import RecoverVersions, VersionKept, VersionsHeld, VersionTold
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import SPLIT_BYTES, Failure, FatalPosition, Split, StepSpec

# ---- from a client to the scheduler ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobSubmitted:
    """A client submits a job. `SplitsAdded` may follow until `InputsClosed`.

    Jobs with a higher `priority` get free slots first.
    """

    job: str
    steps: tuple[StepSpec, ...]
    priority: int = 0


@dataclass(frozen=True, slots=True)
class SplitsAdded:
    """More splits of the first step's input ("file" and "gzip" kinds)."""

    job: str
    splits: tuple[Split, ...]


@dataclass(frozen=True, slots=True)
class InputsClosed:
    """The client adds no more splits. Decode tasks may still add blocks.

    `splits` is the total that the client has added. The inputs are closed once that many are known, because this
    event may overtake a `SplitsAdded`. -1: total unknown, close them at once.
    """

    job: str
    splits: int = -1


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """A client cancels the job."""

    job: str


@dataclass(frozen=True, slots=True)
class OutputUnreadable:
    """A client finds the output of a job that is done missing or damaged, so it must be produced again."""

    attempt: str
    node: str


@dataclass(frozen=True, slots=True)
class JobReleased:
    """The client needs a job no longer, so nodes may delete its files. Ends a job that still runs."""

    job: str


@dataclass(frozen=True, slots=True)
class DatasetPut:
    """A client has put a version of a dataset. All its blocks are on the disks of their replica nodes.

    Ignored if the dataset has, or ever had, a version of that number. The client then checks if that is its own.
    """

    version: Version


@dataclass(frozen=True, slots=True)
class DatasetRemoved:
    """A client removes this version of a dataset."""

    dataset: str
    number: int


@dataclass(frozen=True, slots=True)
class NodeDrained:
    """A client drains a node, which means that it shall store no blocks, or (not `drained`) ends the draining."""

    node: str
    drained: bool


# ---- from a node to the scheduler -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeJoined:
    """A node's hello. `incarnation` is random per process: a known name with a new incarnation is a restarted node.

    held         the sealed attempts with output that the node still holds
    interrupted  isolated attempts that were under way when its last process ended, each with its position
    blameless    its last process ended by itself, because its disk refused: no attempt is to blame
    """

    node: str
    incarnation: str
    slots: int
    held: tuple[str, ...] = ()
    interrupted: tuple[tuple[str, FatalPosition], ...] = ()
    blameless: bool = False


@dataclass(frozen=True, slots=True)
class NodeBeat:
    """A node's heartbeat.

    working   attempts that are queued, fetching, running or failed
    held      all sealed attempts without a reply, and a few of the committed ones in turn to keep the heartbeat
              small. The node may hold more.
    progress  (attempt, records so far, bytes so far) of each running attempt
    """

    node: str
    incarnation: str
    working: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    progress: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class NodeGone:
    """The keeper saw the node's process end."""

    node: str
    incarnation: str


@dataclass(frozen=True, slots=True)
class AttemptSealed:
    """An attempt's output is complete on its node. Repeated until the attempt is committed or discarded."""

    node: str
    incarnation: str
    attempt: str
    report: TaskReport


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt ended without output. Repeated until the attempt is discarded."""

    node: str
    incarnation: str
    attempt: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class BlockSealed:
    """A decode attempt has sealed block `split` (kind "held", held by this attempt on this node).

    All attempts at a decode task make the same blocks, and `split.order` identifies one. Repeated until acknowledged.
    """

    node: str
    incarnation: str
    attempt: str
    split: Split


# ---- for the scheduler and for nodes --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: check leases, waits and repeats."""


SchedulerEvent = (
    JobSubmitted
    | SplitsAdded
    | InputsClosed
    | CancelRequested
    | OutputUnreadable
    | JobReleased
    | DatasetPut
    | DatasetRemoved
    | NodeDrained
    | BlocksOffered
    | PutEnded
    | JudgingWanted
    | RecoverVersions
    | NodeJoined
    | NodeBeat
    | NodeGone
    | AttemptSealed
    | AttemptFailed
    | BlockSealed
    | BlocksHeld
    | BlockStored
    | BlockRefused
    | BlockDamaged
    | BlocksJudged
    | VersionsHeld
    | VersionTold
    | VersionKept
    | Tick
)

# ---- from the master to a node (actions of the scheduler, on arrival) -----------------------------


@dataclass(frozen=True, slots=True)
class Welcome:
    """The master of this epoch has accepted the node's `incarnation`, and still receives its heartbeats.

    With no incarnation, or another one, the master does not know the node (the master may have restarted), and the
    node must send a hello. Nodes ignore messages of an epoch older than the newest seen.
    """

    node: str
    epoch: int
    incarnation: str = ""


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """Run this attempt. May arrive more than once.

    split      input of a map or decode attempt
    partition  of a reduce attempt
    sources    of a reduce attempt: (attempt, node) of the committed maps, in input order. It must read no others.
    isolated   an earlier attempt died, so find the record or key at fault
    fatal      records or keys, each with a reason, at which isolated attempts have died twice with their executor
    near       where the last of these was
    stall_s    kill the attempt after this many seconds without progress
    """

    attempt: str
    job: str
    step: int
    partitions: int
    split: Split | None = None
    partition: int = -1
    sources: tuple[tuple[str, str], ...] = ()
    block_bytes: int = SPLIT_BYTES
    isolated: bool = False
    stall_s: float | None = None
    fatal: tuple[tuple[FatalPosition, str], ...] = ()
    near: FatalPosition | None = None


@dataclass(frozen=True, slots=True)
class CommitAttempt:
    """The scheduler chose this sealed attempt: keep its output until `ForgetJob`."""

    attempt: str


@dataclass(frozen=True, slots=True)
class DiscardAttempt:
    """Stop the attempt if it runs, delete its output, and stop repeating its report."""

    attempt: str


@dataclass(frozen=True, slots=True)
class AcknowledgeBlock:
    """The scheduler has recorded this block of a decode attempt: stop repeating it.

    `mapped`: the block has been mapped too, so delete its file.
    """

    attempt: str
    order: tuple[int, int]
    mapped: bool = False


@dataclass(frozen=True, slots=True)
class ForgetJob:
    """The job is over: stop its attempts and delete all its files."""

    job: str


# ---- from a node's own driver ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExecutorReady:
    """A new executor process is up and idle."""

    executor: int


@dataclass(frozen=True, slots=True)
class ExecutorDied:
    """An executor process ended. `reason` is for messages (`killed by SIGKILL`).

    `position` is where its attempt was, if that was isolated.
    """

    executor: int
    reason: str
    position: FatalPosition | None = None


@dataclass(frozen=True, slots=True)
class ExecutorSealed:
    """An executor finished its attempt and is idle again."""

    executor: int
    attempt: str
    report: TaskReport


@dataclass(frozen=True, slots=True)
class ExecutorFailed:
    """An executor's attempt failed. The executor is idle again."""

    executor: int
    attempt: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class ExecutorBlock:
    """An executor's decode attempt has sealed a block. `split.held_by` is empty, and the node adds itself."""

    executor: int
    attempt: str
    split: Split


@dataclass(frozen=True, slots=True)
class ExecutorBeat:
    """Progress of an executor: records and bytes of its attempt so far."""

    executor: int
    attempt: str
    records: int
    bytes_done: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """All input of an attempt is now local: `paths` in the order of its sources."""

    attempt: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """A source of an attempt could not be fetched from `node`. `here`: because this node cannot write it, and `full`:
    as its disk is full."""

    attempt: str
    source: str
    node: str
    reason: str
    here: bool = False
    full: bool = False


NodeEvent = (
    Welcome
    | StartAttempt
    | CommitAttempt
    | DiscardAttempt
    | AcknowledgeBlock
    | ForgetJob
    | ExecutorReady
    | ExecutorDied
    | ExecutorSealed
    | ExecutorFailed
    | ExecutorBlock
    | ExecutorBeat
    | Fetched
    | FetchFailed
    | Tick
)
