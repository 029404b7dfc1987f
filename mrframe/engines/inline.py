"""The inline engine: every task in this process, one after the other. The oracle of the other engines.

It runs the same tasks through the same files as a cluster would; only nobody schedules, fetches or retries.
"""

from __future__ import annotations

import dataclasses
import os
import random
import time
from collections.abc import Iterable
from itertools import chain

from mrframe.core.model.error_limits import too_many, too_many_failed
from mrframe.core.model.ids import attempt_id, task_id
from mrframe.core.model.reports import Ledger, TaskReport
from mrframe.core.model.shuffle_checksum import map_checksum, shuffle_mismatch, sum_checksums
from mrframe.core.model.spec import DecodeOrder, Failure, MapOrder, Order, ReduceOrder, Split, StepSpec
from mrframe.engines.gather import outcome_of
from mrframe.engines.plan.key_ranges import SAMPLE_ID, sample_plan, with_cuts
from mrframe.engines.protocol import JOB_ID, Done, OnProgress, Outcome, Plan, Progress, raise_failure
from mrframe.errors import OutputError, ShuffleUnbalanced
from mrframe.store.disk import fault_text
from mrframe.task.attempt import run_loaded
from mrframe.task.code.package import LoadedJob, loaded
from mrframe.task.isolation.gc_policy import few_collections
from mrframe.task.map.map_task import MAP_FILE
from mrframe.task.reduce.reduce_task import PART_FILE
from mrframe.task.report.blame import from_the_job

REPORT_S = 0.1  # between two calls of on_progress


class InlineEngine:
    """See `engines.protocol.Engine`."""

    name = "inline"

    def run(self, plan: Plan, on_progress: OnProgress | None) -> Outcome:
        """Run the job here."""
        with few_collections():
            plan, sample = sample_plan(plan)
            if sample is not None:
                plan = with_cuts(plan, _Run(sample, None, SAMPLE_ID).run().parts)
            return _Run(plan, on_progress, JOB_ID).run()


class _Run:
    """One run: the attempts so far, and how far the current one is."""

    def __init__(self, plan: Plan, on_progress: OnProgress | None, job: str) -> None:
        self._plan = plan
        self._id = job
        self._on_progress = on_progress
        self._job: LoadedJob = loaded(plan.job, plan.settings)
        self._started_s = time.monotonic()
        self._reported_s = 0.0
        self._done: list[Done] = []
        self._index = 0
        self._held: list[Split] = []
        self._decoding = ""
        self._stage: tuple[str, int] = ("map", 0)
        self._tasks = (0, 0)
        self._before = (0, 0, 0)  # records, bytes and malformed lines of the maps that are done
        self._folder = os.path.join(plan.scratch.make(), "inline")
        try:
            os.makedirs(os.path.join(self._folder, job), mode=0o700)
        except OSError as error:
            said = fault_text(error, plan.scratch.path)
            raise OutputError(f"the scratch directory {self._folder} cannot be made: {said}") from None

    def run(self) -> Outcome:
        """All steps; raises what a failed task amounts to."""
        seconds: dict[str, float] = {}
        outputs: list[str] = []  # the reduce attempts of the last step so far, in partition order
        for number, step in enumerate(self._plan.steps):
            start_s = time.monotonic()
            self._stage, self._before = ("map", number), (0, 0, 0)
            maps = self._map_files(step) if number == 0 else self._map_pairs(step, number, outputs)
            mapped_s = time.monotonic()
            self._stage = ("reduce", number)
            outputs = self._reduce(step, number, maps)
            seconds["map"] = seconds.get("map", 0.0) + mapped_s - start_s
            seconds["reduce"] = seconds.get("reduce", 0.0) + time.monotonic() - mapped_s
        settings = self._plan.settings
        outcome = outcome_of(
            [(done.attempt, done.step, "", done.split, done.report) for done in self._done],
            [(attempt, "") for attempt in outputs],
            lambda _node, attempt, name: self._path(attempt, name),
            keep_rejects=settings.keep_rejects,
            keep_quarantine=settings.keep_quarantine,
        )
        outcome.seconds = seconds
        return outcome

    # ---- what tasks report -------------------------------------------------------------------------

    def beat(self, records: int, bytes_done: int) -> None:
        """A `task.attempt.Reporter`."""
        now_s = time.monotonic()
        if self._on_progress is None or now_s - self._reported_s < REPORT_S:
            return
        self._reported_s = now_s
        stage, step = self._stage
        before = self._before
        mapping = stage == "map"
        self._on_progress(
            Progress(
                "map" if mapping else "reduce",
                step,
                *self._tasks,
                before[0] + (records if mapping else 0),
                before[1] + (bytes_done if mapping else 0),
                self._plan.bytes_total,
                before[2],
                now_s - self._started_s,
            )
        )

    def block_sealed(self, split: Split) -> None:
        """A `task.attempt.Reporter`: a decoded block becomes a map task's input."""
        self._held.append(_located(split, self._path(self._decoding, split.path)))

    # ---- the tasks ---------------------------------------------------------------------------------

    def _map_files(self, step: StepSpec) -> list[Done]:
        splits: Iterable[Split] = chain(self._plan.splits, self._plan.feed or ())
        if self._plan.options.order_seed is not None:
            shuffled = list(splits)
            random.Random(self._plan.options.order_seed).shuffle(shuffled)
            splits = shuffled
        for split in splits:
            if split.kind == "gzip":
                self._decoding = self._next("decode")
                self._attempt(
                    DecodeOrder(self._decoding, split, step.block_bytes, self._path(self._decoding)), 0, split
                )
                held, self._held = self._held, []
                for block in held:
                    self._map(step, 0, block, ())
                    os.unlink(block.path)
            else:
                self._map(step, 0, split, ())
        maps = sorted(self._first_maps(), key=_input_order)
        ledger = Ledger()
        for done in maps:
            ledger.add(done.report.ledger)
        failure = too_many(step.max_bad, ledger.malformed, ledger.lines) or too_many_failed(
            step.max_failed, ledger.quarantined, ledger.records
        )
        if failure is not None:
            raise_failure(failure)
        return maps

    def _map_pairs(self, step: StepSpec, number: int, outputs: list[str]) -> list[Done]:
        parts = [self._path(attempt, PART_FILE) for attempt in outputs]
        groups = [tuple(parts)] if step.gather else [(part,) for part in parts]
        for order, group in enumerate(groups):
            self._map(step, number, Split("pairs", f"step {number - 1}", "part.mrf", 0, 0, (order, 0)), group)
        return [done for done in self._done if done.step == number and done.split is not None]

    def _map(self, step: StepSpec, number: int, split: Split, sources: tuple[str, ...]) -> None:
        name = self._next("map")
        report = self._attempt(
            MapOrder(name, number, split, step.partitions, self._path(name), sources), number, split
        )
        self._tasks = (self._tasks[0] + 1, max(self._tasks[1], len(self._plan.splits)))
        records, size, malformed = self._before
        ledger = report.ledger
        self._before = (records + ledger.records, size + ledger.bytes_in, malformed + ledger.malformed)

    def _reduce(self, step: StepSpec, number: int, maps: list[Done]) -> list[str]:
        outputs = []
        nothing: tuple[TaskReport, str] | None = None  # of partitions without pairs, which one attempt makes for all
        for partition in range(step.partitions):
            self._tasks = (partition, step.partitions)
            sources = tuple(
                self._path(done.attempt, MAP_FILE) for done in maps if partition in done.report.partitions
            )
            name = self._next("reduce")
            if nothing is not None and not sources:
                report, output = nothing
                self._done.append(Done(name, number, None, report))
            else:
                order = ReduceOrder(name, number, partition, sources, self._path(name), step.partitions)
                report, output = self._attempt(order, number, None), name
                nothing = nothing if sources else (report, output)
            made = sum_checksums(map_checksum(done.report, partition) for done in maps)
            if wrong := shuffle_mismatch(made, report):
                raise ShuffleUnbalanced(f"{task_id(self._id, 'reduce', partition)}: {wrong}")
            outputs.append(output)
        for done in maps:
            if done.report.partitions:  # else it has written none, or one without pairs
                os.unlink(self._path(done.attempt, MAP_FILE))
        return outputs

    def _attempt(self, order: Order, step: int, split: Split | None) -> TaskReport:
        causes: list[BaseException] = []
        result = run_loaded(self._job, order, self, causes)
        if isinstance(result, Failure):
            raise_failure(result, from_the_job(causes[-1]) if causes else None)
        self._done.append(Done(order.attempt, step, split, result))
        return result

    def _first_maps(self) -> list[Done]:
        return [d for d in self._done if d.step == 0 and d.split is not None and d.split.kind != "gzip"]

    def _next(self, kind: str) -> str:
        self._index += 1
        task = task_id(self._id, kind, self._index - 1)  # type: ignore[arg-type]
        return attempt_id(task, 1, 1)

    def _path(self, attempt: str, *more: str) -> str:
        return os.path.join(self._folder, attempt, *more)


def _input_order(done: Done) -> tuple[int, int]:
    assert done.split is not None
    return done.split.order


def _located(split: Split, path: str) -> Split:
    return dataclasses.replace(split, path=path)
