"""The invariants I1 to I10 of the design, as checks that must hold at every step, whatever happens.

`Checker` watches a scheduler from outside. It takes each turn's actions, builds its own small model from the facts
alone, and raises `InvariantBroken`, which names the invariant and the cause. I6 is a check of its own
(`repeat_changes_nothing`), as is I8 (`recovers`). Some can be seen by the driver only, that is the simulator: the
actions of executors (the other half of I2 and I4), that jobs end (I9), and that the output is right (I10).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mrframe.core.model.actions import JobEnded, Persist, SchedulerAction, SendNode
from mrframe.core.model.events import (
    AcknowledgeBlock,
    CommitAttempt,
    InputsClosed,
    JobReleased,
    JobSubmitted,
    SchedulerEvent,
    SplitsAdded,
    StartAttempt,
)
from mrframe.core.model.facts import AttemptCommitted, BlockRecorded, Fact, JobFinished, OutputLost
from mrframe.core.model.ids import parse_attempt
from mrframe.core.model.limits import BLOCKS_AHEAD_MAX
from mrframe.core.scheduling.scheduler import Scheduler


class InvariantBroken(AssertionError):
    """An invariant does not hold. The message begins with its number."""


def _require(name: str, message: str, *, holds: bool) -> None:
    if not holds:
        raise InvariantBroken(f"{name}: {message}")


class Checker:
    """A model of the cluster made of facts and messages only. One for all epochs of a master."""

    def __init__(self) -> None:
        self.journal: list[Fact] = []
        self.committed: dict[str, tuple[str, str]] = {}  # task -> (attempt, node)
        self.reports: dict[str, AttemptCommitted] = {}
        self.orders: dict[str, tuple[int, int]] = {}  # map task of the first step -> place of its split
        self.started: dict[str, tuple[str, StartAttempt]] = {}
        self.attempts: dict[str, int] = {}
        self.jobs: dict[str, dict[str, Any]] = {}

    def turn(self, scheduler: Scheduler, actions: Iterable[SchedulerAction]) -> None:
        """Check one turn of the scheduler: its actions in order, and the state that it leaves."""
        persisting = True
        for action in actions:
            if isinstance(action, Persist):
                _require("I5", f"{action.fact} is persisted after something was sent", holds=persisting)
                self._fact(action.fact)
            else:
                persisting = False
                self._sent(scheduler, action)
        self._slots(scheduler)

    # ---- facts ------------------------------------------------------------------------------------

    def _fact(self, fact: Fact) -> None:
        self.journal.append(fact)
        match fact:
            case JobSubmitted(job, steps):
                self.jobs[job] = {"steps": steps, "added": 0, "closed": None, "over": False, "blocks": 0}
            case SplitsAdded(job, splits):
                self.jobs[job]["added"] += len(splits)
            case InputsClosed(job, splits):
                self.jobs[job]["closed"] = splits
            case BlockRecorded(task):
                self.jobs[task.partition("/")[0]]["blocks"] += 1
            case AttemptCommitted(attempt, node):
                task = parse_attempt(attempt).task
                before = self.committed.get(task)
                _require("I1", f"{attempt} is committed besides {before}", holds=before is None)
                self.committed[task] = (attempt, node)
                self.reports[task] = fact
            case OutputLost(attempt, node):
                task = parse_attempt(attempt).task
                message = f"{attempt} on {node} is lost but was not committed"
                _require("I1", message, holds=self.committed.pop(task, None) == (attempt, node))
            case JobFinished(job):
                self.jobs[job]["over"] = True
            case JobReleased(job):
                del self.jobs[job]
            case _:
                pass

    # ---- messages -----------------------------------------------------------------------------------

    def _sent(self, scheduler: Scheduler, action: SchedulerAction) -> None:
        if isinstance(action, JobEnded):
            over = self.jobs.get(action.job, {}).get("over", False)
            _require("I5", f"the end of {action.job} is told before it is a fact", holds=over)
            return
        if not isinstance(action, SendNode):
            return
        message = action.message
        if isinstance(message, StartAttempt):
            self._start(scheduler, action.node, message)
        elif isinstance(message, CommitAttempt):
            holds = self.committed.get(parse_attempt(message.attempt).task) == (message.attempt, action.node)
            _require("I5", f"{message.attempt} is told to commit, and no fact says so", holds=holds)
        elif isinstance(message, AcknowledgeBlock):
            task = parse_attempt(message.attempt).task
            job = task.partition("/")[0]
            _require("I5", f"a block of {task} is acknowledged unrecorded", holds=bool(self.jobs[job]["blocks"]))

    def _start(self, scheduler: Scheduler, node: str, start: StartAttempt) -> None:
        name = parse_attempt(start.attempt)
        _require("I5", f"{start.attempt} is started and {name.job} is no fact", holds=name.job in self.jobs)
        first = self.started.get(start.attempt)
        if first is not None:
            _require("I2", f"{start.attempt} is used a second time", holds=first == (node, start))
            return
        message = f"{start.attempt} is of another epoch than {scheduler.state.epoch}"
        _require("I2", message, holds=name.epoch == scheduler.state.epoch)
        _require("I1", f"{start.attempt}: its task has a result", holds=name.task not in self.committed)
        self.started[start.attempt] = (node, start)
        self.attempts[name.task] = self.attempts.get(name.task, 0) + 1
        limits = scheduler.state.limits
        bound = (limits.tries_max + limits.losses_max + limits.speculative_max) * scheduler.state.epoch
        _require(
            "I7", f"{name.task} has had {self.attempts[name.task]} attempts", holds=self.attempts[name.task] <= bound
        )
        if name.kind == "reduce":
            self._reads(scheduler, start)
        elif start.split is not None and start.split.is_pairs:
            self._all_committed(start.attempt, start.split.held_by)
        elif start.split is not None and start.split.is_decoded:
            _require("I3", f"{start.attempt} is started and nobody has its block", holds=bool(start.split.held_by))

    def _reads(self, scheduler: Scheduler, start: StartAttempt) -> None:
        """I3: a reduce reads all committed map output of its partition, in input order."""
        step = scheduler.state.jobs[start.job].steps[start.step]
        self._all_committed(start.attempt, start.sources)
        job = self.jobs[start.job]
        if start.step == 0:
            closed = job["closed"] is not None and job["added"] >= job["closed"]
            _require("I3", f"{start.attempt} starts before the inputs are closed", holds=closed)
        open_maps = [task.id for task in step.maps if task.id not in self.committed]
        _require("I3", f"{start.attempt} starts before {open_maps} are committed", holds=not open_maps)
        maps = sorted(step.maps, key=lambda task: task.split.order if task.split else ())
        having = [task.id for task in maps if start.partition in self.reports[task.id].report.partitions]
        named = [parse_attempt(attempt).task for attempt, _ in start.sources]
        _require("I3", f"{start.attempt} reads {named}, not {having}", holds=named == having)

    def _all_committed(self, attempt: str, sources: Iterable[tuple[str, str]]) -> None:
        for source in sources:
            holds = self.committed.get(parse_attempt(source[0]).task) == source
            _require("I3", f"{attempt} is told to read {source}, which is not committed", holds=holds)

    def _slots(self, scheduler: Scheduler) -> None:
        for node in scheduler.state.nodes.values():
            limits = scheduler.state.limits
            tasks = sum(len(submission.tasks) for submission in scheduler.state.jobs.values())
            small = min(limits.small_queued_per_slot, tasks // (limits.small_waiting * max(1, node.slots)))
            quick = min(limits.quick_queued_per_slot, tasks // (limits.quick_waiting * max(1, node.slots)))
            limit = node.slots * (1 + max(limits.queued_per_slot, small, quick))
            waited = sum(len(attempt.task.blocks) >= BLOCKS_AHEAD_MAX for attempt in node.live.values())
            message = (
                f"{node.name} has {len(node.live)} attempts for {node.slots} slots, {node.decodes} of them decode"
            )
            _require("I4", message, holds=len(node.live) - waited <= limit and node.decodes <= max(1, node.slots))


def repeat_changes_nothing(scheduler: Scheduler, event: SchedulerEvent, now_s: float) -> list[SchedulerAction]:
    """I6: an event that has just been handled is handled again, with no new fact and no other state.

    Its actions (answers that are given again) are returned, to be performed or dropped.
    """
    before = scheduler.snapshot()
    actions = scheduler.handle(event, now_s)
    facts = [action.fact for action in actions if isinstance(action, Persist)]
    _require("I6", f"{event} told twice leads to {facts}", holds=not facts)
    _require("I6", f"{event} told twice changes the state", holds=scheduler.snapshot() == before)
    return actions


def recovers(scheduler: Scheduler, journal: Iterable[Fact]) -> None:
    """I8: the journal's facts give the lasting state."""
    again = Scheduler(scheduler.state.epoch + 1, scheduler.state.limits)
    again.recover(journal)
    live, found = scheduler.snapshot(), again.snapshot()
    _require("I8", f"recovered {found}, which is not {live}", holds=live == found)
