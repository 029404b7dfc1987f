"""One simulated node process and its machine: the real `NodeCore`, with executors and a disk of plain values.

The driver serves the core as the node's process does, without real sockets and files. When the process crashes, the
machine keeps or loses its disk, as the faults say. Unsealed attempts are swept at the start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mrframe.core.model import actions as a
from mrframe.core.model import events as e
from mrframe.core.model.ids import parse_attempt
from mrframe.core.model.limits import NodeLimits
from mrframe.core.model.spec import DecodeOrder, Failure, MapOrder, Order
from mrframe.core.node.node_core import NodeCore
from mrframe.core.scheduling.invariants import InvariantBroken
from mrframe.testing.simulation.simulated_work import Done, work
from mrframe.testing.simulation.world import KILLER, World

LIMITS = NodeLimits(
    beat_s=0.5,
    unheard_s=2.0,
    repeat_s=0.4,
    repeat_s_max=3.0,
    held_per_beat=4,
    executor_attempts_max=9,
    blocks_ahead_max=2,
    batch_s=3.0,
    batch_attempts_max=4,
)
TICK_S = 0.25
Disk = dict[str, dict[str, Any]]  # attempt -> name of file -> content


class SimulatedNode:
    """A machine with a name, a disk, and a node process that comes and goes.

    `executors` maps the number of a living executor to its orders. It works on the first of them.
    """

    def __init__(self, world: World, name: str, slots: int, make_core: Callable[..., NodeCore]) -> None:
        self.world = world
        self.name = name
        self.slots = slots
        self.core: NodeCore | None = None
        self.incarnation = ""
        self.disk: Disk = {}
        self.sealed: set[str] = set()
        self.executors: dict[int, list[Order]] = {}
        self.paused_until_s = 0.0
        self.cut_until_s = 0.0
        self._make_core = make_core
        self._starts = 0

    # ---- the process ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process on the present content of the disk."""
        self._starts += 1
        self.incarnation = f"{self.name}#{self._starts}"
        self.disk = {name: files for name, files in self.disk.items() if name in self.sealed}
        self.core = self._make_core(self.name, self.incarnation, self.slots, LIMITS, sorted(self.sealed))
        self.world.note(self.name, f"starts as {self.incarnation} holding {len(self.disk)}")
        self._tick(self.incarnation)

    def crash(self, *, lose_disk: bool) -> None:
        """End the process and its executors at once."""
        if self.core is None:
            return
        self.world.note(self.name, "crashes" + (" and loses its disk" if lose_disk else ""))
        self.core = None
        self.executors.clear()
        self.paused_until_s = 0.0
        if lose_disk:
            self.disk.clear()
            self.sealed.clear()

    def _tick(self, incarnation: str) -> None:
        if self.core is not None and self.incarnation == incarnation:
            self.handle(incarnation, e.Tick())
            self.world.at(TICK_S, self._tick, incarnation)

    def handle(self, incarnation: str, event: e.NodeEvent) -> None:
        """Deliver an event to this incarnation. A paused process receives it when it resumes."""
        if self.core is None or self.incarnation != incarnation:
            return
        if self.world.now_s < self.paused_until_s:
            self.world.at_time(self.paused_until_s, self.handle, incarnation, event)
            return
        self.world.events += 1
        for action in self.core.handle(event, self.world.now_s):
            self._do(action)

    # ---- its actions --------------------------------------------------------------------------------

    def _do(self, action: a.NodeAction) -> None:
        match action:
            case a.SendMaster(message):
                self.world.to_master(self, message)
            case a.SpawnExecutor(number):
                self._spawn(number)
            case a.KillExecutor(number):
                if number in self.executors:
                    self.world.at(0.01, self.die, self.incarnation, number, "killed by the node")
            case a.Execute(number, _, orders):
                self._execute(number, orders)
            case a.Fetch(attempt, sources, partition):
                delay_s = 0.01 + 0.2 * self.world.random.random()
                self.world.at(delay_s, self._fetch, self.incarnation, attempt, sources, partition)
            case a.DeleteAttempt(attempt):
                self.disk.pop(attempt, None)
                self.sealed.discard(attempt)
            case a.DeleteBlock(attempt, name, _):
                self.disk.get(attempt, {}).pop(name, None)
            case a.DeleteJob(job):
                for name in [name for name in self.disk if name.startswith(job + "/")]:
                    del self.disk[name]
                    self.sealed.discard(name)

    def _spawn(self, number: int) -> None:
        if number in self.executors or len(self.executors) >= 2 * self.slots:
            raise InvariantBroken(f"I4: {self.name} starts executor {number} besides {list(self.executors)}")
        self.executors[number] = []
        if self.world.chance(self.world.faults.executor_dies / 2):
            self.world.at(0.02, self.die, self.incarnation, number, "died before it was ready")
        else:
            self.world.at(0.02, self._event_of, self.incarnation, number, e.ExecutorReady(number))

    def _event_of(self, incarnation: str, number: int, event: e.NodeEvent) -> None:
        if self.incarnation == incarnation and number in self.executors:
            self.handle(incarnation, event)

    def die(self, incarnation: str, number: int, reason: str) -> None:
        """An executor's process ends."""
        if self.incarnation == incarnation and number in self.executors:
            del self.executors[number]
            self.handle(incarnation, e.ExecutorDied(number, reason))

    # ---- work ---------------------------------------------------------------------------------------

    def _execute(self, number: int, orders: tuple[Order, ...]) -> None:
        """Give an executor orders after those that it has, and begin the first if it has none."""
        had = self.executors.get(number)
        if had is None or not _may_follow([*had, *orders]):
            names = ", ".join(order.attempt for order in orders)
            raise InvariantBroken(f"I4: {self.name} gives {names} to executor {number}, which has {had}")
        working = [some[0] for some in self.executors.values() if some and not isinstance(some[0], DecodeOrder)]
        if not had and not isinstance(orders[0], DecodeOrder) and len(working) >= self.slots:
            raise InvariantBroken(
                f"I4: {self.name} gives {orders[0].attempt} to an executor, and all its slots are taken"
            )
        had += orders
        if len(had) == len(orders):
            self._begin(number, had[0])

    def _begin(self, number: int, order: Order) -> None:
        if order.attempt in self.world.executed:
            raise InvariantBroken(f"I2: {order.attempt} is run a second time, on {self.name}")
        self.world.executed.add(order.attempt)
        self.world.note(self.name, f"runs {order.attempt}")
        self.disk.setdefault(order.attempt, {})
        seconds = self.world.duration_s()
        if self.world.faults.node_killer and order.attempt.startswith(f"{KILLER}."):
            self.world.note(self.name, f"is ended by {order.attempt}")
            self.world.at(seconds * self.world.random.random(), self._end_by, self.incarnation)
            return
        if self.world.may_kill(order.attempt):
            self.world.at(
                seconds * self.world.random.random(), self.die, self.incarnation, number, "killed by SIGKILL"
            )
            return
        self.world.at(seconds / 2, self._beat, self.incarnation, number, order)
        self.world.at(seconds, self._finish, self.incarnation, number, order, seconds)

    def _end_by(self, incarnation: str) -> None:
        if self.incarnation == incarnation:
            self.world.crash_node(self)

    def _working(self, incarnation: str, number: int, order: Order) -> bool:
        orders = self.executors.get(number) if self.incarnation == incarnation else None
        return bool(orders) and orders is not None and orders[0] is order

    def _beat(self, incarnation: str, number: int, order: Order) -> None:
        if self._working(incarnation, number, order):
            self.handle(incarnation, e.ExecutorBeat(number, order.attempt, 1, 10))

    def _finish(self, incarnation: str, number: int, order: Order, seconds: float) -> None:
        if not self._working(incarnation, number, order):
            return
        case = self.world.cases[parse_attempt(order.attempt).job]
        try:
            outcome = work(case, order, self._read, misread=self.world.misreads(self.name, order))
        except KeyError as gone:
            outcome = Failure("io", f"no such file: {gone}")
        if isinstance(outcome, Failure):
            self.executors[number].clear()  # it begins none after one that failed
            self.handle(incarnation, e.ExecutorFailed(number, order.attempt, outcome))
            return
        outcome.report.seconds = seconds
        self._write(order, outcome, 0)
        self._seal(incarnation, number, order, outcome, 0)

    def _write(self, order: Order, outcome: Done, block: int) -> None:
        files = self.disk.setdefault(order.attempt, {})
        names = [outcome.blocks[block].path] if outcome.blocks else list(outcome.files)
        files.update({name: outcome.files[name] for name in names})

    def _seal(self, incarnation: str, number: int, order: Order, outcome: Done, block: int) -> None:
        """Report block after block, some time apart, then the seal."""
        if not self._working(incarnation, number, order):
            return
        ahead = sum(split.path in self.disk.get(order.attempt, {}) for split in outcome.blocks[:block])
        if block < len(outcome.blocks) and isinstance(order, DecodeOrder) and ahead >= order.blocks_ahead_max:
            self.world.at(0.05, self._seal, incarnation, number, order, outcome, block)
            return
        if block < len(outcome.blocks):
            self._write(order, outcome, block)
            self.handle(incarnation, e.ExecutorBlock(number, order.attempt, outcome.blocks[block]))
            self.world.at(0.05, self._seal, incarnation, number, order, outcome, block + 1)
            return
        self.sealed.add(order.attempt)
        orders = self.executors[number]
        del orders[0]
        if orders:
            self._begin(number, orders[0])
        self.handle(incarnation, e.ExecutorSealed(number, order.attempt, outcome.report))

    def _read(self, path: str) -> Any:
        attempt, _, name = path.rpartition("/")
        return self.disk[attempt][name]

    # ---- fetching -----------------------------------------------------------------------------------

    def _fetch(
        self, incarnation: str, attempt: str, sources: tuple[tuple[str, str, str], ...], partition: int
    ) -> None:
        if self.core is None or self.incarnation != incarnation:
            return
        paths, copies = [], {}
        for number, (source, holder, name) in enumerate(sources):
            data = self._from(holder, source, name)
            if data is None:
                self.handle(incarnation, e.FetchFailed(attempt, source, holder, "it does not have it"))
                return
            if holder == self.name:
                paths.append(f"{source}/{name}")
                continue
            paths.append(f"{attempt}/in-{number}")
            copies[f"in-{number}"] = {partition: data.get(partition, [])} if partition >= 0 else data
        if copies:
            self.disk.setdefault(attempt, {}).update(copies)
        self.handle(incarnation, e.Fetched(attempt, tuple(paths)))

    def _from(self, holder: str, source: str, name: str) -> Any:
        """A file of a sealed attempt (or a sealed block of one), None when it cannot be had now."""
        other = self.world.nodes[holder]
        if other is not self:
            down = other.core is None or self.world.now_s < max(
                other.paused_until_s, other.cut_until_s, self.cut_until_s
            )
            if down or self.world.chance(self.world.faults.fetch_fails):
                return None
        return other.disk.get(source, {}).get(name)


def _may_follow(orders: list[Order]) -> bool:
    """Whether an executor may have these orders at a time: a single one, or a batch of maps of one job."""
    jobs = {parse_attempt(order.attempt).job for order in orders}
    small = all(isinstance(order, MapOrder) and not order.isolated and not order.split.is_pairs for order in orders)
    return len(orders) == 1 or (small and len(jobs) == 1 and len(orders) <= LIMITS.batch_attempts_max)
