"""The decisions of a node. Events from the master and executors go in, actions come out. Pure, like the scheduler.

Rules.
- An attempt id runs at most once here, however often its start arrives: discarded ids are remembered until their job
  is forgotten, and forgotten jobs for the life of the process.
- Reports of seals, failures and blocks are repeated with growing pauses until the reply. The seal of a decode attempt
  is reported only when all its blocks are acknowledged.
- A directory that an executor may still be writing to is deleted after that executor has died.
- Inputs are fetched as soon as an attempt arrives, so that fetching overlaps with earlier attempts. The driver
  replies to a `Fetch` with local paths for all sources, and copies none that this node holds.

Not here: which output is committed or lost. A node core knows no other node.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from operator import eq, ne
from typing import Literal, assert_never

from mrframe.core.model.actions import (
    DeleteAttempt,
    DeleteBlock,
    DeleteJob,
    Execute,
    Fetch,
    NodeAction,
    SendMaster,
)
from mrframe.core.model.events import (
    AcknowledgeBlock,
    AttemptFailed,
    BlockSealed,
    CommitAttempt,
    DiscardAttempt,
    ExecutorBeat,
    ExecutorBlock,
    ExecutorDied,
    ExecutorFailed,
    ExecutorReady,
    ExecutorSealed,
    Fetched,
    FetchFailed,
    ForgetJob,
    NodeBeat,
    NodeEvent,
    NodeJoined,
    StartAttempt,
    Tick,
    Welcome,
)
from mrframe.core.model.ids import parse_attempt
from mrframe.core.model.limits import NodeLimits
from mrframe.core.model.spec import Failure, FatalPosition
from mrframe.core.model.states import AttemptState
from mrframe.core.node.attempts import ExecutorRecord, NodeAttempt, Repeat
from mrframe.core.node.executor_slots import ExecutorSlots
from mrframe.core.node.handing_out import Batches, may_begin
from mrframe.core.node.report_outbox import ReportOutbox

_HOLDING = (AttemptState.SEALED, AttemptState.COMMITTED)


class NodeCore:
    """Decides for one node process.

    `incarnation` is random per process. `held` names the sealed attempts with output
    that an earlier process of this node has left in its scratch directory, `interrupted` and `blameless` are for its
    hello (`NodeJoined`).
    """

    def __init__(
        self,
        node: str,
        incarnation: str,
        slots: int,
        limits: NodeLimits | None = None,
        held: Iterable[str] = (),
        *,
        interrupted: Iterable[tuple[str, FatalPosition]] = (),
        blameless: bool = False,
    ) -> None:
        self.node = node
        self.incarnation = incarnation
        self.slots = slots
        self.limits = limits or NodeLimits()
        self.epoch = 0
        self.welcome = False
        self.attempts: dict[str, NodeAttempt] = {}
        self.executors = ExecutorSlots(slots, self.limits)
        self._batches = Batches(slots, self.limits)
        self.outbox = ReportOutbox(node, incarnation, self.limits)
        self._discarded: dict[str, set[str]] = {}
        self._forgotten: set[str] = set()
        self._queue: dict[str, NodeAttempt] = {}  # not yet running, in order of arrival
        self._decodes: set[str] = set()  # attempts at decode tasks that have not ended
        self._next_beat_s: float | None = None
        self._last_welcome_s = 0.0
        self._interrupted = tuple(interrupted)
        self._blameless = blameless
        for name in held:
            self.attempts[name] = NodeAttempt(name, parse_attempt(name).job, state=AttemptState.COMMITTED)

    def handle(self, event: NodeEvent, now_s: float) -> list[NodeAction]:
        """Handle an event at the monotonic time `now_s`. Returns the actions, in order."""
        actions: list[NodeAction] = []
        if self._next_beat_s is None:
            self._next_beat_s = now_s
            actions += self._speak(now_s)
        match event:
            case StartAttempt() | CommitAttempt() | DiscardAttempt() | AcknowledgeBlock() | ForgetJob() | Welcome():
                actions += self._of_master(event, now_s)
            case Fetched() | FetchFailed():
                actions += self._of_fetch(event, now_s)
            case Tick():
                actions += self._tick(now_s)
            case _:
                actions += self._of_executor(event, now_s)
        return actions + self.executors.spawn(now_s, self._decoders) + self._run(now_s)

    @property
    def has_queued(self) -> bool:
        """Whether attempts wait for running ones, so that messages to the master may wait a moment as well."""
        return bool(self._queue) or any(executor.following for executor in self.executors.working())

    @property
    def _decoders(self) -> int:
        """The number of executors needed beside one for each slot."""
        return min(self.slots, len(self._decodes))

    # ---- the master ---------------------------------------------------------------------------------

    def _of_master(
        self,
        event: StartAttempt | CommitAttempt | DiscardAttempt | AcknowledgeBlock | ForgetJob | Welcome,
        now_s: float,
    ) -> list[NodeAction]:
        match event:
            case StartAttempt():
                return self._start(event, now_s)
            case CommitAttempt():
                self._commit(event.attempt)
                return []
            case DiscardAttempt():
                return self._discard(event.attempt)
            case AcknowledgeBlock():
                return self._acknowledge(event, now_s)
            case ForgetJob():
                return self._forget(event.job)
            case Welcome():
                return self._welcomed(event, now_s)
            case _:
                assert_never(event)

    def _welcomed(self, event: Welcome, now_s: float) -> list[NodeAction]:
        accepted = event.incarnation == self.incarnation
        if event.epoch < self.epoch:
            return []
        if accepted:
            self._last_welcome_s = now_s
        if event.epoch == self.epoch and self.welcome and accepted:
            return []
        self.epoch = event.epoch
        self.welcome = accepted
        self._next_beat_s = now_s
        if accepted:
            self.outbox.make_due(self.attempts.values(), now_s)
        return self._speak(now_s)

    def _start(self, event: StartAttempt, now_s: float) -> list[NodeAction]:
        name = parse_attempt(event.attempt)
        known = self.attempts.get(event.attempt)
        if known is not None:
            return self.outbox.again(known, now_s)
        refused = event.attempt in self._discarded.get(name.job, ()) or name.job in self._forgotten
        if refused or not self.welcome or name.epoch != self.epoch:
            return []  # not for this incarnation or epoch (the master repeats all other starts)
        attempt = NodeAttempt(event.attempt, name.job, event, name.kind)
        self.attempts[event.attempt] = self._queue[event.attempt] = attempt
        if name.kind == "decode":
            self._decodes.add(event.attempt)
        inputs = attempt.inputs()
        if not inputs:
            return []
        attempt.move("fetch")
        if name.kind == "reduce":
            return [Fetch(event.attempt, inputs, event.partition, event.partitions)]
        return [Fetch(event.attempt, inputs, -1)]

    def _commit(self, name: str) -> None:
        attempt = self.attempts.get(name)
        if attempt is not None and attempt.state is AttemptState.SEALED:
            attempt.move("commit")
            attempt.unanswered = None

    def _discard(self, name: str) -> list[NodeAction]:
        attempt = self.attempts.pop(name, None)
        self._decodes.discard(name)
        job = name.partition("/")[0]
        if job not in self._forgotten:
            self._discarded.setdefault(job, set()).add(name)
        if attempt is None:
            return []
        self._queue.pop(name, None)
        if attempt.state is AttemptState.RUNNING:
            return self.executors.kill(attempt.executor, DeleteAttempt(name))
        if attempt.given:
            return self.executors.kill(attempt.executor, DeleteAttempt(name), following=True)
        return [DeleteAttempt(name)]

    def _forget(self, job: str) -> list[NodeAction]:
        self._forgotten.add(job)
        self._batches.forget(job)
        self._discarded.pop(job, None)
        actions: list[NodeAction] = []
        for attempt in [a for a in self.attempts.values() if a.job == job]:
            del self.attempts[attempt.name]
            self._decodes.discard(attempt.name)
            self._queue.pop(attempt.name, None)
            if attempt.state is AttemptState.RUNNING:
                actions += self.executors.kill(attempt.executor, DeleteJob(job))
        return [*actions, *self.executors.retire(partial(eq, job), self.slots), DeleteJob(job)]

    def _acknowledge(self, event: AcknowledgeBlock, now_s: float) -> list[NodeAction]:
        attempt = self.attempts.get(event.attempt)
        if attempt is None:
            return []
        self.outbox.acknowledge(attempt, event.order, now_s)
        block = attempt.unmapped_blocks.pop(event.order, None) if event.mapped else None
        deleted: list[NodeAction] = []
        if block is not None and isinstance(block.message, BlockSealed):
            decodes = attempt.state is AttemptState.RUNNING
            deleted.append(DeleteBlock(attempt.name, block.message.split.path, attempt.executor if decodes else 0))
            attempt.moved_s = now_s
        return [*deleted, *self.outbox.due(attempt, now_s)]

    # ---- inputs -------------------------------------------------------------------------------------

    def _of_fetch(self, event: Fetched | FetchFailed, now_s: float) -> list[NodeAction]:
        attempt = self.attempts.get(event.attempt)
        if attempt is None:  # discarded meanwhile: delete the late files
            return [DeleteAttempt(event.attempt)]
        if attempt.state is not AttemptState.FETCHING:
            return []
        if isinstance(event, Fetched):
            attempt.move("fetched")
            attempt.paths = event.paths
            return []
        message = f"{attempt.input_text(event.source)} could not be fetched from {event.node}: {event.reason}"
        if event.here:
            kind: Literal["full", "io"] = "full" if event.full else "io"
            return self._fail(attempt, Failure(kind, message, error_slug="job-failed"), now_s)
        return self._fail(attempt, Failure("fetch", message, lost=(event.source, event.node)), now_s)

    def _fail(self, attempt: NodeAttempt, failure: Failure, now_s: float) -> list[NodeAction]:
        attempt.move("fail")
        self._queue.pop(attempt.name, None)
        self._decodes.discard(attempt.name)
        attempt.blocks.clear()
        attempt.unmapped_blocks.clear()
        message = AttemptFailed(self.node, self.incarnation, attempt.name, failure)
        attempt.unanswered = Repeat(message, now_s, self.limits.repeat_s)
        return self.outbox.due(attempt, now_s)

    # ---- executors ----------------------------------------------------------------------------------

    def _of_executor(
        self,
        event: ExecutorReady | ExecutorDied | ExecutorSealed | ExecutorFailed | ExecutorBlock | ExecutorBeat,
        now_s: float,
    ) -> list[NodeAction]:
        if isinstance(event, ExecutorReady):
            self.executors.ready(event.executor)
            return []
        if isinstance(event, ExecutorDied):
            return self._died(event, now_s)
        attempt = self.attempts.get(event.attempt)
        running = attempt is not None and attempt.state is AttemptState.RUNNING
        if isinstance(event, ExecutorSealed | ExecutorFailed):
            failed = isinstance(event, ExecutorFailed)
            self._begin(self.executors.reported(event.executor, event.attempt, failed=failed), now_s)
        if attempt is None or not running or attempt.executor != event.executor:
            return []  # it was discarded, and its executor is being killed
        match event:
            case ExecutorBeat():
                attempt.records, attempt.bytes_done = event.records, event.bytes_done
                attempt.moved_s = now_s
                return []
            case ExecutorBlock():
                attempt.moved_s = now_s
                return self.outbox.block(attempt, event.split, now_s)
            case ExecutorSealed():
                attempt.move("seal")
                self._batches.took(attempt, event.report.seconds)
                self._decodes.discard(attempt.name)
                self.outbox.seal(attempt, event.report, now_s)
                return [*self.outbox.due(attempt, now_s), *self.executors.free(event.executor, self._decoders)]
            case ExecutorFailed():
                failure = attempt.failure_to_report(event.failure)
                freed = self.executors.free(event.executor, self._decoders, failed=True)
                return [*self._fail(attempt, failure, now_s), *freed]
            case _:
                assert_never(event)

    def _died(self, event: ExecutorDied, now_s: float) -> list[NodeAction]:
        executor = self.executors.died(event.executor, now_s)
        if executor is None:
            return []
        self._take_back(executor.following)
        attempt = self.attempts.get(executor.attempt)
        if attempt is None or attempt.state is not AttemptState.RUNNING:
            return list(executor.after)
        if executor.recalled:
            message = f"{attempt.name} on {self.node} was ended on account of another attempt in its batch"
            return [*executor.after, *self._fail(attempt, Failure("recalled", message), now_s)]
        message = f"the executor working on {attempt.name} on {self.node} ended: {executor.fault or event.reason}"
        return [*executor.after, *self._fail(attempt, Failure("died", message, position=event.position), now_s)]

    def _take_back(self, names: tuple[str, ...]) -> None:
        """Have attempts wait again, before all others, that an executor was given and has not begun."""
        for name in reversed([name for name in names if name in self.attempts]):
            self.attempts[name].executor = -1
            self._queue = {name: self.attempts[name]} | self._queue

    def _begin(self, name: str, now_s: float) -> None:
        """Record that an executor begins an attempt that it was given before."""
        attempt = self.attempts.get(name)
        if attempt is not None:
            attempt.move("run")
            attempt.moved_s = now_s

    def _run(self, now_s: float) -> list[NodeAction]:
        """Give attempts with local inputs to idle executors, in order of arrival, and batches to working ones."""
        if not self._queue:
            return []
        actions: list[NodeAction] = []
        given: dict[int, list[NodeAttempt]] = {}
        decoding = [self.attempts[name] for name in self.executors.attempts() if name in self._decodes]
        for attempt in may_begin(self._queue, self.slots, len(self.executors.attempts()), decoding, self.limits):
            executor = self.executors.take(attempt.job)
            if executor is None:
                actions += self.executors.retire(partial(ne, attempt.job), 1)
                continue
            self._give(executor, attempt)
            self._begin(attempt.name, now_s)
            given[executor.number] = [attempt]
        for executor in self.executors.working() if self._queue else ():
            following = self._batches.following(executor, self.attempts, self._queue)
            for attempt in following:
                self._give(executor, attempt)
            given.setdefault(executor.number, []).extend(following)
        for number, some in given.items():
            orders = tuple([attempt.instruction(self.limits) for attempt in some])
            actions += [Execute(number, some[0].job, orders)] if orders else []
        return actions

    def _give(self, executor: ExecutorRecord, attempt: NodeAttempt) -> None:
        del self._queue[attempt.name]
        attempt.executor = executor.number
        self.executors.give(executor, attempt.name, attempt.job)

    # ---- time ---------------------------------------------------------------------------------------

    def _tick(self, now_s: float) -> list[NodeAction]:
        actions = self._speak(now_s)
        for attempt in self.attempts.values():
            if attempt.unanswered is not None or attempt.blocks or attempt.unmapped_blocks:
                actions += self.outbox.due(attempt, now_s)
            stall_s = attempt.stalled(now_s) if attempt.state is AttemptState.RUNNING else None
            if stall_s is not None:
                fault = f"it made no progress for {stall_s:g} s and was killed"
                actions += self.executors.condemn(attempt.executor, fault)
        return actions

    def _speak(self, now_s: float) -> list[NodeAction]:
        """Return the hello or the heartbeat, if it is due."""
        if self._next_beat_s is None or now_s < self._next_beat_s:
            return []
        self._next_beat_s = now_s + self.limits.beat_s
        if now_s - self._last_welcome_s > self.limits.unheard_s:
            self.welcome = False
        if not self.welcome:
            held = tuple(sorted(a.name for a in self.attempts.values() if a.state in _HOLDING))
            hello = NodeJoined(
                self.node, self.incarnation, self.slots, held, self._interrupted, blameless=self._blameless
            )
            return [SendMaster(hello)]
        return [SendMaster(self._beat())]

    def _beat(self) -> NodeBeat:
        working = [a for a in self.attempts.values() if a.state not in _HOLDING]
        running = [a for a in working if a.state is AttemptState.RUNNING]
        return NodeBeat(
            self.node,
            self.incarnation,
            tuple(a.name for a in working),
            self.outbox.held(self.attempts),
            tuple((a.name, a.records, a.bytes_done) for a in running),
        )
