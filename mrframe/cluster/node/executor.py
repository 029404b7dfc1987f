"""An executor: the only process in which user code runs. One order after the other, until its line closes.

It holds no socket but its line to the node, no key, and no ZeroMQ context. The function that does the work is
given by name (`module:function`, called with package, order and reporter) and imported by the parent of all
executors, so that a new one costs a fork.

What it is not: it does not judge what the work function says, nor catch what it raises: a function that
raises ends the executor, and the node reports that.
"""

from __future__ import annotations

import gc
import importlib
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from mrframe.cluster.transport.pipes import Pipe
from mrframe.core.model.events import ExecutorBeat, ExecutorBlock, ExecutorFailed, ExecutorSealed
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import DecodeOrder, Failure, Order, Split
from mrframe.task.isolation.gc_policy import THRESHOLDS
from mrframe.task.isolation.print_limit import PrintBudget, PrintLimit
from mrframe.task.isolation.process_limits import confine
from mrframe.wire import channels, messages
from mrframe.wire.codec import BadMessage

BEAT_S = 0.15
"""A beat is passed on at most so often, whatever the work function does."""

Work = Callable[[bytes, Order, Any], TaskReport | Failure]


def work_function(name: str) -> Work:
    """The function named `module:function`."""
    module, _, function = name.partition(":")
    found: Work = getattr(importlib.import_module(module), function)
    return found


class PipeReporter:
    """What the work function may say while it works (`task.attempt.Reporter`)."""

    def __init__(self, pipe: Pipe, executor: int, order: Order) -> None:
        self._pipe = pipe
        self._executor = executor
        self._attempt = order.attempt
        self._blocks_max = order.blocks_ahead_max if isinstance(order, DecodeOrder) else 0
        self._blocks = 0  # that were sealed, and are still to be mapped
        self._next_beat_s = time.monotonic() + BEAT_S

    def beat(self, records: int, bytes_done: int) -> None:
        """So many records and bytes of the attempt are done."""
        now_s = time.monotonic()
        if now_s >= self._next_beat_s:
            self._next_beat_s = now_s + BEAT_S
            self._pipe.send(ExecutorBeat(self._executor, self._attempt, records, bytes_done))

    def block_sealed(self, split: Split) -> None:
        """A block of a decode attempt is complete; wait until there are not too many that are not mapped yet.

        Decoding is faster than mapping, and would fill the disk. Ends, too, when the node is gone.
        """
        self._pipe.send(ExecutorBlock(self._executor, self._attempt, split))
        self._blocks += 1
        while self._blocks >= self._blocks_max > 0 and (message := self._pipe.wait()) is not None:
            self._blocks -= message == messages.BlockDeleted(self._attempt)


def serve(end: socket.socket, executor: int, work: str, budget: PrintBudget) -> None:
    """Work until the node closes the line; `end` is this executor's end, `budget` what all of the node may print."""
    pipe = Pipe(end, receives=channels.TO_EXECUTOR, sends=channels.FROM_EXECUTOR, blocking=True)
    run = work_function(work)
    confine()
    printed = PrintLimit(budget)
    printed.install()
    gc.set_threshold(*THRESHOLDS)
    packages: dict[str, bytes] = {}
    while (message := pipe.wait()) is not None:
        if isinstance(message, messages.BlockDeleted):
            continue  # of an attempt that waits for none any more
        order = message.order
        if isinstance(message, messages.BlockWork):
            pipe.send(_block_done(executor, order))
            continue
        try:
            package = _package(message.package, packages)
        except OSError as error:  # a run that is ended removes its folder while this process is still to end
            gone = Failure("io", f"the job's code cannot be read: {error}", error_slug="job-failed")
            pipe.send(ExecutorFailed(executor, order.attempt, gone))
            continue
        printed.begin()
        outcome = run(package, order, PipeReporter(pipe, executor, order))
        _flush()
        cut = printed.end(order.attempt)
        if isinstance(outcome, TaskReport):
            outcome.prints_cut_bytes = cut
        _answer(pipe, executor, order.attempt, outcome)


def _block_done(executor: int, order: Any) -> Any:
    from mrframe.task.block_work import do_block  # only a block executor needs it

    return do_block(executor, order)


def _answer(pipe: Pipe, executor: int, attempt: str, outcome: TaskReport | Failure) -> None:
    if isinstance(outcome, Failure):
        pipe.send(ExecutorFailed(executor, attempt, outcome))
        return
    try:
        pipe.send(ExecutorSealed(executor, attempt, outcome))
    except BadMessage as error:  # what user code counts is in it
        text = f"the report of {attempt} cannot be sent ({error}); count fewer things, and count them in ints"
        pipe.send(ExecutorFailed(executor, attempt, Failure("refused", text, error_slug="job-failed")))


def _package(path: str, kept: dict[str, bytes]) -> bytes:
    """The bytes of a job's package; the last one is kept, since attempts of one job follow each other."""
    if path not in kept:
        kept.clear()
        with open(path, "rb") as file:
            kept[path] = file.read()
    return kept[path]


def _flush() -> None:
    """What user code has printed is shown when its attempt ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # user code has closed it, or nobody reads it any more
