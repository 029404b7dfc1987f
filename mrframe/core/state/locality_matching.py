"""Each node's share of the waiting tasks: which of the nodes that have its data a task is meant for.

Shares are as even as the data allows: none can be made smaller by passing tasks on, from node to node if need be, to
one whose share is smaller by two or more. (Optimal semi-matching: Harvey et al., WADS 2003.) So in the end no
node is left with nothing but the data of others, where the replicas allow that. It is a plan and binds nobody: who
takes which task is `ready_queue.py`'s, and each task that is taken or comes makes the plan anew.

An operation costs O(nodes) while shares are even, O(nodes²) at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import pairwise


class Shares:
    """Tasks by id, of equal urgency, each with a rank and at least one home."""

    def __init__(self) -> None:
        self._homes: dict[str, tuple[int, tuple[str, ...]]] = {}  # task -> (rank, homes)
        self._meant: dict[str, str] = {}  # task -> node
        self._size: dict[str, int] = {}  # node -> tasks meant for it
        self._order: dict[str, list[tuple[int, str]]] = {}  # node -> heap of them; what is not meant for it is stale
        self._into: dict[str, dict[str, dict[str, None]]] = {}  # to -> from -> tasks that could be passed on so

    def __len__(self) -> int:
        return len(self._meant)

    def __contains__(self, task: str) -> bool:
        return task in self._meant

    def add(self, task: str, rank: int, homes: tuple[str, ...]) -> None:
        """A task waits that these nodes have the data of."""
        self._homes[task] = (rank, homes)
        for node in homes:
            self._size.setdefault(node, 0)
        node = min(homes, key=lambda name: (self._size[name], name))
        self._give(task, node)
        while path := self._path(node, self._takers, lambda size, own: size <= own - 2):
            self._pass_on(path)
            node = path[-1]

    def remove(self, task: str) -> None:
        """A task does not wait any more."""
        node = self._take_away(task)
        del self._homes[task]
        while path := self._path(node, self._givers, lambda size, own: size >= own + 2):
            self._pass_on(path[::-1])
            node = path[-1]

    def first(self, node: str) -> str | None:
        """The task of the lowest rank that is meant for this node."""
        heap = self._order.get(node, [])
        while heap and (self._meant.get(heap[0][1]) != node or self._homes[heap[0][1]][0] != heap[0][0]):
            heappop(heap)
        return heap[0][1] if heap else None

    def _give(self, task: str, node: str) -> None:
        rank, homes = self._homes[task]
        self._meant[task] = node
        self._size[node] += 1
        heappush(self._order.setdefault(node, []), (rank, task))
        for other in homes:
            if other != node:
                self._into.setdefault(other, {}).setdefault(node, {})[task] = None

    def _take_away(self, task: str) -> str:
        node = self._meant.pop(task)
        self._size[node] -= 1
        for other in self._homes[task][1]:
            if other != node:
                del self._into[other][node][task]
        return node

    def _takers(self, node: str) -> Iterable[str]:
        return (other for other, tasks in sorted(self._into.items()) if tasks.get(node))

    def _givers(self, node: str) -> Iterable[str]:
        return (other for other, tasks in sorted(self._into.get(node, {}).items()) if tasks)

    def _path(
        self, start: str, neighbours: Callable[[str], Iterable[str]], ends: Callable[[int, int], bool]
    ) -> list[str]:
        """The shortest way from a node to one whose share, compared with its own, ends the search; or []."""
        own = self._size[start]
        if not any(ends(size, own) for size in self._size.values()):
            return []
        came_from, edge = {start: ""}, [start]
        while edge:
            reached = []
            for node in edge:
                for other in neighbours(node):
                    if other in came_from:
                        continue
                    came_from[other] = node
                    if ends(self._size[other], own):
                        return _way(came_from, other)
                    reached.append(other)
            edge = reached
        return []

    def _pass_on(self, path: list[str]) -> None:
        """Each node on the path passes a task on to the next."""
        for giver, taker in reversed(list(pairwise(path))):
            task = next(reversed(self._into[taker][giver]))
            self._take_away(task)
            self._give(task, taker)


def _way(came_from: dict[str, str], end: str) -> list[str]:
    way = [end]
    while came_from[way[-1]]:
        way.append(came_from[way[-1]])
    return way[::-1]
