"""A client's talk with a master: submit, follow, fetch. Whose processes those are is not known here.

What the client wants it says in numbered requests that are repeated until accepted; see `client_sessions.py` for the
other side. While it follows jobs and hears nothing, it says again that it does: the master may be another process by
now.

Not thread-safe: one thread at a time. Works in processes that have threads and ZeroMQ contexts of their own.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Any

from mrframe.cluster.master.client_sessions import MASTER, REQUEST
from mrframe.cluster.node.fetching import Fetcher, FetchRequest, FetchResult
from mrframe.cluster.node.node_dir import file_in
from mrframe.cluster.transport import transport
from mrframe.cluster.transport.auth import Keys
from mrframe.cluster.transport.transport import Loop, Outbox
from mrframe.core.model import block_messages, events
from mrframe.core.model.actions import JobEnded
from mrframe.core.model.reports import JobProgress
from mrframe.core.model.spec import Split, StepSpec
from mrframe.core.replication import store_status
from mrframe.errors import CannotTravel, ClusterUnreachable, JobFailed, OutputError, UsageError
from mrframe.wire import channels, messages
from mrframe.wire.codec import MESSAGE_BYTES_MAX, BadMessage

SPLITS_PER_MESSAGE = 1000
PACKAGE_BYTES_MAX = MESSAGE_BYTES_MAX - 1024
AGAIN_S = 1.0
SILENT_S = 3.0
"""A client that follows a job and has heard nothing for so long says again that it does."""
TICK_S = 0.1
FETCH_S = 60.0


class MasterSession:
    """One session with a master, from `_connect` on. `place` names the cluster in messages.

    `copies` is the directory for what is fetched; `nodes` the one that has the nodes' own, when they may be read by
    path, else None.
    """

    def __init__(self, cluster_name: str, *, copies: str, nodes: str | None) -> None:
        self._cluster_name = cluster_name
        self._copies = copies
        self._nodes = nodes
        self._loop = Loop()
        self._context: transport.Context | None = None
        self._session = int.from_bytes(os.urandom(8))  # `secrets` would load OpenSSL
        self._asked = 0
        self._unaccepted: dict[int, bytes] = {}
        self._again_s = 0.0
        self._follows: set[str] = set()
        self._received_s = 0.0
        self._reports: dict[tuple[str, int], dict[int, tuple[Any, ...]]] = {}
        self._last_ends: dict[str, int] = {}
        self._ends: deque[JobEnded] = deque()
        self._progress: JobProgress | None = None
        self._state: messages.ClusterState | None = None
        self._answer: store_status.Answer | None = None
        self._results: dict[int, FetchResult] = {}
        self._next_fetch = 1
        self._fault = ""
        self._unknown = ""
        self._next_tick_s = 0.0

    def _connect(self, keys: Keys, address: str, servers: dict[str, bytes]) -> None:
        """Talk to the master there, and to nodes, all known by their public keys in `servers`."""
        self._context = transport.make_context()
        self._master = Outbox(transport.connect(self._context, keys, address, servers[MASTER]))
        self._fetcher = Fetcher(self._context, keys, servers, self._loop, self._fetched)
        self._loop.watch(self._master.socket, self._receive, self._master)
        self._received_s = time.monotonic()

    def _disconnect(self) -> None:
        if self._context is not None:
            transport.end_context(self._context)
            self._context = None

    # ---- what is asked ------------------------------------------------------------------------------

    def submit(self, job: str, steps: tuple[StepSpec, ...], package: bytes, priority: int = 0) -> None:
        """Submit a job; its splits follow. CannotTravel when the package is too large for a message."""
        if len(package) > PACKAGE_BYTES_MAX:
            raise CannotTravel(
                f"the code of {job} with all that it refers to takes {len(package):,} bytes; at most "
                f"{PACKAGE_BYTES_MAX:,} travel: read large data from a file inside the job instead of capturing it"
            )
        self._follows.add(job)
        self._ask(messages.JobCode(job, package))
        self._ask(events.JobSubmitted(job, steps, priority))

    def add_splits(self, job: str, splits: tuple[Split, ...]) -> None:
        """Add input to a job."""
        for first in range(0, len(splits), SPLITS_PER_MESSAGE):
            self._ask(events.SplitsAdded(job, splits[first : first + SPLITS_PER_MESSAGE]))

    def close_inputs(self, job: str) -> None:
        """No more splits follow."""
        self._ask(events.InputsClosed(job))

    def cancel(self, job: str) -> None:
        """End a job now; `poll` gives its `JobEnded`."""
        self._ask(events.CancelRequested(job))

    def forget(self, job: str) -> None:
        """Delete everything of a job on all nodes, and end it if it runs; what was fetched stays."""
        self._follows.discard(job)
        self._ask(events.JobReleased(job))

    def follow(self, job: str) -> None:
        """Have `poll` tell of a job that another session has submitted; UsageError there when there is none."""
        self._follows.add(job)
        self._ask(messages.FollowJob(job))

    def settle(self, timeout_s: float) -> None:
        """Wait until the master has accepted all that was asked; ClusterUnreachable when it does not in time."""
        deadline_s = time.monotonic() + timeout_s
        while self._unaccepted:
            self._turn(self._left_s(deadline_s, timeout_s))

    def _storage_of(self, _node: str) -> str:
        """The folder of a node's block store, "" when this cluster has none."""
        return ""

    def ask(self, question: store_status.Question, timeout_s: float) -> Any:
        """The answer to a question about the store; ClusterUnreachable when the master does not give it in time."""
        deadline_s = time.monotonic() + timeout_s
        self._answer, asked_s = None, 0.0
        while self._answer is None:
            if time.monotonic() - asked_s > AGAIN_S:  # what was answered may have been lost on the way
                asked_s = time.monotonic()
                self._ask(question)
            self._turn(min(TICK_S, self._left_s(deadline_s, timeout_s)))
        return self._answer

    def rest(self, seconds: float) -> None:
        """Hear what the cluster says for so long."""
        deadline_s = time.monotonic() + seconds
        while (left_s := deadline_s - time.monotonic()) > 0:
            self._turn(left_s)

    def want(self, event: Any, timeout_s: float) -> None:
        """Tell the master what is wanted of the store, and wait until it has taken it; what comes of it is asked."""
        self._ask(event)
        self.settle(timeout_s)

    def state(self, timeout_s: float) -> messages.ClusterState:
        """How the cluster is; ClusterUnreachable when the master does not say so in time."""
        deadline_s = time.monotonic() + timeout_s
        self._state, asked_s = None, 0.0
        while self._state is None:
            if time.monotonic() - asked_s > AGAIN_S:  # what was answered may have been lost on the way
                asked_s = time.monotonic()
                self._ask(messages.ClusterWanted())
            self._turn(min(TICK_S, self._left_s(deadline_s, timeout_s)))
        return self._state

    def _left_s(self, deadline_s: float, timeout_s: float) -> float:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise ClusterUnreachable(
                f"the master of the cluster in {self._cluster_name} did not answer within {timeout_s:g} s; "
                "its log says more"
            )
        return left_s

    def _ask(self, message: Any) -> None:
        self._check()
        self._asked += 1
        data = self._unaccepted[self._asked] = channels.FROM_CLIENT.encode(message)
        self._again_s = time.monotonic() + AGAIN_S
        self._send(self._asked, data)

    def _send(self, number: int, data: bytes) -> None:
        base = next(iter(self._unaccepted), self._asked + 1) - 1
        self._master.send(REQUEST.pack(self._session, number, base), data)

    # ---- what happens -------------------------------------------------------------------------------

    def poll(self, timeout_s: float) -> JobProgress | JobEnded | None:
        """What happened last, waiting for it at most so long; None when nothing did.

        A job that was done can end a second time: an output was lost with its node and has been made again.

        ClusterUnreachable when the master, the keeper or all nodes have ended: the cluster's jobs are lost.
        """
        deadline_s = time.monotonic() + timeout_s
        self._turn(0.0)
        while not self._ends and self._progress is None:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return None
            self._turn(left_s)
        if self._ends:
            return self._ends.popleft()
        progress, self._progress = self._progress, None
        return progress

    def fetch(self, node: str, attempt: str, name: str) -> str:
        """The path of a local copy of a file of a committed attempt, or of the file itself.

        JobFailed when the node does not give it, OutputError when the copy cannot be written here.
        """
        if self._nodes is not None:
            path = file_in(os.path.join(self._nodes, node), attempt, name, self._storage_of(node))
            if os.path.exists(path):
                return path
        path = file_in(self._copies, attempt, name, self._copies)
        deadline_s = time.monotonic() + FETCH_S
        while self._fetcher.address(node) is None and time.monotonic() < deadline_s:
            self._turn(TICK_S)  # the node has just died, and its next process has not said hello yet
        number, self._next_fetch = self._next_fetch, self._next_fetch + 1
        self._fetcher.fetch(FetchRequest(number, node, attempt, name, None, path), time.monotonic())
        while number not in self._results:
            self._turn(TICK_S)
        result = self._results.pop(number)
        if result.reason:
            text = f"{name} of {attempt} could not be fetched from {node}: {result.reason}; run the job again"
            raise (OutputError if result.here else JobFailed)(text)
        return path

    # ---- the loop -----------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._unknown:
            raise UsageError(
                f"the cluster in {self._cluster_name} has no submission {self._unknown}; `mrframe jobs` lists them"
            )
        if self._fault:
            raise ClusterUnreachable(f"the cluster in {self._cluster_name} is gone: {self._fault}")

    def _turn(self, timeout_s: float) -> None:
        """One round: hear what there is, repeat what is due. ClusterUnreachable when the cluster is gone."""
        self._check()
        self._loop.turn(max(0.0, min(timeout_s, self._next_tick_s - time.monotonic())))
        now_s = time.monotonic()
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + TICK_S
            self._fetcher.tick(now_s)
        if self._unaccepted and now_s >= self._again_s:
            self._again_s = now_s + AGAIN_S
            for number, data in self._unaccepted.items():
                self._send(number, data)
        if self._follows and not self._unaccepted and now_s - self._received_s > SILENT_S:
            self._received_s = now_s
            for job in sorted(self._follows):
                self._ask(messages.FollowJob(job))
        if not self._ends:
            self._check()

    def _receive(self) -> None:
        for _ in range(transport.BATCH_MAX):
            try:
                frames = transport.receive_answer(self._master.socket)
                if frames is None:
                    return
                self._received_s = time.monotonic()
                self._handle_message(channels.TO_CLIENT.decode(frames[0].buffer))
            except BadMessage as error:
                self._fault = f"the master sent what is no message ({error})"

    def _handle_message(self, message: Any) -> None:
        match message:
            case messages.Accepted():
                for number in [number for number in self._unaccepted if number <= message.number]:
                    del self._unaccepted[number]
            case messages.Peers():
                self._fetcher.know(message.nodes)
            case JobProgress():
                self._progress = message
            case messages.ClusterState():
                self._state = message
            case (
                block_messages.PutState()
                | block_messages.VersionsState()
                | block_messages.VersionState()
                | block_messages.StorageState()
            ):
                self._answer = message
            case messages.JobUnknown():
                self._unknown = message.job
            case messages.Reports():
                self._reports.setdefault((message.job, message.number), {})[message.first] = message.reports
            case messages.Ended():
                self._end(message)
            case messages.Refused():
                self._fault = f"the master refused a request ({message.reason})"

    def _end(self, ended: messages.Ended) -> None:
        pieces = self._reports.get((ended.job, ended.number), {})
        reports = tuple(report for _, piece in sorted(pieces.items()) for report in piece)
        if self._last_ends.get(ended.job, 0) < ended.number:
            if len(reports) != ended.reports:
                return  # some were lost on the way, and all come again
            self._last_ends[ended.job] = ended.number
            self._ends.append(JobEnded(ended.job, ended.outputs, reports, ended.failure))
        self._reports.pop((ended.job, ended.number), None)
        self._ask(messages.EndHeard(ended.job, ended.number))

    def _fetched(self, result: FetchResult) -> None:
        self._results[result.request.key] = result
