"""Feeds move the blocks of the input into the output. Here are those of maps without `map_split` and `map_batch`.

`feed_columns` passes the reader's columns straight to a buffer that understands them. `feed_pairs` calls the map a
block at a time. `feed_guarded` goes record by record, notes each record before calling the map on it, and leaves out
those on which it fails. Not here: the choice between them (`path.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mrframe.core.job.job import Job
from mrframe.core.safe_text import safe_str
from mrframe.errors import UserCodeError
from mrframe.formats.readers.base import length_of
from mrframe.shuffle.fold import Fold
from mrframe.task.isolation.hook_guard import is_interrupt, is_refusal, named_refusal
from mrframe.task.isolation.progress_page import NOWHERE
from mrframe.task.isolation.record_guard import Bad, RecordGuard
from mrframe.task.map.calls import EmitFailed
from mrframe.task.map.emit import Columns, Emitter
from mrframe.task.map.map_input import MapInput, ReadBlock
from mrframe.task.map.map_output import Output
from mrframe.task.map.pair_buffer import check_pairs, map_fold
from mrframe.task.report import counters
from mrframe.task.report.failures import RecordFailed, RecordLocation, exception_text

REASON_CHARS_MAX = 300

Feed = Callable[[Job, MapInput, Output, RecordGuard | None], None]
"""Maps all blocks of an input into an output. Raises RecordFailed for the user's code."""


def feed_columns(job: Job, source: MapInput, output: Output, guard: RecordGuard | None) -> None:
    """Pass the columns of each block to the buffer unchanged, without running any code of the job."""
    del job, guard
    for block in source.blocks():
        output.add_block(block.parsed.columns, block.parsed.records)
        source.handled += length_of(block.parsed.columns[0])


def feed_pairs(job: Job, source: MapInput, output: Output, guard: RecordGuard | None) -> None:
    """Call the map, or pick the declared columns, a block at a time."""
    del guard
    emitter, fold = Emitter(job), map_fold(job)
    for block in source.blocks():
        try:
            emitter.emit_into(block.parsed.values, block.parsed.records, output.add, output.add_pairs)
        except EmitFailed as failed:
            raise RecordFailed(source.locate(block, failed.record), failed.hook) from failed.__cause__
        except BaseException as error:
            if not is_refusal(error):
                raise
            raise RecordFailed(_find_refused(emitter, fold, source, block)) from named_refusal(error, fold)
        source.handled += emitter.taken()


def _find_refused(emitter: Emitter, fold: Fold | None, source: MapInput, block: ReadBlock) -> RecordLocation | None:
    """Find the record that yields the refused pair by mapping each alone. None: only some of them together fail."""
    columns = block.parsed.values
    for index in range(block.parsed.records):
        try:
            _emit_one(emitter, fold, columns, index)
        except BaseException as error:  # the user's function runs here
            if isinstance(error, EmitFailed) or is_refusal(error):
                return source.locate(block, index)
            raise
    return None


def _emit_one(emitter: Emitter, fold: Fold | None, columns: list[list[Any]], index: int) -> Columns:
    """Return the pairs of one record, checked for the buffer. Raises EmitFailed, KeyRefused, TypeError."""
    keys, values = emitter.emit([[column[index]] for column in columns], 1)
    check_pairs(fold, keys, values)
    return keys, values


def feed_guarded(job: Job, source: MapInput, output: Output, guard: RecordGuard | None) -> None:
    """Call the map record by record. Leaves out the records on which it fails, as far as `--max-failed` allows."""
    assert guard is not None
    emitter, fold = Emitter(job), map_fold(job)
    for block in source.blocks():
        guard.page.block(block.offset, len(block.data))
        keys, values, bad = _emit_singly(emitter, fold, source, block, guard)
        guard.page.record(NOWHERE)
        try:
            output.add(keys, values)
        except BaseException as error:
            if not is_refusal(error):
                raise
            raise RecordFailed(None) from named_refusal(error, fold)
        source.quarantine(block, sorted(bad))


def _emit_singly(
    emitter: Emitter, fold: Fold | None, source: MapInput, block: ReadBlock, guard: RecordGuard
) -> tuple[list[Any], list[Any], Bad]:
    """Return the pairs of a block as columns, and the records left out."""
    columns = block.parsed.values
    keys: list[Any] = []
    values: list[Any] = []
    bad = guard.bad(block.offset, block.parsed.records)
    left_out = {index for index, _ in bad}
    for index in range(block.parsed.records):
        if index in left_out:
            continue
        guard.page.record(index)
        before = counters.snapshot()
        try:
            some_keys, some_values = _emit_one(emitter, fold, columns, index)
        except BaseException as error:  # the user's function runs here
            if not isinstance(error, EmitFailed) and not is_refusal(error):
                raise
            cause = error.__cause__ if isinstance(error, EmitFailed) else named_refusal(error, fold)
            assert cause is not None
            if isinstance(cause, MemoryError) or is_interrupt(cause) or not guard.may_leave_out():
                hook = error.hook if isinstance(error, EmitFailed) else "map"
                raise RecordFailed(source.locate(block, index), hook) from cause
            counters.restore(before)
            bad.append((index, reason_of(cause)))
        else:
            source.handled += 1
            keys.extend(some_keys)
            values.extend(some_values)
    return keys, values, bad


def reason_of(cause: BaseException) -> str:
    """Return the exception of the job's code as one line."""
    text = safe_str(cause) if isinstance(cause, UserCodeError) else exception_text(cause)
    return " ".join(text.split())[:REASON_CHARS_MAX]
