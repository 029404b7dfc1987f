"""A node's records of its attempts and executors. Not here: decisions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.actions import NodeAction, SendMaster
from mrframe.core.model.block_messages import STORED
from mrframe.core.model.events import AttemptFailed, AttemptSealed, BlockSealed, StartAttempt
from mrframe.core.model.ids import Kind
from mrframe.core.model.limits import NodeLimits
from mrframe.core.model.spec import DecodeOrder, Failure, MapOrder, Order, ReduceOrder, Split
from mrframe.core.model.states import ATTEMPT, AttemptState

MAP_FILE = "map.mrf"
REDUCE_FILE = "part.mrf"


@dataclass(slots=True, eq=False)
class Repeat:
    """A message that is repeated until the reply, after pauses that double."""

    message: AttemptSealed | AttemptFailed | BlockSealed
    at_s: float
    pause_s: float

    def due(self, now_s: float, limits: NodeLimits) -> Iterable[NodeAction]:
        """Return the message if it is time to send it (again)."""
        if now_s < self.at_s:
            return ()
        self.at_s = now_s + self.pause_s
        self.pause_s = min(self.pause_s * 2, limits.repeat_s_max)
        return (SendMaster(self.message),)


@dataclass(slots=True, eq=False)
class NodeAttempt:
    """An attempt that was assigned to this node, or left its output here (then `start` may be None).

    paths    local paths of its inputs, once they are fetched
    moved_s  monotonic time at which it was given to its executor, or last showed progress
    blocks   of a decode attempt: reports of blocks not yet acknowledged, by position (`split.order`)
    unmapped_blocks  of a decode attempt: reports of blocks that are acknowledged but not yet mapped. They are
                     repeated now and then, because the decoder pauses until it learns that they are mapped.
    unanswered  the report of its seal or failure that waits for a reply
    """

    name: str
    job: str
    start: StartAttempt | None = None
    kind: Kind = "map"
    state: AttemptState = AttemptState.QUEUED
    paths: tuple[str, ...] = ()
    executor: int = -1
    records: int = 0
    bytes_done: int = 0
    moved_s: float = 0.0
    blocks: dict[tuple[int, int], Repeat] = field(default_factory=dict)
    unmapped_blocks: dict[tuple[int, int], Repeat] = field(default_factory=dict)
    unanswered: Repeat | None = None

    def move(self, cause: str) -> None:
        """Change the state by the table in `core/model/states.py`."""
        self.state = ATTEMPT.move(self.state, cause)

    @property
    def given(self) -> bool:
        """Whether an executor has it in its batch and has not begun it, as far as is known."""
        return self.executor >= 0 and self.state in (AttemptState.QUEUED, AttemptState.FETCHED)

    def is_ahead(self, limits: NodeLimits) -> bool:
        """Return whether it pauses, because enough of its blocks wait to be mapped."""
        return len(self.blocks) + len(self.unmapped_blocks) >= limits.blocks_ahead_max

    def stalled(self, now_s: float) -> float | None:
        """Return its `stall_s` if it runs and has shown no progress for that many seconds, else None.

        A decode attempt never counts as stalled while it has blocks that wait to be mapped.
        """
        runs = self.start is not None and self.state is AttemptState.RUNNING and not self.unmapped_blocks
        stall_s = self.start.stall_s if self.start is not None and runs else None
        return stall_s if stall_s is not None and now_s - self.moved_s > stall_s else None

    def inputs(self) -> tuple[tuple[str, str, str], ...]:
        """Return the files that must be local before it can run: (attempt, node, name of the file), in order."""
        assert self.start is not None
        if self.kind == "reduce":
            return tuple((attempt, node, MAP_FILE) for attempt, node in self.start.sources)
        split = self.start.split
        if split is None or split.is_local_file:
            return ()
        name = split.path if split.needs_fetch else REDUCE_FILE
        return tuple((attempt, node, name) for attempt, node in split.held_by)

    def input_text(self, source: str) -> str:
        """Return the name of an input, for messages."""
        split = self.start.split if self.start else None
        if source != STORED or split is None:
            return source
        return f"the block {split.path[:12]} of {split.source}, {split.length:,} bytes from byte {split.order[1]:,},"

    def failure_to_report(self, failure: Failure) -> Failure:
        """Return a failure as the master gets it: a damaged input counts as a failed fetch from its holder."""
        if failure.kind != "io" or failure.source not in self.paths:
            return failure
        attempt, node, _ = self.inputs()[self.paths.index(failure.source)]
        return replace(failure, kind="fetch", lost=(attempt, node))

    def instruction(self, limits: NodeLimits) -> Order:
        """Return the instruction for an executor. The attempt's id is also the name of its directory."""
        start = self.start
        assert start is not None
        if self.kind == "reduce":
            return ReduceOrder(
                self.name,
                start.step,
                start.partition,
                self.paths,
                self.name,
                start.partitions,
                start.isolated,
                start.fatal,
                start.near,
            )
        split = start.split
        assert split is not None
        if self.kind == "decode":
            return DecodeOrder(self.name, split, start.block_bytes, self.name, limits.blocks_ahead_max)
        sources = self.paths if split.is_pairs else ()
        here = self._local(split)
        return MapOrder(
            self.name,
            start.step,
            here,
            start.partitions,
            self.name,
            sources,
            start.isolated,
            start.fatal,
            start.near,
        )

    def _local(self, split: Split) -> Split:
        return replace(split, path=self.paths[0]) if split.needs_fetch else split


@dataclass(slots=True, eq=False)
class ExecutorRecord:
    """An executor process.

    up       it is ready for attempts
    killed   it was told to end
    attempt  id of its current attempt, or ""
    following  ids of the attempts that it has been given and begins afterwards, in order (`handing_out.py`)
    recalled  it was told to end on account of one of these, not of its current attempt
    job      the job of its attempts, "" before the first
    given    number of attempts that it has had
    fault    why it was killed, for messages, if it was at fault
    after    actions for when it has died: they delete files that it may have been writing
    """

    number: int
    up: bool = False
    killed: bool = False
    attempt: str = ""
    following: tuple[str, ...] = ()
    recalled: bool = False
    job: str = ""
    given: int = 0
    fault: str = ""
    after: tuple[NodeAction, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether it can take an attempt."""
        return self.up and not self.killed and not self.attempt
