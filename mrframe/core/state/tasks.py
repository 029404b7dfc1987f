"""Tasks, their attempts, and the steps they belong to: the scheduler's records, without decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.events import StartAttempt
from mrframe.core.model.ids import Kind
from mrframe.core.model.limits import BLOCKS_AHEAD_MAX
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.shuffle_checksum import EMPTY_CHECKSUM, ShuffleChecksum, add_checksums, map_checksum
from mrframe.core.model.spec import FatalPosition, Split, StepSpec
from mrframe.core.model.states import TASK, TaskState


@dataclass(slots=True, eq=False)
class Attempt:
    """An attempt that was assigned to a node and has not ended. `start` is sent again if it seems lost.

    began_s        when a heartbeat first showed that it runs, or None
    expected_read  of a reduce: the checksum of the pairs that its maps made for it
    """

    task: Task
    node: str
    start: StartAttempt
    sent_s: float
    began_s: float | None = None
    expected_read: ShuffleChecksum = EMPTY_CHECKSUM
    records: int = 0
    bytes_done: int = 0


@dataclass(slots=True)
class Timed:
    """Number of tasks of a kind that are done, and the seconds that their attempts took in all."""

    tasks: int = 0
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class Task:
    """A unit of work of one step, with its history.

    A job may have a million: an object that only few of them need is made when one needs it.

    split          input of a map or decode task. `held_by` of a "held" block is kept up to date here, that of
                   "pairs" is filled in when the task is started.
    decode_task    of a map task over a block: the decode task that makes the block
    blocks         of a decode task: the map tasks over its blocks
    attempts       those under way
    number         attempts so far in this epoch. `failures` and `losses` count how they ended.
    refusals       attempts that met a full disk or table ("full") since `full_since_s`, when the first one did
    node_deaths    losses with a node process that ended, not with one that was only silent
    commit         (attempt, node) of the result, None while there is none
    last_commit, last_report  the last result with its report. They stay when the output is lost and no task needs it
                   any more, because the figures of the job are made from them.
    was_committed  whether it was ever committed: a decode task that was has named all its blocks
    first_report   the report of its first result, if that left no record out. Later results must not differ from it.
    last_position  where its last isolated attempt died with its executor or node
    fatal          positions at which two of them did, each with a reason
    avoid          nodes on which it failed. It is retried elsewhere, if there is another node.
    speculative    speculative attempts so far in this epoch
    """

    job: str
    id: str
    kind: Kind
    step: int
    index: int
    split: Split | None = None
    partition: int = -1
    decode_task: Task | None = None
    blocks: Sequence[Task] = ()
    state: TaskState = TaskState.WAITING
    attempts: tuple[Attempt, ...] = ()
    number: int = 0
    failures: int = 0
    losses: int = 0
    refusals: int = 0
    full_since_s: float = 0.0
    node_deaths: int = 0
    last_position: FatalPosition | None = None
    fatal: tuple[tuple[FatalPosition, str], ...] = ()
    commit: tuple[str, str] | None = None
    report: TaskReport | None = None
    last_commit: tuple[str, str] | None = None
    last_report: TaskReport | None = None
    was_committed: bool = False
    first_report: TaskReport | None = None
    avoid: frozenset[str] = frozenset()
    speculative: int = 0

    def move(self, cause: str) -> None:
        """Change the state by the table in `core/model/states.py`."""
        self.state = TASK.move(self.state, cause)

    def is_ahead(self) -> bool:
        """Whether `BLOCKS_AHEAD_MAX` of the last blocks wait to be mapped, so that the decode attempt waits."""
        last = self.blocks[-4 * BLOCKS_AHEAD_MAX :]
        held = [block for block in last if block.commit is None and block.split is not None and block.split.held_by]
        return len(held) >= BLOCKS_AHEAD_MAX


@dataclass(slots=True, eq=False)
class Step:
    """One map-shuffle-reduce of a job: its tasks, and running sums over the committed ones.

    maps            in order of creation. `in_order` gives them in input order.
    planned         of steps after the first: whether its map tasks have been made
    open_maps, open_reduces   numbers of tasks that are not committed
    weights         partition -> node -> bytes that committed maps hold for it there
    timed           by kind: number and seconds of the committed tasks, except those that used a saved result
    map_checksums   partition -> checksum of the pairs that committed maps made for it
    """

    index: int
    spec: StepSpec
    planned: bool
    maps: list[Task] = field(default_factory=list)
    reduces: list[Task] = field(default_factory=list)
    open_maps: int = 0
    open_reduces: int = 0
    weights: dict[int, dict[str, int]] = field(default_factory=dict)
    map_checksums: dict[int, ShuffleChecksum] = field(default_factory=dict)
    records: int = 0
    bytes_in: int = 0
    lines: int = 0
    malformed: int = 0
    quarantined: int = 0
    sorted_maps: list[Task] = field(default_factory=list)
    timed: dict[Kind, Timed] = field(default_factory=lambda: {"map": Timed(), "reduce": Timed(), "decode": Timed()})

    def in_order(self) -> list[Task]:
        """Return the map tasks in input order."""
        if len(self.sorted_maps) != len(self.maps):
            self.sorted_maps = sorted(self.maps, key=_position)
        return self.sorted_maps

    def count(self, task: Task, node: str, report: TaskReport, sign: int) -> None:
        """Add a committed task's figures to the sums (`sign` 1), or take them back (-1)."""
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
            self.map_checksums[partition] = add_checksums(
                self.map_checksums.get(partition, EMPTY_CHECKSUM), map_checksum(report, partition), sign
            )


def _position(task: Task) -> tuple[int, int]:
    assert task.split is not None
    return task.split.order
