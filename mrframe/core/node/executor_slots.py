"""The executors of a node, one for each slot and one more for each decoder. Each runs one attempt at a time.

An executor may have further attempts, which it begins after the current one (`handing_out.py`).

An executor runs attempts of one job only, and none after one that failed. Whatever a job's code does to its process
(limits, descriptors, threads, signals) stays in the job.

An executor that decodes a compressed input pauses while enough blocks wait. Meanwhile another executor uses its slot.
"""

from __future__ import annotations

from collections.abc import Callable

from mrframe.core.model.actions import KillExecutor, NodeAction, SpawnExecutor
from mrframe.core.model.limits import NodeLimits
from mrframe.core.node.attempts import ExecutorRecord


class ExecutorSlots:
    """Records the executors of a node, and decides when to start and end them.

    A node process never reuses a number. An executor that dies before it was ready is replaced after a pause that
    doubles, so that a broken environment does not start a storm of processes.
    """

    def __init__(self, slots: int, limits: NodeLimits) -> None:
        self._slots = slots
        self._limits = limits
        self._all: dict[int, ExecutorRecord] = {}
        self._next = 1
        self._early_deaths = 0
        self._spawn_s = 0.0

    def take(self, job: str) -> ExecutorRecord | None:
        """Return an idle executor for an attempt of this job: one that has run others of it, or a new one."""
        able = [executor for executor in self._all.values() if executor.idle and executor.job in ("", job)]
        return min(able, key=lambda executor: (executor.job != job, executor.number), default=None)

    def retire(self, unwanted: Callable[[str], bool], most: int) -> list[NodeAction]:
        """End up to `most` idle executors that have run attempts of an unwanted job. New ones replace them."""
        idle = [executor for executor in self._all.values() if executor.idle and executor.job]
        ending = [executor for executor in idle if unwanted(executor.job)][:most]
        for executor in ending:
            executor.killed = True
        return [KillExecutor(executor.number) for executor in ending]

    def working(self) -> list[ExecutorRecord]:
        """Return the executors that have an attempt and were not told to end."""
        return [executor for executor in self._all.values() if executor.attempt and not executor.killed]

    def give(self, executor: ExecutorRecord, name: str, job: str) -> None:
        """Give an executor an attempt, after those that it has."""
        executor.job = job
        executor.given += 1
        if executor.attempt:
            executor.following = (*executor.following, name)
        else:
            executor.attempt = name

    def reported(self, number: int, name: str, *, failed: bool) -> str:
        """Record that an executor has reported this attempt. Returns the one that it begins now, "" for none.

        It begins none after one that failed.
        """
        executor = self._all.get(number)
        if executor is None or executor.attempt != name:
            return ""
        executor.attempt = ""
        if executor.following and not failed:
            executor.attempt, *rest = executor.following
            executor.following = tuple(rest)
            if executor.killed:  # on account of the one before
                executor.recalled, executor.fault = True, ""
        return executor.attempt

    def attempts(self) -> list[str]:
        """Return the ids of the attempts that executors run."""
        return [executor.attempt for executor in self._all.values() if executor.attempt and not executor.killed]

    def spawn(self, now_s: float, decoders: int) -> list[NodeAction]:
        """Start the missing executors, `decoders` more than there are slots, unless a pause is on."""
        actions: list[NodeAction] = []
        while len(self._all) < self._slots + decoders and (not self._early_deaths or now_s >= self._spawn_s):
            self._all[self._next] = ExecutorRecord(self._next)
            actions.append(SpawnExecutor(self._next))
            self._next += 1
        return actions

    def ready(self, number: int) -> None:
        """Record that an executor is ready."""
        executor = self._all.get(number)
        if executor is not None:
            executor.up = True
            self._early_deaths = 0

    def free(self, number: int, decoders: int, *, failed: bool = False) -> list[NodeAction]:
        """Decide on an executor that has reported. End it if its attempt failed, or if it is worn or superfluous."""
        executor = self._all[number]
        if executor.killed or (executor.attempt and not failed):
            return []
        if (
            not failed
            and executor.given < self._limits.executor_attempts_max
            and len(self._all) <= self._slots + decoders
        ):
            return []
        executor.killed = True
        return [KillExecutor(number)]

    def kill(self, number: int, after: NodeAction, *, following: bool = False) -> list[NodeAction]:
        """Kill a working executor. Its record keeps `after` for when it has died.

        `following`: on account of an attempt that follows its current one.
        """
        executor = self._all[number]
        executor.after = (*executor.after, after)
        if executor.killed:
            return []
        executor.killed, executor.recalled = True, following
        return [KillExecutor(number)]

    def condemn(self, number: int, fault: str) -> list[NodeAction]:
        """Kill a working executor that is at fault. Its attempt fails once it has died."""
        executor = self._all[number]
        if executor.killed:
            return []
        executor.killed, executor.fault = True, fault
        return [KillExecutor(number)]

    def died(self, number: int, now_s: float) -> ExecutorRecord | None:
        """Record the death of an executor. Returns its record, or None if its death was already known."""
        executor = self._all.pop(number, None)
        if executor is not None and not executor.up:
            pause_s = self._limits.respawn_s * 2 ** min(self._early_deaths, 16)
            self._spawn_s = now_s + min(pause_s, self._limits.respawn_s_max)
            self._early_deaths += 1
        return executor
