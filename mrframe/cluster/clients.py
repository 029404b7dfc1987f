"""The master's side of the talk with its client: numbered requests, progress, ends of jobs.

A client's requests arrive as (number, message) and are taken strictly in order, each once: what comes twice
is answered again and not taken, what comes before its turn is dropped, and sent again by the client. The end
of a job with its reports is sent again every `AGAIN_S` until the client has heard it. Progress is a hint: it
is sent when it has changed, not too often, and never again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from mrframe.cluster import transport
from mrframe.cluster.transport import Received, Socket
from mrframe.core.actions import JobEnded
from mrframe.core.records import JobProgress
from mrframe.core.scheduler import Scheduler
from mrframe.wire import messages
from mrframe.wire.codec import BadMessage

NUMBER = struct.Struct(">Q")
AGAIN_S = 2.0
PROGRESS_S = 0.1
REPORTS_PER_MESSAGE = 200


@dataclass(slots=True)
class Ending:
    """An end that the client has not heard of yet."""

    event: JobEnded
    number: int
    at_s: float


class Clients:
    """What the master knows of its one client (a later one of the same key takes its place)."""

    def __init__(self, router: Socket, scheduler: Scheduler) -> None:
        self.router = router
        self._scheduler = scheduler
        self.route: bytes | None = None  # the connection of its last request
        self._taken = 0
        self._running: dict[str, JobProgress | None] = {}
        self._ends: dict[str, int] = {}
        self._endings: dict[str, Ending] = {}
        self._next_progress_s = 0.0

    def hear(self, received: Received) -> Any:
        """The request, or None when it is not its turn. BadMessage when it is none."""
        if len(received.frames) != 2 or len(received.frames[0]) != NUMBER.size:
            raise BadMessage("a request is a number and a message")
        (number,) = NUMBER.unpack(received.frames[0].bytes)
        request = messages.FROM_CLIENT.decode(received.frames[1].buffer)
        self.route = received.route
        if number == self._taken + 1:
            self._taken = number
        else:
            request = None
        self.send(messages.Accepted(self._taken))
        return request

    def send(self, message: Any) -> bool:
        """Send to the client; False when it is not there or does not read."""
        return self.route is not None and transport.send(self.router, self.route, messages.TO_CLIENT.encode(message))

    def submitted(self, job: str) -> None:
        """Progress of this job is wanted."""
        self._running.setdefault(job, None)

    def release(self, job: str) -> None:
        """The client has done with this job."""
        for book in (self._running, self._ends, self._endings):
            book.pop(job, None)

    def ended(self, event: JobEnded, now_s: float) -> None:
        """Tell of this end until it is heard."""
        number = self._ends[event.job] = self._ends.get(event.job, 0) + 1
        self._endings[event.job] = Ending(event, number, now_s)

    def end_heard(self, heard: messages.EndHeard) -> None:
        """The client has heard of an end."""
        ending = self._endings.get(heard.job)
        if ending is not None and ending.number == heard.number:
            del self._endings[heard.job]

    def tell(self, now_s: float) -> None:
        """Send what is due."""
        for ending in self._endings.values():
            if now_s >= ending.at_s:
                ending.at_s = now_s + AGAIN_S
                self._send_end(ending)
        if now_s >= self._next_progress_s and self._running:
            self._next_progress_s = now_s + PROGRESS_S
            for job, before in self._running.items():
                progress = self._scheduler.progress(job)
                if progress is not None and progress != before and self.send(progress):
                    self._running[job] = progress

    def _send_reports(self, ending: Ending, first: int, end: int) -> None:
        """Reports `first` … `end` - 1, in as many messages as their size needs; one alone always fits."""
        event = ending.event
        try:
            self.send(messages.Reports(event.job, ending.number, first, event.reports[first:end]))
        except BadMessage:
            if end - first == 1:
                raise
            middle = (first + end) // 2
            self._send_reports(ending, first, middle)
            self._send_reports(ending, middle, end)

    def _send_end(self, ending: Ending) -> None:
        event = ending.event
        for first in range(0, len(event.reports), REPORTS_PER_MESSAGE):
            self._send_reports(ending, first, min(first + REPORTS_PER_MESSAGE, len(event.reports)))
        self.send(messages.Ended(event.job, ending.number, event.outputs, event.failure, len(event.reports)))
