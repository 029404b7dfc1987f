"""Pauses before nodes are started again: none after a first death, longer ones while they die again and again.

A node that dies at once whenever it starts, or a job that ends its node, would otherwise keep the machine busy with
forks. Not here: how many deaths a job may cause (`core/scheduling/suspects.py`).
"""

from __future__ import annotations

PAUSE_S = 0.1
PAUSE_S_MAX = 5.0
CALM_S = 30.0
"""A node that has lived for this long begins again without a pause."""


class RestartPauses:
    """The last pause of each process that has died."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}  # process -> (pause, when it ended)

    def next_s(self, name: str, now_s: float) -> float:
        """Return the pause after a death at this time: none, then `PAUSE_S`, then twice as long each time."""
        pause_s, started_s = self._last.get(name, (-1.0, 0.0))
        first = pause_s < 0 or now_s - started_s > CALM_S
        next_s = 0.0 if first else min(max(2 * pause_s, PAUSE_S), PAUSE_S_MAX)
        self._last[name] = (next_s, now_s + next_s)
        return next_s
