"""The scheduler's state (jobs, nodes, queues), and a turn, which collects the effects of one event.

Records only. The decisions are in `core/scheduling/` and `core/replication/`, in functions that take the state and
the turn. `scheduling/scheduler.py` is their entrance.

A turn's actions come out facts first, in whatever order they were added: nothing is sent before the facts that it
depends on are on disk.
"""

from __future__ import annotations

from dataclasses import field
from math import inf

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.actions import JobEnded, Persist, SchedulerAction, SendNode, ToNode
from mrframe.core.model.catalog import Catalog
from mrframe.core.model.events import DiscardAttempt, ForgetJob, Welcome
from mrframe.core.model.facts import Fact
from mrframe.core.model.ids import parse_attempt
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.model.states import NODE, NodeMembership
from mrframe.core.state.block_map import BlockMap
from mrframe.core.state.queue import FairQueue
from mrframe.core.state.submission import SubmissionRecord
from mrframe.core.state.tasks import Attempt, Task

RECENT_DECAY = 0.8


@dataclass(slots=True, eq=False)
class NodeRecord:
    """The scheduler's record of a node.

    live     attempts given to it that are not over, by id (`decodes` of them are at decode tasks)
    unpredictable  number of these whose work does not follow from the bytes of their split, decodes aside
    queued_bytes  bytes of the splits of all others
    recent_s  duration of recent map attempts there, a decaying maximum, 0.0 if unknown
    outputs  committed attempts with their output on it, by id
    ended    incarnations that have ended for certain: their messages are ignored
    replaced incarnations that another one has replaced: their messages are ignored while that one is joined
    faults   {task: time} of attempts that ended by themselves on it
    welcome  the reply to its heartbeats
    alone    its attempt at a suspect task, beside which it gets no other (`suspects.py`)
    excluded_until_s  it gets no attempts before this time (`node_exclusion.py`)
    """

    name: str
    state: NodeMembership = NODE.start
    incarnation: str = ""
    slots: int = 0
    seen_s: float = 0.0
    live: dict[str, Attempt] = field(default_factory=dict)
    outputs: dict[str, Task] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    faults: dict[str, float] = field(default_factory=dict)
    excluded_until_s: float = 0.0
    decodes: int = 0
    unpredictable: int = 0
    queued_bytes: int = 0
    recent_s: float = 0.0
    alone: str = ""
    welcome: Welcome | None = None

    def count(self, attempt: Attempt, sign: int) -> None:
        """Count an attempt that begins (sign 1) or ends (-1) on the node."""
        split = attempt.start.split
        if attempt.task.kind == "decode":
            self.decodes += sign
        elif split is None or not split.has_predictable_work:
            self.unpredictable += sign
        else:
            self.queued_bytes += sign * split.length

    def took(self, seconds: float) -> None:
        """Note the duration of a map attempt."""
        self.recent_s = max(seconds, self.recent_s * RECENT_DECAY)

    @property
    def load(self) -> int:
        """The number of its attempts that use slots: all but decode attempts that pause."""
        if not self.decodes:
            return len(self.live)
        return sum(a.task.kind != "decode" or not a.task.is_ahead() for a in self.live.values())

    def is_past(self, incarnation: str) -> bool:
        """Return whether messages of this incarnation are out of date."""
        return incarnation in self.ended or (self.state is NodeMembership.JOINED and incarnation in self.replaced)


class Turn:
    """The effects of one event: facts to persist, then messages and ends of jobs.

    `now_s` is monotonic. `wall_s` is of the clock on the wall, for people, and decides nothing.
    """

    __slots__ = ("_facts", "_rest", "now_s", "wall_s")

    def __init__(self, now_s: float, wall_s: float = 0.0) -> None:
        self.now_s = now_s
        self.wall_s = wall_s
        self._facts: list[SchedulerAction] = []
        self._rest: list[SchedulerAction] = []

    def persist(self, fact: Fact) -> None:
        """Write this fact before anything of the turn is sent."""
        self._facts.append(Persist(fact))

    def send(self, node: str, message: ToNode) -> None:
        """Send a message to a node, once the facts are on disk."""
        self._rest.append(SendNode(node, message))

    def end(self, ended: JobEnded) -> None:
        """Tell the client that a job is over."""
        self._rest.append(ended)

    def actions(self) -> list[SchedulerAction]:
        """All of it, facts first."""
        return self._facts + self._rest if self._facts else self._rest


class SchedulerState:
    """Everything that the scheduler knows, with its indexes."""

    def __init__(self, epoch: int, limits: SchedulerLimits) -> None:
        self.epoch = epoch
        self.limits = limits
        self.jobs: dict[str, SubmissionRecord] = {}
        self.released: set[str] = set()
        self.datasets = Catalog()
        self.block_map = BlockMap()
        self.nodes: dict[str, NodeRecord] = {}
        self.may_have_room: set[str] | None = (
            None  # nodes that may have room for a task (all others have none), or None: any node may
        )
        self.passed_over: set[str] = set()  # nodes with room that no waiting task suits before the next tick
        self.leases_from_s = -inf  # no node that has a lease was seen last before this time
        self._nodes_changed = True  # dirty flag: rebuild the fields below from the nodes
        self._joined: list[NodeRecord] = []
        self._expected = 0  # number of nodes that have still to join, or to be given up
        self._slots = 0
        self.waiting = FairQueue()
        self.decoding = FairQueue()  # decode tasks that wait, of which a node gets no more than it has slots
        self.suspects: dict[str, Task] = {}  # ready tasks that wait for a node of their own (`suspects.py`)
        self.reserved = ""  # node that gets no attempts, until it is free for a suspect task
        self.excluded: set[str] = set()  # nodes that are or were excluded (`node_exclusion.py`)
        self.postponed: list[tuple[float, str]] = []  # heap of (when, task id): tasks that rest before a retry
        self.accepted = 0
        self.next_speculation_s = 0.0  # when attempts that are late are looked for again

    def node(self, name: str) -> NodeRecord:
        """Return the node of this name, and make it when it is new."""
        if name not in self.nodes:
            self.nodes[name] = NodeRecord(name)
            self._expected += 1
            self._nodes_changed = True
        return self.nodes[name]

    def move_node(self, node: NodeRecord, cause: str) -> None:
        """Change a node's state by the table in `core/model/states.py`."""
        self._expected -= node.state is NodeMembership.EXPECTED
        node.state = NODE.move(node.state, cause)
        self._expected += node.state is NodeMembership.EXPECTED
        self._nodes_changed = True

    def joined(self) -> list[NodeRecord]:
        """Return the nodes that may get work, by name. The list is rebuilt when a node has changed."""
        self._rebuild()
        return self._joined

    def slots(self) -> int:
        """Return the number of slots of all joined nodes."""
        self._rebuild()
        return self._slots

    def settling(self) -> bool:
        """Whether nodes named by the journal have still to join, or to be given up."""
        return self._expected > 0

    def _rebuild(self) -> None:
        if self._nodes_changed:
            self._nodes_changed = False
            nodes = [self.nodes[name] for name in sorted(self.nodes)]
            self._joined = [node for node in nodes if node.state is NodeMembership.JOINED]
            self._slots = sum(node.slots for node in self._joined)
            self.may_have_room = None

    def is_joined(self, name: str) -> bool:
        """Whether this node may get work."""
        return name in self.nodes and self.nodes[name].state is NodeMembership.JOINED

    def task_of(self, attempt: str) -> Task | None:
        """Return the task that an attempt id belongs to, or None if it is unknown or invalid."""
        job, _, rest = attempt.partition("/")
        submission = self.jobs.get(job)
        return submission.tasks.get(f"{job}/{rest.partition('.')[0]}") if submission else None

    def refuse(self, turn: Turn, node: str, attempt: str) -> None:
        """Have a node discard an attempt, or forget its job when that is over."""
        try:
            job = parse_attempt(attempt).job
        except ValueError:
            job = ""
        turn.send(node, ForgetJob(job) if job in self.released else DiscardAttempt(attempt))

    def refuse_sealed(self, turn: Turn, node: str, attempt: str) -> None:
        """Have a node delete a sealed attempt that is not a result here, if it cannot be one anywhere.

        A commit of an earlier master may be missing in this journal, which may be new or an older copy. So output of
        an earlier epoch is deleted only with its job, once that is released.
        """
        try:
            name = parse_attempt(attempt)
        except ValueError:
            return
        if name.job in self.released or (name.job in self.jobs and name.epoch == self.epoch):
            self.refuse(turn, node, attempt)

    def is_suspect(self, task: Task) -> bool:
        """Return whether so many nodes have died under attempts at this task that it may be their cause."""
        return task.node_deaths >= self.limits.node_deaths_shared_max

    def begin(self, attempt: Attempt) -> None:
        """Record that an attempt was assigned to a node."""
        name = attempt.start.attempt
        task, node = attempt.task, self.nodes[attempt.node]
        task.attempts = (*task.attempts, attempt)
        node.live[name] = attempt
        self.jobs[task.job].live += 1
        if self.is_suspect(task):
            node.alone = name
        node.count(attempt, 1)

    def end(self, attempt: Attempt) -> None:
        """Record the end of an attempt, whatever its result."""
        name = attempt.start.attempt
        task, node = attempt.task, self.nodes[attempt.node]
        task.attempts = tuple(other for other in task.attempts if other is not attempt)
        del node.live[name]
        self.jobs[task.job].live -= 1
        if node.alone == name:
            node.alone = ""
        node.count(attempt, -1)
        if self.may_have_room is not None:
            self.may_have_room.add(node.name)

    def queue(self, task: Task) -> FairQueue:
        """Return the queue for a task of this kind."""
        return self.decoding if task.kind == "decode" else self.waiting

    def drop(self, turn: Turn, attempt: Attempt, *, notify: bool = True) -> None:
        """Forget an attempt that is not the result, and have its node delete it."""
        name = attempt.start.attempt
        self.end(attempt)
        if attempt.task.kind == "decode":
            self.jobs[attempt.task.job].drop_blocks(attempt.task, name)
        if notify:
            turn.send(attempt.node, DiscardAttempt(name))
