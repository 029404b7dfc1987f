"""Tasks, their attempts, and the steps they belong to: the scheduler's records, with no decisions in them."""

from __future__ import annotations

from dataclasses import field

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.events import StartAttempt
from mrframe.core.model.ids import Kind
from mrframe.core.model.limits import BLOCKS_AHEAD_MAX
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.shuffle_checksum import EMPTY_CHECKSUM, ShuffleChecksum, add_checksums, map_checksum
from mrframe.core.model.spec import Split, StepSpec
from mrframe.core.model.states import TASK, TaskState


@dataclass(slots=True, eq=False)
class Attempt:
    """An attempt that has been given to a node and is not over; `start` is sent again when it seems lost.

    `began_s` is when a heartbeat first showed that it runs; `to_read` is, of a reduce, what the maps that it was
    told to read have made for it.
    """

    task: Task
    node: str
    start: StartAttempt
    sent_s: float
    began_s: float | None = None
    to_read: ShuffleChecksum = EMPTY_CHECKSUM
    records: int = 0
    bytes_done: int = 0


@dataclass(slots=True)
class Timed:
    """How many tasks of a kind are done, and how many seconds their attempts have taken."""

    tasks: int = 0
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class Task:
    """A unit of work of one step, with all that happened to it.

    split      what a map or decode task reads. For "held" blocks `held_by` is kept up to date here; for
               "pairs" it is filled in when the task is started.
    origin     for a map task over a block: the decode task that makes the block
    blocks     for a decode task: the map tasks over its blocks
    number     attempts so far in this epoch; failures and losses count how they ended
    commit     (attempt, node) of the result, None while there is none
    told       its last result with its report, also when the output is lost and nobody needs it any more: what the
               figures of the job are made of
    known      whether it was ever committed: a decode task that was has named all its blocks
    first      the report of its first result, when that left out nothing: what a later one must not differ from
    avoid      nodes on which it failed; it is retried elsewhere where there is an elsewhere
    speculative  speculative attempts so far in this epoch
    """

    job: str
    id: str
    kind: Kind
    step: int
    index: int
    split: Split | None = None
    partition: int = -1
    origin: Task | None = None
    blocks: list[Task] = field(default_factory=list)
    state: TaskState = TaskState.WAITING
    attempts: dict[str, Attempt] = field(default_factory=dict)
    number: int = 0
    failures: int = 0
    losses: int = 0
    commit: tuple[str, str] | None = None
    report: TaskReport | None = None
    told: tuple[str, str, TaskReport] | None = None
    known: bool = False
    first: TaskReport | None = None
    avoid: set[str] = field(default_factory=set)
    speculative: int = 0

    def move(self, cause: str) -> None:
        """Change the state as the table says."""
        self.state = TASK.move(self.state, cause)

    def is_ahead(self) -> bool:
        """Whether so many of the last blocks of a decode task wait to be mapped that its attempt waits, too."""
        last = self.blocks[-4 * BLOCKS_AHEAD_MAX :]
        held = [block for block in last if block.commit is None and block.split is not None and block.split.held_by]
        return len(held) >= BLOCKS_AHEAD_MAX


@dataclass(slots=True, eq=False)
class Step:
    """One map-shuffle-reduce of a job: its tasks, and running sums over the committed ones.

    maps       in order of creation; `in_order` gives them in input order
    planned    for steps after the first: whether its map tasks have been made
    open_maps, open_reduces   tasks that are not committed
    weights    partition -> node -> bytes of it that committed maps hold there
    timed      by kind: the committed tasks, but for those whose result was saved before
    made       partition -> what committed maps have made for it
    """

    index: int
    spec: StepSpec
    planned: bool
    maps: list[Task] = field(default_factory=list)
    reduces: list[Task] = field(default_factory=list)
    open_maps: int = 0
    open_reduces: int = 0
    weights: dict[int, dict[str, int]] = field(default_factory=dict)
    made: dict[int, ShuffleChecksum] = field(default_factory=dict)
    records: int = 0
    bytes_in: int = 0
    lines: int = 0
    malformed: int = 0
    quarantined: int = 0
    sorted_maps: list[Task] = field(default_factory=list)
    timed: dict[Kind, Timed] = field(default_factory=lambda: {"map": Timed(), "reduce": Timed(), "decode": Timed()})

    def in_order(self) -> list[Task]:
        """The map tasks by place in the input, whatever order they were made in."""
        if len(self.sorted_maps) != len(self.maps):
            self.sorted_maps = sorted(self.maps, key=_place)
        return self.sorted_maps

    def count(self, task: Task, node: str, report: TaskReport, sign: int) -> None:
        """Add (`sign` 1) a committed task's figures to the sums, or take them back (-1)."""
        if not report.saved:
            self.timed[task.kind].tasks += sign
            self.timed[task.kind].seconds += sign * report.seconds
        if task.kind == "reduce":
            self.open_reduces -= sign
            return
        if task.kind == "decode":
            return
        self.open_maps -= sign
        ledger = report.ledger
        self.records += sign * ledger.records
        self.bytes_in += sign * ledger.bytes_in
        self.lines += sign * ledger.lines
        self.malformed += sign * ledger.malformed
        self.quarantined += sign * ledger.quarantined
        for partition, (_, size) in report.partitions.items():
            nodes = self.weights.setdefault(partition, {})
            nodes[node] = nodes.get(node, 0) + sign * size
            self.made[partition] = add_checksums(
                self.made.get(partition, EMPTY_CHECKSUM), map_checksum(report, partition), sign
            )


def _place(task: Task) -> tuple[int, int]:
    assert task.split is not None
    return task.split.order
