"""The simulated client: it submits the jobs of a simulation piece by piece and sees them through.

It repeats everything when the master restarts, collects each answer from the nodes, compares it with the answer that
the case computes for itself, and releases the job.
"""

from __future__ import annotations

from typing import Any

from mrframe.core.model.actions import JobEnded
from mrframe.core.model.events import (
    CancelRequested,
    InputsClosed,
    JobReleased,
    JobSubmitted,
    OutputUnreadable,
    SplitsAdded,
)
from mrframe.core.scheduling.invariants import InvariantBroken
from mrframe.testing.simulation.world import KILLER, World

CANCELLED = ("refused", "cancelled")
KILLED = ("died", "")


class SimulatedClient:
    """Submits the cases, piece by piece, and sees them through."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.results: dict[str, Any] = {}
        self._sent: list[Any] = []
        self._ended: dict[str, JobEnded] = {}
        self._cancelled: set[str] = set()

    @property
    def finished(self) -> bool:
        """Return whether every job has ended as it should and the master has released it."""
        scheduler = self.world.master.scheduler
        return len(self.results) == len(self.world.cases) and scheduler is not None and not scheduler.state.jobs

    def begin(self) -> None:
        """Submit the jobs, their splits in pieces over the first second."""
        for job, case in self.world.cases.items():
            self.send(JobSubmitted(job, case.steps))
            rest = list(case.splits)
            delay_s = 0.0
            while rest:
                size = self.world.random.randint(1, len(rest))
                piece, rest = tuple(rest[:size]), rest[size:]
                delay_s += 0.3 * self.world.random.random()
                self.world.at(delay_s, self.send, SplitsAdded(job, piece))
            at_s = delay_s * self.world.random.choice((0.5, 1.0)) + 0.001  # it may overtake the last splits
            self.world.at(at_s, self.send, InputsClosed(job, len(case.splits)))
            if self.world.random.random() < 0.05:
                self._cancelled.add(job)
                self.world.at(4.0 * self.world.random.random(), self.send, CancelRequested(job))

    def send(self, event: Any) -> None:
        """Send the master an event, and remember it for the next process."""
        self._sent.append(event)
        self.world.master.handle(self.world.master.process, event)

    def resend_all(self) -> None:
        """Repeat all events to a new master process."""
        for event in list(self._sent):
            self.world.master.handle(self.world.master.process, event)

    def job_ended(self, ended: JobEnded) -> None:
        """Take the end of a job from the master."""
        first = ended.job not in self._ended
        self._ended[ended.job] = ended
        if first:
            self.collect(ended.job)

    def collect(self, job: str) -> None:
        """Fetch the answer. If a part is unavailable, try again later with the latest report of the end."""
        if job in self.results:
            return
        ended = self._ended[job]
        failure = ended.failure
        result: Any = (failure.kind, failure.error_slug) if failure else self._fetch(ended)
        doubted = failure is None and self.world.chance(self.world.faults.doubts)
        if result is None or doubted:
            if doubted:
                self._doubt(ended)
            self.world.at(0.5, self.collect, job)
            return
        expected = self.world.cases[job].expected
        killed = self.world.faults.node_killer and KILLER.startswith(f"{job}/") and result == KILLED
        if result != expected and not killed and not (job in self._cancelled and result == CANCELLED):
            message = failure.message if failure else result
            raise InvariantBroken(f"I10: {job} ends with {message}, not {expected}")
        if failure is None:
            self._count(ended)
        self.results[job] = result
        self.world.note("client", f"has the answer of {job}")
        self.send(JobReleased(job))

    def _doubt(self, ended: JobEnded) -> None:
        """Report outputs as unreadable that may be there, or gone, or produced again already."""
        self.world.note("client", f"doubts the answer of {ended.job}")
        for attempt, node in ended.outputs:
            self.send(OutputUnreadable(attempt, node))

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
