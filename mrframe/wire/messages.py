"""The messages that are not events of the core.

The events of `core/model/events.py` travel as they are. Defined here are the messages that only the drivers need:
packages of jobs, addresses, numbers of requests, transfers of files, and messages between parent and child. Class
names and the order of fields are part of the protocol.
"""

from __future__ import annotations

from dataclasses import field

from mrframe.core.fast_dataclass import ADDED, dataclass
from mrframe.core.model import block_messages
from mrframe.core.model.limits import NodeLimits, SchedulerLimits
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Failure, Order, Split
from mrframe.wire.codec import MESSAGE_BYTES_MAX

FETCH_FRAME_BYTES = 1 << 20
"""Longest piece of a file in one data frame."""

REPORT_BYTES_MAX = MESSAGE_BYTES_MAX - (64 << 10)
"""Longest message of an executor, so that the messages which node and master make of it fit, too."""

# ---- client, master, node -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Accepted:
    """The master has accepted the client's requests up to this number. The client may repeat the later ones."""

    number: int


@dataclass(frozen=True, slots=True)
class JobCode:
    """The package of a job, opaque to all but executors. From the client to the master, then to nodes."""

    job: str
    package: bytes


@dataclass(frozen=True, slots=True)
class CodeWanted:
    """A node has an attempt of a job whose package it does not have (any more)."""

    node: str
    incarnation: str
    job: str


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a node serves files: a ZeroMQ address, and its directory for readers on the same host.

    `storage` is the folder of its block store, or "" when it has none.
    """

    node: str
    incarnation: str
    address: str
    directory: str
    storage: str = ""


@dataclass(frozen=True, slots=True)
class Peers:
    """All nodes that are there. Sent to everybody whenever that changes."""

    nodes: tuple[NodeAddress, ...]


@dataclass(frozen=True, slots=True)
class Reports:
    """Some of the reports of a finished job (`JobEnded.reports`), from index `first` on. See `Ended`."""

    job: str
    number: int
    first: int
    reports: tuple[tuple[str, int, str, Split | None, TaskReport], ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """A job has ended. Its reports were sent before, and all is repeated until `EndHeard`.

    `number` counts the ends of the job: when an output of a job that was done is lost, it ends again.
    """

    job: str
    number: int
    outputs: tuple[tuple[str, str], ...]
    failure: Failure | None
    reports: int


@dataclass(frozen=True, slots=True)
class EndHeard:
    """The client confirms this end of the job: it has all its reports."""

    job: str
    number: int


@dataclass(frozen=True, slots=True)
class FollowJob:
    """The client follows this job's progress and end. May be repeated. A new master must be told again."""

    job: str


@dataclass(frozen=True, slots=True)
class JobUnknown:
    """The reply to `FollowJob` when there is no such job."""

    job: str


@dataclass(frozen=True, slots=True)
class ClusterWanted:
    """The client asks for the state of the cluster. `ClusterState` is the answer."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node as the master sees it: `state` as in docs/scheduler.md, `attempts` those that it was given."""

    node: str
    state: str
    slots: int
    attempts: int


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as the master sees it: "running", "done" or "failed", with the tasks of its current step.

    `error_slug` and `message` describe the failure of a failed one. `message` is the beginning of its text.
    `rows` are those of the result of one that is done, -1 else. `ended_s` is by the clock on the wall, 0 for unknown.
    """

    job: str
    state: str
    stage: str
    tasks_done: int
    tasks_total: int
    error_slug: str = ""
    message: str = ""
    ended_s: float = field(default=0.0, metadata=ADDED)
    rows: int = field(default=-1, metadata=ADDED)


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The state of the cluster.

    epoch        counts the starts of its master
    last_number  the highest number in the id of a submission that it has accepted, removed ones included, or 0
    """

    epoch: int
    nodes: tuple[NodeState, ...]
    jobs: tuple[JobState, ...]
    last_number: int = field(default=0, metadata=ADDED)


@dataclass(frozen=True, slots=True)
class Refused:
    """The reply to a message that was dropped. `reason` is for people."""

    reason: str


# ---- transfer of files ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FetchFile:
    """Send file `name` of an attempt: all of it, or of a run file only the slots first_slot … end_slot - 1.

    `first_slot` is -1 for the whole file. At most `credits` data frames may be under way. `FetchMore` grants more.
    """

    request: int
    attempt: str
    name: str
    first_slot: int
    end_slot: int
    credits: int


@dataclass(frozen=True, slots=True)
class FetchMore:
    """The sender may send `credits` more data frames for this request."""

    request: int
    credits: int


@dataclass(frozen=True, slots=True)
class FetchStop:
    """The receiver no longer needs this request."""

    request: int


@dataclass(frozen=True, slots=True)
class FilePiece:
    """One piece of a file follows as a frame of its own. `crc` is the CRC-32 of the file up to the piece's end."""

    request: int
    number: int
    crc: int


@dataclass(frozen=True, slots=True)
class FileEnd:
    """The file is complete: the number of its pieces, its size and its CRC-32."""

    request: int
    pieces: int
    size_bytes: int
    crc: int


@dataclass(frozen=True, slots=True)
class FileRefused:
    """The file cannot be sent. `reason` is for people."""

    request: int
    reason: str


# ---- parent and child -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeeperSetup:
    """First message to a keeper that was started by exec. A forked one has all this in its memory."""

    client_pid: int
    scratch: str
    run_scratch: str
    work: str
    module_path: tuple[str, ...]
    python_path: str | None
    standing: bool


@dataclass(frozen=True, slots=True)
class ForkChildren:
    """Fork these children. Comes with as many file descriptors: each child's pipe to the client."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForkExecutor:
    """Fork executor `number`. Comes with the descriptor of its pipe to the node."""

    number: int


@dataclass(frozen=True, slots=True)
class EndExecutor:
    """Kill executor `number`."""

    number: int


@dataclass(frozen=True, slots=True)
class ChildStarted:
    """A child was forked."""

    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """A child has ended. `reason` is for people: "killed by SIGKILL"."""

    name: str
    pid: int
    reason: str


@dataclass(frozen=True, slots=True)
class EndChildren:
    """End all other processes of the cluster now, and stay. Their files stay too."""


@dataclass(frozen=True, slots=True)
class EndAll:
    """End everything, remove the scratch directory, and leave."""


@dataclass(frozen=True, slots=True)
class Member:
    """A process of this cluster: its name (`client`, `master`, `node-1`) and public key (Z85)."""

    name: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class MasterSetup:
    """First message of the client to the master, over its pipe: its keys, and those of the members.

    `journal` is the file of its journal or, with `standing`, the directory of one that survives a loss of power.
    `address` is where an earlier process of this master listened, and this one is to listen; "": anywhere.
    """

    public_key: bytes
    secret_key: bytes
    members: tuple[Member, ...]
    limits: SchedulerLimits
    journal: str
    address: str = ""
    standing: bool = False


@dataclass(frozen=True, slots=True)
class NodeSetup:
    """First message of the client to a node, over its pipe.

    storage    the folder of its block store, or ""
    blameless  no attempt is to blame for the end of the node's last process
    """

    name: str
    incarnation: str
    slots: int
    directory: str
    by_path: bool
    public_key: bytes
    secret_key: bytes
    members: tuple[Member, ...]
    master_address: str
    limits: NodeLimits
    storage: str = ""
    blameless: bool = False


@dataclass(frozen=True, slots=True)
class ChildReady:
    """A master or node serves at this address."""

    address: str


@dataclass(frozen=True, slots=True)
class ChildFault:
    """Last message of a master or node that cannot go on. `reason` follows its name in texts for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class ExecutorPids:
    """The processes below a node, for doctor and tests: (name, pid)."""

    pids: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Work:
    """Orders to an executor, in this order. `package` is the path of the job's package.

    There are several only of small attempts. The executor begins none after one that failed.
    """

    package: str
    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class BlockDeleted:
    """To the executor of a decode attempt: one of its blocks has been mapped and deleted."""

    attempt: str


@dataclass(frozen=True, slots=True)
class BlockWork:
    """An order to a block executor."""

    order: block_messages.StoreOrder | block_messages.JudgeOrder
