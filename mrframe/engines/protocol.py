"""The protocol of engines: `Engine` takes a `Plan` and gives an `Outcome`.

An engine moves work, and the work itself is `task/`. Not here: the choice of an engine (`named_engines.py`), making a
plan (`plan/planning.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any, Literal, NoReturn, Protocol

from mrframe import errors
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job
from mrframe.core.model.reader import Reader
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Failure, Split, StepSpec
from mrframe.core.safe_text import safe_repr
from mrframe.core.settings.options import RunOptions
from mrframe.store.scratch import Scratch
from mrframe.task.code.job_file import JobFile
from mrframe.task.code.settings import TaskSettings
from mrframe.task.isolation.process_limits import memory_share

RECORD_CHARS_MAX = 500  # of a record in a note
JOB_ID = "job-1"  # a one-shot run has one submission
Stage = Literal["start", "map", "shuffle", "reduce", "output"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A job with all that is decided before it starts.

    splits           of the inputs that are files, while `feed` gives those of standard input as they arrive
    bytes_total      of the inputs, 0 when not known before they are read
    estimated_bytes  the same with a guess for compressed inputs, without the inputs that have saved results and
                     without the longest of the other splits (`cache/saved_maps.py`)
    notes            about the inputs, for people: files that were given twice, or left out
    paths            of all inputs that are files, whatever is known of them
    feed_fd          the descriptor that `feed` reads, -1 if it has none
    file             the job file, None for a job that did not come from one
    job_options      the options that the job function of the file was called with
    readers          {source: the readers of its inputs}, that of the source itself first. A split names its own where
                     it is another one
    """

    job: Job
    file: JobFile | None
    job_options: Mapping[str, Any]
    settings: TaskSettings
    options: RunOptions
    steps: tuple[StepSpec, ...]
    splits: tuple[Split, ...]
    feed: Iterator[Split] | None
    bytes_total: int
    scratch: Scratch
    estimated_bytes: int
    notes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    feed_fd: int = -1
    readers: Mapping[str, tuple[Reader, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommittedAttempt:
    """One committed attempt, as the engine reports it. `split` is None for reduces."""

    attempt: str
    step: int
    split: Split | None
    report: TaskReport


@dataclass(slots=True)
class Outcome:
    """The output of a job that is done, and the reports of its tasks.

    parts     paths of the last step's part files, in partition order, readable until `close`
    done      every committed attempt
    rejects   (split, path) of each map attempt's file of malformed lines, in input order
    quarantine  the same of records on which the job's code failed
    seconds   by stage
    """

    parts: list[str]
    done: list[CommittedAttempt]
    rejects: list[tuple[Split, str]] = field(default_factory=list)
    quarantine: list[tuple[Split, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    nodes: int = 0
    data_local: int = 0
    other_map: int = 0
    shuffled_bytes: int = 0
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run. `bytes_total` is 0 when it is not known, `seconds` are since the start of the run.

    >>> seen = []
    >>> mrframe.run("status_codes", ["sample_logs/access.log"], on_progress=seen.append).close()
    >>> seen[-1].records, seen[-1].malformed
    (606, 0)
    """

    stage: Stage
    step: int
    tasks_done: int
    tasks_total: int
    records: int
    bytes_done: int
    bytes_total: int
    malformed: int
    seconds: float


OnProgress = Callable[[Progress], None]


Feature = Literal["standard input", "total order", "rejects", "quarantine", "several steps"]
"""A feature that a plan may need beyond maps and reduces: see `needed_features`."""


class Engine(Protocol):
    """A place where a job can run: it carries out the tasks of a plan, and gives the output of the last step.

    name   as in `--engine NAME`, for the summary
    lacks  features that the engine does not have: a plan that needs one is refused before `run` is called

    The work of a task is `task/`'s: an engine has `task.attempt.run_attempt` carry out orders (`core.model.spec`),
    anywhere, and moves the files that they read and write. From the committed attempts `gather.outcome_of` makes the
    outcome, and `stages.py` has the stages of a job for an engine that need not schedule. The same plan gives the
    same bytes on every engine: values of a key arrive in input order, and a task that fails is made again, or is not,
    without a trace in the result. tests/contract holds every engine to that.
    """

    name: str
    lacks: frozenset[Feature]

    def run(self, plan: Plan, on_progress: OnProgress | None) -> Outcome:
        """Run the job to its end, and call `on_progress`, when given, at most ten times a second.

        Files that the run makes for itself belong below `plan.scratch.make()`. The parts of the outcome can be read
        until its `close` is called. Raises the error that a failed task amounts to (`raise_failure`), JobFailed when
        a task cannot be carried out for another reason, TimedOut.
        """
        ...


def needed_features(plan: Plan) -> dict[Feature, str]:
    """The features that a plan needs, each with the words of the user that ask for it."""
    needs: dict[Feature, str] = {}
    if plan.feed is not None:
        needs["standard input"] = "the input -"
    if plan.job.key_order == "total" and plan.steps[0].partitions > 1:
        needs["total order"] = 'key_order="total"'
    if plan.settings.keep_rejects:
        needs["rejects"] = "--rejects"
    if plan.settings.keep_quarantine:
        needs["quarantine"] = "--quarantine"
    if len(plan.steps) > 1:
        needs["several steps"] = ".then()"
    return needs


_BY_SLUG = {
    cls.slug: cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, errors.MrframeError) and cls is not errors.MrframeError
}


def limited(plan: Plan, executors: int) -> Plan:
    """The plan with the memory limit of each of this many executors, unless the user has set one."""
    limit = plan.settings.memory_limit_bytes or memory_share(executors)
    return replace(plan, settings=replace(plan.settings, memory_limit_bytes=limit))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def raise_failure(failure: Failure, cause: BaseException | None = None) -> NoReturn:
    """Raise the error of `errors.py` that a task's failure stands for, from the job's own exception if it is here."""
    __tracebackhide__ = True  # of pytest
    cls = _BY_SLUG.get(failure.error_slug, errors.JobFailed)
    if issubclass(cls, errors.UserCodeError):
        error = cls(
            failure.message,
            traceback_text=failure.traceback_text,
            source=failure.source or None,
            offset=failure.offset if failure.offset >= 0 else None,
            line=failure.line if failure.line >= 0 else None,
            record=failure.record if failure.source else None,
            key=failure.key or None,
            group=failure.group,
            input_name=failure.input_name,
            reader=failure.reader,
            hook=failure.hook,
        )
        if failure.traceback_text and cause is None:
            cause = errors.JobTraceback(failure.traceback_text)
        for name, text in _whereabouts(failure):
            error.add_note(f"  {name:7} {text}")
        raise error from cause
    raise cls(failure.message)


def _whereabouts(failure: Failure) -> Iterator[tuple[str, str]]:
    """The notes that Python shows below the error. The command shows words of its own instead."""
    if failure.hook:
        yield "hook", failure.hook
    if failure.source:
        yield "in", failure.source + (f":{failure.line}" if failure.line >= 0 else f", byte {failure.offset}")
        yield "record", safe_repr(failure.record.decode("utf-8", "backslashreplace"), RECORD_CHARS_MAX)
    if failure.key:
        yield "key", failure.key
