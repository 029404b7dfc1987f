"""Samples the keys that a job's map yields, to choose the ranges of `key_order="total"`.

A sampling task runs the first step of the job over a few places of each split and reduces nothing. Its output rows
are (None, (key, weight)), where the weight is the number of keys that the sampled one represents. Blocks on which the
user's code fails are skipped: the run itself will meet them and report where. Not here: starting the sampling
(`engines/plan/key_ranges.py`) and cutting the ranges (`shuffle/range_partition.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from typing import Any

from mrframe.core.job.job import Job
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import MapOrder, Split
from mrframe.errors import ExtraMissing
from mrframe.formats.factory import make_reader
from mrframe.formats.inputs.line_blocks import record_cut
from mrframe.formats.inputs.open_input import LongLine
from mrframe.formats.inputs.splits import open_split, read_split
from mrframe.formats.readers.base import head_bytes
from mrframe.formats.readers.record_starts import record_starts
from mrframe.shuffle.keys import kind_of
from mrframe.shuffle.partition import slots_for
from mrframe.shuffle.range_partition import short
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter
from mrframe.store.attempt_files import create
from mrframe.task.isolation.hook_guard import is_interrupt
from mrframe.task.map.calls import cause_of
from mrframe.task.map.emit import Emitter
from mrframe.task.map.map_output import MAP_FILE, report_partitions
from mrframe.task.report import counters
from mrframe.task.report.task_progress import TaskProgress

POINTS = 8  # places read in a split
POINT_BYTES = 16 << 10  # read at each place, plus the rest of the line
LINE_BYTES_MAX = 1 << 20  # a longer line is not sampled, so that sampling takes less memory than mapping
KEYS_MAX = 2048  # per split, evenly spread over the yielded keys
PAIR_BLOCKS = 16  # read of each part of the step before

Weighted = tuple[Any, int]


class SampleTask:
    """One attempt at sampling one split. For a join, `job` is the view of its source."""

    def __init__(self, job: Job, order: MapOrder, progress: TaskProgress) -> None:
        self._keys = KeyMaker(job)
        self._reader = make_reader(job.read, job.projection(), job.paths())
        self._order = order
        self._progress = progress

    def run(self) -> TaskReport:
        """Sample the split. Raises the errors of reading and writing, none of the user's code."""
        split = self._order.split
        keys: list[Any] = []
        read = 0
        for offset, block in sample_blocks(split):
            parsed = self._reader.parse(block, split.source, offset)
            keys += self._keys.of(parsed.values, parsed.records)
            read += len(block)
            self._progress.beat(parsed.records, read)
        return sealed(self._order, weighted(keys, split.length / read if read else 1))


def sealed(order: MapOrder, rows: list[Weighted]) -> TaskReport:
    """Write the rows as the output of a sampling attempt. Returns its report."""
    report = TaskReport()
    with create(os.path.join(order.out_dir, MAP_FILE)) as file:
        writer = RunWriter(file, slots=slots_for(1))
        writer.add_run([None] * len(rows), rows)
        totals = writer.close()
    report.records_out, report.bytes_out = totals.records, totals.bytes
    report_partitions(report, totals.by_slot, totals.digests, slots_for(1), 1)
    return report


class KeyMaker:
    """Maps columns of fields to the keys that the job's map yields for them, or to no keys if it fails."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._emitter = Emitter(job)
        self._batches: Any = None
        if job.map_batch is not None:
            from mrframe.task.map.map_batch import Batches

            self._batches = Batches(job)

    def of(self, columns: list[list[Any]], records: int) -> list[Any]:
        """Return the keys, all legal. Restores the counters of the user's code."""
        before = counters.take()
        try:
            keys = self._yielded(columns, records)
            kind_of(keys)
        except ExtraMissing:
            raise
        except BaseException as error:  # the user's code runs here, and its failures are the run's to report
            if is_interrupt(cause_of(error)):
                raise cause_of(error) from None
            return []
        finally:
            counters.take()
            for name, number in before.items():
                counters.increment(name, number)
        return keys

    def _yielded(self, columns: list[list[Any]], records: int) -> list[Any]:
        if self._batches is not None:
            return [key for keys, _ in self._batches.emit(columns, records)[0] for key in keys]
        if self._job.map_split is None:
            return list(self._emitter.emit(columns, records)[0])
        from mrframe.task.map.map_split import keys_of_split

        return keys_of_split(self._job, columns, records)


def weighted(keys: Sequence[Any], share: float) -> list[Weighted]:
    """Return at most KEYS_MAX of the keys, evenly spread, each with the number of keys that it represents."""
    stride = -(-len(keys) // KEYS_MAX) or 1
    return [(short(key), max(1, round(share * stride))) for key in keys[::stride]]


def sample_blocks(split: Split) -> Iterator[tuple[int, bytes]]:
    """Yield (offset in the source, whole records) at evenly spread places of a split, or all of a short split.

    Skips bytes before the first record there, places within one that was skipped, and lines that are too long.
    """
    base = split.order[1] - split.offset
    end = split.offset + split.length
    whole = split.length <= POINTS * POINT_BYTES
    starts = [split.offset] if whole else [split.offset + split.length * i // POINTS for i in range(POINTS)]
    reached = split.offset  # no record begins between the last place and here
    begins = record_starts(split.record_start)
    with open_split(split) as content:
        for start in starts:
            if start < reached:
                continue
            at = start
            if start > split.offset and begins is not None:
                at = record_cut(content.read_at, end, start - 1, start + LINE_BYTES_MAX, begins)
            elif start > split.offset:  # after the line that holds the byte before
                at = start - 1 + content.line_bytes(start - 1, start - 1, end)
            reached = at
            position = (split.order[0], base + at)
            rest = replace(split, offset=at, length=end - at, order=position, crc32=-1)
            size = split.length if whole else POINT_BYTES
            blocks = read_split(rest, block_bytes=size, line_bytes_max=LINE_BYTES_MAX, on_long=_pass_over)
            yield from islice((one for one in blocks if head_bytes(one[1]) < len(one[1])), 1)
        content.check_read(end)


def _pass_over(_line: LongLine) -> None:
    """Ignore a line that is too long: it has no key."""


def sample_pairs(job: Job, sources: Sequence[str]) -> list[Weighted]:
    """Sample the keys of a later step, whose only map task reads all output of the step before."""
    keys = KeyMaker(job)
    names = job.projection()
    sample: list[Weighted] = []
    with ExitStack() as stack:
        for path in sources:
            reader = RunReader(stack.enter_context(open(path, "rb")), path, unpickle=False)
            blocks = reader.some_blocks(0, PAIR_BLOCKS)
            columns: dict[str, list[Any]] = {
                "key": [key for _, some, _ in blocks for key in some],
                "value": [value for _, _, some in blocks for value in some],
            }
            count = len(columns["key"])
            found = keys.of([columns[name] for name in names], count)
            sample += weighted(found, reader.records / count if count else 1)
    return sample
