"""A node's records: the attempts it knows and the executors it keeps, with no decisions in them."""

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
    """A message that is repeated until it is answered, after pauses that double."""

    message: AttemptSealed | AttemptFailed | BlockSealed
    at_s: float
    pause_s: float

    def due(self, now_s: float, limits: NodeLimits) -> Iterable[NodeAction]:
        """The message, when it is time to say it (again)."""
        if now_s < self.at_s:
            return ()
        self.at_s = now_s + self.pause_s
        self.pause_s = min(self.pause_s * 2, limits.repeat_s_max)
        return (SendMaster(self.message),)


@dataclass(slots=True, eq=False)
class NodeAttempt:
    """An attempt that this node was given, or whose output it holds (then `start` may be None).

    blocks  for a decode attempt: its blocks that are not yet acknowledged, by place
    kept    those that are, and have still to be mapped: asked for again now and then, since who decodes waits for it
    unanswered  the seal or failure that waits for its answer
    moved_s when it was given to its executor, or last showed progress
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
    kept: dict[tuple[int, int], Repeat] = field(default_factory=dict)
    unanswered: Repeat | None = None

    def move(self, cause: str) -> None:
        """Change the state as the table says."""
        self.state = ATTEMPT.move(self.state, cause)

    def is_ahead(self, limits: NodeLimits) -> bool:
        """Whether so many of its blocks wait to be mapped that it waits, too."""
        return len(self.blocks) + len(self.kept) >= limits.blocks_ahead_max

    def stalled(self, now_s: float) -> float | None:
        """When it runs and has shown no progress for as long as it may: how long that is, in seconds; else None.

        One that has made blocks may well wait until they are mapped.
        """
        runs = self.start is not None and self.state is AttemptState.RUNNING and not self.kept
        stall_s = self.start.stall_s if self.start is not None and runs else None
        return stall_s if stall_s is not None and now_s - self.moved_s > stall_s else None

    def inputs(self) -> tuple[tuple[str, str, str], ...]:
        """What has to be local before it can run: (attempt, node, name of the file), in order."""
        assert self.start is not None
        if self.kind == "reduce":
            return tuple((attempt, node, MAP_FILE) for attempt, node in self.start.sources)
        split = self.start.split
        if split is None or split.is_local_file:
            return ()
        name = split.path if split.needs_fetch else REDUCE_FILE
        return tuple((attempt, node, name) for attempt, node in split.held_by)

    def input_text(self, source: str) -> str:
        """What an input is, for people."""
        split = self.start.split if self.start else None
        if source != STORED or split is None:
            return source
        return f"the block {split.path[:12]} of {split.source}, {split.length:,} bytes from byte {split.order[1]:,},"

    def blamed(self, failure: Failure) -> Failure:
        """A failure as it is told: damaged input is to blame on who made it, as if it could not be fetched."""
        if failure.kind != "io" or failure.source not in self.paths:
            return failure
        attempt, node, _ = self.inputs()[self.paths.index(failure.source)]
        return replace(failure, kind="fetch", lost=(attempt, node))

    def order(self, limits: NodeLimits) -> Order:
        """The order for an executor; the attempt's id is also the name of its directory."""
        start = self.start
        assert start is not None
        if self.kind == "reduce":
            return ReduceOrder(
                self.name, start.step, start.partition, self.paths, self.name, start.partitions, start.isolated
            )
        split = start.split
        assert split is not None
        if self.kind == "decode":
            return DecodeOrder(self.name, split, start.block_bytes, self.name, limits.blocks_ahead_max)
        sources = self.paths if split.is_pairs else ()
        here = self._local(split)
        return MapOrder(self.name, start.step, here, start.partitions, self.name, sources, start.isolated)

    def _local(self, split: Split) -> Split:
        return replace(split, path=self.paths[0]) if split.needs_fetch else split


@dataclass(slots=True, eq=False)
class ExecutorRecord:
    """An executor process: whether it is up, what it works on, how many attempts it has been given.

    `after` is done when it has died: the clean-up of what it may have been writing when it was killed.
    `fault` says why it was killed, for people, when it was at fault.
    """

    number: int
    up: bool = False
    killed: bool = False
    attempt: str = ""
    given: int = 0
    fault: str = ""
    after: tuple[NodeAction, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether it can be given an order."""
        return self.up and not self.killed and not self.attempt
