"""Which node each waiting task should run on: an even matching of tasks to the nodes that have their data.

A task may go to any node with a replica of its input. If each node simply took the first task it could, some nodes
would run out of local tasks early and read the data of others over the network. So the tasks are planned: each is
matched to one of its nodes, and the numbers of tasks per node (the *shares*) are as even as the replicas allow.

Theory. This is an optimal semi-matching of a bipartite graph (Harvey, Ladner, Lovász and Tamir, "Semi-matchings for
bipartite graphs and load balancing", WADS 2003). A matching is optimal if and only if it has no *cost-reducing path*:
a chain of nodes A, B, …, Z where A can pass one of its tasks on to B, B one of its own to the next, and so on, and
the share of Z is smaller than that of A by two or more. Passing one task along such a path makes A's share smaller by
one and Z's larger by one, and leaves all others alone. Only the node that an added task was matched to (the one with
the smallest share), or the node that lost a removed task, can be the end of such a path, so the search starts there
and goes on from the end of each path found. It is breadth-first, and so finds the shortest path. A test compares the
result with the best of all matchings.

The matching is a plan and binds nobody: `ready_queue.py` decides which node takes which task, and every task that is
taken or added changes the plan.

The smallest and the largest share are known, and a search starts only if they differ enough from that of the node.
So an operation costs O(1) while the shares are even. A search visits the tasks of all nodes at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from heapq import heappop, heappush
from itertools import pairwise
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class LocalityMatching(Generic[T]):
    """Waiting tasks, all equally urgent, each with a rank of its own and at least one node that has its data."""

    def __init__(self) -> None:
        self._tasks: dict[T, tuple[int, tuple[str, ...]]] = {}  # task -> (rank, nodes that have its data)
        self._matched: dict[T, str] = {}  # task -> the node it is matched to
        self._shares: dict[str, int] = {}  # node -> number of tasks matched to it
        self._nodes_with: Counter[int] = Counter()  # share -> number of nodes with it
        self._least = self._most = 0  # the smallest and the largest share
        self._heaps: dict[str, list[tuple[int, T]]] = {}  # node -> heap of (rank, task), some entries stale
        self._givers_to: dict[str, dict[str, dict[T, None]]] = {}  # to -> from -> tasks that could move that way
        self._takers_from: dict[str, dict[str, dict[T, None]]] = {}  # from -> to -> the same dict. None is empty.

    def __len__(self) -> int:
        return len(self._matched)

    def __contains__(self, task: T) -> bool:
        return task in self._matched

    def add(self, task: T, rank: int, nodes: tuple[str, ...]) -> None:
        """Add a waiting task with data on `nodes`, and keep the shares even."""
        self._tasks[task] = (rank, nodes)
        for node in nodes:
            if node not in self._shares:
                self._shares[node] = self._least = 0
                self._nodes_with[0] += 1
        node = min(nodes, key=lambda name: (self._shares[name], name))
        self._match(task, node)
        while self._least <= self._shares[node] - 2:
            path = self._path(node, self._takers, lambda share, own: share <= own - 2)
            if not path:
                return
            self._shift(path)
            node = path[-1]

    def remove(self, task: T) -> None:
        """Remove a task that does not wait any more, and keep the shares even."""
        node = self._unmatch(task)
        del self._tasks[task]
        while self._most >= self._shares[node] + 2:
            path = self._path(node, self._givers, lambda share, own: share >= own + 2)
            if not path:
                return
            self._shift(path[::-1])
            node = path[-1]

    def first(self, node: str) -> T | None:
        """Return the task of the lowest rank that is matched to this node, or None."""
        heap = self._heaps.get(node, [])
        while heap and (self._matched.get(heap[0][1]) != node or self._tasks[heap[0][1]][0] != heap[0][0]):
            heappop(heap)
        return heap[0][1] if heap else None

    def _match(self, task: T, node: str) -> None:
        rank, nodes = self._tasks[task]
        self._matched[task] = node
        self._change_share(node, 1)
        heappush(self._heaps.setdefault(node, []), (rank, task))
        for other in nodes:
            if other != node:
                movable = self._givers_to.setdefault(other, {}).setdefault(node, {})
                movable[task] = None
                self._takers_from.setdefault(node, {})[other] = movable

    def _unmatch(self, task: T) -> str:
        node = self._matched.pop(task)
        self._change_share(node, -1)
        for other in self._tasks[task][1]:
            if other != node:
                movable = self._givers_to[other][node]
                del movable[task]
                if not movable:
                    del self._givers_to[other][node], self._takers_from[node][other]
        return node

    def _change_share(self, node: str, change: int) -> None:
        before = self._shares[node]
        after = self._shares[node] = before + change
        self._nodes_with[before] -= 1
        self._nodes_with[after] += 1
        if after < self._least or (before == self._least and not self._nodes_with[before]):
            self._least = after
        if after > self._most or (before == self._most and not self._nodes_with[before]):
            self._most = after

    def _takers(self, node: str) -> Iterable[str]:
        """The nodes that could take a task from this one, by name."""
        return sorted(self._takers_from.get(node, ()))

    def _givers(self, node: str) -> Iterable[str]:
        """The nodes that could give this one a task, by name."""
        return sorted(self._givers_to.get(node, ()))

    def _path(
        self, start: str, neighbours: Callable[[str], Iterable[str]], ends: Callable[[int, int], bool]
    ) -> list[str]:
        """Return the shortest path from `start` to a node whose share satisfies `ends(share, own)`, or []."""
        own = self._shares[start]
        came_from, edge = {start: ""}, [start]
        while edge:
            reached = []
            for node in edge:
                for other in neighbours(node):
                    if other in came_from:
                        continue
                    came_from[other] = node
                    if ends(self._shares[other], own):
                        return _walk_back(came_from, other)
                    reached.append(other)
            edge = reached
        return []

    def _shift(self, path: list[str]) -> None:
        """Move one task along each step of the path, from its first node towards its last."""
        for giver, taker in reversed(list(pairwise(path))):
            task = next(reversed(self._givers_to[taker][giver]))
            self._unmatch(task)
            self._match(task, taker)


def _walk_back(came_from: dict[str, str], end: str) -> list[str]:
    path = [end]
    while came_from[path[-1]]:
        path.append(came_from[path[-1]])
    return path[::-1]
