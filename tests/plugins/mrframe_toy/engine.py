"""A toy engine: it carries out the tasks of a stage last one first, with a job that has travelled as bytes."""

from __future__ import annotations

from mrframe.core.model.spec import Failure
from mrframe.engines.inline import TaskReporter
from mrframe.engines.protocol import raise_failure
from mrframe.engines.stages import TaskDone, run_stages
from mrframe.task.attempt import run_loaded
from mrframe.task.code.package import pack, unpack


class ToyEngine:
    """See `mrframe.engines.protocol.Engine`."""

    name = "toy"
    lacks = frozenset({"standard input"})  # all orders are taken before the first is carried out

    def run(self, plan, on_progress):
        return run_stages(plan, _runner, on_progress)


def _runner(plan):
    job = unpack(pack(plan.job, plan.settings, plan.file, plan.job_options))

    def run(orders, beat):
        for order in reversed(list(orders)):
            reporter = TaskReporter(beat)
            result = run_loaded(job, order, reporter)
            if isinstance(result, Failure):
                raise_failure(result)
            yield TaskDone(order, result, tuple(reporter.blocks))

    return run


class NoEngine:
    """What is no engine."""


def fail():
    """A factory that does not work."""
    raise RuntimeError("the toy is broken")
