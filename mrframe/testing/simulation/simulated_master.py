"""The simulated master process with its journal, and the client.

The master's driver is the one that design.md prints: decide, persist all facts of the turn in one
transaction, perform. Here it can crash before the transaction, or after it with only some of the actions
performed. The client submits, tells everything again when the master was restarted, collects the answer
from the nodes, compares it, and releases the job.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mrframe.core.model.actions import JobEnded, Persist, SendNode
from mrframe.core.model.events import (
    CancelRequested,
    InputsClosed,
    JobReleased,
    JobSubmitted,
    NodeGone,
    NodeJoined,
    SplitsAdded,
    Tick,
)
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.scheduling.invariants import InvariantBroken, recovers, repeat_changes_nothing
from mrframe.core.scheduling.scheduler import Scheduler

if TYPE_CHECKING:
    from mrframe.testing.simulation.cluster import World

CANCELLED = ("refused", "cancelled")
LIMITS = SchedulerLimits(lease_s=3.0, resend_s=0.8, losses_max=200, speculate_after_s=0.9, speculate_every_s=0.2)
TICK_S = 0.25


class SimulatedMaster:
    """A master that comes and goes; `process` numbers its processes, `journal` outlives them."""

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
        self.world.at(0.0, self.world.client.tell_all)

    def crash(self) -> None:
        """End the process; it is restarted a little later."""
        if self.scheduler is None:
            return
        recovers(self.scheduler, self.journal)
        self.world.note("master", "crashes")
        self.scheduler = None
        self.process += 1
        self.world.at(0.05 + 2.0 * self.world.random.random(), self.start)

    def _tick(self, process: int) -> None:
        if self.scheduler is not None and self.process == process:
            self.told(process, Tick())
            self.world.at(TICK_S, self._tick, process)

    def gone(self, node: str, incarnation: str) -> None:
        """The keeper tells the master, if there is one, that a node process has ended."""
        self.told(self.process, NodeGone(node, incarnation))

    def heard(self, process: int, message: Any) -> None:
        """A node's message arrives. A hello says where the node is from now on.

        A strict driver lets nothing through from where it knows no node; another one lets the scheduler answer.
        """
        if self.process != process:
            return
        if isinstance(message, NodeJoined):
            self._routes[message.node] = message.incarnation
        elif self._strict and self._routes.get(message.node) != message.incarnation:
            return
        self._routes.setdefault(message.node, message.incarnation)
        self.told(process, message)

    def told(self, process: int, event: Any) -> None:
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
        """Write the facts of one turn; False when the process was killed at that, and nothing more is done."""
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
            self.world.at(0.01, self.world.client.told, action)

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


class SimulatedClient:
    """Submits the cases, piece by piece, and sees them through."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: dict[str, Any] = {}
        self._told: list[Any] = []
        self._ended: dict[str, JobEnded] = {}
        self._cancelled: set[str] = set()

    @property
    def finished(self) -> bool:
        """Whether every job has ended as it should and the master has heard of its release."""
        scheduler = self.world.master.scheduler
        return len(self.answers) == len(self.world.cases) and scheduler is not None and not scheduler.book.jobs

    def begin(self) -> None:
        """Submit the jobs, their splits in pieces over the first second."""
        for job, case in self.world.cases.items():
            self.tell(JobSubmitted(job, case.steps))
            rest = list(case.splits)
            delay_s = 0.0
            while rest:
                size = self.world.random.randint(1, len(rest))
                piece, rest = tuple(rest[:size]), rest[size:]
                delay_s += 0.3 * self.world.random.random()
                self.world.at(delay_s, self.tell, SplitsAdded(job, piece))
            at_s = delay_s * self.world.random.choice((0.5, 1.0)) + 0.001  # it may overtake the last splits
            self.world.at(at_s, self.tell, InputsClosed(job, len(case.splits)))
            if self.world.random.random() < 0.05:
                self._cancelled.add(job)
                self.world.at(4.0 * self.world.random.random(), self.tell, CancelRequested(job))

    def tell(self, event: Any) -> None:
        """Tell the master something, and remember it for the next one."""
        self._told.append(event)
        self.world.master.told(self.world.master.process, event)

    def tell_all(self) -> None:
        """A new master process: tell it everything again."""
        for event in list(self._told):
            self.world.master.told(self.world.master.process, event)

    def told(self, ended: JobEnded) -> None:
        """The master says that a job is over."""
        first = ended.job not in self._ended
        self._ended[ended.job] = ended
        if first:
            self.collect(ended.job)

    def collect(self, job: str) -> None:
        """Fetch the answer; when a part cannot be had now, try again later, with what was told last."""
        if job in self.answers:
            return
        ended = self._ended[job]
        failure = ended.failure
        answer: Any = (failure.kind, failure.error_slug) if failure else self._fetch(ended)
        if answer is None:
            self.world.at(0.5, self.collect, job)
            return
        expected = self.world.cases[job].expected
        if answer != expected and not (job in self._cancelled and answer == CANCELLED):
            said = failure.message if failure else answer
            raise InvariantBroken(f"I10: {job} ends with {said}, not {expected}")
        if failure is None:
            self._count(ended)
        self.answers[job] = answer
        self.world.note("client", f"has the answer of {job}")
        self.tell(JobReleased(job))

    def _count(self, ended: JobEnded) -> None:
        """The figures are of all that was read, whatever has been lost since."""
        read = sum(report.ledger.lines for _, step, _, split, report in ended.reports if split and step == 0)
        lines = sum(map(len, self.world.cases[ended.job].inputs))
        if read != lines:
            raise InvariantBroken(f"I10: {ended.job} tells of {read} lines, and has {lines}")

    def _fetch(self, ended: JobEnded) -> list[Any] | None:
        rows: list[Any] = []
        for attempt, name in ended.outputs:
            node = self.world.nodes[name]
            part = node.disk.get(attempt, {}).get("part.mrf") if node.core is not None else None
            if part is None:
                return None
            rows += part
        return rows
