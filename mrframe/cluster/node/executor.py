"""An executor: the only process in which user code runs. It takes one order after the other until its pipe closes.

It holds no socket but its pipe to the node, no key and no ZeroMQ context. The work function is given by name
(`module:function`, called with package, order and reporter). The parent of all executors has imported it, so a new
executor costs only a fork.

Not here: checks of the work function's results, and its exceptions. A function that raises ends the executor, and the
node reports that.
"""

from __future__ import annotations

import gc
import importlib
import socket
import time
from collections.abc import Callable
from typing import Any

from mrframe.cluster.transport.pipes import Pipe
from mrframe.core.model.events import ExecutorBeat, ExecutorBlock, ExecutorFailed, ExecutorSealed
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import DecodeOrder, Failure, Order, Split
from mrframe.task.isolation import secret_variables
from mrframe.task.isolation.gc_policy import THRESHOLDS
from mrframe.task.isolation.print_limit import PrintBudget, PrintLimit
from mrframe.task.isolation.process_limits import confine
from mrframe.task.isolation.process_log import flush_prints
from mrframe.wire import channels, messages
from mrframe.wire.codec import BadMessage

BEAT_S = 0.15
"""Shortest time between two beats, however often the work function reports."""

Work = Callable[[bytes, Order, Any], TaskReport | Failure]


def work_function(name: str) -> Work:
    """Return the function named `module:function`."""
    module, _, function = name.partition(":")
    found: Work = getattr(importlib.import_module(module), function)
    return found


class PipeReporter:
    """The work function's reports to the node while it works (`task.attempt.Reporter`)."""

    def __init__(self, pipe: Pipe, executor: int, order: Order) -> None:
        self._pipe = pipe
        self._executor = executor
        self._attempt = order.attempt
        self._blocks_max = order.blocks_ahead_max if isinstance(order, DecodeOrder) else 0
        self._blocks = 0  # sealed and not mapped yet
        self._next_beat_s = time.monotonic() + BEAT_S

    def beat(self, records: int, bytes_done: int) -> None:
        """Report how many records and bytes of the attempt are done."""
        now_s = time.monotonic()
        if now_s >= self._next_beat_s:
            self._next_beat_s = now_s + BEAT_S
            self._pipe.send(ExecutorBeat(self._executor, self._attempt, records, bytes_done))

    def block_sealed(self, split: Split) -> None:
        """Report a complete block of a decode attempt, and wait while too many blocks are not mapped yet.

        Decoding is faster than mapping and would fill the disk. The wait also ends when the node is gone.
        """
        self._pipe.send(ExecutorBlock(self._executor, self._attempt, split))
        self._blocks += 1
        while self._blocks >= self._blocks_max > 0 and (message := self._pipe.wait()) is not None:
            self._blocks -= message == messages.BlockDeleted(self._attempt)


def serve(end: socket.socket, executor: int, work: str, budget: PrintBudget) -> None:
    """Work until the node closes the pipe.

    `end` is this executor's end of the pipe, `budget` the limit on output shared by all executors of the node.
    """
    pipe = Pipe(end, receives=channels.TO_EXECUTOR, sends=channels.FROM_EXECUTOR, blocking=True)
    run = work_function(work)
    confine()
    secret_variables.hide()
    printed = PrintLimit(budget)
    printed.install()
    gc.set_threshold(*THRESHOLDS)
    packages: dict[str, bytes] = {}
    failed = False  # an attempt here: the node ends this process, and it begins no other
    while (message := pipe.wait()) is not None:
        if isinstance(message, messages.BlockDeleted) or failed:
            continue  # of an earlier attempt, which no longer waits
        if isinstance(message, messages.BlockWork):
            pipe.send(_block_done(executor, message.order))
            continue
        for order in message.orders:
            try:
                package = _package(message.package, packages)
            except OSError as error:  # a run that ends removes its folder before this process has ended
                gone = Failure("io", f"the job's code cannot be read: {error}", error_slug="job-failed")
                pipe.send(ExecutorFailed(executor, order.attempt, gone))
                failed = True
                break
            printed.begin(order.attempt)
            outcome = run(package, order, PipeReporter(pipe, executor, order))
            flush_prints()
            cut = printed.end(order.attempt)
            if isinstance(outcome, TaskReport):
                outcome.prints_cut_bytes = cut
            if not _report(pipe, executor, order.attempt, outcome):
                failed = True
                break


def _block_done(executor: int, order: Any) -> Any:
    from mrframe.task.block_work import do_block  # only a block executor needs it

    return do_block(executor, order)


def _report(pipe: Pipe, executor: int, attempt: str, outcome: TaskReport | Failure) -> bool:
    """Report the outcome to the node. Returns whether the attempt is sealed."""
    if isinstance(outcome, Failure):
        pipe.send(ExecutorFailed(executor, attempt, outcome))
        return False
    try:
        pipe.send(ExecutorSealed(executor, attempt, outcome))
        return True
    except BadMessage as error:  # it holds the counters of user code
        text = f"the report of {attempt} cannot be sent ({error}); count fewer things, and count them in ints"
        pipe.send(ExecutorFailed(executor, attempt, Failure("refused", text, error_slug="job-failed")))
        return False


def _package(path: str, kept: dict[str, bytes]) -> bytes:
    """Return a job's package. The last one is kept, since attempts of one job follow each other."""
    if path not in kept:
        kept.clear()
        with open(path, "rb") as file:
            kept[path] = file.read()
    return kept[path]
