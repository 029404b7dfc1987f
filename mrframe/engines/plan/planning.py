"""From a job and the names of inputs to a `Plan`: the format is settled, fields are checked, splits are cut.

Everything that can be refused before a task runs is refused here. It reads the heads of inputs (`settle_reader.py`)
and the head of standard input, and starts no process. Not here: which inputs there are (`job_inputs.py`), and
the results that are saved (`cache/`).
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from mrframe.core.job.job import Job
from mrframe.core.model.error_limits import parse_limit
from mrframe.core.model.reader import Reader
from mrframe.core.model.spec import SPLIT_BYTES, Split, StepSpec
from mrframe.core.settings.options import RunOptions
from mrframe.engines.plan.job_inputs import JobInputs
from mrframe.engines.plan.settle_reader import Head, SourceFormats, source_formats
from mrframe.engines.protocol import Plan
from mrframe.errors import InputError, UsageError
from mrframe.formats.factory import make_reader
from mrframe.formats.inputs.files import InputFile
from mrframe.formats.inputs.head import HEAD_BYTES
from mrframe.formats.inputs.splits import (
    PARTITIONS_MAX,
    default_partitions,
    default_split_bytes,
    plan_splits,
)
from mrframe.formats.registry import kind_of
from mrframe.shuffle.reducers import as_fold
from mrframe.store.scratch import Scratch
from mrframe.task.code.job_file import JobFile
from mrframe.task.code.settings import TaskSettings

if TYPE_CHECKING:
    from mrframe.formats.inputs.stdin import Stream
    from mrframe.formats.readers.time_window import Window

SEEDS = (1 << 53) - 1  # that may be drawn: integers that every reader of JSON keeps exactly


def make_plan(
    job: Job,
    inputs: JobInputs,
    options: RunOptions,
    *,
    scratch: Scratch,
    file: JobFile | None = None,
    job_options: Mapping[str, Any] | None = None,
    keep_rejects: bool = False,
    keep_quarantine: bool = False,
) -> Plan:
    """Make the plan of a run. Raises InputError, FormatError, UnknownField, TooManyMalformed, UsageError.

    Saved results are not considered: `RunCache.consult` makes use of them in a plan.
    """
    _check_log_format(job.sources(), options)
    total_bytes = inputs.estimated_bytes
    if options.split_bytes is None:
        options = dataclasses.replace(options, split_bytes=default_split_bytes(total_bytes))
    stdin = _stdin(inputs.by_source, options)
    window = _window(options)
    formats = _formats(job, inputs, stdin.stream.head if stdin else b"", options, window)
    readers = {name: found.reader for name, found in formats.items()}
    others = _by_input(inputs, formats)
    starts = _record_starts(inputs, formats)
    feed = _spooled(stdin, starts, options, scratch) if stdin else None
    return Plan(
        job=job,
        file=file,
        job_options=job_options or {},
        settings=TaskSettings(
            readers if job.is_join else readers[""],
            options.memory_bytes,
            keep_rejects,
            fast=options.fast == "auto",
            max_failed=max_failed(options),
            stall_s=options.stall_s,
            memory_limit_bytes=options.memory_limit_bytes,
            keep_quarantine=keep_quarantine,
            window=window.to_plain() if window is not None else None,
            hash_seed=hash_seed(options),
            scratch_bytes_max=options.scratch_bytes_max,
            pass_env=tuple(options.pass_env.split(",")) if options.pass_env else (),
        ),
        options=options,
        steps=plan_steps(job, options, total_bytes, keeps_maps=keep_rejects or keep_quarantine),
        splits=tuple(_read_by(others, _splits_of(inputs.by_source, options, starts))),
        feed=feed and _read_by(others, feed),
        feed_fd=stdin.fd if stdin else -1,
        bytes_total=inputs.bytes_total,
        scratch=scratch,
        estimated_bytes=total_bytes,
        notes=inputs.notes,
        paths=tuple(inputs.paths),
        readers={name: tuple(found.heads) for name, found in formats.items()},
    )


def _formats(
    job: Job, inputs: JobInputs, stdin: bytes, options: RunOptions, window: Window | None
) -> dict[str, SourceFormats]:
    """Return the formats of each source. `stdin` has the first bytes of standard input."""
    views = job.sources()
    found = {name: source_formats(view, name, inputs.by_source[name], stdin, options) for name, view in views.items()}
    for name, view in views.items() if window is not None else ():
        for reader, head in found[name].heads.items():
            _check_times(view, reader, head, window)
    return found


def _by_input(inputs: JobInputs, formats: Mapping[str, SourceFormats]) -> dict[int, Reader]:
    """{input index: its reader} of the inputs that are in another format than the first one of their source."""
    readers, index = dict[int, Reader](), 0
    for name, files in inputs.by_source.items():
        readers |= {index + at: reader for at, reader in formats[name].others.items()}
        index += len(files)
    return readers


def _record_starts(inputs: JobInputs, formats: Mapping[str, SourceFormats]) -> dict[int, str]:
    """Return {input index: pattern for the start of a record} for inputs whose records may span lines."""
    found, index = dict[int, str](), 0
    for name, files in inputs.by_source.items():
        for at in range(len(files)):
            reader = formats[name].others.get(at, formats[name].reader)
            if start := kind_of(reader).record_start(reader.format):
                found[index + at] = start
        index += len(files)
    return found


def _read_by(readers: Mapping[int, Reader], splits: Iterable[Split]) -> Iterator[Split]:
    """The splits, with their own readers where they have some."""
    for split in splits:
        reader = readers.get(split.order[0])
        yield split if reader is None else dataclasses.replace(split, reader=reader)


def _check_log_format(views: Mapping[str, Job], options: RunOptions) -> None:
    """Refuse --log-format for a join without an access log. For a single source, `reader_of` does."""
    if len(views) == 1 or options.log_format is None or not options.is_asked_for("log_format"):
        return
    if not any(kind_of(view.read).takes_formats for view in views.values()):
        raise UsageError("--log-format does not apply: none of the job's sources is an access log; leave it out")


def _splits_of(
    named: Mapping[str, Sequence[InputFile]], options: RunOptions, starts: Mapping[int, str]
) -> Iterator[Split]:
    """The splits of all files. The input index of a file counts through all sources."""
    index = 0
    for name, files in named.items():
        yield from plan_splits(
            files,
            split_bytes=_length(options),
            splits=options.splits,
            first_index=index,
            input_name=name,
            starts=starts,
        )
        index += len(files)


def _window(options: RunOptions) -> Window | None:
    """The window of time that --since and --until ask for."""
    if options.since is None and options.until is None and options.timezone in (None, "UTC"):
        return None
    from mrframe.formats.readers.time_window import window_of

    return window_of(options.since, options.until, options.timezone, datetime.now(UTC).replace(microsecond=0))


def _check_times(view: Job, reader: Reader, first: Head, window: Window | None) -> None:
    """UsageError when the records have no times to be asked about."""
    name, head = first.name, first.data
    made = make_reader(reader, view.projection(), view.paths(), window)
    block = head[: head.rfind(b"\n") + 1]
    parsed = made.parse(block, name, 0)
    found = kind_of(reader).times(reader.format)
    looked_for = found.names if found is not None else ()
    if len(looked_for) > 1 and parsed.without_time and not parsed.records and not parsed.outside_time:
        raise UsageError(
            f"--since and --until do not apply: none of the first {parsed.without_time:,} records of {name} says its "
            f"time (looked for: {', '.join(looked_for)})"
        )


def plan_steps(job: Job, options: RunOptions, total_bytes: int, *, keeps_maps: bool = False) -> tuple[StepSpec, ...]:
    """The steps of the job as the scheduler knows them. `keeps_maps` is for the first one."""
    usual = options.partitions or default_partitions(total_bytes)
    steps = []
    for index, step in enumerate(job.steps()):
        if step.map_batch is not None:
            from mrframe.task.columnar.arrow import check_extra

            check_extra()
        own = _finer(usual) if step.key_order == "total" and options.partitions is None else usual
        partitions = 1 if step.top is not None else options.partitions or step.partitions or own
        fold = as_fold(step.reduce)
        ordered = fold is None or fold.ordered or step.map_split is not None or step.key_order == "total"
        gather = index > 0 and step.top is None and ordered
        steps.append(
            StepSpec(
                partitions,
                gather,
                parse_limit(options.max_bad) if index == 0 else None,
                _length(options),
                max_failed(options) if index == 0 else None,
                options.stall_s,
                options.speculate == "on",
                keeps_maps and index == 0,
            )
        )
    return tuple(steps)


def max_failed(options: RunOptions) -> int | float:
    """The limit of records on which the job's code may fail."""
    return parse_limit(options.max_failed)


def hash_seed(options: RunOptions) -> int:
    """The seed of the hash. A random one is drawn here, once, and is part of the run from then on."""
    if options.hash_seed == "random":
        return int.from_bytes(os.urandom(8)) % SEEDS + 1
    return int(options.hash_seed)


def _finer(partitions: int) -> int:
    """Partitions of output in total order: twice as many as usual, since ranges are less alike than hashes."""
    return partitions if partitions == 1 else min(PARTITIONS_MAX, 2 * partitions)


def _length(options: RunOptions) -> int:
    return options.split_bytes or SPLIT_BYTES


class _Stdin(NamedTuple):
    """Opened standard input: its stream with the first bytes read, input index, source, and descriptor."""

    stream: Stream
    input_index: int
    source: str
    fd: int


def _stdin(named: Mapping[str, Sequence[InputFile]], options: RunOptions) -> _Stdin | None:
    """Open standard input if it is among the inputs, and read its first bytes."""
    files = [(name, file) for name, some in named.items() for file in some]
    positions = [(index, name) for index, (name, file) in enumerate(files) if file.is_stdin]
    if not positions:
        return None
    if len(positions) > 1:
        raise InputError("standard input (-) is given to two sources, but it can be read only once; give it once")
    from mrframe.formats.inputs.stdin import InTime, open_stream

    index, name = positions[0]
    source = _opened(files[index][1])
    stream = source if options.timeout_s is None else InTime(source, options.timeout_s)
    return _Stdin(open_stream(stream, HEAD_BYTES), index, name, _descriptor(source))


def _spooled(stdin: _Stdin, starts: Mapping[int, str], options: RunOptions, scratch: Scratch) -> Iterator[Split]:
    """Yield the splits of standard input as they arrive. The first one is read when this returns."""
    from mrframe.formats.inputs.stdin import spool

    folder = os.path.join(scratch.make(), "stdin")
    os.mkdir(folder, 0o700)
    feed = spool(
        stdin.stream,
        folder,
        block_bytes=_length(options),
        index=stdin.input_index,
        input_name=stdin.source,
        record_start=starts.get(stdin.input_index, ""),
    )
    first = next(feed, None)
    return chain([] if first is None else [first], feed)


def _opened(file: InputFile) -> BinaryIO:
    if file.path != "-":
        return open(file.path, "rb")
    if sys.stdin is None:
        raise InputError("standard input (-) is closed; pipe a log into the command, or name a file")
    return sys.stdin.buffer


def _descriptor(stream: BinaryIO) -> int:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # a stream of Python's own
        return -1
