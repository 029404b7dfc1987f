#!/usr/bin/env python3
"""What does the scheduler alone cost? CPU microseconds per event, on a simulated cluster in virtual time.

    scheduler.py [--nodes 1000] [--tasks 1000 5000 10000 100000] [--replicas 0]

No socket, file or process: the events of a job with that many map tasks are made from the scheduler's own actions, in
the order in which a cluster would send them. Every node has two slots, sends a heartbeat once a second, and takes 4
to 6 seconds of virtual time for a task. The clock ticks four times a second. Only `Scheduler.handle` is timed, with
the collector of garbage as the master sets it, and each report is an object of its own, as it is from the wire. With
`--replicas` each split is on that many nodes.

The events that count are those between the first task that is done and the last one that is assigned, while all
slots are busy. So that they are at every size, there are at most half as many slots as tasks, and fewer nodes than
`--nodes` if need be. The events of the start (hellos, the submission, which queues all tasks) are listed separately.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project beside this file, installed or not

from measuring import processor

from mrframe.core.model.actions import JobEnded, SendNode
from mrframe.core.model.events import (
    AttemptSealed,
    InputsClosed,
    JobSubmitted,
    NodeBeat,
    NodeJoined,
    SplitsAdded,
    StartAttempt,
    Tick,
)
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import MIB, Split, StepSpec
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.task.isolation.gc_policy import collect_long_lived

SLOTS = 2
BEAT_S = 1.0
TICK_S = 0.25
SPLITS_AT_A_TIME = 1_000
STARTING = ("NodeJoined", "JobSubmitted", "SplitsAdded", "InputsClosed")


class Cluster:
    """Nodes that follow orders in virtual time. `spent_s` and `events` are the scheduler's, by event."""

    def __init__(self, nodes: int, tasks: int, replicas: int = 0) -> None:
        self._scheduler = Scheduler(1)
        self._random = Random(tasks)
        self._agenda: list[tuple[float, int, Any]] = []
        self._told = 0
        self._working: dict[str, dict[str, None]] = {f"node-{n + 1}": {} for n in range(nodes)}
        self._free_s: dict[str, list[float]] = {name: [0.0] * SLOTS for name in self._working}
        self._tasks = tasks
        self._replicas = replicas
        self._assigned = 0
        self.spent_s: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.committed: set[str] = set()

    def run(self) -> None:
        """The job, from the hellos to its end."""
        for number, name in enumerate(self._working):
            self._at(0.0, NodeJoined(name, "first", SLOTS))
            self._at(1.0 + number / len(self._working), NodeBeat(name, "first"))
        self._at(0.5, JobSubmitted("job-1", (StepSpec(partitions=1),)))
        for at in range(0, self._tasks, SPLITS_AT_A_TIME):
            self._at(
                0.5, SplitsAdded("job-1", tuple(map(self._split, range(at, min(at + SPLITS_AT_A_TIME, self._tasks)))))
            )
        self._at(0.5, InputsClosed("job-1", self._tasks))
        self._at(0.0, Tick())
        over = False
        while not over:
            now_s, _, event = heappop(self._agenda)
            over = self._tell(self._now(event, now_s), now_s)

    def _now(self, event: Any, now_s: float) -> Any:
        """Return the event as sent now. One that repeats is scheduled again."""
        if isinstance(event, Tick):
            self._at(now_s + TICK_S, event)
        elif isinstance(event, NodeBeat):
            self._at(now_s + BEAT_S, event)
            return NodeBeat(event.node, "first", working=tuple(self._working[event.node]))
        elif isinstance(event, AttemptSealed):
            self._working[event.node].pop(event.attempt)
            self.committed.add(event.attempt.partition(".")[0])
        return event

    def _tell(self, event: Any, now_s: float) -> bool:
        """Whether the job is over with this event."""
        began_s = time.process_time()
        actions = self._scheduler.handle(event, now_s)
        spent_s = time.process_time() - began_s
        name = type(event).__name__
        if name in STARTING or (self.committed and self._assigned < self._tasks):
            self.spent_s[name] += spent_s
            self.events[name] += 1
        for action in actions:
            if isinstance(action, SendNode) and isinstance(action.message, StartAttempt):
                self._start(action.node, action.message.attempt, now_s)
        return any(isinstance(action, JobEnded) for action in actions)

    def _start(self, node: str, attempt: str, now_s: float) -> None:
        self._assigned += 1
        self._working[node][attempt] = None
        slots = self._free_s[node]
        slot = slots.index(min(slots))
        slots[slot] = max(slots[slot], now_s) + self._random.uniform(4.0, 6.0)
        report = TaskReport(records_out=1, bytes_out=100, partitions={0: (1, 100)}, seconds=5.0)
        self._at(slots[slot], AttemptSealed(node, "first", attempt, report))

    def _at(self, when_s: float, event: Any) -> None:
        self._told += 1
        heappush(self._agenda, (when_s, self._told, event))

    def _split(self, number: int) -> Split:
        nodes = tuple(f"node-{n + 1}" for n in self._random.sample(range(len(self._working)), self._replicas))
        return Split("file", "log", "/log", number * 64 * MIB, 64 * MIB, (0, number * 64 * MIB), locations=nodes)


def measured(nodes: int, tasks: int, replicas: int = 0) -> Cluster:
    """Run a job of that many map tasks. All must have been done."""
    cluster = Cluster(nodes, tasks, replicas)
    cluster.run()
    if len(cluster.committed) != tasks + 1:  # and its reduce task
        raise SystemExit(f"{len(cluster.committed)} tasks were done of {tasks + 1}")
    return cluster


def row(nodes: int, tasks: int, replicas: int = 0) -> str:
    """Return a row of the table for a job of that many tasks."""
    nodes = max(1, min(nodes, tasks // (2 * SLOTS)))
    cluster = measured(nodes, tasks, replicas)
    running = [name for name in cluster.events if name not in STARTING]
    starting_us = sum(cluster.spent_s[name] for name in STARTING) * 1e6 / tasks
    parts = [f"{_us(cluster, [name]):.1f}" for name in ("AttemptSealed", "NodeBeat", "Tick")]
    events = sum(cluster.events[name] for name in running)
    figures = [f"{tasks:,}", f"{nodes * SLOTS:,}", f"{events:,}", f"{_us(cluster, running):.1f}", *parts]
    return f"| {' | '.join(figures)} | {starting_us:.1f} |"


def _us(cluster: Cluster, names: list[str]) -> float:
    return sum(cluster.spent_s[name] for name in names) * 1e6 / max(1, sum(cluster.events[name] for name in names))


def main(arguments: list[str] | None = None) -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--tasks", type=int, nargs="+", default=[1_000, 5_000, 10_000, 100_000])
    parser.add_argument("--replicas", type=int, default=0)
    given = parser.parse_args(arguments)
    collect_long_lived()
    print(processor())
    print("| tasks | slots | events | µs per event | of them sealed | beat | tick | start, µs per task |")
    print("|---|---|---|---|---|---|---|---|")
    for tasks in given.tasks:
        print(row(given.nodes, tasks, given.replicas), flush=True)


if __name__ == "__main__":
    main()
