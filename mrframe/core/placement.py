"""Where a task runs best: the queue of ready tasks, locality with a bounded wait, then stealing.

A task that has its data on some nodes waits for one of them, but never longer than `locality_wait_s`, and
never longer than it would take to move the data: small inputs are not worth any waiting. After that any
node may take it. (Delay scheduling: Zaharia et al., EuroSys 2010; the bound by transfer time is ours.)

`Waiting` costs O(log n) for each operation: heaps with entries that go stale, recognised by a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from typing import Any

from mrframe.core.limits import SchedulerLimits
from mrframe.core.spec import Split
from mrframe.core.submission import Submission
from mrframe.core.tasks import Task

Key = tuple[int, int, int]  # step, kind, index: what is started first
_KIND_RANK = {"decode": 0, "map": 1, "reduce": 2}
CHOICE = 8
"""Tasks out of which a node takes one whose data it has."""
_Entry = tuple[Any, int, Task]  # (what it is sorted by, number of the entry, task)


class Waiting:
    """Ready tasks of a job. `take` gives a node the one that suits it best, the first task first.

    Of the tasks whose data it has a node takes, out of the first few, the one whose other nodes have the most to do,
    and before those what no other node has: so fewer are left in the end whose nodes are all busy.
    """

    def __init__(self) -> None:
        self._anywhere: list[_Entry] = []
        self._near: dict[str, list[_Entry]] = {}
        self._far: list[_Entry] = []
        self._valid: dict[str, int] = {}  # task id -> the number of its entries that count
        self._keys: dict[str, Key] = {}
        self._homes: dict[str, list[str]] = {}
        self._backlog: dict[str, int] = {}  # node -> tasks in the queue whose data it has
        self._number = 0

    def __len__(self) -> int:
        return len(self._valid)

    def __contains__(self, task: Task) -> bool:
        return task.id in self._valid

    def add(self, task: Task, near: Iterable[str], steal_s: float) -> None:
        """Queue a task; nodes not in `near` may take it from `steal_s` on.

        With no node in `near` any may take it at once.
        """
        self.remove(task)
        self._number += 1
        key = (task.step, _KIND_RANK[task.kind], task.index)
        self._valid[task.id] = self._number
        self._keys[task.id] = key
        nodes = self._homes[task.id] = sorted(set(near))
        for node in nodes:
            self._backlog[node] = self._backlog.get(node, 0) + 1
            heappush(self._near.setdefault(node, []), (key, self._number, task))
        if nodes:
            heappush(self._far, ((steal_s, key), self._number, task))
        else:
            heappush(self._anywhere, (key, self._number, task))

    def take(self, node: str, now_s: float) -> Task | None:
        """The task that this node should do next, taken out of the queue; None when it should wait."""
        best: tuple[Any, ...] | None = None
        heaps = (self._near.get(node), self._anywhere, self._far)
        for distance, heap in enumerate(heaps):
            entry = self._head(heap) if heap else None
            if entry is None or (heap is self._far and entry[0][0] > now_s):
                continue
            key = self._keys[entry[2].id]
            candidate = (key[:2], distance, key[2], entry[2])
            if best is None or candidate[:3] < best[:3]:
                best = candidate
        if best is None:
            return None
        task: Task = best[3] if best[1] else self._least_wanted(node)
        self.remove(task)
        return task

    def _least_wanted(self, node: str) -> Task:
        """Out of the first few tasks near this node, that which the others can do least."""
        heap = self._near[node]
        first: list[_Entry] = []
        while len(first) < CHOICE and (entry := self._head(heap)) and (not first or entry[0][:2] == first[0][0][:2]):
            first.append(heappop(heap))
        for entry in first:
            heappush(heap, entry)
        return min(first, key=lambda entry: (self._others_room(node, entry[2]), entry[0]))[2]

    def _others_room(self, node: str, task: Task) -> float:
        """How soon another node that has the task's data could do it: less for more that is queued there."""
        backlogs = [self._backlog[other] for other in self._homes[task.id] if other != node]
        return -min(backlogs) if backlogs else -inf

    def remove(self, task: Task) -> None:
        """Take a task out of the queue; nothing happens when it is not in it."""
        self._valid.pop(task.id, None)
        self._keys.pop(task.id, None)
        for node in self._homes.pop(task.id, ()):
            self._backlog[node] -= 1

    def _head(self, heap: list[_Entry]) -> _Entry | None:
        while heap and self._valid.get(heap[0][2].id) != heap[0][1]:
            heappop(heap)
        return heap[0] if heap else None


def near(submission: Submission, task: Task) -> tuple[tuple[str, ...], int]:
    """(nodes that have the task's data, bytes that would be moved to run it elsewhere)."""
    if task.kind == "reduce":
        return _heaviest(submission.steps[task.step].weights.get(task.partition, {}))
    if task.step > 0:
        sizes: dict[str, int] = {}
        for feeder in submission.feeders(task):
            if feeder.commit and feeder.report:
                sizes[feeder.commit[1]] = sizes.get(feeder.commit[1], 0) + feeder.report.bytes_out
        return _heaviest(sizes)
    split = task.split
    assert split is not None
    return _homes(split), split.length


def _homes(split: Split) -> tuple[str, ...]:
    return tuple(node for _, node in split.held_by) or split.locations


def _heaviest(sizes: dict[str, int]) -> tuple[tuple[str, ...], int]:
    if not sizes:
        return (), 0
    node = min(sizes, key=lambda name: (-sizes[name], name))
    return (node,), sizes[node]


def wait_s(limits: SchedulerLimits, size: int) -> float:
    """How long a task whose data is `size` bytes may wait for a node that has it.

    A wait below `locality_wait_s_min` is none: it would last until the next event, which is longer.
    """
    seconds = min(limits.locality_wait_s, size / limits.transfer_bytes_per_s)
    return seconds if seconds >= limits.locality_wait_s_min else 0.0


@dataclass(frozen=True, slots=True)
class Locality:
    """Committed map tasks by where they ran.

    data_local  on a node that has their split; other: on another one; anywhere: of a split without
    locations, which is equally near to every node
    """

    data_local: int
    other: int
    anywhere: int


def locality(reports: Iterable[tuple[str, int, str, Any, Any]]) -> Locality:
    """Count the map tasks among `JobEnded.reports` by where they ran."""
    counts = [0, 0, 0]
    for _, _, node, split, _ in reports:
        if not isinstance(split, Split) or split.kind == "gzip":
            continue
        homes = _homes(split)
        counts[2 if not homes else int(node not in homes)] += 1
    return Locality(*counts)
