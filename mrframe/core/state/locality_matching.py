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

An operation costs O(nodes) while the shares are even, and O(nodes²) at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import pairwise


class LocalityMatching:
    """Waiting tasks by id, all equally urgent, each with a rank and at least one node that has its data."""

    def __init__(self) -> None:
        self._tasks: dict[str, tuple[int, tuple[str, ...]]] = {}  # task -> (rank, nodes that have its data)
        self._matched: dict[str, str] = {}  # task -> the node it is matched to
        self._shares: dict[str, int] = {}  # node -> number of tasks matched to it
        self._heaps: dict[str, list[tuple[int, str]]] = {}  # node -> heap of (rank, task), some entries stale
        self._movable: dict[str, dict[str, dict[str, None]]] = {}  # to -> from -> tasks that could move that way

    def __len__(self) -> int:
        return len(self._matched)

    def __contains__(self, task: str) -> bool:
        return task in self._matched

    def add(self, task: str, rank: int, nodes: tuple[str, ...]) -> None:
        """Add a waiting task with data on `nodes`, and keep the shares even."""
        self._tasks[task] = (rank, nodes)
        for node in nodes:
            self._shares.setdefault(node, 0)
        node = min(nodes, key=lambda name: (self._shares[name], name))
        self._match(task, node)
        while path := self._path(node, self._takers, lambda share, own: share <= own - 2):
            self._shift(path)
            node = path[-1]

    def remove(self, task: str) -> None:
        """Remove a task that does not wait any more, and keep the shares even."""
        node = self._unmatch(task)
        del self._tasks[task]
        while path := self._path(node, self._givers, lambda share, own: share >= own + 2):
            self._shift(path[::-1])
            node = path[-1]

    def first(self, node: str) -> str | None:
        """Return the task of the lowest rank that is matched to this node, or None."""
        heap = self._heaps.get(node, [])
        while heap and (self._matched.get(heap[0][1]) != node or self._tasks[heap[0][1]][0] != heap[0][0]):
            heappop(heap)
        return heap[0][1] if heap else None

    def _match(self, task: str, node: str) -> None:
        rank, nodes = self._tasks[task]
        self._matched[task] = node
        self._shares[node] += 1
        heappush(self._heaps.setdefault(node, []), (rank, task))
        for other in nodes:
            if other != node:
                self._movable.setdefault(other, {}).setdefault(node, {})[task] = None

    def _unmatch(self, task: str) -> str:
        node = self._matched.pop(task)
        self._shares[node] -= 1
        for other in self._tasks[task][1]:
            if other != node:
                del self._movable[other][node][task]
        return node

    def _takers(self, node: str) -> Iterable[str]:
        """The nodes that could take a task from this one, by name."""
        return (other for other, givers in sorted(self._movable.items()) if givers.get(node))

    def _givers(self, node: str) -> Iterable[str]:
        """The nodes that could give this one a task, by name."""
        return (other for other, tasks in sorted(self._movable.get(node, {}).items()) if tasks)

    def _path(
        self, start: str, neighbours: Callable[[str], Iterable[str]], ends: Callable[[int, int], bool]
    ) -> list[str]:
        """Return the shortest path from `start` to a node whose share satisfies `ends(share, own)`, or []."""
        own = self._shares[start]
        if not any(ends(share, own) for share in self._shares.values()):
            return []
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
            task = next(reversed(self._movable[taker][giver]))
            self._unmatch(task)
            self._match(task, taker)


def _walk_back(came_from: dict[str, str], end: str) -> list[str]:
    path = [end]
    while came_from[path[-1]]:
        path.append(came_from[path[-1]])
    return path[::-1]
