"""The real scheduler over the real journal, its master killed at each point at which it writes.

A kill is a copy of the journal's files at that moment, as kill -9 leaves them while the system lives on.
The next master opens the copy. All else is as in the other simulations: each job must end once, with its answer.
"""

from __future__ import annotations

import shutil

import pytest

from mrframe.cluster.master.fact_journal import DiskJournal
from mrframe.core.model.actions import Persist
from mrframe.core.node.node_core import NodeCore
from mrframe.core.scheduling.invariants import recovers
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.testing.simulation.simulated_cluster import SimulatedCluster
from mrframe.testing.simulation.simulated_master import SimulatedMaster
from mrframe.testing.simulation.world import CALM

MOMENTS = ("before", "within", "committed", "after")


class Killed(Exception):
    """The process is gone."""


class Database:
    """A connection that ends its process at the commit: just before it, or just after it."""

    def __init__(self, connection, moment):
        self.connection = connection
        self.moment = moment

    def execute(self, statement, *values):
        if statement == "COMMIT" and self.moment == "within":
            raise Killed
        result = self.connection.execute(statement, *values)
        if statement == "COMMIT" and self.moment == "committed":
            raise Killed
        return result

    def close(self):
        self.connection.close()


class DurableMaster(SimulatedMaster):
    """A master with a journal on the disk, killed at its `point`th write, at this moment of it."""

    def __init__(self, world, folder, point, moment):
        super().__init__(world, Scheduler)
        self.folder = folder
        self.point = point
        self.moment = moment
        self.writes = 0
        self.disk = None

    def start(self):
        directory = self.folder / f"epoch-{self.epoch + 1}"
        if not self.epoch:
            directory.mkdir(mode=0o700)
        self.disk = DiskJournal(str(directory))
        self.disk._file._database.execute("PRAGMA synchronous = OFF")  # a copy of the files stands for the disk
        self.journal, _ = self.disk.recall()
        assert self.disk.begin_epoch() == self.epoch + 1
        super().start()

    def persist(self, facts):
        self.writes += 1
        killed = self.writes == self.point
        if killed:
            self.disk._file._database = Database(self.disk._file._database, self.moment)
        try:
            if not killed or self.moment != "before":
                self.disk.append(facts)
        except Killed:
            pass
        if killed:
            self._kill()
            if self.moment in ("committed", "after"):
                self.world.checker.turn(self.scheduler, [Persist(fact) for fact in facts])
            return False
        return super().persist(facts)

    def _kill(self):
        here, there = (self.folder / f"epoch-{epoch}" for epoch in (self.epoch, self.epoch + 1))
        shutil.copytree(here, there)
        self.disk.close()

    def crash(self):
        raise AssertionError("the weather is calm")


def play(seed, folder, point=0, moment="after"):
    """One simulated cluster, its master and the answers."""
    folder.mkdir()
    world = SimulatedCluster(seed, CALM, Scheduler, NodeCore)
    world.master = DurableMaster(world, folder, point, moment)
    trace = world.play()
    facts, _ = DiskJournalCopy(world.master).recall()
    recovers(world.master.scheduler, facts)
    world.master.disk.close()
    return world.master, trace


class DiskJournalCopy(DiskJournal):
    """Return the present content of the disk, while its master has it open."""

    def __init__(self, master):
        copy = master.folder / "copy"
        shutil.copytree(master.folder / f"epoch-{master.epoch}", copy)
        super().__init__(str(copy))

    def recall(self):
        recalled = super().recall()
        self.close()
        return recalled


def ran(trace):
    return [line.split()[-1].rpartition(".")[0].rpartition(".")[0] for line in trace.lines if " runs " in line]


def ran_again(trace):
    """How many attempts were more than one for each task."""
    return len(ran(trace)) - len(set(ran(trace)))


@pytest.mark.parametrize("seed", [3])
def test_the_master_is_killed_at_each_write_once(seed, tmp_path):
    calm, trace = play(seed, tmp_path / "calm")
    slots = sum(node.slots for node in SimulatedCluster(seed, CALM, Scheduler, NodeCore).nodes.values())
    assert calm.writes >= 10
    for point in range(1, calm.writes + 1):
        moment = MOMENTS[point % len(MOMENTS)]
        killed, again = play(seed, tmp_path / f"{point}", point, moment)
        assert killed.epoch == 2
        assert again.results == trace.results
        # tasks under way are done again: those that a slot runs, and those queued for it
        assert ran_again(again) <= 2 * slots, (point, moment)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_master_is_killed_at_each_moment_of_each_write(seed, moment, tmp_path):
    calm, trace = play(seed, tmp_path / "calm")
    for point in range(1, calm.writes + 1):
        _, again = play(seed, tmp_path / f"{point}", point, moment)
        assert again.results == trace.results
