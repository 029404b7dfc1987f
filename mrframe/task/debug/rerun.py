"""Runs a failed record or group again alone, in the child process of `mrframe replay`.

The record becomes a file of its own, the group a run file, and the same tasks work on them as in the failed run. The
job's code runs here, so this must be a process of its own.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import MapOrder, ReduceOrder, Split
from mrframe.errors import JobError, MrframeError
from mrframe.formats.registry import kind_of
from mrframe.shuffle.partition import SLOTS, partition_of, slots_for
from mrframe.shuffle.run_file.run_writer import RunReader
from mrframe.task.code.job_file import find
from mrframe.task.code.package import LoadedJob, loaded, options_of, unpack
from mrframe.task.code.settings import TaskSettings
from mrframe.task.debug.capsule import Capsule, Group
from mrframe.task.isolation.hook_guard import combiner, slots_by_user
from mrframe.task.isolation.process_limits import memory_limited
from mrframe.task.isolation.process_log import log
from mrframe.task.map.map_task import MapTask
from mrframe.task.reduce.reduce_task import ReduceTask
from mrframe.task.reduce.sorted_output import PART_FILE
from mrframe.task.report.failures import HookFailed, failure_of

ATTEMPT = "replay"
Debug = Callable[[TracebackType | None], None]


class _Silent:
    """A reporter that does nothing."""

    def beat(self, records: int, bytes_done: int) -> None:
        """Do nothing."""


def replay(capsule: Capsule, job: LoadedJob, folder: str, debug: Debug | None) -> str:
    """Run it again in `folder`, an empty directory. Returns the traceback if it fails again, "" if it passes.

    `debug` is called with the traceback of the user's exception while its frames are still alive.
    """
    settings = replace(job.settings, saving=None, cuts=b"", max_failed=0, keep_rejects=False, keep_quarantine=False)
    try:
        with memory_limited(settings.memory_limit_bytes):
            report = _again(capsule, job, settings, folder)
    except HookFailed as failed:
        assert failed.__cause__ is not None
        failure = failure_of(failed.__cause__, None)
        if debug is not None:
            log(failure.traceback_text.rstrip("\n") or failure.message)
            debug(failed.__cause__.__traceback__)
        return failure.traceback_text or f"{failure.message}\n"
    except MrframeError as error:
        return f"{error}\n"
    if report.ledger.malformed:
        return f"the line no longer fits the format: {report.samples[0].reason}\n"
    return ""


def _again(capsule: Capsule, job: LoadedJob, settings: TaskSettings, folder: str) -> TaskReport:
    if capsule.group:
        group = Group.unpack(capsule.group)
        return (_reduce if group.hook == "reduce" else _call)(group, job, settings, folder)
    path = os.path.join(folder, "record")
    with open(path, "xb") as file:
        file.write(capsule.record + b"\n")
    size, offset = len(capsule.record) + 1, max(capsule.offset, 0)
    split = Split("file", capsule.source, path, 0, size, (0, offset), lines_before=0)
    split = replace(split, input_name=capsule.input_name, reader=capsule.reader)
    reader = settings.reader_of(split)
    split = replace(split, record_start=kind_of(reader).record_start(reader.format))
    out_dir = os.path.join(folder, "out")
    os.mkdir(out_dir, 0o700)
    source = job.steps[0].source_names.index(capsule.input_name)
    return MapTask(job.view(split), MapOrder(ATTEMPT, 0, split, 1, out_dir), settings, _Silent(), source=source).run()


def _reduce(group: Group, job: LoadedJob, settings: TaskSettings, folder: str) -> TaskReport:
    sources = []
    for number, data in enumerate(group.files):
        sources.append(os.path.join(folder, f"group-{number}"))
        with open(sources[-1], "xb") as file:
            file.write(data)
    out_dir = os.path.join(folder, "out")
    os.mkdir(out_dir, 0o700)
    with open(sources[0], "rb") as file:
        reader = RunReader(file, sources[0], unpickle=False)
        partitions = 1 if reader.slots <= SLOTS else SLOTS + 1
        partition = partition_of(reader.slots_present()[0], reader.slots, partitions)
    order = ReduceOrder(ATTEMPT, group.step, partition, tuple(sources), out_dir, partitions)
    return ReduceTask(job.steps[group.step], order, partitions, settings, _Silent()).run()


def _call(group: Group, job: LoadedJob, settings: TaskSettings, folder: str) -> TaskReport:
    """Call the combiner or the partitioner alone."""
    del settings, folder  # it reads and writes nothing
    step = job.steps[group.step]
    reader = RunReader(io.BytesIO(group.files[0]), "the values", unpickle=True)
    blocks = [block for stream in reader.streams(0) for block in stream]
    keys = [key for _, some, _ in blocks for key in some]
    if group.hook == "partition" and step.partition is not None:
        slots_by_user(step, keys[:1], slots_for(group.partitions), group.partitions)
    combine = combiner(step) if group.hook == "combine" else None
    if combine is not None:
        combine(keys[0], [value for _, _, some in blocks for value in some])
    return TaskReport()


def job_for(package: bytes, path: str | None) -> LoadedJob:
    """Return the job that failed, or the present job at `path`, made with the same options."""
    job = unpack(package)
    if path is None:
        return job
    made = find(path).make(options_of(package))
    if made.source_names != job.steps[0].source_names:
        raise JobError(f"{path} reads other sources than the job that failed")
    return loaded(made, job.settings)


def rows_of(folder: str) -> list[tuple[object, object]]:
    """Return the rows that the reduce of a group yielded, after it passed."""
    path = os.path.join(folder, "out", PART_FILE)
    if not os.path.exists(path):
        return []
    with open(path, "rb") as file:
        reader = RunReader(file, path, unpickle=False)
        blocks = [block for stream in reader.streams(0) for block in stream]
    return [pair for _, keys, values in blocks for pair in zip(keys, values, strict=True)]
