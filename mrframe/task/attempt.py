"""Runs one attempt at a task in an executor, from its order to its report or failure.

Faults of the job, the data and the disk come back as a `Failure`, never as an exception. The node removes the files
that a killed process leaves behind.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, BinaryIO, Literal

from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import DecodeOrder, Failure, MapOrder, Order, ReduceOrder, Split
from mrframe.errors import (
    CannotTravel,
    CorruptData,
    InputChanged,
    KeyRefused,
    LedgerUnbalanced,
    MrframeError,
    UsageError,
)
from mrframe.formats.inputs.compression import decode_file
from mrframe.store.attempt_files import create
from mrframe.store.disk import fault_text, has_no_room
from mrframe.task.code.package import LoadedJob, unpack
from mrframe.task.isolation import effects, surroundings
from mrframe.task.isolation.hook_guard import is_interrupt, is_the_jobs
from mrframe.task.isolation.process_limits import memory_limited
from mrframe.task.isolation.record_guard import RecordGuard
from mrframe.task.map.map_task import MapTask
from mrframe.task.reduce.reduce_task import ReduceTask
from mrframe.task.report import counters
from mrframe.task.report.failures import NO_KEY, GroupFailed, HookFailed, RecordFailed, failure_of
from mrframe.task.report.task_progress import Reporter

OUT_OF_MEMORY = "the task ran out of memory"
LEANER = 8
"""Divisor of the memory budget of an isolated attempt: the buffers may have used up the memory before."""


def run_attempt(package: bytes, order: Order, reporter: Reporter) -> TaskReport | Failure:
    """Carry out `order` with the job in `package`. Output files go to `order.out_dir`."""
    if isinstance(order, DecodeOrder):
        return _tried(None, order, reporter)
    began_s = time.monotonic()
    effects.begin(package)
    if order.isolated:
        gc.collect()  # free memory of an attempt that ran out of it, which its exception may hold in a cycle
    try:
        job = unpack(package)
    except BaseException as error:  # unpacking runs the user's modules
        return _excused(failure_of(error, None), error)
    try:
        outcome = _attempted(job if not order.isolated else _leaner(job), order, reporter, apart=True)
        if isinstance(outcome, TaskReport):
            outcome.seconds = time.monotonic() - began_s
        return outcome
    except OSError as error:  # from around the work: the files of a watched child
        return _disk_failure(error, order)
    finally:
        job.close()


def _leaner(job: LoadedJob) -> LoadedJob:
    return replace(job, settings=replace(job.settings, memory_bytes=job.settings.memory_bytes // LEANER))


def run_loaded(
    job: LoadedJob, order: Order, reporter: Reporter, causes: list[BaseException] | None = None
) -> TaskReport | Failure:
    """Run an attempt with a job that this process has already (the inline engine).

    Exceptions of the job's code are added to `causes`: a `Failure` crosses processes and holds no exception.
    """
    return _attempted(job, order, reporter, apart=False, causes=causes)


def _attempted(
    job: LoadedJob, order: Order, reporter: Reporter, *, apart: bool, causes: list[BaseException] | None = None
) -> TaskReport | Failure:
    """Run the task the usual way, or isolated if ordered, or if the failed record may be left out."""
    if isinstance(order, DecodeOrder):
        return _tried(None, order, reporter)
    limit = job.settings.memory_limit_bytes if apart else None
    if not (apart and order.isolated):
        outcome = _tried(job, order, reporter, memory_limit_bytes=limit, causes=causes)
        if isinstance(outcome, TaskReport) or not _needs_guard(job, order, outcome):
            return outcome

    from mrframe.task.isolated_attempt import IsolatedAttempt

    def run(order: Order, reporter: Any, guard: RecordGuard) -> TaskReport | Failure:
        return _tried(job, order, reporter, guard, memory_limit_bytes=limit, causes=causes)

    return IsolatedAttempt(job, order, reporter, run).outcome(apart=apart)


def _needs_guard(job: LoadedJob, order: Order, failure: Failure) -> bool:
    """Return whether an isolated attempt finds more: records to leave out, or the record of a refused pair."""
    from mrframe.task.isolated_attempt import reads_lines

    if not reads_lines(order) or job.settings.sampling:
        return False
    refused = failure.error_slug == KeyRefused.slug
    unnamed = not failure.source and not failure.key
    return (failure.kind == "raised" or refused) and (job.settings.max_failed > 0 or unnamed)


def _tried(
    job: LoadedJob | None,
    order: Order,
    reporter: Reporter,
    guard: RecordGuard | None = None,
    *,
    memory_limit_bytes: int | None = None,
    causes: list[BaseException] | None = None,
) -> TaskReport | Failure:
    counters.take()
    watched = job is not None and job.settings.saving is not None and job.settings.saving.watched
    try:
        with memory_limited(memory_limit_bytes), effects.watched() if watched else nullcontext():
            report = _work(job, order, reporter, guard)
    except HookFailed as failed:
        again = guard is None and memory_limit_bytes is not None
        return _hook_failure(job, order, failed, causes, again=again)
    except BaseException as error:  # methods of the job's own objects run anywhere
        failure = _fault(error, order)
        if failure is None:
            raise
        if failure.kind == "raised" and causes is not None:
            causes.append(error)
        return failure
    report.counters = report.counters or counters.take()
    report.effect = effects.noted() if watched else ""
    report.memory_peak_bytes = _peak_bytes()
    return report


def _fault(error: BaseException, order: Order) -> Failure | None:
    """Return the failure for an error outside the job's hooks, or None for an interrupt or a bug."""
    if isinstance(error, CorruptData):
        return Failure("io", str(error), error_slug=error.slug, source=error.file)
    if isinstance(error, CannotTravel) and error.__cause__ is not None and is_the_jobs(error.__cause__):
        return failure_of(error.__cause__, None)
    if isinstance(error, MrframeError):
        if isinstance(error, InputChanged) and isinstance(order, MapOrder) and order.split.is_decoded:
            return _block_gone(order.split)
        if has_no_room(error.__context__):  # of which it is made
            return Failure("full", str(error), error_slug=error.slug)
        at_fault = isinstance(error, (UsageError, LedgerUnbalanced)) or error.blame in ("user", "data")
        return Failure("refused" if at_fault else "io", str(error), error_slug=error.slug)
    if is_interrupt(error):
        return None
    if is_the_jobs(error):  # a method of its objects, which may be called anywhere
        return _excused(failure_of(error, None), error)
    if isinstance(error, MemoryError):
        return Failure("io", OUT_OF_MEMORY, error_slug="job-failed")
    return _disk_failure(error, order) if isinstance(error, OSError) else None


def _hook_failure(
    job: LoadedJob | None, order: Order, failed: HookFailed, causes: list[BaseException] | None, *, again: bool
) -> Failure:
    """Return the failure for a failed hook. With `again`, out of memory repeats the task as an isolated attempt.

    A function of its own: stored in a variable of a frame in its own traceback, the exception would keep itself and
    all of the task's data alive.
    """
    cause = failed.__cause__
    assert cause is not None
    if is_interrupt(cause):
        raise cause from None
    if causes is not None:
        causes.append(cause)
    if isinstance(failed, GroupFailed):
        failure = failure_of(cause, None, failed.key_text, failed.hook)
        return replace(_excused(failure, cause), group=_group(job, order, failed))
    if isinstance(cause, MemoryError) and again:
        return Failure("died", OUT_OF_MEMORY, error_slug="job-failed")  # perhaps by another record
    location = failed.location if isinstance(failed, RecordFailed) else None
    failure = failure_of(cause, location, hook=failed.hook)
    if not isinstance(order, MapOrder):
        return _excused(failure, cause)
    return replace(_excused(failure, cause), input_name=order.split.input_name, reader=order.split.reader)


def _excused(failure: Failure, error: BaseException) -> Failure:
    """Return the failure of the job's code as one of the machine, if that has no room for what the code asked for."""
    excused = has_no_room(error) and not isinstance(error, BlockingIOError)  # which a socket of the job may raise
    return replace(failure, kind="full") if excused else failure


def _group(job: LoadedJob | None, order: Order, failed: GroupFailed) -> bytes:
    """Return the packed values of the key on which the job's code failed, or b"" if unknown or unreadable."""
    if job is None or failed.key is NO_KEY or isinstance(order, DecodeOrder):
        return b""
    from mrframe.task.debug.capsule import group_given, group_of

    try:
        if failed.hook in ("combine", "partition"):
            return group_given(order.step, failed)
        return group_of(job.steps[order.step], order, failed.key) if isinstance(order, ReduceOrder) else b""
    except (MrframeError, OSError, MemoryError):
        return b""


def _work(job: LoadedJob | None, order: Order, reporter: Reporter, guard: RecordGuard | None) -> TaskReport:
    if isinstance(order, DecodeOrder):
        return _decode(order, reporter)
    assert job is not None
    step = job.steps[order.step]
    if isinstance(order, ReduceOrder):
        return ReduceTask(step, order, order.partitions, job.settings, reporter, guard=guard).run()
    assert isinstance(order, MapOrder)
    if order.split.is_pairs:
        from mrframe.task.map.pair_map_task import PairMapTask

        return PairMapTask(step, order, job.settings, reporter, guard=guard).run()
    name = order.split.input_name
    if job.settings.sampling:
        from mrframe.task.map.key_sample import SampleTask

        return SampleTask(job.view(order.split), order, reporter).run()
    source, view = step.source_names.index(name), job.view(order.split, order.step)

    def run(digest: Any = None, order: MapOrder = order) -> tuple[TaskReport, dict[int, int]]:
        task = MapTask(view, order, job.settings, reporter, source=source, guard=guard, digest=digest)
        report = task.run()
        report.counters = counters.take()  # before it is saved
        return report, task.digests

    saving = job.settings.saving
    elsewhere = saving is not None and not order.split.is_saved and saving.surroundings != surroundings.digest()
    if saving is None or guard is not None or order.isolated or elsewhere:
        return run()[0]
    from mrframe.task.cache.map_results import map_or_load

    return map_or_load(view, order, job.settings, run)


def _decode(order: DecodeOrder, reporter: Reporter) -> TaskReport:
    report = TaskReport()
    split = order.split

    def path(index: int) -> str:
        return f"block-{index:05d}"

    def open_block(index: int) -> BinaryIO:
        return create(os.path.join(order.out_dir, path(index)))

    blocks = decode_file(
        split.path, split.source, order.block_bytes, open_block, split.state, record_start=split.record_start
    )
    for block in blocks:
        report.records_out += 1
        report.bytes_out += block.length
        reporter.block_sealed(
            Split(
                "held",
                split.source,
                path(block.index),
                0,
                block.length,
                (split.order[0], block.offset),
                input_name=split.input_name,
                crc32=block.crc32,
                packed=split.path,
                reader=split.reader,
                record_start=split.record_start,
            )
        )
        reporter.beat(report.records_out, report.bytes_out)
    return report


def _block_gone(split: Split) -> Failure:
    """Return the failure for a missing block of a decode attempt. The input is not at fault."""
    message = (
        f"{split.path}, with {split.length:,} bytes of {split.source} from byte {split.order[1]:,}, is gone with "
        "the rest of the attempt that made it"
    )
    return Failure("io", message, error_slug=CorruptData.slug, source=split.path)


def _disk_failure(error: OSError, order: Order) -> Failure:
    kind: Literal["full", "io"] = "full" if has_no_room(error) else "io"
    return Failure(kind, _disk_message(error, order.out_dir), error_slug="job-failed")


def _disk_message(error: OSError, out_dir: str) -> str:
    path = error.filename or out_dir
    return f"{path}: {fault_text(error, path)}"


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
