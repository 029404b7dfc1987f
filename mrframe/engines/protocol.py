"""What every engine is given and gives back: a `Plan` in, an `Outcome` out. `Engine` is the protocol.

An engine moves work; the work itself is `task/`. Nothing here chooses an engine (`bootstrap.py`) or
makes a plan (`planning.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any, Literal, NoReturn, Protocol

from mrframe import errors
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job
from mrframe.core.model.options import RunOptions
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Failure, Split, StepSpec
from mrframe.core.safe_text import safe_repr
from mrframe.store.scratch import Scratch
from mrframe.task.code.job_file import JobFile
from mrframe.task.code.package import TaskSettings
from mrframe.task.isolation.process_limits import memory_share

RECORD_CHARS_MAX = 500  # of a record in a note
JOB_ID = "job-1"  # a one-shot run has one submission
Stage = Literal["start", "map", "shuffle", "reduce", "output"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A job with all that is decided before it starts.

    splits       of the inputs that are files; `feed` gives more (standard input) as they arrive
    bytes_total  of the inputs, 0 when not known before they are read; `estimated_bytes` guesses for compressed ones,
                 and leaves out what is known from saved results, and of the rest the longest split (`saved_maps.py`)
    notes        about the inputs, for people: what was given twice, or left out
    paths        of all inputs that are files, whatever is known of them
    file         where the job came from, None when it is not a file's; `job_options` were given to it
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


@dataclass(frozen=True, slots=True)
class Done:
    """One committed attempt, as the engine reports it; `split` is None for reduces."""

    attempt: str
    step: int
    split: Split | None
    report: TaskReport


@dataclass(slots=True)
class Outcome:
    """What an engine has done.

    parts     paths of the last step's part files, in partition order; readable until `close`
    done      every committed attempt
    rejects   (split, path) of each map attempt's file of malformed lines, in input order
    quarantine  the same of records on which the job's code failed
    seconds   by stage
    """

    parts: list[str]
    done: list[Done]
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
    """How far a run is. `bytes_total` is 0 when it is not known; `seconds` since the start of the run."""

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


class Engine(Protocol):
    """A place where a job can run."""

    name: str

    def run(self, plan: Plan, on_progress: OnProgress | None) -> Outcome:
        """Run the job to its end; raises the error that its failure amounts to (`raise_failure`)."""
        ...


_BY_SLUG = {
    cls.slug: cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, errors.MrframeError) and cls is not errors.MrframeError
}


def limited(plan: Plan, executors: int) -> Plan:
    """The plan with what each of so many executors may hold, unless the user has said it."""
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
            hook=failure.hook,
        )
        if failure.traceback_text and cause is None:
            error.add_note(f"\n{failure.traceback_text}")
        for name, text in _whereabouts(failure):
            error.add_note(f"  {name:7} {text}")
        raise error from cause
    raise cls(failure.message)


def _whereabouts(failure: Failure) -> Iterator[tuple[str, str]]:
    """What Python shows below the error: the command shows its own, and no notes."""
    if failure.hook:
        yield "hook", failure.hook
    if failure.source:
        yield "in", failure.source + (f":{failure.line}" if failure.line >= 0 else f", byte {failure.offset}")
        yield "record", safe_repr(failure.record.decode("utf-8", "backslashreplace"), RECORD_CHARS_MAX)
    if failure.key:
        yield "key", failure.key
