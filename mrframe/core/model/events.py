"""Events: the input of the scheduler and of a node.

Each event is a fact about the world that has just become known. The events that a node sends to the scheduler are
also the messages on the wire (`wire/messages.py`).
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
from mrframe.core.model.spec import SPLIT_BYTES, Failure, Split, StepSpec

# ---- told to the scheduler by clients -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobSubmitted:
    """A client submits a job; `splits` may be added later, until `InputsClosed`.

    Of jobs that wait for slots those with a higher `priority` are served first.
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
    """No more splits will be added by the client (decode tasks may still add blocks).

    `splits` is how many the client has added in all: the inputs are closed when that many are known, so
    that a `SplitsAdded` overtaken by this event is waited for. -1: not told, closed at once.
    """

    job: str
    splits: int = -1


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """A client wants the job to end now."""

    job: str


@dataclass(frozen=True, slots=True)
class JobReleased:
    """The client has fetched what it wants of a job: nodes may delete it. Ends the job when it still runs."""

    job: str


@dataclass(frozen=True, slots=True)
class DatasetPut:
    """A client has put a version of a dataset: all its blocks are where they are to be, on the disk.

    Nothing comes of it when the dataset has a version of that number, or ever had; the client looks whose it is.
    """

    version: Version


@dataclass(frozen=True, slots=True)
class DatasetRemoved:
    """A client wants this version of a dataset to be no more."""

    dataset: str
    number: int


@dataclass(frozen=True, slots=True)
class NodeDrained:
    """A client wants a node to keep no blocks any more, or (not `drained`) to keep them again."""

    node: str
    drained: bool


# ---- told to the scheduler by nodes ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodeJoined:
    """A node says hello. `incarnation` is random per process: same name, new incarnation = it restarted.

    `held` lists the sealed attempts whose output it still holds.
    """

    node: str
    incarnation: str
    slots: int
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeBeat:
    """A node's heartbeat: attempts it knows (queued, fetching, running or failed) and what it holds sealed.

    `held` names every sealed attempt that waits for its answer, and a few of the committed ones in turn, so
    that a beat stays small: what it leaves out may still be held. `progress` maps a running attempt to
    (records so far, bytes so far).
    """

    node: str
    incarnation: str
    working: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    progress: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class NodeGone:
    """The node's process is known to have ended (the keeper saw it)."""

    node: str
    incarnation: str


@dataclass(frozen=True, slots=True)
class AttemptSealed:
    """An attempt's output is complete on its node; repeated until it is committed or discarded."""

    node: str
    incarnation: str
    attempt: str
    report: TaskReport


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt ended without output; repeated until it is discarded."""

    node: str
    incarnation: str
    attempt: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class BlockSealed:
    """A decode attempt has sealed block `split` (kind "held", held by this attempt on this node).

    Blocks of one decode task are the same whichever attempt makes them; `split.order` identifies one.
    Repeated until acknowledged.
    """

    node: str
    incarnation: str
    attempt: str
    split: Split


# ---- told to both ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; leases, waits and repeats are looked at."""


SchedulerEvent = (
    JobSubmitted
    | SplitsAdded
    | InputsClosed
    | CancelRequested
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

# ---- told to a node by the master (its actions, arrived) ------------------------------------------


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a master of this epoch says to a node: to the incarnation named here, that it is accepted, and heard.

    No incarnation, or another one: the master does not know the node (it has restarted, say), which is to
    say hello to it. Messages of an older epoch than the newest seen are ignored.
    """

    node: str
    epoch: int
    incarnation: str = ""


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """Do this attempt. May arrive more than once.

    `split` for map and decode attempts; for reduce `partition` and `sources`: the committed map attempts,
    in input order, with the node that holds each: the only ones that may be read. `isolated`: an attempt
    before has died, so find out what is to blame. `stall_s`: kill it after so long without progress.
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


@dataclass(frozen=True, slots=True)
class CommitAttempt:
    """The scheduler chose this sealed attempt; keep its output until the job is forgotten."""

    attempt: str


@dataclass(frozen=True, slots=True)
class DiscardAttempt:
    """Stop the attempt if it runs, delete what it made, and stop repeating its report."""

    attempt: str


@dataclass(frozen=True, slots=True)
class AcknowledgeBlock:
    """The scheduler has recorded this block of a decode attempt; stop repeating it.

    `mapped`: it has been mapped, too, so its file can go.
    """

    attempt: str
    order: tuple[int, int]
    mapped: bool = False


@dataclass(frozen=True, slots=True)
class ForgetJob:
    """The job is over; stop and delete everything of it."""

    job: str


# ---- told to a node by its own driver -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExecutorReady:
    """A new executor process is up and idle."""

    executor: int


@dataclass(frozen=True, slots=True)
class ExecutorDied:
    """An executor process ended; `reason` is for people (`killed by SIGKILL`)."""

    executor: int
    reason: str


@dataclass(frozen=True, slots=True)
class ExecutorSealed:
    """An executor finished its attempt; the executor is idle again."""

    executor: int
    attempt: str
    report: TaskReport


@dataclass(frozen=True, slots=True)
class ExecutorFailed:
    """An executor's attempt failed; the executor is idle again."""

    executor: int
    attempt: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class ExecutorBlock:
    """An executor's decode attempt has sealed a block (held by nobody yet: the node fills itself in)."""

    executor: int
    attempt: str
    split: Split


@dataclass(frozen=True, slots=True)
class ExecutorBeat:
    """An executor works on: records and bytes of its attempt so far."""

    executor: int
    attempt: str
    records: int
    bytes_done: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """All remote input of an attempt is now local: `paths` in the order of its sources."""

    attempt: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """A source of an attempt could not be fetched from `node`; `here`: since it cannot be written on this node."""

    attempt: str
    source: str
    node: str
    reason: str
    here: bool = False


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
