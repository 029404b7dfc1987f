"""A simulated cluster: the real scheduler and the real node cores under virtual time, with faults.

`run(seed)` makes a random job, a random cluster and a random schedule of faults from the seed, and plays them.
Messages are lost, doubled, delayed and overtake each other. Executors die. Nodes crash, restart with or without
their disk, pause, or are cut off. The master crashes, also in the middle of a turn, and restarts from the facts
that it persisted. All of them crash at once, as when their keeper does. The invariants are checked at each step.
After the faults have stopped, every job must end within `LIMIT_S` of virtual time with the answer that the case
computes for itself, and leave nothing behind. The same seed gives the same trace.

The client reaches the master without loss. The master may forget events that it had not persisted, so the client
repeats all of them after a restart. The network is in `world.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop

from mrframe.core.node.node_core import NodeCore
from mrframe.core.scheduling.invariants import InvariantBroken
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.testing.simulation.simulated_client import SimulatedClient
from mrframe.testing.simulation.simulated_master import SimulatedMaster
from mrframe.testing.simulation.simulated_node import SimulatedNode
from mrframe.testing.simulation.simulated_work import make_case
from mrframe.testing.simulation.world import Faults, Trace, World

LIMIT_S = 120.0
EVENTS_MAX = 200_000


class SimulatedCluster(World):
    """A world with a master, a client and one to three nodes in it, made from the seed."""

    nodes: dict[str, SimulatedNode]
    client: SimulatedClient

    def __init__(
        self,
        seed: int,
        faults: Faults | None,
        make_scheduler: Callable[..., Scheduler],
        make_node: Callable[..., NodeCore],
    ) -> None:
        super().__init__(seed, faults)
        names = tuple(f"node-{i + 1}" for i in range(self.random.randint(1, 3)))
        jobs = [f"job-{i + 1}" for i in range(max(self.random.choice((1, 1, 2)), 1 + self.faults.node_killer))]
        self.cases = {job: make_case(job, self.random, names) for job in jobs}
        self.nodes = {n: SimulatedNode(self, n, self.random.randint(1, 2), make_node) for n in names}
        self.master = SimulatedMaster(self, make_scheduler)
        self.client = SimulatedClient(self)

    # ---- faults -------------------------------------------------------------------------------------

    def _plan_faults(self) -> None:
        until_s = self.faults.until_s
        plans = (
            (self.faults.node_crashes, lambda: self.crash_node(self._any_node())),
            (self.faults.master_crashes, self._crash_master),
            (self.faults.pauses, self._pause),
            (self.faults.cuts, self._cut),
            (self.faults.keeper_crashes, self._crash_keeper),
        )
        for count, do in plans:
            for _ in range(count):
                self.at(until_s * self.random.random(), do)

    def _any_node(self) -> SimulatedNode:
        return self.nodes[self.random.choice(sorted(self.nodes))]

    def crash_node(self, node: SimulatedNode) -> None:
        """Crash a node, which starts again a little later."""
        if node.core is None:
            return
        incarnation = node.incarnation
        node.crash(lose_disk=self.random.random() < 0.5)
        if self.random.random() < 0.5:  # the keeper has seen it
            self.at(0.05, self.master.node_ended, node.name, incarnation)
        self.at(0.1 + 3.0 * self.random.random(), node.start)

    def _crash_master(self) -> None:
        self.master.crash()

    def _crash_keeper(self) -> None:
        """All processes end with their keeper, and are started again. The disks stay."""
        self.note("keeper", "crashes")
        self.master.crash()
        for node in self.nodes.values():
            if node.core is not None:
                node.crash(lose_disk=False)
                self.at(0.1 + self.random.random(), node.start)

    def _pause(self) -> None:
        node = self._any_node()
        # A pause within a pause ends neither earlier, or messages waiting for the first end would be overtaken.
        node.paused_until_s = max(node.paused_until_s, self.now_s + 6.0 * self.random.random())
        self.note(node.name, f"is paused until {node.paused_until_s:.3f}")

    def _cut(self) -> None:
        node = self._any_node()
        node.cut_until_s = self.now_s + 5.0 * self.random.random()
        self.note(node.name, f"is cut off until {node.cut_until_s:.3f}")

    # ---- the play -----------------------------------------------------------------------------------

    def play(self) -> Trace:
        """Run to the end. Raises InvariantBroken, with the last lines of the trace, if something is wrong."""
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
        self.trace.results = self.client.results
        return self.trace

    def _step(self) -> None:
        self.now_s, _, do, args = heappop(self.agenda)
        do(*args)
        if self.now_s > self.faults.until_s + LIMIT_S or self.events > EVENTS_MAX:
            left = [f"{node.name}: {sorted(node.core.attempts)}" for node in self.nodes.values() if node.core]
            done = sorted(self.client.results)
            message = f"answers of {done or 'no job'}; on the nodes {left}"
            raise InvariantBroken(f"I9: stuck after {self.now_s:.0f} s and {self.events} events with {message}")

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
    """Play one seed. Raises InvariantBroken if anything is lost, doubled, altered, stuck or left behind.

    `faults` sets the weather (`CALM`: none) in place of the seed's own. The factories put other cores in
    place of the real ones, to try planted bugs.
    """
    return SimulatedCluster(seed, faults, make_scheduler, make_node).play()
