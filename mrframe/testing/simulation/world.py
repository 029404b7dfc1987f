"""The world of a simulation: virtual time, chance, faults, the network, and the trace of what happens.

Master, nodes and client act in it and see one another through the protocols below. It does not make them, and does
not play a run: that is `simulated_cluster.py`.

The network behaves as the real transport does: a message reaches only the process that it was sent to, never a later
one of the same name. A message of an earlier process may still arrive after its successor's hello.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from heapq import heappush
from random import Random
from typing import Any, Protocol

from mrframe.core.model.actions import JobEnded
from mrframe.core.model.spec import Order, ReduceOrder
from mrframe.core.node.node_core import NodeCore
from mrframe.core.scheduling.invariants import Checker
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.testing.simulation.simulated_work import SimulatedCase

KILLER = "job-1/m0000"
DEATHS_MAX = 3  # executors that die over one task: one more and the job may rightly fail


@dataclass(frozen=True, slots=True)
class Faults:
    """How bad it gets: probabilities per message or attempt, and counts of larger events.

    With `node_killer` each attempt at the first map task of the first job ends its node, also when other faults stop.
    """

    until_s: float = 0.0
    lose: float = 0.0
    double: float = 0.0
    slow: float = 0.0
    executor_dies: float = 0.0
    fetch_fails: float = 0.0
    straggles: float = 0.0
    misreads: float = 0.0
    node_crashes: int = 0
    master_crashes: int = 0
    torn_turns: float = 0.0
    pauses: int = 0
    cuts: int = 0
    node_killer: bool = False
    doubts: float = 0.0
    keeper_crashes: int = 0


CALM = Faults()


def make_faults(random: Random) -> Faults:
    """A random weather: each kind of fault is absent in half of the runs, so that they also come alone."""

    def maybe(value: float) -> float:
        return value * random.random() if random.random() < 0.5 else 0.0

    def some(most: int) -> int:
        return random.randint(1, most) if random.random() < 0.5 else 0

    return Faults(
        until_s=random.choice((4.0, 10.0, 20.0)),
        lose=maybe(0.4),
        double=maybe(0.3),
        slow=maybe(0.3),
        executor_dies=maybe(0.3),
        fetch_fails=maybe(0.3),
        straggles=maybe(0.2),
        node_crashes=some(4),
        master_crashes=some(3),
        torn_turns=maybe(0.02),
        pauses=some(2),
        cuts=some(3),
        doubts=maybe(0.3),
    )


def keeper_crashes(seed: int) -> int:
    """How often the keeper crashes: in half of the runs. A chance of its own leaves all else of a seed as it was."""
    return max(0, Random(f"{seed} keeper").randint(-1, 2))


@dataclass(slots=True)
class Trace:
    """The trace of a run: one line for each step, and the figures."""

    seed: int
    lines: list[str] = field(default_factory=list)
    virtual_s: float = 0.0
    events: int = 0
    attempts: int = 0
    epochs: int = 1
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A hash of the lines: equal for equal runs."""
        return blake2b("\n".join(self.lines).encode(), digest_size=16).hexdigest()


class MasterPeer(Protocol):
    """The master, as nodes and the client see it. `process` numbers its processes."""

    process: int
    epoch: int
    scheduler: Scheduler | None

    def start(self) -> None:
        """Start a process."""

    def crash(self) -> None:
        """End the process."""

    def receive(self, process: int, message: Any) -> None:
        """Take a node's message, if this process is still up."""

    def handle(self, process: int, event: Any) -> None:
        """Take an event, if this process is still up."""

    def node_ended(self, node: str, incarnation: str) -> None:
        """Take the keeper's report that a node process has ended."""


class NodePeer(Protocol):
    """A node, as the network and other nodes see it. `disk` maps an attempt to {name of file: content}."""

    name: str
    core: NodeCore | None
    disk: dict[str, dict[str, Any]]
    paused_until_s: float
    cut_until_s: float

    def handle(self, incarnation: str, event: Any) -> None:
        """Take an event, if this incarnation is still up."""


class ClientPeer(Protocol):
    """The client, as the master sees it."""

    def resend_all(self) -> None:
        """Repeat everything to a new master process."""

    def job_ended(self, ended: JobEnded) -> None:
        """Take the end of a job."""


class World:
    """Virtual time, chance and the network, which everybody in the simulation shares.

    `executed` holds the ids of all attempts that an executor has begun.
    """

    master: MasterPeer
    nodes: Mapping[str, NodePeer]
    client: ClientPeer
    cases: Mapping[str, SimulatedCase]

    def __init__(self, seed: int, faults: Faults | None) -> None:
        self.random = Random(seed)
        if faults is None:
            faults = replace(make_faults(self.random), keeper_crashes=keeper_crashes(seed))
        self.faults = faults
        self.now_s = 0.0
        self.events = 0
        self.trace = Trace(seed)
        self.executed: set[str] = set()
        self.checker = Checker()
        self.agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0
        self._deaths: dict[str, int] = {}

    # ---- time and chance ----------------------------------------------------------------------------

    def at(self, delay_s: float, do: Callable[..., None], *args: Any) -> None:
        """Schedule a call after a delay."""
        self.at_time(self.now_s + delay_s, do, *args)

    def at_time(self, time_s: float, do: Callable[..., None], *args: Any) -> None:
        """Schedule a call at a time. Calls at equal times run in the order they were scheduled."""
        self._number += 1
        heappush(self.agenda, (time_s, self._number, do, args))

    def note(self, who: str, what: str) -> None:
        """Write a line of the trace."""
        self.trace.lines.append(f"{self.now_s:9.3f} {who:8} {what}")

    @property
    def faulty(self) -> bool:
        """Return whether faults still happen."""
        return self.now_s < self.faults.until_s

    def chance(self, probability: float) -> bool:
        """Return whether a fault of this probability strikes now."""
        return probability > 0 and self.faulty and self.random.random() < probability

    def duration_s(self) -> float:
        """Return the duration of an attempt in seconds."""
        seconds = 0.05 + 0.4 * self.random.random()
        return seconds * 20 if self.chance(self.faults.straggles) else seconds

    def may_kill(self, attempt: str) -> bool:
        """Return whether the executor dies in this attempt. At most `DEATHS_MAX` per task, too few to fail a job."""
        task = attempt.partition(".")[0]
        if self._deaths.get(task, 0) >= DEATHS_MAX or not self.chance(self.faults.executor_dies):
            return False
        self._deaths[task] = self._deaths.get(task, 0) + 1
        return True

    def crash_node(self, node: Any) -> None:
        """Crash a node, which starts again a little later."""
        raise NotImplementedError

    def misreads(self, node: str, order: Order) -> bool:
        """Return whether this reduce takes one source for another. Such attempts count as deaths."""
        task = order.attempt.partition(".")[0]
        strikes = isinstance(order, ReduceOrder) and self._deaths.get(task, 0) < DEATHS_MAX
        if not strikes or not self.chance(self.faults.misreads):
            return False
        self._deaths[task] = self._deaths.get(task, 0) + 1
        self.note(node, f"misreads the sources of {order.attempt}")
        return True

    # ---- the network --------------------------------------------------------------------------------

    def _delays(self, node: NodePeer) -> list[float]:
        """When copies of a message to or from this node arrive: none, one or two of them."""
        if self.now_s < node.cut_until_s or self.chance(self.faults.lose):
            return []
        copies = 2 if self.chance(self.faults.double) else 1
        return [0.002 + (2.0 * self.random.random() if self.chance(self.faults.slow) else 0.0) for _ in range(copies)]

    def to_master(self, node: NodePeer, message: Any) -> None:
        """A node sends a message to the master process that is up now."""
        for delay_s in self._delays(node):
            self.at(delay_s, self.master.receive, self.master.process, message)

    def to_node(self, name: str, incarnation: str, message: Any) -> None:
        """The master sends a message to a node process."""
        node = self.nodes[name]
        for delay_s in self._delays(node):
            self.at(delay_s, node.handle, incarnation, message)
