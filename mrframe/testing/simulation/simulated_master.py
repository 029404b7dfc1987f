"""The simulated master process with its journal.

Its driver works as the real one does: decide, persist all facts of the turn in one transaction, perform. Here it
can crash before the transaction, or after it with only some of the actions performed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mrframe.core.model.actions import JobEnded, Persist, SendNode
from mrframe.core.model.events import (
    NodeGone,
    NodeJoined,
    Tick,
)
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.scheduling.invariants import recovers, repeat_changes_nothing
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.testing.simulation.world import World

LIMITS = SchedulerLimits(
    lease_s=3.0,
    resend_s=0.8,
    losses_max=200,
    speculate_after_s=0.9,
    speculate_every_s=0.2,
    quick_queued_s=20.0,
    quick_queued_per_slot=4,
    quick_waiting=1,
)
TICK_S = 0.25


class SimulatedMaster:
    """A master that comes and goes. `process` numbers its processes. `journal` outlives them."""

    def __init__(self, world: World, make_scheduler: Callable[..., Scheduler]) -> None:
        self.world = world
        self.scheduler: Scheduler | None = None
        self.process = 0
        self.epoch = 0
        self.journal: list[Any] = []
        self._make = make_scheduler
        self._turns = 0
        self._routes: dict[str, str] = {}  # node -> the incarnation that messages go to
        self._strict = world.random.random() < 0.5

    def start(self) -> None:
        """Start a process from the journal, with a new epoch."""
        self.process += 1
        self.epoch += 1
        self.scheduler = self._make(self.epoch, LIMITS)
        self._routes.clear()
        if self.journal:
            self.scheduler.recover(self.journal)
        self.world.note("master", f"starts epoch {self.epoch} with {len(self.journal)} facts")
        self._tick(self.process)
        self.world.at(0.0, self.world.client.resend_all)

    def crash(self) -> None:
        """End the process. It restarts a little later."""
        if self.scheduler is None:
            return
        recovers(self.scheduler, self.journal)
        self.world.note("master", "crashes")
        self.scheduler = None
        self.process += 1
        self.world.at(0.05 + 2.0 * self.world.random.random(), self.start)

    def _tick(self, process: int) -> None:
        if self.scheduler is not None and self.process == process:
            self.handle(process, Tick())
            self.world.at(TICK_S, self._tick, process)

    def node_ended(self, node: str, incarnation: str) -> None:
        """The keeper tells the master, if there is one, that a node process has ended."""
        self.handle(self.process, NodeGone(node, incarnation))

    def receive(self, process: int, message: Any) -> None:
        """A node's message arrives. A hello says where the node is from now on.

        A strict driver drops messages from unknown nodes. Another one lets the scheduler answer.
        """
        if self.process != process:
            return
        if isinstance(message, NodeJoined):
            self._routes[message.node] = message.incarnation
        elif self._strict and self._routes.get(message.node) != message.incarnation:
            return
        self._routes.setdefault(message.node, message.incarnation)
        self.handle(process, message)

    def handle(self, process: int, event: Any) -> None:
        """An event arrives for this process of the master: one turn."""
        if self.scheduler is None or self.process != process:
            return
        world, scheduler = self.world, self.scheduler
        world.events += 1
        if not isinstance(event, Tick):
            world.note("master", _brief(event))
        actions = scheduler.handle(event, world.now_s)
        torn = world.chance(world.faults.torn_turns)
        if torn and world.random.random() < 0.5:  # nothing of the turn has happened
            self._torn()
            return
        facts = [action.fact for action in actions if isinstance(action, Persist)]
        if facts and not self.persist(facts):
            self._torn()
            return
        world.checker.turn(scheduler, actions)
        performed = world.random.randint(0, len(actions)) if torn else len(actions)
        for action in actions[:performed]:
            self._do(action)
        if torn:
            self._torn()
        else:
            self._check(event)

    def persist(self, facts: list[Any]) -> bool:
        """Write the facts of one turn. Returns False if that killed the process: then do nothing more."""
        self.journal += facts
        return True

    def _torn(self) -> None:
        self.world.note("master", "crashes within a turn")
        self.scheduler = None
        self.process += 1
        self.world.at(0.05 + 2.0 * self.world.random.random(), self.start)

    def _do(self, action: Any) -> None:
        if isinstance(action, SendNode):
            if action.node in self._routes:
                self.world.to_node(action.node, self._routes[action.node], action.message)
        elif isinstance(action, JobEnded):
            self.world.note("master", f"ends {action.job}: {action.failure or 'done'}")
            self.world.at(0.01, self.world.client.job_ended, action)

    def _check(self, event: Any) -> None:
        assert self.scheduler is not None
        self._turns += 1
        if self._turns % 8 == 0:
            repeated = repeat_changes_nothing(self.scheduler, event, self.world.now_s)
            self.world.checker.turn(self.scheduler, repeated)
            for action in repeated:
                self._do(action)
        if self._turns % 32 == 0:
            recovers(self.scheduler, self.journal)


def _brief(event: Any) -> str:
    names = [str(getattr(event, name)) for name in ("job", "node", "attempt") if hasattr(event, name)]
    return f"{type(event).__name__} {' '.join(names)}"
