"""A careful task: it goes record by record, says where it stands, and leaves out what it was told to.

`Care` is given to the tasks of `map_task.py`, `map_split.py`, `map_batch.py`, `pair_map_task.py` and
`reduce_task.py` when an attempt before has failed in a way that names no record, or may leave records out
(`--max-failed`). Without it they take blocks at a time. Not here: what happens when the process dies
(`isolated_attempt.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mrframe.core.model.error_limits import tolerates
from mrframe.core.model.reports import Malformed
from mrframe.core.safe_text import safe_str
from mrframe.errors import UserCodeError
from mrframe.formats.readers.base import BlockReader, Parsed, line_at, line_offsets
from mrframe.shuffle.buffers import buffer_for
from mrframe.shuffle.keys import canonical
from mrframe.shuffle.reducers import Fold
from mrframe.task.isolation.hook_guard import is_interrupt, is_refusal
from mrframe.task.isolation.progress_page import NOWHERE, Box
from mrframe.task.map.emit import EmitFailed, Emitter
from mrframe.task.report import counters
from mrframe.task.report.blame import RecordFailed, said

if TYPE_CHECKING:
    from mrframe.task.map.map_task import MapTask

REASON_CHARS_MAX = 300
Position = tuple[int, int]  # (offset of the block in the source, index of the record in the block)
Bad = list[tuple[int, str]]  # (index, why) of records of a block


class Care:
    """What a careful task is told: `passed_over` are records to leave out, with why; `limit` is --max-failed."""

    def __init__(self, box: Box, limit: float, passed_over: Mapping[Position, str]) -> None:
        self.box = box
        self._limit = limit
        self._passed_over = passed_over
        self._left_out = len(passed_over)

    def bad(self, offset: int, records: int) -> Bad:
        """The records of this block that are to be left out."""
        if not self._passed_over:
            return []
        found = ((index, self._passed_over.get((offset, index))) for index in range(records))
        return [(index, reason) for index, reason in found if reason is not None]

    def may_leave_out(self) -> bool:
        """Whether one more record may be left out; when not, the box says that the limit is spent."""
        self._left_out += 1
        if tolerates(self._limit, self._left_out):
            return True
        self.box.spend()
        return False

    def noted(self, groups: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        """The same groups, each noted in the box before it is given."""
        for key, values in groups:
            self.box.key(key)
            yield key, values


class BoxReporter:
    """The reporter of a task in a child process: what it says is in the box."""

    def __init__(self, box: Box) -> None:
        self._box = box

    def beat(self, records: int, bytes_done: int) -> None:
        """So much is done."""
        self._box.beat(records, bytes_done)

    def block_sealed(self, split: object) -> None:
        """Not for decode tasks, which run no code of a job."""
        raise AssertionError(split)


def emit_singly(task: MapTask, emitter: Emitter, care: Care, read: tuple[int, bytes, Parsed]) -> None:
    """Emit the records of a block (offset, bytes, columns) one by one; where the code raises they may be left out."""
    offset, block, parsed = read
    keys: list[Any] = []
    values: list[Any] = []
    bad = care.bad(offset, parsed.records)
    known = {index for index, _ in bad}
    care.box.block(offset, len(block))
    for index in range(parsed.records):
        if index in known:
            continue
        care.box.record(index)
        before = counters.snapshot()
        try:
            some_keys, some_values = task.alone(emitter, parsed, index)
        except BaseException as error:  # the user's function runs here
            if not isinstance(error, EmitFailed) and not is_refusal(error):
                raise
            cause = error.__cause__ if isinstance(error, EmitFailed) else task.named(error)
            assert cause is not None
            if isinstance(cause, MemoryError) or is_interrupt(cause) or not care.may_leave_out():
                hook = error.hook if isinstance(error, EmitFailed) else "map"
                raise RecordFailed(task.place(offset, block, index), hook) from cause
            counters.restore(before)
            bad.append((index, reason_of(cause)))
        else:
            task.handled += 1
            keys.extend(some_keys)
            values.extend(some_values)
    care.box.record(NOWHERE)
    task.take(keys, values)
    task.quarantine(offset, block, parsed, sorted(bad))


def check_pairs(fold: Fold | None, keys: Sequence[Any], values: Sequence[Any]) -> None:
    """See that a buffer, and the run file behind it, will take these pairs; raises KeyRefused, TypeError."""
    buffer_for(fold).add(keys, values)
    for key in keys if fold is None else ():
        canonical(key)


def reason_of(cause: BaseException) -> str:
    """What the job's code raised, in a line."""
    text = safe_str(cause) if isinstance(cause, UserCodeError) else said(cause)
    return " ".join(text.split())[:REASON_CHARS_MAX]


def lines_of(reader: BlockReader, block: bytes, parsed: Parsed, bad: Bad) -> list[Malformed]:
    """These records of the block as lines: their number and offset within the block, and their bytes."""
    if not bad:
        return []
    starts, numbers = line_offsets(block), reader.lines_of_records(block, parsed)
    found = [(numbers[index], reason) for index, reason in bad]
    return [Malformed(number, starts[number], line_at(block, starts[number]), reason) for number, reason in found]
