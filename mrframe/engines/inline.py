"""The inline engine: every task in this process, one after the other. The oracle of the other engines.

It runs the same tasks through the same files as a cluster would, only without scheduling, fetching and retries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mrframe.core.model.spec import Failure, Order, Split
from mrframe.engines.protocol import Feature, OnProgress, Outcome, Plan, raise_failure
from mrframe.engines.stages import Beat, RunTasks, TaskDone, run_stages
from mrframe.task.attempt import run_loaded
from mrframe.task.code.package import loaded
from mrframe.task.isolation.gc_policy import few_collections
from mrframe.task.report.failures import from_the_job


class InlineEngine:
    """See `engines.protocol.Engine`."""

    name = "inline"
    lacks: frozenset[Feature] = frozenset()

    def run(self, plan: Plan, on_progress: OnProgress | None) -> Outcome:
        """Run the job here."""
        with few_collections():
            return run_stages(plan, _runner, on_progress)


class TaskReporter:
    """A `task.attempt.Reporter` for a task in this process: passes beats on, and collects decoded blocks."""

    def __init__(self, beat: Beat) -> None:
        self.beat = beat
        self.blocks: list[Split] = []

    def block_sealed(self, split: Split) -> None:
        """A decoding task has sealed a block."""
        self.blocks.append(split)


def _runner(plan: Plan) -> RunTasks:
    job = loaded(plan.job, plan.settings)

    def run(orders: Iterable[Order], beat: Beat) -> Iterator[TaskDone]:
        __tracebackhide__ = True  # of pytest
        for order in orders:
            causes: list[BaseException] = []
            reporter = TaskReporter(beat)
            result = run_loaded(job, order, reporter, causes)
            if isinstance(result, Failure):
                raise_failure(result, from_the_job(causes[-1]) if causes else None)
            yield TaskDone(order, result, tuple(reporter.blocks))

    return run
