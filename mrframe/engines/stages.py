"""The stages of a job, for an engine that does not schedule: decode and map, then reduce, for each step.

The engine gives a function that carries out orders (`RunTasks`), here or elsewhere, one by one or many at a time.
This file makes the orders, checks their reports against each other, and gathers the outcome. The orders name paths
below `plan.scratch`, so the files of an attempt must be there when its task is reported as done. Not here: retries,
speculative attempts and the shuffle over a network, for which there is the scheduler of a cluster.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.error_limits import too_many, too_many_failed
from mrframe.core.model.ids import attempt_id, task_id
from mrframe.core.model.reports import Ledger, TaskReport
from mrframe.core.model.shuffle_checksum import map_checksum, shuffle_mismatch, sum_checksums
from mrframe.core.model.spec import DecodeOrder, MapOrder, Order, ReduceOrder, Split, StepSpec
from mrframe.engines.gather import Reported, outcome_of, raise_end
from mrframe.engines.protocol import JOB_ID, CommittedAttempt, OnProgress, Outcome, Plan, Progress
from mrframe.errors import OutputError, ShuffleUnbalanced
from mrframe.store.disk import fault_text
from mrframe.task.map.map_output import MAP_FILE
from mrframe.task.reduce.sorted_output import PART_FILE

REPORT_S = 0.1  # between two calls of on_progress


@dataclass(frozen=True, slots=True)
class TaskDone:
    """An order that was carried out. `blocks` are those that a decoding task has sealed, in order."""

    order: Order
    report: TaskReport
    blocks: tuple[Split, ...] = ()


Beat = Callable[[int, int], None]
"""Called by a running task, as often as it likes, with the records and bytes that it has done so far."""

RunTasks = Callable[[Iterable[Order], Beat], Iterable[TaskDone]]
"""Carries out all orders, and gives each when it is done, in any order. Raises the error of a task that failed.

Orders are made as they are taken: the next one may be long in coming, and taking it may carry out another (decoding).
"""


def run_stages(plan: Plan, runner_of: Callable[[Plan], RunTasks], on_progress: OnProgress | None) -> Outcome:
    """Run a job to its end. `runner_of` is asked once for the job, and before that for a sample of its keys."""
    if plan.job.key_order == "total":
        plan = _cut_by_keys(plan, runner_of)
    return _Stages(plan, runner_of(plan), on_progress, JOB_ID).run()


def _cut_by_keys(plan: Plan, runner_of: Callable[[Plan], RunTasks]) -> Plan:
    from mrframe.engines.plan.key_ranges import SAMPLE_ID, sample_plan, with_cuts

    plan, sample = sample_plan(plan)
    if sample is None:
        return plan
    return with_cuts(plan, _Stages(sample, runner_of(sample), None, SAMPLE_ID).run().parts)


class _Stages:
    """One job: the committed attempts so far, and how far the current stage is."""

    def __init__(self, plan: Plan, run_tasks: RunTasks, on_progress: OnProgress | None, job: str) -> None:
        self._plan = plan
        self._id = job
        self._run_tasks = run_tasks
        self._done: list[CommittedAttempt] = []
        self._tasks = 0
        self._progress = _StageProgress(plan, on_progress)
        self._folder = os.path.join(plan.scratch.make(), "inline")
        try:
            os.makedirs(os.path.join(self._folder, job), mode=0o700)
        except OSError as error:
            fault = fault_text(error, plan.scratch.path)
            raise OutputError(f"the scratch directory {self._folder} cannot be made: {fault}") from None

    def run(self) -> Outcome:
        """Run all steps. Raises the error of a task that failed."""
        seconds: dict[str, float] = {}
        outputs: list[str] = []  # the reduce attempts of the last step so far, in partition order
        for number, step in enumerate(self._plan.steps):
            start_s = time.monotonic()
            self._progress.begin("map", number, len(self._plan.splits))
            maps = self._map(self._file_orders(step) if number == 0 else self._pair_orders(step, number, outputs))
            if number == 0:
                self._check_limits(step, maps)
            mapped_s = time.monotonic()
            self._progress.begin("reduce", number, step.partitions)
            outputs = self._reduce(step, number, maps)
            seconds["map"] = seconds.get("map", 0.0) + mapped_s - start_s
            seconds["reduce"] = seconds.get("reduce", 0.0) + time.monotonic() - mapped_s
        settings = self._plan.settings
        outcome = outcome_of(
            self._reports(),
            [(attempt, "") for attempt in outputs],
            self._fetch,
            keep_rejects=settings.keep_rejects,
            keep_quarantine=settings.keep_quarantine,
        )
        outcome.seconds = seconds
        return outcome

    def _check_limits(self, step: StepSpec, maps: Iterable[CommittedAttempt]) -> None:
        """Raise TooManyMalformed or its like when the maps of the inputs have left out more than is allowed."""
        ledger = Ledger()
        for done in maps:
            ledger.add(done.report.ledger)
        failure = too_many(step.max_bad, ledger.malformed, ledger.lines) or too_many_failed(
            step.max_failed, ledger.quarantined, ledger.records
        )
        if failure is not None:
            raise_end(failure, self._reports(), self._fetch, self._plan.settings.reader, self._plan)

    def _reports(self) -> list[Reported]:
        return [(done.attempt, done.step, "", done.split, done.report) for done in self._done]

    def _fetch(self, _node: str, attempt: str, name: str) -> str:
        return self._path(attempt, name)

    # ---- orders --------------------------------------------------------------------------------------

    def _file_orders(self, step: StepSpec) -> Iterator[MapOrder]:
        """The orders to map the inputs. A compressed one is decoded when its turn comes."""
        splits: Iterable[Split] = chain(self._plan.splits, self._plan.feed or ())
        if self._plan.options.order_seed is not None:
            shuffled = list(splits)
            random.Random(self._plan.options.order_seed).shuffle(shuffled)
            splits = shuffled
        for split in splits:
            for one in self._blocks(split, step) if split.is_compressed else (split,):
                yield self._map_order(step, 0, one)

    def _blocks(self, split: Split, step: StepSpec) -> list[Split]:
        """The blocks of a compressed input, decoded now."""
        name = self._next("decode")
        order = DecodeOrder(name, split, step.block_bytes, self._path(name))
        (done,) = self._run_tasks([order], self._progress.beat)
        self._done.append(CommittedAttempt(name, 0, split, done.report))
        return [replace(block, path=self._path(name, block.path)) for block in done.blocks]

    def _pair_orders(self, step: StepSpec, number: int, outputs: list[str]) -> Iterator[MapOrder]:
        """The orders to map the output of the step before."""
        parts = [self._path(attempt, PART_FILE) for attempt in outputs]
        for index, group in enumerate([tuple(parts)] if step.gather else [(part,) for part in parts]):
            split = Split("pairs", f"step {number - 1}", "part.mrf", 0, 0, (index, 0))
            yield self._map_order(step, number, split, group)

    def _map_order(self, step: StepSpec, number: int, split: Split, sources: tuple[str, ...] = ()) -> MapOrder:
        name = self._next("map")
        return MapOrder(name, number, split, step.partitions, self._path(name), sources)

    # ---- stages --------------------------------------------------------------------------------------

    def _map(self, orders: Iterable[MapOrder]) -> list[CommittedAttempt]:
        """Carry out map tasks. Returns them in input order."""
        maps: list[CommittedAttempt] = []
        for done in self._run_tasks(orders, self._progress.beat):
            order = done.order
            assert isinstance(order, MapOrder)
            maps.append(CommittedAttempt(order.attempt, order.step, order.split, done.report))
            self._progress.map_done(done.report)
            if os.path.dirname(order.split.path).startswith(self._folder):  # a block that was decoded for this task
                os.unlink(order.split.path)
        self._done += maps
        return sorted(maps, key=_input_order)

    def _reduce(self, step: StepSpec, number: int, maps: list[CommittedAttempt]) -> list[str]:
        """Carry out the reduces of a step. Returns the attempts that have the parts, in partition order."""
        orders: list[ReduceOrder] = []
        names: list[str] = []
        outputs: list[str] = []
        nothing = ""  # the attempt that makes the part of all partitions without pairs
        for partition in range(step.partitions):
            sources = tuple(
                self._path(done.attempt, MAP_FILE) for done in maps if partition in done.report.partitions
            )
            name = self._next("reduce")
            names.append(name)
            if sources or not nothing:
                orders.append(ReduceOrder(name, number, partition, sources, self._path(name), step.partitions))
            outputs.append(name if sources else nothing or name)
            nothing = nothing or ("" if sources else name)
        reports: dict[str, TaskReport] = {}
        for one in self._run_tasks(orders, self._progress.beat):
            reports[one.order.attempt] = one.report
            self._progress.reduce_done()
        for partition, (name, output) in enumerate(zip(names, outputs, strict=True)):
            made = sum_checksums(map_checksum(done.report, partition) for done in maps)
            if wrong := shuffle_mismatch(made, reports[output]):
                raise ShuffleUnbalanced(f"{task_id(self._id, 'reduce', partition)}: {wrong}")
            self._done.append(CommittedAttempt(name, number, None, reports[output]))
        for done in maps:
            if done.report.partitions:  # else it has written none, or one without pairs
                os.unlink(self._path(done.attempt, MAP_FILE))
        return outputs

    def _next(self, kind: str) -> str:
        self._tasks += 1
        task = task_id(self._id, kind, self._tasks - 1)  # type: ignore[arg-type]
        return attempt_id(task, 1, 1)

    def _path(self, attempt: str, *more: str) -> str:
        return os.path.join(self._folder, attempt, *more)


class _StageProgress:
    """Reports how far the current stage is, from the beats of the task that runs and the reports of those before."""

    def __init__(self, plan: Plan, on_progress: OnProgress | None) -> None:
        self._plan = plan
        self._on_progress = on_progress
        self._started_s = time.monotonic()
        self._reported_s = 0.0
        self._mapping, self._step = True, 0
        self._tasks_done = self._tasks = 0
        self._before = (0, 0, 0)  # records, bytes and malformed lines of the maps that are done

    def begin(self, stage: str, step: int, tasks: int) -> None:
        """Begin a stage of this many tasks, as far as is known."""
        self._mapping, self._step = stage == "map", step
        self._tasks_done, self._tasks = 0, tasks
        if self._mapping:
            self._before = (0, 0, 0)

    def map_done(self, report: TaskReport) -> None:
        """A map task is done."""
        self._tasks_done += 1
        self._tasks = max(self._tasks, self._tasks_done)
        records, size, malformed = self._before
        ledger = report.ledger
        self._before = (records + ledger.records, size + ledger.bytes_in, malformed + ledger.malformed)

    def reduce_done(self) -> None:
        """A reduce task is done."""
        self._tasks_done += 1

    def beat(self, records: int, bytes_done: int) -> None:
        """See `Beat`."""
        now_s = time.monotonic()
        if self._on_progress is None or now_s - self._reported_s < REPORT_S:
            return
        self._reported_s = now_s
        before = self._before
        self._on_progress(
            Progress(
                "map" if self._mapping else "reduce",
                self._step,
                self._tasks_done,
                self._tasks,
                before[0] + (records if self._mapping else 0),
                before[1] + (bytes_done if self._mapping else 0),
                self._plan.bytes_total,
                before[2],
                now_s - self._started_s,
            )
        )


def _input_order(done: CommittedAttempt) -> tuple[int, int]:
    assert done.split is not None
    return done.split.order
