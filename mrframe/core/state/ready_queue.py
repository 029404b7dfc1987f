"""The queue of ready tasks, with delay scheduling: a task waits a bounded time for a node that has its data.

Another node takes the task once that node has been idle for as long as moving the data would take, and never longer
than `locality_wait_s`. So the task never loses more than twice the cost of the better choice, however long the tasks
of the nodes with the data still run, which is unknown. Small inputs are not worth any waiting.
(Delay scheduling: Zaharia et al., EuroSys 2010. The bound by transfer time is ours.)

`ReadyQueue` costs O(log n) for each operation, beside its plan (`locality_matching.py`): heaps whose stale entries
are recognised by a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.model.spec import Split
from mrframe.core.state.locality_matching import LocalityMatching
from mrframe.core.state.submission import SubmissionRecord
from mrframe.core.state.tasks import Task

Key = tuple[int, int, int]  # step, kind, index: the order of starts
_KIND_RANK = {"decode": 0, "map": 1, "reduce": 2}
_Entry = tuple[Any, int, Task]  # (sort key, number of the entry, task)


class ReadyQueue:
    """Ready tasks of a job. `take` gives a node the one that suits it best, the first task first.

    Of the tasks whose data it has a node takes first those that are meant for it, so that in the end few are left
    whose nodes are all busy.
    """

    def __init__(self) -> None:
        self._anywhere: list[_Entry] = []
        self._near: dict[str, list[_Entry]] = {}
        self._far: list[_Entry] = []
        self._valid: dict[str, int] = {}  # task id -> the number of its entries that count
        self._queued: dict[str, tuple[Key, Task, float]] = {}  # task id -> its key, itself, how long it waits
        self._matchings: dict[
            tuple[int, int, bool], LocalityMatching
        ] = {}  # by the key but for the index, and whether they wait
        self._starved: dict[str, float] = {}  # node -> since when it has had a free slot and nothing near
        self._number = 0

    def __len__(self) -> int:
        return len(self._valid)

    def __contains__(self, task: Task) -> bool:
        return task.id in self._valid

    def add(self, task: Task, near: Iterable[str], now_s: float, wait_s: float) -> None:
        """Queue a task. A node not in `near` may take it after `wait_s`.

        With no node in `near` any may take it at once.
        """
        self.remove(task)
        self._number += 1
        key = (task.step, _KIND_RANK[task.kind], task.index)
        self._valid[task.id] = self._number
        self._queued[task.id] = (key, task, wait_s)
        nodes = tuple(sorted(set(near)))
        for node in nodes:
            heappush(self._near.setdefault(node, []), (key, self._number, task))
        if nodes:
            if task.kind != "reduce":  # which has one home
                self._matchings.setdefault((*key[:2], wait_s > 0), LocalityMatching()).add(task.id, task.index, nodes)
            heappush(self._far, ((now_s + wait_s, key), self._number, task))
        else:
            heappush(self._anywhere, (key, self._number, task))

    def take(self, node: str, now_s: float, *, idle: bool = True) -> Task | None:
        """Take the task that this node should run next out of the queue. None if the node should wait.

        A node that has work (not `idle`) takes no map of others: they may well do it before its slot is free. Reduces
        of little data are many and short, and go on as soon as there is room.
        """
        best: tuple[Any, ...] | None = None
        heaps = (self._near.get(node), self._anywhere, self._far)
        for distance, heap in enumerate(heaps):
            entry = self._head(heap) if heap else None
            if entry is None or (heap is self._far and not self._may_steal(node, entry, now_s, idle=idle)):
                continue
            key = self._queued[entry[2].id][0]
            candidate = (key[:2], distance, key[2], entry[2])
            if best is None or candidate[:3] < best[:3]:
                best = candidate
        if best is None:
            return None
        task: Task = best[3]
        if best[1] == 0:
            task = self._matched(node, best[0]) or task
        if best[1] < 2:
            self._starved.pop(node, None)
        self.remove(task)
        return task

    def _matched(self, node: str, kind: tuple[int, int]) -> Task | None:
        """Return the first task meant for this node: small ones, which have no locality wait, before others."""
        for waits in (False, True):
            matching = self._matchings.get((*kind, waits))
            if matching is not None and (name := matching.first(node)):
                return self._queued[name][1]
        return None

    def _may_steal(self, node: str, entry: _Entry, now_s: float, *, idle: bool) -> bool:
        """Whether this node may take a task of others: once it has starved as long as the task waits."""
        _, task, wait_s = self._queued[entry[2].id]
        if not idle and task.kind != "reduce":
            return False
        since_s = self._starved.setdefault(node, now_s) if idle else now_s
        return entry[0][0] <= now_s and since_s + wait_s <= now_s

    def remove(self, task: Task) -> None:
        """Take a task out of the queue, if it is in it."""
        if self._valid.pop(task.id, None) is None:
            return
        key, _, wait_s = self._queued.pop(task.id)
        group = (*key[:2], wait_s > 0)
        matching = self._matchings.get(group)
        if matching is not None and task.id in matching:
            matching.remove(task.id)
            if not len(matching):
                del self._matchings[group]

    def _head(self, heap: list[_Entry]) -> _Entry | None:
        while heap and self._valid.get(heap[0][2].id) != heap[0][1]:
            heappop(heap)
        return heap[0] if heap else None


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
