"""The master's side of its clients: numbered requests, progress, ends of jobs, the state of the cluster.

A *session* is one process of a client, named by a random number of its own. All sessions have the client's key.
Requests arrive as (session, number, base, message). They are taken strictly in order, each once: a request that comes
twice is acknowledged again but not taken, and one that comes early is dropped, since the client repeats it. `base` is
the last number that the client knows to be accepted. A restarted master, which does not know the session, goes on
from there.

Rules.
- `Accepted` is sent after the turn's facts are in the journal, never before.
- A job's code and its submission are taken and accepted together: they become facts together.
- With `whole`, all pieces of a submission are taken and accepted together when the last one, `InputsClosed`, has
  arrived. A client that dies while it submits leaves nothing, and a master that dies gets all pieces again.
- All of these requests may be taken twice without harm, by one master and its successor.
- An end with its reports is repeated every `AGAIN_S` until the session confirms it. Progress is only a hint: it is
  sent when it has changed, not too often, and never repeated.
- A session that cannot be reached for `GONE_S` is forgotten. A live one follows its jobs again.
"""

from __future__ import annotations

import struct
import time
from dataclasses import field
from typing import Any

from mrframe.cluster.transport import transport
from mrframe.cluster.transport.transport import Received, Socket
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model import events
from mrframe.core.model.actions import JobEnded
from mrframe.core.model.block_messages import PutWanted, StorageWanted, VersionsWanted, VersionWanted
from mrframe.core.model.reports import JobProgress
from mrframe.core.model.states import JobStatus, NodeMembership
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.errors import JobFailed
from mrframe.wire import channels, messages
from mrframe.wire.codec import BadMessage

CLIENT = "client"
MASTER = "master"
REQUEST = struct.Struct(">QQQ")  # session, number, base
AGAIN_S = 2.0
PROGRESS_S = 0.1
REPORTS_PER_MESSAGE = 200
GONE_S = 10.0
SESSIONS_MAX = 1000
FAILURE_CHARACTERS_MAX = 200
"""Limit per failed job in a `ClusterState`, which is one message for all jobs."""
_Pieces = tuple[tuple[type, ...], type[events.JobSubmitted | events.InputsClosed]]
_WHOLE: _Pieces = ((messages.JobCode, events.JobSubmitted, events.SplitsAdded), events.InputsClosed)
_CODE: _Pieces = ((messages.JobCode,), events.JobSubmitted)


@dataclass(slots=True)
class PendingEnd:
    """An end that a session has not confirmed yet."""

    event: JobEnded
    number: int
    at_s: float


@dataclass(slots=True)
class ClientSession:
    """One process of a client.

    accepted  the client need not repeat requests up to this number. `taken` may be ahead by pieces that wait
    failed_s  the time since which it cannot be reached, or 0
    follows   the jobs that it follows, each with the progress sent last
    """

    route: bytes
    taken: int
    accepted: int
    ack_due: bool = True
    failed_s: float = 0.0
    pieces: list[Any] = field(default_factory=list)
    follows: dict[str, JobProgress | None] = field(default_factory=dict)
    pending_ends: dict[str, PendingEnd] = field(default_factory=dict)


class ClientSessions:
    """The sessions that the master knows. `whole`: see above."""

    def __init__(self, router: Socket, scheduler: Scheduler, *, whole: bool) -> None:
        self.router = router
        self._scheduler = scheduler
        self._pieces, self._last_piece = _WHOLE if whole else _CODE
        self._sessions: dict[int, ClientSession] = {}
        self._ends: dict[str, int] = {}
        self._next_progress_s = 0.0

    # ---- requests -----------------------------------------------------------------------------------

    def receive(self, received: Received, peers: messages.Peers) -> list[Any]:
        """Return the requests to perform now, in order. Raises BadMessage when the frames are not a request."""
        if len(received.frames) != 2 or len(received.frames[0]) != REQUEST.size:
            raise BadMessage("a request must be three numbers and a message")
        name, number, base = REQUEST.unpack(received.frames[0].bytes)
        request = channels.FROM_CLIENT.decode(received.frames[1].buffer)
        session = self._sessions.get(name)
        if session is None:
            session = self._open(name, received.route, base)
            self._send(session, peers)
        elif session.route != received.route:  # it has connected anew, so earlier messages may be lost
            session.route = received.route
            self._send(session, peers)
        session.ack_due = True
        if number != session.taken + 1:
            return []
        session.taken = number
        return self._take(session, request)

    def _open(self, name: int, route: bytes, base: int) -> ClientSession:
        if len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[next(iter(self._sessions))]
        session = self._sessions[name] = ClientSession(route, base, base)
        return session

    def _take(self, session: ClientSession, request: Any) -> list[Any]:
        if isinstance(request, self._pieces):
            session.pieces.append(request)
            return []
        session.accepted = session.taken
        match request:
            case messages.FollowJob():
                self._follow(session, request.job)
            case messages.ClusterWanted():
                self._send(session, self._state())
            case PutWanted() | VersionsWanted() | VersionWanted() | StorageWanted():
                self._send(session, self._scheduler.reply(request, time.monotonic()))
            case messages.EndHeard():
                pending_end = session.pending_ends.get(request.job)
                if pending_end is not None and pending_end.number == request.number:
                    del session.pending_ends[request.job]
            case _:
                if not isinstance(request, self._last_piece):
                    return [request]
                session.follows.setdefault(request.job, None)
                pieces, session.pieces = session.pieces, []
                return [*pieces, request]
        return []

    def _follow(self, session: ClientSession, job: str) -> None:
        session.follows.setdefault(job, None)
        if self._scheduler.progress(job) is None:
            self._send(session, messages.JobUnknown(job))
            return
        event = self._scheduler.ending(job)
        if event is not None and job not in session.pending_ends:
            session.pending_ends[job] = PendingEnd(event, self._number(job), 0.0)

    def _state(self) -> messages.ClusterState:
        state = self._scheduler.state
        nodes = []
        for name, node in sorted(state.nodes.items()):
            slots = node.slots if node.state is NodeMembership.JOINED else 0
            nodes.append(messages.NodeState(name, node.state.value, slots, len(node.live)))
        jobs = []
        for name, submission in sorted(state.jobs.items(), key=lambda item: item[1].rank):
            progress = self._scheduler.progress(name)
            if progress is not None:
                figures = (progress.stage, progress.tasks_done, progress.tasks_total)
                failure = submission.failure
                why = "", ""
                if failure is not None:
                    why = failure.error_slug or JobFailed.slug, failure.message[:FAILURE_CHARACTERS_MAX]
                rows = submission.rows if submission.state is JobStatus.DONE else -1
                end = submission.ended_s if submission.state is not JobStatus.RUNNING else 0.0
                jobs.append(messages.JobState(name, submission.state.value, *figures, *why, end, rows))
        numbers = [int(name.rpartition("-")[2]) for name in (*state.jobs, *state.released)]
        return messages.ClusterState(state.epoch, tuple(nodes), tuple(jobs), max(numbers, default=0))

    # ---- reports ------------------------------------------------------------------------------------

    def send_to_all(self, message: Any) -> None:
        """Send a message to all sessions."""
        for session in list(self._sessions.values()):
            self._send(session, message)

    def _send(self, session: ClientSession, message: Any) -> bool:
        """Send a message to one session. Returns False when it is gone or does not read."""
        return transport.send(self.router, session.route, channels.TO_CLIENT.encode(message))

    def release(self, job: str) -> None:
        """Forget a job."""
        self._ends.pop(job, None)
        for session in self._sessions.values():
            session.follows.pop(job, None)
            session.pending_ends.pop(job, None)

    def ended(self, event: JobEnded, now_s: float) -> None:
        """Report this end to the sessions that follow the job until they confirm it."""
        self._ends[event.job] = self._ends.get(event.job, 0) + 1
        number = self._number(event.job)
        for session in self._sessions.values():
            if event.job in session.follows:
                session.pending_ends[event.job] = PendingEnd(event, number, now_s)

    def _number(self, job: str) -> int:
        """Return the number of a job's last end, higher than any that an earlier master has sent."""
        return (self._scheduler.state.epoch << 32) + self._ends.setdefault(job, 1)

    def send_due(self, now_s: float) -> None:
        """Send the messages that are due. The facts of the turn are in the journal by now."""
        for name, session in list(self._sessions.items()):
            reached = self._send_due_to(session, now_s)
            if reached:
                session.failed_s = 0.0
            elif reached is None:
                continue
            elif not session.failed_s:
                session.failed_s = now_s
            elif now_s - session.failed_s > GONE_S:
                del self._sessions[name]
        if now_s >= self._next_progress_s:
            self._next_progress_s = now_s + PROGRESS_S
            self._send_progress()

    def _send_due_to(self, session: ClientSession, now_s: float) -> bool | None:
        """Send a session its acknowledgement and ends. Returns whether it was reached, None when nothing was due."""
        reached = None
        if session.ack_due:
            session.ack_due = False
            reached = self._send(session, messages.Accepted(session.accepted))
        for pending_end in session.pending_ends.values():
            if now_s >= pending_end.at_s:
                pending_end.at_s = now_s + AGAIN_S
                reached = self._send_end(session, pending_end)
        return reached

    def _send_progress(self) -> None:
        known: dict[str, JobProgress | None] = {}
        for session in self._sessions.values():
            for job, before in session.follows.items():
                if job not in known:
                    known[job] = self._scheduler.progress(job)
                progress = known[job]
                if progress is not None and progress != before and self._send(session, progress):
                    session.follows[job] = progress

    def _send_reports(self, session: ClientSession, pending_end: PendingEnd, first: int, end: int) -> bool:
        """Send reports `first` … `end` - 1 in as many messages as their size needs. A single report always fits."""
        event = pending_end.event
        try:
            return self._send(
                session, messages.Reports(event.job, pending_end.number, first, event.reports[first:end])
            )
        except BadMessage:
            if end - first == 1:
                raise
            middle = (first + end) // 2
            sent = self._send_reports(session, pending_end, first, middle)
            return sent and self._send_reports(session, pending_end, middle, end)

    def _send_end(self, session: ClientSession, pending_end: PendingEnd) -> bool:
        event = pending_end.event
        for first in range(0, len(event.reports), REPORTS_PER_MESSAGE):
            if not self._send_reports(
                session, pending_end, first, min(first + REPORTS_PER_MESSAGE, len(event.reports))
            ):
                return False
        ended = messages.Ended(event.job, pending_end.number, event.outputs, event.failure, len(event.reports))
        return self._send(session, ended)
