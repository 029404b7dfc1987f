"""The outbox of a node: reports about its attempts, repeated until the master answers them."""

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
    """Seals, failures, blocks and the list of what is held."""

    def __init__(self, node: str, incarnation: str, limits: NodeLimits) -> None:
        self._node = node
        self._incarnation = incarnation
        self._limits = limits
        self._named = ""  # the last committed attempt that a heartbeat has named

    def seal(self, attempt: NodeAttempt, report: TaskReport, now_s: float) -> None:
        """An attempt is sealed: to be said until it is answered."""
        message = AttemptSealed(self._node, self._incarnation, attempt.name, report)
        attempt.unanswered = Repeat(message, now_s, self._limits.repeat_s)

    def block(self, attempt: NodeAttempt, split: Split, now_s: float) -> list[NodeAction]:
        """A decode attempt has sealed a block: to be said until it is acknowledged."""
        held = replace(split, kind="held", held_by=((attempt.name, self._node),))
        message = BlockSealed(self._node, self._incarnation, attempt.name, held)
        repeat = attempt.blocks[split.order] = Repeat(message, now_s, self._limits.repeat_s)
        return list(repeat.due(now_s, self._limits))

    def due(self, attempt: NodeAttempt, now_s: float) -> list[NodeAction]:
        """What is to be said of an attempt now: its blocks, and when all are acknowledged its seal."""
        waiting = [*attempt.blocks.values()]
        if attempt.state is AttemptState.RUNNING:
            waiting += attempt.kept.values()
        if not attempt.blocks and attempt.unanswered:
            waiting.append(attempt.unanswered)
        return [a for one in waiting for a in one.due(now_s, self._limits)]

    def acknowledged(self, attempt: NodeAttempt, order: tuple[int, int], now_s: float) -> None:
        """The master knows of a block; whether it is mapped is asked seldom, in case that the answer is lost."""
        block = attempt.blocks.pop(order, None)
        if block is not None:
            pause_s = self._limits.repeat_s_max
            attempt.kept[order] = replace(block, at_s=now_s + pause_s, pause_s=pause_s)

    def again(self, attempt: NodeAttempt, now_s: float) -> list[NodeAction]:
        """The master asks for an attempt that is known here: what it waits for is said at once."""
        self.hurry([attempt], now_s)
        return self.due(attempt, now_s)

    def hurry(self, attempts: Iterable[NodeAttempt], now_s: float) -> None:
        """A master has just been met: everything unanswered is said at the next occasion."""
        for attempt in attempts:
            repeats = [*attempt.blocks.values(), *([attempt.unanswered] if attempt.unanswered else [])]
            for repeat in repeats:
                repeat.at_s = now_s
                repeat.pause_s = self._limits.repeat_s

    def held(self, attempts: Mapping[str, NodeAttempt]) -> tuple[str, ...]:
        """For a heartbeat: all sealed attempts without an answer, and some of the committed ones in turn."""
        sealed = [a.name for a in attempts.values() if a.state is AttemptState.SEALED]
        committed = sorted(a.name for a in attempts.values() if a.state is AttemptState.COMMITTED)
        limit = self._limits.held_per_beat
        following = [name for name in committed if name > self._named][:limit]
        following += committed[: min(limit - len(following), len(committed) - len(following))]
        self._named = following[-1] if following else ""
        return (*sealed, *following)
