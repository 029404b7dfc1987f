"""Jobs on a standing cluster: one process submits them, another fetches their results later.

What the second one must know of the plan is kept as the submission's record (`submission_record.py`).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job
from mrframe.core.model.actions import JobEnded
from mrframe.core.model.spec import Split, StepSpec
from mrframe.core.settings.options import RunOptions
from mrframe.engines.cache.run_cache import open_cache
from mrframe.engines.gather import outcome_of, raise_end
from mrframe.engines.history.summary import Summary, summarise
from mrframe.engines.plan.job_inputs import GivenInputs, find_inputs, named_inputs
from mrframe.engines.plan.key_ranges import sample_plan, with_cuts
from mrframe.engines.plan.planning import make_plan
from mrframe.engines.protocol import Outcome, Plan, limited, raise_failure
from mrframe.engines.submission_record import RecordedJob, record_of, recorded_plan
from mrframe.errors import CorruptData, UsageError
from mrframe.formats.inputs.files import InputFile
from mrframe.shuffle.run_file.run_reader import check
from mrframe.store.scratch import Scratch
from mrframe.task.code.job_file import JobFile
from mrframe.task.code.package import pack
from mrframe.task.reduce.sorted_output import PART_FILE

REPAIRS_MAX = 3
"""How often the output of a submission is fetched, when it is damaged again each time."""


class SubmissionSession(Protocol):
    """The part of `cluster.client.standing_session.StandingSession` that submissions need; see there."""

    # ruff: noqa: D102
    def submit(self, job: str, steps: tuple[StepSpec, ...], package: bytes, priority: int) -> None: ...
    def add_splits(self, job: str, splits: tuple[Split, ...]) -> None: ...
    def close_inputs(self, job: str) -> None: ...
    def settle(self, timeout_s: float) -> None: ...
    def report_unreadable(self, attempt: str, node: str) -> None: ...
    def fetch(self, node: str, attempt: str, name: str) -> str: ...


@dataclass(frozen=True, slots=True)
class PreparedSubmission:
    """All that is decided before a job is submitted: its steps, splits and package, and the record to keep.

    `notes` are about the inputs, for people.
    """

    steps: tuple[StepSpec, ...]
    splits: tuple[Split, ...]
    package: bytes
    record: bytes
    notes: tuple[str, ...] = ()


def prepare(
    job: Job,
    file: JobFile | None,
    inputs: GivenInputs,
    options: RunOptions,
    job_options: Mapping[str, Any],
    *,
    executors: int,
    sampled: Callable[[PreparedSubmission], list[bytes]],
    stored: Callable[[str], list[InputFile]] | None = None,
) -> PreparedSubmission:
    """Plan a job over inputs, for a cluster of so many executors; `file` is the one that it was made from.

    `stored` gives the files of a dataset of that cluster. `sampled` has the cluster carry out another submission,
    which samples the keys of a job in total order, and gives the files of its output.
    Raises what `planning.make_plan` and `sampled` raise.
    """
    with Scratch(options.scratch_dir, later=True) as scratch:
        found = find_inputs(job, inputs, stored)
        if any(file.is_stdin for file in found.files):
            raise UsageError("standard input cannot be submitted, as the command does not wait; name a file")
        cache = open_cache(options, found.files, found.estimated_bytes)
        options = cache.cut_as_before(options)
        plan = make_plan(job, found, options, scratch=scratch, file=file, job_options=job_options)
        plan = cache.consult(plan, later=True)
        cache.close()
        plan, sample = sample_plan(limited(plan, executors))
        if sample is not None:
            named = dataclasses.replace(sample.job, name=f"{sample.job.name or 'job'} (sample of its keys)")
            plan = with_cuts(plan, sampled(_submission(dataclasses.replace(sample, job=named), inputs)))
        return _submission(plan, inputs)


def _submission(plan: Plan, inputs: GivenInputs) -> PreparedSubmission:
    splits = tuple(
        split if split.is_stored else dataclasses.replace(split, path=os.path.abspath(split.path))
        for split in plan.splits
    )
    package = pack(plan.job, plan.settings, plan.file, plan.job_options)
    return PreparedSubmission(plan.steps, splits, package, record_of(plan, named_inputs(inputs)), plan.notes)


def submit(
    submission: PreparedSubmission, session: SubmissionSession, job: str, timeout_s: float, *, priority: int = 0
) -> None:
    """Submit it under this id, and wait until the cluster has it in its journal. ClusterUnreachable if it has not."""
    session.submit(job, submission.steps, submission.package, priority)
    session.add_splits(job, submission.splits)
    session.close_inputs(job)
    session.settle(timeout_s)


def parts_of(session: SubmissionSession, ended: JobEnded) -> list[str]:
    """The paths of the output of a job that is done. Raises its failure."""
    if ended.failure is not None:
        raise_failure(ended.failure)
    return [session.fetch(node, attempt, PART_FILE) for attempt, node in ended.outputs]


def gather(
    session: SubmissionSession, ended: JobEnded, record: bytes, nodes: int, ends_again: Callable[[], JobEnded]
) -> tuple[Outcome, Summary, RecordedJob]:
    """The output of a job that is done, its summary, and what is recorded of it. Raises its failure.

    Output that is missing or damaged is reported to the cluster, which produces it again, and `ends_again` waits for
    that. Raises CorruptData when it is damaged each time.
    """
    plan = recorded_plan(record)
    for _ in range(REPAIRS_MAX):
        raise_failure_of(ended, record)
        paths, unreadable = _readable(session, ended)
        if not unreadable:
            break
        for attempt, node in unreadable:
            session.report_unreadable(attempt, node)
        many = f"{len(unreadable)} of {len(ended.outputs)}"
        note = f"parts of the result that were missing or damaged, and were produced again: {many}"
        plan = dataclasses.replace(plan, notes=(*plan.notes, note))
        ended = ends_again()
    else:
        raise next(iter(unreadable.values()))
    outcome = outcome_of(ended.reports, ended.outputs, lambda _node, attempt, _name: paths[attempt])
    outcome.nodes = nodes
    return outcome, summarise(cast("Plan", plan), outcome, "cluster"), plan.job


def _readable(
    session: SubmissionSession, ended: JobEnded
) -> tuple[dict[str, str], dict[tuple[str, str], CorruptData]]:
    """Fetch the outputs of a job, and verify them: their paths by attempt, and those that cannot be read."""
    paths: dict[str, str] = {}
    unreadable: dict[tuple[str, str], CorruptData] = {}
    for attempt, node in ended.outputs:
        try:
            paths[attempt] = path = session.fetch(node, attempt, PART_FILE)
            with open(path, "rb") as file:
                check(file, path)
        except CorruptData as error:
            unreadable[attempt, node] = error
        except OSError as error:
            unreadable[attempt, node] = CorruptData(f"{PART_FILE} of {attempt} cannot be read: {error}")
    return paths, unreadable


def raise_failure_of(ended: JobEnded, record: bytes) -> None:
    """Raise the failure of a submission that failed, of which this is the record."""
    if ended.failure is not None:
        raise_end(ended.failure, ended.reports, _fetch_nothing, recorded_plan(record).settings.reader)


def _fetch_nothing(_node: str, _attempt: str, name: str) -> str:
    return name  # a failure needs no files of the nodes
