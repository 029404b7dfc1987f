"""A simulated cluster: the real scheduler and the real node cores under virtual time, with faults.

`run(seed)` makes a random job, a random cluster and a random schedule of faults from the seed, and plays
them: messages are lost, doubled, delayed and overtake each other; executors die; nodes crash, restart with
or without their disk, pause, or are cut off; the master crashes, also in the middle of a turn, and is
restarted from what was persisted. The invariants are checked at each step. After the faults have stopped
every job must end within `LIMIT_S` of virtual time, with the answer that the case computes for itself, and
leave nothing behind. The same seed gives the same trace.

What it keeps to, as the real transport does: a message reaches only the process it was sent to, never a
later one of the same name (though what an earlier one has sent may arrive after its successor's hello); the
client speaks to the master without loss, but the master may forget what it had not persisted, so that the
client tells all again after a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import heappop, heappush
from random import Random
from typing import Any

from mrframe.core.model.spec import Order, ReduceOrder
from mrframe.core.node.node_core import NodeCore
from mrframe.core.scheduling.invariants import Checker, InvariantBroken
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.testing.simulation.simulated_master import SimulatedClient, SimulatedMaster
from mrframe.testing.simulation.simulated_node import SimulatedNode
from mrframe.testing.simulation.simulated_work import Case, make_case

LIMIT_S = 120.0
EVENTS_MAX = 200_000
DEATHS_MAX = 3  # executors that die over one task: one more and the job may rightly fail


@dataclass(frozen=True, slots=True)
class Faults:
    """How bad it gets: probabilities per message or attempt, and counts of larger events."""

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
    )


@dataclass(slots=True)
class Trace:
    """What happened: one line for each step, and the figures."""

    seed: int
    lines: list[str] = field(default_factory=list)
    virtual_s: float = 0.0
    events: int = 0
    attempts: int = 0
    epochs: int = 1
    answers: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A hash of the lines: equal for equal runs."""
        return blake2b("\n".join(self.lines).encode(), digest_size=16).hexdigest()


class World:
    """Virtual time, chance, the network, and everybody in it."""

    def __init__(
        self,
        seed: int,
        faults: Faults | None,
        make_scheduler: Callable[..., Scheduler],
        make_node: Callable[..., NodeCore],
    ) -> None:
        self.random = Random(seed)
        self.faults = faults if faults is not None else make_faults(self.random)
        self.now_s = 0.0
        self.events = 0
        self.trace = Trace(seed)
        self.executed: set[str] = set()
        self.checker = Checker()
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0
        self._deaths: dict[str, int] = {}
        names = tuple(f"node-{i + 1}" for i in range(self.random.randint(1, 3)))
        jobs = [f"job-{i + 1}" for i in range(self.random.choice((1, 1, 2)))]
        self.cases: dict[str, Case] = {job: make_case(job, self.random, names) for job in jobs}
        self.nodes = {n: SimulatedNode(self, n, self.random.randint(1, 2), make_node) for n in names}
        self.master = SimulatedMaster(self, make_scheduler)
        self.client = SimulatedClient(self)

    # ---- time and chance ----------------------------------------------------------------------------

    def at(self, delay_s: float, do: Callable[..., None], *args: Any) -> None:
        """Do something later."""
        self.at_time(self.now_s + delay_s, do, *args)

    def at_time(self, time_s: float, do: Callable[..., None], *args: Any) -> None:
        """Do something at a time; what is asked for first is done first."""
        self._number += 1
        heappush(self._agenda, (time_s, self._number, do, args))

    def note(self, who: str, what: str) -> None:
        """Write a line of the trace."""
        self.trace.lines.append(f"{self.now_s:9.3f} {who:8} {what}")

    @property
    def faulty(self) -> bool:
        """Whether faults still happen."""
        return self.now_s < self.faults.until_s

    def chance(self, probability: float) -> bool:
        """Whether a fault of this probability strikes now."""
        return probability > 0 and self.faulty and self.random.random() < probability

    def duration_s(self) -> float:
        """How long an attempt takes."""
        seconds = 0.05 + 0.4 * self.random.random()
        return seconds * 20 if self.chance(self.faults.straggles) else seconds

    def may_kill(self, attempt: str) -> bool:
        """Whether the executor dies over this attempt; not so often that the job must fail for it."""
        task = attempt.partition(".")[0]
        if self._deaths.get(task, 0) >= DEATHS_MAX or not self.chance(self.faults.executor_dies):
            return False
        self._deaths[task] = self._deaths.get(task, 0) + 1
        return True

    def misreads(self, node: str, order: Order) -> bool:
        """Whether this reduce takes one of its sources for another one; such attempts count with those that die."""
        task = order.attempt.partition(".")[0]
        strikes = isinstance(order, ReduceOrder) and self._deaths.get(task, 0) < DEATHS_MAX
        if not strikes or not self.chance(self.faults.misreads):
            return False
        self._deaths[task] = self._deaths.get(task, 0) + 1
        self.note(node, f"misreads the sources of {order.attempt}")
        return True

    # ---- the network --------------------------------------------------------------------------------

    def _delays(self, node: SimulatedNode) -> list[float]:
        """When copies of a message to or from this node arrive: none, one or two of them."""
        if self.now_s < node.cut_until_s or self.chance(self.faults.lose):
            return []
        copies = 2 if self.chance(self.faults.double) else 1
        return [0.002 + (2.0 * self.random.random() if self.chance(self.faults.slow) else 0.0) for _ in range(copies)]

    def to_master(self, node: SimulatedNode, message: Any) -> None:
        """A node sends a message to the master process that is up now."""
        for delay_s in self._delays(node):
            self.at(delay_s, self.master.heard, self.master.process, message)

    def to_node(self, name: str, incarnation: str, message: Any) -> None:
        """The master sends a message to a node process."""
        node = self.nodes[name]
        for delay_s in self._delays(node):
            self.at(delay_s, node.told, incarnation, message)

    # ---- faults -------------------------------------------------------------------------------------

    def _plan_faults(self) -> None:
        until_s = self.faults.until_s
        plans = (
            (self.faults.node_crashes, self._crash_node),
            (self.faults.master_crashes, self._crash_master),
            (self.faults.pauses, self._pause),
            (self.faults.cuts, self._cut),
        )
        for count, do in plans:
            for _ in range(count):
                self.at(until_s * self.random.random(), do)

    def _any_node(self) -> SimulatedNode:
        return self.nodes[self.random.choice(sorted(self.nodes))]

    def _crash_node(self) -> None:
        node = self._any_node()
        if node.core is None:
            return
        incarnation = node.incarnation
        node.crash(lose_disk=self.random.random() < 0.5)
        if self.random.random() < 0.5:  # the keeper has seen it
            self.at(0.05, self.master.gone, node.name, incarnation)
        self.at(0.1 + 3.0 * self.random.random(), node.start)

    def _crash_master(self) -> None:
        self.master.crash()

    def _pause(self) -> None:
        node = self._any_node()
        # A pause within a pause ends neither earlier: else what waits for the first end would be overtaken.
        node.paused_until_s = max(node.paused_until_s, self.now_s + 6.0 * self.random.random())
        self.note(node.name, f"is paused until {node.paused_until_s:.3f}")

    def _cut(self) -> None:
        node = self._any_node()
        node.cut_until_s = self.now_s + 5.0 * self.random.random()
        self.note(node.name, f"is cut off until {node.cut_until_s:.3f}")

    # ---- the play -----------------------------------------------------------------------------------

    def play(self) -> Trace:
        """Run to the end; InvariantBroken, with the last lines of the trace, when something is wrong."""
        self._plan_faults()
        self.master.start()
        for node in self.nodes.values():
            node.start()
        self.client.begin()
        try:
            while not self._over():
                self._step()
        except AssertionError as broken:
            tail = "\n".join(self.trace.lines[-40:])
            raise InvariantBroken(f"{broken}\nseed {self.trace.seed}, {self.faults}\n{tail}") from broken
        self.trace.virtual_s, self.trace.events = self.now_s, self.events
        self.trace.attempts, self.trace.epochs = len(self.executed), self.master.epoch
        self.trace.answers = self.client.answers
        return self.trace

    def _step(self) -> None:
        self.now_s, _, do, args = heappop(self._agenda)
        do(*args)
        if self.now_s > self.faults.until_s + LIMIT_S or self.events > EVENTS_MAX:
            left = [f"{node.name}: {sorted(node.core.attempts)}" for node in self.nodes.values() if node.core]
            done = sorted(self.client.answers)
            said = f"answers of {done or 'no job'}; on the nodes {left}"
            raise InvariantBroken(f"I9: stuck after {self.now_s:.0f} s and {self.events} events with {said}")

    def _over(self) -> bool:
        if self.faulty or not self.client.finished:
            return False
        return all(node.core is not None and not node.core.attempts and not node.disk for node in self.nodes.values())


def run(
    seed: int,
    *,
    faults: Faults | None = None,
    make_scheduler: Callable[..., Scheduler] = Scheduler,
    make_node: Callable[..., NodeCore] = NodeCore,
) -> Trace:
    """Play one seed; InvariantBroken when anything is lost, doubled, altered, stuck or left behind.

    `faults` sets the weather (`CALM`: none) in place of the seed's own. The factories put other cores in
    the places of the real ones: that is how planted bugs are tried.
    """
    return World(seed, faults, make_scheduler, make_node).play()
