"""The queue of ready tasks, with delay scheduling: a task waits a bounded time for a node that has its data.

Another node takes the task once that node has been idle for as long as moving the data would take, and never longer
than `locality_wait_s`. So the task never loses more than twice the cost of the better choice, however long the tasks
of the nodes with the data still run, which is unknown. Small inputs are not worth any waiting.
(Delay scheduling: Zaharia et al., EuroSys 2010. The bound by transfer time is ours.)

An operation costs the same however many tasks wait, beside its plan (`locality_matching.py`): tasks become ready in
the order in which they are to start, or nearly, so the lines they wait in are sorted by appending (`_Line`). Entries
that do not count any more are dropped when they come to the head of their line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.model.spec import Split
from mrframe.core.state.locality_matching import LocalityMatching
from mrframe.core.state.submission import SubmissionRecord
from mrframe.core.state.tasks import Task

_KIND_RANK = {"decode": 0, "map": 1, "reduce": 2}


@dataclass(slots=True, eq=False)
class _Entry:
    """A ready task in its lines. One object for each, since a collection of garbage visits them all.

    index    of the task: the order of starts among those of its step and kind
    until_s  when a node without its data may take it
    waiting  whether the entry still counts
    """

    task: Task
    index: int
    until_s: float
    wait_s: float
    waiting: bool = True


class _Line:
    """Entries by a key. Those that come in order are appended, and only others cost a heap."""

    __slots__ = ("_added", "_key", "_late", "_sorted")

    def __init__(self, *key: str) -> None:
        self._key = attrgetter(*key)
        self._sorted: deque[_Entry] = deque()
        self._late: list[tuple[Any, int, _Entry]] = []  # heap of (key, number, entry)
        self._added = 0

    def add(self, entry: _Entry) -> None:
        if not self._sorted or self._key(self._sorted[-1]) < self._key(entry):
            self._sorted.append(entry)
        else:
            self._added += 1
            heappush(self._late, (self._key(entry), self._added, entry))

    def first(self) -> _Entry | None:
        """Return the first entry that counts, and forget those before it."""
        line, late = self._sorted, self._late
        while line and not line[0].waiting:
            line.popleft()
        while late and not late[0][2].waiting:
            heappop(late)
        if not late:
            return line[0] if line else None
        return line[0] if line and self._key(line[0]) < late[0][0] else late[0][2]


class _Group:
    """The ready tasks of one step and kind.

    near       node -> tasks with data on it
    anywhere   tasks without a location
    far        all tasks with a location, by the time from which any node may take them
    matchings  by whether they wait for a near node: the plan for the maps with a location
    """

    __slots__ = ("anywhere", "far", "matchings", "near")

    def __init__(self) -> None:
        self.near: dict[str, _Line] = {}
        self.anywhere = _Line("index")
        self.far = _Line("until_s", "index")
        self.matchings: dict[bool, LocalityMatching[Task]] = {}

    def matched(self, node: str) -> Task | None:
        """Return the first task meant for this node: small ones, which have no locality wait, before others."""
        for waits in (False, True):
            matching = self.matchings.get(waits)
            if matching is not None and (task := matching.first(node)) is not None:
                return task
        return None


class ReadyQueue:
    """Ready tasks of a job. `take` gives a node the one that suits it best, the first task first.

    Of the tasks whose data it has a node takes first those that are meant for it, so that in the end few are left
    whose nodes are all busy.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[int, int], _Group] = {}  # by step and kind, in the order of starts
        self._entries: dict[Task, _Entry] = {}
        self._starved: dict[str, float] = {}  # node -> since when it has had a free slot and nothing near

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, task: Task) -> bool:
        return task in self._entries

    def add(self, task: Task, near: Sequence[str], now_s: float, wait_s: float) -> None:
        """Queue a task. A node not in `near` may take it after `wait_s`.

        With no node in `near` any may take it at once.
        """
        self.remove(task)
        entry = self._entries[task] = _Entry(task, task.index, now_s + wait_s, wait_s)
        group = self._group(task)
        if not near:
            group.anywhere.add(entry)
            return
        nodes = tuple(sorted(set(near)))
        for node in nodes:
            line = group.near.get(node)
            if line is None:
                line = group.near[node] = _Line("index")
            line.add(entry)
        if task.kind != "reduce":  # which has one home
            group.matchings.setdefault(wait_s > 0, LocalityMatching()).add(task, task.index, nodes)
        group.far.add(entry)

    def _group(self, task: Task) -> _Group:
        key = task.step, _KIND_RANK[task.kind]
        group = self._groups.get(key)
        if group is None:
            self._groups[key] = group = _Group()
            self._groups = dict(sorted(self._groups.items()))
        return group

    def take(self, node: str, now_s: float, *, idle: bool = True) -> Task | None:
        """Take the task that this node should run next out of the queue. None if the node should wait.

        A node that has work (not `idle`) takes no map of others: they may well do it before its slot is free. Reduces
        of little data are many and short, and go on as soon as there is room.
        """
        for group in self._groups.values():
            near = group.near.get(node)
            entry = near.first() if near is not None else None
            if entry is not None:
                task = group.matched(node) or entry.task
            else:
                entry = group.anywhere.first()
                if entry is None:
                    entry = group.far.first()
                    if entry is None or not self._may_steal(node, entry, now_s, idle=idle):
                        continue
                    self.remove(entry.task)
                    return entry.task
                task = entry.task
            self._starved.pop(node, None)
            self.remove(task)
            return task
        return None

    def _may_steal(self, node: str, entry: _Entry, now_s: float, *, idle: bool) -> bool:
        """Whether this node may take a task of others: once it has starved as long as the task waits."""
        if not idle and entry.task.kind != "reduce":
            return False
        since_s = self._starved.setdefault(node, now_s) if idle else now_s
        return entry.until_s <= now_s and since_s + entry.wait_s <= now_s

    def remove(self, task: Task) -> None:
        """Take a task out of the queue, if it is in it."""
        entry = self._entries.pop(task, None)
        if entry is None:
            return
        entry.waiting = False
        matchings = self._groups[task.step, _KIND_RANK[task.kind]].matchings
        if matchings:
            waits = entry.wait_s > 0
            matching = matchings.get(waits)
            if matching is not None and task in matching:
                matching.remove(task)
                if not len(matching):
                    del matchings[waits]


def data_nodes(submission: SubmissionRecord, task: Task) -> tuple[tuple[str, ...], int]:
    """(nodes that have the task's data, bytes that would be moved to run it elsewhere)."""
    if task.kind == "reduce":
        return _heaviest(submission.steps[task.step].weights.get(task.partition, {}))
    if task.step > 0:
        sizes: dict[str, int] = {}
        for feeder in submission.upstream_reduces(task):
            if feeder.commit and feeder.report:
                sizes[feeder.commit[1]] = sizes.get(feeder.commit[1], 0) + feeder.report.bytes_out
        return _heaviest(sizes)
    split = task.split
    assert split is not None
    return _split_nodes(split), split.length


def _split_nodes(split: Split) -> tuple[str, ...]:
    return tuple(node for _, node in split.held_by) or split.locations


def _heaviest(sizes: dict[str, int]) -> tuple[tuple[str, ...], int]:
    if not sizes:
        return (), 0
    node = min(sizes, key=lambda name: (-sizes[name], name))
    return (node,), sizes[node]


def locality_wait_s(limits: SchedulerLimits, size: int) -> float:
    """Return how long a task with `size` bytes of data may wait for a node that has them.

    A wait below `locality_wait_s_min` becomes 0: it would last until the next event, which is longer.
    """
    seconds = min(limits.locality_wait_s, size / limits.transfer_bytes_per_s)
    return seconds if seconds >= limits.locality_wait_s_min else 0.0


@dataclass(frozen=True, slots=True)
class Locality:
    """Committed map tasks by where they ran.

    data_local  on a node that has their split
    other       on another node
    anywhere    of a split without locations, which is equally near to every node
    """

    data_local: int
    other: int
    anywhere: int


def locality(reports: Iterable[tuple[str, int, str, Any, Any]]) -> Locality:
    """Count the map tasks among `JobEnded.reports` by where they ran."""
    counts = [0, 0, 0]
    for _, _, node, split, _ in reports:
        if not isinstance(split, Split) or split.is_compressed:
            continue
        nodes = _split_nodes(split)
        counts[2 if not nodes else int(node not in nodes)] += 1
    return Locality(*counts)
