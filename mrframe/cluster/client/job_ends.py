"""Puts the end of a job together from the messages that it travels in.

A master sends the reports of a job in pieces (`Reports`), then its end (`Ended`), and all of that again until the
client confirms it with `EndHeard`. Pieces may be lost on the way or come twice. A job that was done can end a second
time: an output was lost with its node and has been made again. Then its end has a higher number.
"""

from __future__ import annotations

from typing import Any

from mrframe.core.model.actions import JobEnded
from mrframe.wire import messages


class JobEnds:
    """The ends that one client has received."""

    def __init__(self) -> None:
        self._reports: dict[tuple[str, int], dict[int, tuple[Any, ...]]] = {}  # (job, number of its end) -> pieces
        self._last: dict[str, int] = {}  # job -> number of the last end that was complete

    def add_reports(self, message: messages.Reports) -> None:
        """Keep a piece of a job's reports."""
        self._reports.setdefault((message.job, message.number), {})[message.first] = message.reports

    def is_complete(self, ended: messages.Ended) -> bool:
        """Return whether this end is known already, or all of its reports are here."""
        return self._is_known(ended) or len(self._reports_of(ended)) == ended.reports

    def take(self, ended: messages.Ended) -> JobEnded | None:
        """Return the end with its reports, once, or None for one that is known already. It must be complete."""
        end = None
        if not self._is_known(ended):
            self._last[ended.job] = ended.number
            end = JobEnded(ended.job, ended.outputs, self._reports_of(ended), ended.failure)
        self._reports.pop((ended.job, ended.number), None)
        return end

    def _is_known(self, ended: messages.Ended) -> bool:
        return self._last.get(ended.job, 0) >= ended.number

    def _reports_of(self, ended: messages.Ended) -> tuple[Any, ...]:
        pieces = self._reports.get((ended.job, ended.number), {})
        return tuple(report for _, piece in sorted(pieces.items()) for report in piece)
