"""The executors of a node, each with one attempt at a time: one for each slot, and one more for each decoder.

An executor that decodes a compressed input waits while there are enough blocks. Meanwhile another executor works in
its slot.
"""

from __future__ import annotations

from mrframe.core.model.actions import KillExecutor, NodeAction, SpawnExecutor
from mrframe.core.model.limits import NodeLimits
from mrframe.core.node.attempts import ExecutorRecord


class ExecutorSlots:
    """Which executors there are, which are idle, and when new ones are started.

    Numbers are never used again within a node process. An executor that dies before it was ever ready is
    replaced after a pause that doubles, so that a broken environment does not become a storm of processes.
    """

    def __init__(self, slots: int, limits: NodeLimits) -> None:
        self._slots = slots
        self._limits = limits
        self._all: dict[int, ExecutorRecord] = {}
        self._next = 1
        self._early_deaths = 0
        self._spawn_s = 0.0

    def idle(self) -> list[ExecutorRecord]:
        """Those that can be given an order, by number."""
        return [executor for executor in self._all.values() if executor.idle]

    def attempts(self) -> list[str]:
        """The names of those that are worked on."""
        return [executor.attempt for executor in self._all.values() if executor.attempt and not executor.killed]

    def spawn(self, now_s: float, decoders: int) -> list[NodeAction]:
        """Start what is missing, with so many beside the slots, unless a pause is on."""
        actions: list[NodeAction] = []
        while len(self._all) < self._slots + decoders and (not self._early_deaths or now_s >= self._spawn_s):
            self._all[self._next] = ExecutorRecord(self._next)
            actions.append(SpawnExecutor(self._next))
            self._next += 1
        return actions

    def ready(self, number: int) -> None:
        """An executor is up."""
        executor = self._all.get(number)
        if executor is not None:
            executor.up = True
            self._early_deaths = 0

    def free(self, number: int, decoders: int) -> list[NodeAction]:
        """An executor has finished an attempt; it is ended when it has had its number of them, or is one too many."""
        executor = self._all[number]
        executor.attempt = ""
        if executor.given < self._limits.executor_attempts_max and len(self._all) <= self._slots + decoders:
            return []
        executor.killed = True
        return [KillExecutor(number)]

    def kill(self, number: int, after: NodeAction) -> list[NodeAction]:
        """End an executor at work; `after` is done when it has died."""
        executor = self._all[number]
        executor.after = (*executor.after, after)
        if executor.killed:
            return []
        executor.killed = True
        return [KillExecutor(number)]

    def condemn(self, number: int, fault: str) -> list[NodeAction]:
        """End an executor at work that is at fault; its attempt fails when it has died."""
        executor = self._all[number]
        if executor.killed:
            return []
        executor.killed, executor.fault = True, fault
        return [KillExecutor(number)]

    def died(self, number: int, now_s: float) -> ExecutorRecord | None:
        """An executor's process has ended; its record, None when it was known."""
        executor = self._all.pop(number, None)
        if executor is not None and not executor.up:
            pause_s = self._limits.respawn_s * 2 ** min(self._early_deaths, 16)
            self._spawn_s = now_s + min(pause_s, self._limits.respawn_s_max)
            self._early_deaths += 1
        return executor
