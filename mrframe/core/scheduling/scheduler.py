"""The scheduler: events in, actions out. This is its entrance. The decisions are in the modules that it imports.

Pure: it has no clock (the time is an argument, in monotonic seconds), no randomness and no waiting. It iterates in
sorted order or in the order of earlier events. The driver's loop is: receive a batch, `handle` each event, persist
all facts of the turn in one transaction, perform the rest in order. `Tick` must come a few times a second: leases,
pauses and the waiting for a near node are checked then.

Any message may be repeated, and many may be lost. A repeated event has no second effect. Starts are repeated while
heartbeats do not show them, and every report that a node repeats is answered. See docs/scheduler.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from mrframe.core.model.actions import JobEnded, SchedulerAction
from mrframe.core.model.block_messages import (
    BlockDamaged,
    BlockRefused,
    BlocksHeld,
    BlocksJudged,
    BlocksOffered,
    BlockStored,
    JudgingWanted,
    PutEnded,
)
from mrframe.core.model.events import (
    AttemptFailed,
    AttemptSealed,
    BlockSealed,
    CancelRequested,
    DatasetPut,
    DatasetRemoved,
    InputsClosed,
    JobReleased,
    JobSubmitted,
    NodeBeat,
    NodeDrained,
    NodeGone,
    NodeJoined,
    OutputUnreadable,
    SchedulerEvent,
    SplitsAdded,
    Tick,
)
from mrframe.core.model.facts import Fact
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.model.manifest_messages import RecoverVersions, VersionKept, VersionsHeld, VersionTold
from mrframe.core.model.reports import JobProgress
from mrframe.core.model.spec import Failure
from mrframe.core.model.states import JobStatus
from mrframe.core.replication import manifest_sync, reconcile, store_events, store_status
from mrframe.core.scheduling import attempt_end, job_end, lost_output, membership, recovery
from mrframe.core.scheduling.assignment import assign, offer_again, wake, wake_postponed
from mrframe.core.scheduling.job_progress import progress
from mrframe.core.scheduling.speculation import speculate
from mrframe.core.state.scheduler_state import SchedulerState, Turn


class Scheduler:
    """Decides for all jobs of one master. `epoch` counts the master's starts, from 1, and never repeats."""

    def __init__(self, epoch: int, limits: SchedulerLimits | None = None) -> None:
        self.state = SchedulerState(epoch, limits or SchedulerLimits())
        self._resume = False

    def recover(self, facts: Iterable[Fact]) -> None:
        """Replay the facts of an earlier master, in the order in which they were persisted.

        To be called once, before the first event. The resulting actions come with those of that event (jobs that
        are over and not released are reported again). Raises KeyError or IllegalMove when the facts contradict
        each other, because the journal was altered.
        """
        recovery.recover(self.state, facts)
        self._resume = True

    def expect(self, nodes: Iterable[str]) -> None:
        """Set the nodes that the cluster was started with."""
        self.state.block_map.expected = frozenset(nodes)

    def handle(self, event: SchedulerEvent, now_s: float, wall_s: float = 0.0) -> list[SchedulerAction]:
        """Handle an event and return the resulting actions, facts first.

        `now_s` is monotonic. `wall_s` is of the clock on the wall, and is kept as the time at which a job ended.
        """
        turn = Turn(now_s, wall_s)
        if self._resume:
            self._resume = False
            recovery.resume(self.state, turn)
        self._dispatch(event, turn)
        assign(self.state, turn)
        if isinstance(event, Tick):
            speculate(self.state, turn)
        return turn.actions()

    def progress(self, job: str) -> JobProgress | None:
        """Return the progress of a job, or None when it is unknown."""
        return progress(self.state, job)

    def ending(self, job: str) -> JobEnded | None:
        """Return the end of a job, or None while it runs or when it is unknown."""
        submission = self.state.jobs.get(job)
        return (
            None if submission is None or submission.state is JobStatus.RUNNING else job_end.ended_action(submission)
        )

    def reply(self, question: store_status.Question, now_s: float) -> store_status.Reply:
        """Answer a client's question about the store."""
        return store_status.reply(self.state, question, now_s)

    def snapshot(self) -> dict[str, Any]:
        """Return the lasting state as plain values: equal after `recover` from the facts so far."""
        return recovery.snapshot(self.state)

    def _dispatch(self, event: SchedulerEvent, turn: Turn) -> None:
        match event:
            case AttemptSealed() | AttemptFailed() | BlockSealed():
                self._of_attempt(event, turn)
            case NodeBeat():
                membership.on_heartbeat(self.state, turn, event)
            case Tick():
                membership.check_leases(self.state, turn)
                wake_postponed(self.state, turn)
                offer_again(self.state)
                reconcile.reconcile(self.state, turn)
            case NodeJoined():
                membership.on_joined(self.state, turn, event)
            case NodeGone():
                membership.on_process_ended(self.state, turn, event)
            case OutputUnreadable():
                lost_output.on_unreadable(self.state, turn, event)
            case JobSubmitted() | SplitsAdded() | InputsClosed() | CancelRequested() | JobReleased():
                self._of_client(event, turn)
            case (
                DatasetPut()
                | DatasetRemoved()
                | NodeDrained()
                | BlocksOffered()
                | PutEnded()
                | JudgingWanted()
                | RecoverVersions()
            ):
                store_events.handle_client(self.state, turn, event)
            case BlocksHeld() | BlockStored() | BlockRefused() | BlockDamaged() | BlocksJudged():
                node = membership.sender(self.state, turn, event.node, event.incarnation)
                if node is not None:
                    store_events.handle_node(self.state, turn, node, event)
            case VersionsHeld() | VersionTold() | VersionKept():
                node = membership.sender(self.state, turn, event.node, event.incarnation)
                if node is not None:
                    manifest_sync.handle_node(self.state, turn, node, event)
            case _:
                assert_never(event)

    def _of_attempt(self, event: AttemptSealed | AttemptFailed | BlockSealed, turn: Turn) -> None:
        node = membership.sender(self.state, turn, event.node, event.incarnation)
        if node is None:
            return
        match event:
            case AttemptSealed():
                attempt_end.on_sealed(self.state, turn, node, event)
            case AttemptFailed():
                attempt_end.on_failed(self.state, turn, node, event)
            case BlockSealed():
                attempt_end.on_block_sealed(self.state, turn, node, event)
            case _:
                assert_never(event)

    def _of_client(
        self, event: JobSubmitted | SplitsAdded | InputsClosed | CancelRequested | JobReleased, turn: Turn
    ) -> None:
        match event:
            case JobSubmitted():
                self._submit(event, turn)
            case SplitsAdded():
                self._add_splits(event, turn)
            case InputsClosed():
                self._close(event, turn)
            case CancelRequested():
                self._cancel(event, turn)
            case JobReleased():
                job_end.release(self.state, turn, event)
            case _:
                assert_never(event)

    def _submit(self, event: JobSubmitted, turn: Turn) -> None:
        if event.job not in self.state.jobs and event.job not in self.state.released:
            turn.persist(event)
            recovery.accept(self.state, event)

    def _add_splits(self, event: SplitsAdded, turn: Turn) -> None:
        submission = self.state.jobs.get(event.job)
        if submission is None or submission.state is not JobStatus.RUNNING:
            return
        new = submission.unknown_splits(event.splits)
        if not new:
            return
        if submission.closed_at is not None and submission.added + len(new) > submission.closed_at:
            message = f"{submission.closed_at} splits were announced for {event.job}, and more were added"
            job_end.fail(self.state, turn, submission, Failure("refused", message, error_slug="input"))
            return
        turn.persist(SplitsAdded(event.job, new))
        tasks = submission.add_splits(new)
        wake(self.state, turn, tasks)
        job_end.advance_job(self.state, turn, submission, [])

    def _close(self, event: InputsClosed, turn: Turn) -> None:
        submission = self.state.jobs.get(event.job)
        if submission is None or submission.state is not JobStatus.RUNNING or submission.closed_at is not None:
            return
        turn.persist(event)
        submission.close(event.splits)
        job_end.advance_job(self.state, turn, submission, [])

    def _cancel(self, event: CancelRequested, turn: Turn) -> None:
        submission = self.state.jobs.get(event.job)
        if submission is not None and submission.state is JobStatus.RUNNING:
            turn.persist(event)
            job_end.fail(self.state, turn, submission, job_end.cancelled(event.job))
