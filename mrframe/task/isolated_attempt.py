"""An attempt that finds the record or key to blame if the job's code raises, dies, hangs or uses up memory.

An executor runs it after an attempt at the task has died, or after a failed record that may be left out. The work
runs in a watched child process, with its position in a `ProgressPage`. If the child dies, its current record fails
the job, or is left out and the work repeated without it. Before that, a probe without output finds further such
records from there on, so a thousand of them cost a thousand forks and not a thousand attempts.

Without `apart` (the inline engine) there is no child: records that raise are found and left out, records that kill
are not.

Rule. One SIGKILL proves nothing, since an operator or the kernel may send it. It is blamed on a record only if it
comes twice at the same one.
"""

from __future__ import annotations

import os
import select
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from mrframe.core.model.error_limits import tolerates
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Failure, MapOrder, Order, ReduceOrder
from mrframe.errors import UserCodeError
from mrframe.formats.inputs.splits import open_split
from mrframe.kernel import turn_off
from mrframe.task.code.package import LoadedJob
from mrframe.task.isolation import own_state
from mrframe.task.isolation.process_limits import memory_limited
from mrframe.task.isolation.progress_page import Position, ProgressPage, page_path
from mrframe.task.isolation.record_guard import PageReporter, RecordGuard, RecordId
from mrframe.task.isolation.watched_child import KILLED, Death, Outcome, watched
from mrframe.task.map.calls import EmitFailed
from mrframe.task.map.emit import Emitter
from mrframe.task.map.map_input import MapInput, block_reader
from mrframe.task.report.failures import RECORD_BYTES_MAX, RecordLocation, failure_of
from mrframe.task.report.line_numbers import lines_before, lines_within
from mrframe.task.report.task_progress import TaskProgress

KILLS_MAX = 4  # deaths by SIGKILL at different places, after which the attempt is given up
KILLED_TOO_MS = 200  # who kills a group of processes has soon killed this one, too, and its page must not move
Run = Callable[[Order, TaskProgress, RecordGuard], TaskReport | Failure]


class IsolatedAttempt:
    """One isolated attempt. `run` does the work once, under a `RecordGuard`."""

    def __init__(self, job: LoadedJob, order: MapOrder | ReduceOrder, reporter: TaskProgress, run: Run) -> None:
        self._job = job
        self._order = order
        self._reporter = reporter
        self._run = run
        self._page = ProgressPage()  # `outcome` makes the one that outlives this process
        self._skipped: dict[RecordId, str] = {}
        self._limit = job.settings.max_failed if reads_lines(order) and not job.settings.sampling else 0

    def outcome(self, *, apart: bool) -> TaskReport | Failure:
        """Run the task, in a child if `apart`, otherwise in this process."""
        if apart:
            self._page = ProgressPage(page_path(self._order.out_dir))
            self._page.linger_near(self._order.near)
        try:
            return self._blamed_before() or self._outcome(apart=apart)
        finally:
            self._page.delete()

    def _blamed_before(self) -> Failure | None:
        """Return the failure for a record or key at which earlier attempts died, unless it may be left out."""
        for fatal, reason in self._order.fatal:
            position = Position(fatal.offset, fatal.length, fatal.record, 0, 0, spent=False, key=fatal.key)
            failure = self._blamed(Death(reason, ""), position)
            if not self._skip(failure, position):
                return failure
        return None

    def _outcome(self, *, apart: bool) -> TaskReport | Failure:
        killed: set[Position] = set()
        while True:
            shutil.rmtree(self._order.out_dir, ignore_errors=True)
            self._page.clear()
            ended = self._watched(self._once) if apart else self._once()
            if isinstance(ended, TaskReport):
                return ended
            assert ended is not None
            if isinstance(ended, Death) and self._job.settings.sampling:
                return self._no_sample()
            position = self._page.read()
            if isinstance(ended, Death) and ended.reason == KILLED and position not in killed:
                killed.add(position)
                if len(killed) < KILLS_MAX:
                    select.poll().poll(KILLED_TOO_MS)
                    continue
            change = self._page.changed()
            if change is not None and (isinstance(ended, Death) or ended.kind in ("io", "full")):
                position, number = change
                ended = Death(own_state.describe(number), "")
            failure = self._blamed(ended, position) if isinstance(ended, Death) else ended
            if not self._skip(failure, position):
                return failure
            if apart and self._by_record():
                self._probe_ahead((position.offset, position.record + 1))

    def _no_sample(self) -> TaskReport:
        """Return the empty sample of a split with records that kill the job's code. The run itself will find them."""
        from mrframe.task.map.key_sample import sealed

        assert isinstance(self._order, MapOrder)
        shutil.rmtree(self._order.out_dir, ignore_errors=True)
        return sealed(self._order, [])

    def _once(self) -> TaskReport | Failure:
        guard = RecordGuard(self._page, self._limit, self._skipped)
        return self._run(self._order, PageReporter(self._page), guard)

    def _watched(self, work: Callable[[], Outcome]) -> Outcome | Death:
        def plainly() -> Outcome:
            turn_off()
            return work()

        directory = os.path.dirname(os.path.abspath(self._order.out_dir))
        outcome = watched(plainly, self._page, self._job.settings.stall_s, self._alive, directory)
        self._alive()  # children that die at once never live long enough to report progress
        return outcome

    def _alive(self) -> None:
        position = self._page.read()
        self._reporter.beat(position.records_done, position.bytes_done)

    def _by_record(self) -> bool:
        step = self._job.steps[self._order.step]
        return step.map_split is None and step.map_batch is None

    def _skip(self, failure: Failure, position: Position) -> bool:
        """Leave the failed record out from now on. Returns False if no record is known or the limit is reached."""
        blamed = failure.kind == "raised" and not failure.key and position.record >= 0 and not position.spent
        if not blamed or not tolerates(self._limit, len(self._skipped) + 1):
            return False
        self._skipped[position.offset, position.record] = failure.message.partition("\n")[0]
        return True

    # ---- probe ------------------------------------------------------------------------------------

    def _probe_ahead(self, start: RecordId) -> None:
        """Find the other records that kill, from `start` on. The work itself finds records that raise."""
        while True:
            self._page.clear()
            ended = self._watched(partial(self._probe, start))
            position = self._page.read()
            if ended is None or isinstance(ended, TaskReport) or position.record < 0:
                return
            if isinstance(ended, Death):
                if ended.reason == KILLED:
                    return
                ended = Failure("raised", _message(ended, "this record"))
            if not self._skip(ended, position):
                return
            start = (position.offset, position.record + 1)

    def _probe(self, start: RecordId) -> Failure | None:
        """Run the job's code over the records from `start` on, in a child, only to see whether it survives."""
        order = self._order
        assert isinstance(order, MapOrder)
        out_dir = os.path.join(order.out_dir, "probe")
        shutil.rmtree(out_dir, ignore_errors=True)
        os.makedirs(out_dir, 0o700)
        split, skipped = order.split, start[0] - order.split.order[1]
        if skipped > 0:  # cutting from any block on gives the same blocks
            input_position = (split.order[0], start[0])
            split = replace(split, offset=split.offset + skipped, length=split.length - skipped, order=input_position)
        job, settings = self._job.view(split, order.step), self._job.settings
        order = replace(order, split=split, out_dir=out_dir)
        source = MapInput(order, block_reader(job, settings), settings, PageReporter(self._page))
        emitter = Emitter(job)
        for offset, data, parsed in source.blocks():
            columns = parsed.values
            self._page.block(offset, len(data))
            for index in range(start[1] if offset == start[0] else 0, parsed.records):
                self._page.record(index)
                try:
                    with memory_limited(settings.memory_limit_bytes):
                        emitter.emit([column[index : index + 1] for column in columns], 1)
                except EmitFailed as failed:
                    if isinstance(failed.__cause__, MemoryError):
                        return failure_of(failed.__cause__, None)
            source.handled = parsed.records  # nothing is mapped, so there is no balance to check
        return None

    # ---- blame ------------------------------------------------------------------------------------

    def _blamed(self, death: Death, position: Position) -> Failure:
        """Return the failure for the child's death, blamed on its current record or key."""
        order = self._order
        if isinstance(order, MapOrder) and position.record >= 0:
            reader = block_reader(self._job.view(order.split, order.step), self._job.settings)
            location = location_of(order, position, reader.locate)
            return Failure(
                "raised",
                _message(death, "this record"),
                traceback_text=death.stack,
                error_slug=UserCodeError.slug,
                source=location.source,
                offset=location.offset,
                line=location.line,
                record=location.record[:RECORD_BYTES_MAX],
                input_name=order.split.input_name,
                reader=order.split.reader,
            )
        of_key = bool(position.key)
        return Failure(
            "raised" if of_key else "died",
            _message(death, "this key" if of_key else order.attempt),
            traceback_text=death.stack,
            error_slug=UserCodeError.slug if of_key or death.stack else "",
            key=position.key,
        )


def _message(death: Death, what: str) -> str:
    return f"the job's code does not survive {what}: {death.reason}"


def reads_lines(order: Order) -> bool:
    """Return whether this is a map task over lines, which can leave out records."""
    return isinstance(order, MapOrder) and not order.split.is_pairs


def location_of(
    order: MapOrder, position: Position, locate: Callable[[bytes, int], tuple[int, bytes]]
) -> RecordLocation:
    """Return the location and bytes of the record at the page's position."""
    split = order.split
    at = position.offset - (split.order[1] - split.offset)
    with open_split(split) as content:
        block = content.read_at(at, position.length)
    within, line = locate(block, position.record)
    before = lines_before(split)
    number = before + lines_within(split, at) + block.count(b"\n", 0, within) + 1
    return RecordLocation(split.source, position.offset + within, number if before >= 0 else -1, line)
