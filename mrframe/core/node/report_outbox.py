"""The outbox of a node: reports about its attempts, repeated until the master replies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mrframe.core.model.actions import NodeAction
from mrframe.core.model.events import AttemptSealed, BlockSealed
from mrframe.core.model.limits import NodeLimits
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Split
from mrframe.core.model.states import AttemptState
from mrframe.core.node.attempts import NodeAttempt, Repeat


class ReportOutbox:
    """Schedules the repeats of reports, and picks the attempts that a heartbeat names."""

    def __init__(self, node: str, incarnation: str, limits: NodeLimits) -> None:
        self._node = node
        self._incarnation = incarnation
        self._limits = limits
        self._named = ""  # the last committed attempt that a heartbeat has named

    def seal(self, attempt: NodeAttempt, report: TaskReport, now_s: float) -> None:
        """Queue the report of a sealed attempt, to be repeated until the reply."""
        message = AttemptSealed(self._node, self._incarnation, attempt.name, report)
        attempt.unanswered = Repeat(message, now_s, self._limits.repeat_s)

    def block(self, attempt: NodeAttempt, split: Split, now_s: float) -> list[NodeAction]:
        """Report a block of a decode attempt, now and again until it is acknowledged."""
        held = replace(split, kind="held", held_by=((attempt.name, self._node),))
        message = BlockSealed(self._node, self._incarnation, attempt.name, held)
        repeat = attempt.blocks[split.order] = Repeat(message, now_s, self._limits.repeat_s)
        return list(repeat.due(now_s, self._limits))

    def due(self, attempt: NodeAttempt, now_s: float) -> list[NodeAction]:
        """Return the reports that are due: those of blocks, and after their acknowledgement that of the attempt."""
        waiting = [*attempt.blocks.values()]
        if attempt.state is AttemptState.RUNNING:
            waiting += attempt.unmapped_blocks.values()
        if not attempt.blocks and attempt.unanswered:
            waiting.append(attempt.unanswered)
        return [a for one in waiting for a in one.due(now_s, self._limits)]

    def acknowledge(self, attempt: NodeAttempt, order: tuple[int, int], now_s: float) -> None:
        """Repeat the report of a block at long pauses: the master knows it, but the news of its map may be lost."""
        block = attempt.blocks.pop(order, None)
        if block is not None:
            pause_s = self._limits.repeat_s_max
            attempt.unmapped_blocks[order] = replace(block, at_s=now_s + pause_s, pause_s=pause_s)

    def again(self, attempt: NodeAttempt, now_s: float) -> list[NodeAction]:
        """Return all reports of an attempt at once, because the master has asked for the attempt again."""
        self.make_due([attempt], now_s)
        return self.due(attempt, now_s)

    def make_due(self, attempts: Iterable[NodeAttempt], now_s: float) -> None:
        """Make all reports without a reply due now, because there is a new master."""
        for attempt in attempts:
            repeats = [*attempt.blocks.values(), *([attempt.unanswered] if attempt.unanswered else [])]
            for repeat in repeats:
                repeat.at_s = now_s
                repeat.pause_s = self._limits.repeat_s

    def held(self, attempts: Mapping[str, NodeAttempt]) -> tuple[str, ...]:
        """Return the attempts that a heartbeat names: all sealed ones, and some committed ones in turn."""
        sealed = [a.name for a in attempts.values() if a.state is AttemptState.SEALED]
        committed = sorted(a.name for a in attempts.values() if a.state is AttemptState.COMMITTED)
        limit = self._limits.held_per_beat
        following = [name for name in committed if name > self._named][:limit]
        following += committed[: min(limit - len(following), len(committed) - len(following))]
        self._named = following[-1] if following else ""
        return (*sealed, *following)
