"""Fair queue: the ready tasks of all jobs, and the order in which the jobs are served.

Jobs with a higher priority are served first. Of jobs with the same priority the one with the fewest attempts under
way is served first, so that they share the cluster and a small job does not wait for a large one. Which task of a job
a node gets is decided by `ready_queue.ReadyQueue`.
"""

from __future__ import annotations

from collections.abc import Sequence

from mrframe.core.state.ready_queue import ReadyQueue
from mrframe.core.state.submission import SubmissionRecord
from mrframe.core.state.tasks import Task


class FairQueue:
    """Ready tasks, by job. A job costs something only while tasks of it wait."""

    def __init__(self) -> None:
        self._jobs: dict[str, ReadyQueue] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, task: Task, near: Sequence[str], now_s: float, wait_s: float) -> None:
        """Queue a task, as `ReadyQueue.add` does."""
        self.remove(task)
        self._jobs.setdefault(task.job, ReadyQueue()).add(task, near, now_s, wait_s)
        self._count += 1

    def remove(self, task: Task) -> None:
        """Take a task out of the queue, if it is in it."""
        tasks = self._jobs.get(task.job)
        if tasks is None or task not in tasks:
            return
        tasks.remove(task)
        self._count -= 1
        if not len(tasks):
            del self._jobs[task.job]

    def take(self, node: str, now_s: float, jobs: dict[str, SubmissionRecord], *, idle: bool) -> Task | None:
        """Take the task that this node should run next out of the queue. None if the node should wait."""
        for job in self._jobs if len(self._jobs) < 2 else sorted(self._jobs, key=lambda name: _rank(jobs[name])):
            task = self._jobs[job].take(node, now_s, idle=idle)
            if task is not None:
                self._count -= 1
                if not len(self._jobs[job]):
                    del self._jobs[job]
                return task
        return None


def _rank(submission: SubmissionRecord) -> tuple[int, int, int]:
    return -submission.priority, submission.live, submission.rank
