"""Progress on standard error: one line that is redrawn on a terminal, plain lines elsewhere (with -v).

It receives the progress of the job and decides when to show which part. It never slows the job down: at most ten
drawings a second, and none in the first moments.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mrframe.api.units import bytes_text, counted, seconds_text
from mrframe.cli.show.streams import Painted, Screen
from mrframe.core.display_width import cut_end

if TYPE_CHECKING:
    from mrframe.api import Progress

REDRAW_S = 0.1
QUIET_FIRST_S = 0.25  # most small jobs are done before anybody could read a line
LINE_EVERY_S = 10.0
BAR_CHARACTERS = 10
_STAGES = {"start": "starting", "map": "map", "shuffle": "shuffle", "reduce": "reduce", "output": "writing"}


class ProgressLine:
    """Shows `api.Progress` values. Call it with each, and `close` it before anything else is printed."""

    def __init__(self, screen: Screen, *, animated: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.screen = screen
        self.animated = animated
        self._clock = clock
        self._next_s = clock() + (QUIET_FIRST_S if animated else 0.0)
        self._stage = ("", -1)
        self._drawn = False

    def __call__(self, progress: Progress) -> None:
        """Show how far the job is, when it is time to."""
        now = self._clock()
        stage = (progress.stage, progress.step)
        due = now >= self._next_s
        if self.animated:
            if due:
                self._next_s = now + REDRAW_S
                self._draw(progress)
        elif due or stage != self._stage:
            self._next_s = now + LINE_EVERY_S
            self.screen.report(text_of(progress))
        self._stage = stage

    def close(self) -> None:
        """Take the line away."""
        if self._drawn:
            self.screen.erase()
            self._drawn = False

    def _draw(self, progress: Progress) -> None:
        terminal = self.screen.terminal
        bar = bar_of(progress)
        text = f"{bar} {text_of(progress)}"
        text = cut_end(text, terminal.width - 1, terminal.mark) if terminal else text
        self._drawn = True
        self.screen.redraw([Painted(text[: len(bar)], "green"), text[len(bar) :]])


def share_done(progress: Progress) -> float:
    """The share of the stage that is done, 0 to 1: of bytes where their total is known, else of tasks."""
    if progress.stage == "map" and progress.bytes_total:
        return min(1.0, progress.bytes_done / progress.bytes_total)
    return min(1.0, progress.tasks_done / progress.tasks_total) if progress.tasks_total else 0.0


def bar_of(progress: Progress) -> str:
    """A bar of fixed width."""
    full = round(share_done(progress) * BAR_CHARACTERS)
    return "━" * full + "╌" * (BAR_CHARACTERS - full)


def text_of(progress: Progress) -> str:
    """One line: stage, tasks, records, bytes a second, malformed lines, time left."""
    step = f"step {progress.step + 1} " if progress.step else ""
    parts = [step + _STAGES.get(progress.stage, progress.stage)]
    if progress.tasks_total:
        parts[0] += f" {progress.tasks_done}/{progress.tasks_total}"
    if progress.records:
        parts.append(counted(progress.records, "record"))
    if progress.bytes_done and progress.seconds > 0 and progress.stage == "map":
        parts.append(f"{bytes_text(progress.bytes_done / progress.seconds)}/s")
    if progress.malformed:
        parts.append(f"{progress.malformed:,} malformed")
    left = seconds_left(progress)
    if left is not None:
        parts.append(f"{max(1, round(left))} s left" if left < 60 else f"{seconds_text(left)} left")
    return " · ".join(parts)


def seconds_left(progress: Progress) -> float | None:
    """Seconds that the map stage still needs at the pace so far. None while that is not known."""
    share = share_done(progress)
    if progress.stage != "map" or not progress.bytes_total or share < 0.02 or progress.seconds < 1:
        return None
    return progress.seconds * (1 - share) / share
