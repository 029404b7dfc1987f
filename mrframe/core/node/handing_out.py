"""Assigns waiting attempts to executors: one for each free slot, and batches of small ones.

A tiny attempt takes less time than waking an executor for it. So an executor gets several at once, to be carried out
one after the other. Only the handing over is shared: each attempt keeps its own id, report, limits and fate.

Rules.
- Small is measured: a batch has as many attempts as fit into `batch_s`, judged by the recent ones of the job on this
  node, at most `batch_attempts_max` with `batch_bytes_max` of input. An attempt whose work does not follow from its
  bytes (a reduce, a decode, pairs) and an isolated one are alone.
- An executor gets its slot's share of the waiting attempts at most, so that all slots stay busy.
- An executor begins an attempt only after it has reported the one before. So when it dies, the first attempt without
  a report is the only one that may have begun. The others wait again, under their own ids.
- An executor that must end on account of an attempt that has not begun takes the current one with it. That one is
  reported as "recalled", which costs no try.

Not here: the executors (`executor_slots.py`), and how a batch travels (`cluster/node/pool.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mrframe.core.model.limits import NodeLimits
from mrframe.core.model.states import AttemptState
from mrframe.core.node.attempts import ExecutorRecord, NodeAttempt

_ABLE = (AttemptState.QUEUED, AttemptState.FETCHED)
_DECAY = 0.8


def may_begin(
    queue: Mapping[str, NodeAttempt], slots: int, working: int, decoding: Sequence[NodeAttempt], limits: NodeLimits
) -> list[NodeAttempt]:
    """Return the attempts that may begin now, decode attempts first: one for each free slot.

    `working` executors have an attempt, and `decoding` are those of them at decode tasks.
    """
    room = slots - working + sum(attempt.is_ahead(limits) for attempt in decoding)
    if room <= 0:
        return []
    queued = [attempt for attempt in queue.values() if attempt.state in _ABLE]
    decodes = [attempt for attempt in queued if attempt.kind == "decode"]
    others = [attempt for attempt in queued if attempt.kind != "decode"] if decodes else queued
    return [*decodes[: slots - len(decoding)], *others][:room]


class Batches:
    """Decides how many attempts follow the current one of an executor."""

    def __init__(self, slots: int, limits: NodeLimits) -> None:
        self._slots = slots
        self._limits = limits
        self._seconds: dict[str, float] = {}  # by job: how long recent attempts took, the slow ones counting most

    def took(self, attempt: NodeAttempt, seconds: float) -> None:
        """Note the duration of a sealed attempt."""
        if is_small(attempt):
            self._seconds[attempt.job] = max(seconds, self._seconds.get(attempt.job, 0.0) * _DECAY)

    def forget(self, job: str) -> None:
        """Forget the durations of a job."""
        self._seconds.pop(job, None)

    def following(
        self, executor: ExecutorRecord, attempts: Mapping[str, NodeAttempt], queue: Mapping[str, NodeAttempt]
    ) -> list[NodeAttempt]:
        """Return the waiting attempts that a working executor gets now, in order of their arrival."""
        many = self._many(executor.job)
        room = many - 1 - len(executor.following)
        if many < 2 or 2 * room < many:  # it has enough for now
            return []
        current = attempts.get(executor.attempt)
        if current is None or not is_small(current):
            return []
        given = [current, *(attempts[name] for name in executor.following)]
        left_bytes = self._limits.batch_bytes_max - sum(map(_bytes_of, given))
        room = min(room, -(-len(queue) // self._slots), self._limits.executor_attempts_max - executor.given)
        found: list[NodeAttempt] = []
        for attempt in queue.values():
            if attempt.state not in _ABLE:
                continue
            left_bytes -= _bytes_of(attempt)
            if len(found) >= room or attempt.job != executor.job or not is_small(attempt) or left_bytes < 0:
                break  # none may overtake it
            found.append(attempt)
        return found

    def _many(self, job: str) -> int:
        """Return the number of attempts in a batch."""
        seconds = self._seconds.get(job)
        if seconds is None:
            return 1
        most = self._limits.batch_attempts_max
        return int(min(most, self._limits.batch_s / seconds)) if seconds > 0 else most


def is_small(attempt: NodeAttempt) -> bool:
    """Whether an attempt may be part of a batch at all: a map whose work follows from its bytes."""
    start = attempt.start
    if start is None or attempt.kind != "map" or start.isolated:
        return False
    return start.split is not None and start.split.has_predictable_work


def _bytes_of(attempt: NodeAttempt) -> int:
    split = attempt.start.split if attempt.start is not None else None
    return split.length if split is not None else 0
