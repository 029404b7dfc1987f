"""A scheduler driven one event at a time, for tests of single decisions.

The test plays the nodes: it makes their events. Attempts are sealed and failed by their ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from mrframe.core.model import actions as a
from mrframe.core.model import events as e
from mrframe.core.model.facts import Fact
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.model.reports import Ledger, TaskReport
from mrframe.core.model.spec import Failure, Split, StepSpec
from mrframe.core.scheduling.scheduler import Scheduler


def file_split(index: int, *, source: int = 0, length: int = 10, locations: tuple[str, ...] = ()) -> Split:
    """Return split number `index` of a file."""
    name = f"input-{source}"
    return Split("file", name, name, index * 10, length, (source, index * 10), locations=locations)


def report(
    partitions: dict[int, int] | None = None,
    *,
    lines: int = 0,
    malformed: int = 0,
    bytes_out: int = 0,
    seconds: float = 0.0,
) -> TaskReport:
    """Return a report with `partitions` = {partition: bytes}, by default 10 bytes for partition 0."""
    sizes = {p: (1, size) for p, size in (partitions if partitions is not None else {0: 10}).items()}
    ledger = Ledger(records=lines - malformed, lines=lines, malformed=malformed, bytes_in=lines * 10)
    return TaskReport(ledger, partitions=sizes, bytes_out=bytes_out, seconds=seconds)


class ManualScheduler:
    """Handles events and keeps the results: `journal`, and `facts`, `sent` and `ended` of the last event.

    `starts` maps every attempt ever started to (node, message). Unless limits are given, a node gets no
    more attempts than it has slots. An incarnation is `<node>#<start>`.
    """

    def __init__(self, epoch: int = 1, journal: Iterable[Fact] = (), limits: SchedulerLimits | None = None) -> None:
        self.scheduler = Scheduler(epoch, limits or SchedulerLimits(queued_per_slot=0))
        self.journal: list[Fact] = list(journal)
        if self.journal:
            self.scheduler.recover(self.journal)
        self.now_s = 0.0
        self.facts: list[Fact] = []
        self.sent: list[tuple[str, a.ToNode]] = []
        self.ended: list[a.JobEnded] = []
        self.starts: dict[str, tuple[str, e.StartAttempt]] = {}

    def handle(self, event: e.SchedulerEvent) -> list[a.SchedulerAction]:
        """Handle an event now."""
        actions = self.scheduler.handle(event, self.now_s)
        self.facts = [action.fact for action in actions if isinstance(action, a.Persist)]
        self.sent = [(action.node, action.message) for action in actions if isinstance(action, a.SendNode)]
        self.ended = [action for action in actions if isinstance(action, a.JobEnded)]
        self.journal += self.facts
        for node, message in self.sent:
            if isinstance(message, e.StartAttempt):
                self.starts[message.attempt] = (node, message)
        return actions

    def join(self, *nodes: str, slots: int = 1, held: tuple[str, ...] = (), start: int = 1) -> None:
        """Have these nodes join."""
        for node in nodes:
            self.handle(e.NodeJoined(node, f"{node}#{start}", slots, held))

    def submit(
        self, *splits: Split, steps: tuple[StepSpec, ...] = (StepSpec(1),), job: str = "job-1", priority: int = 0
    ) -> None:
        """Submit a job with all its splits."""
        self.handle(e.JobSubmitted(job, steps, priority))
        if splits:
            self.handle(e.SplitsAdded(job, splits))
        self.handle(e.InputsClosed(job, len(splits)))

    def seal(self, attempt: str, made: TaskReport | None = None, *, start: int = 1, node: str = "") -> None:
        """Report the attempt as sealed by the node that it was given to."""
        node = node or self.starts[attempt][0]
        self.handle(e.AttemptSealed(node, f"{node}#{start}", attempt, made or report()))

    def fail(
        self,
        attempt: str,
        kind: Literal["raised", "died", "fetch", "refused", "io", "full"] = "died",
        *,
        lost: tuple[str, str] | None = None,
    ) -> None:
        """Report the attempt as failed by the node that it was given to."""
        node = self.starts[attempt][0]
        self.handle(e.AttemptFailed(node, f"{node}#1", attempt, Failure(kind, "it broke", lost=lost)))

    def beat(
        self,
        node: str,
        *working: str,
        held: tuple[str, ...] = (),
        progress: tuple[tuple[str, int, int], ...] = (),
        start: int = 1,
    ) -> None:
        """Send a node's heartbeat."""
        self.handle(e.NodeBeat(node, f"{node}#{start}", working, held, progress))

    def wait(self, seconds: float) -> None:
        """Let time pass, then tick."""
        self.now_s += seconds
        self.handle(e.Tick())

    def started(self, node: str = "") -> list[str]:
        """Return the attempts that the last event started, on this node or on all."""
        return [m.attempt for n, m in self.sent if isinstance(m, e.StartAttempt) and (not node or n == node)]

    def messages(self, kind: type) -> list[Any]:
        """Return the messages of this kind that the last event sent."""
        return [message for _, message in self.sent if isinstance(message, kind)]
