"""A client's session with a master: submit, follow, ask, fetch. It does not know which process started the master.

Everything that the client wants goes to the master in numbered requests (`request_queue.py`). A client that follows
jobs and receives nothing for a while says again that it follows them, since the master may be another process by now.

Not thread-safe: one thread at a time. Works in processes that have threads and ZeroMQ contexts of their own.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Any

from mrframe.cluster.client.job_ends import JobEnds
from mrframe.cluster.client.request_queue import AGAIN_S, RequestQueue
from mrframe.cluster.master.client_sessions import MASTER
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
from mrframe.errors import CannotTravel, ClusterUnreachable, CorruptData, JobFailed, OutputError, UsageError
from mrframe.wire import channels, messages
from mrframe.wire.codec import MESSAGE_BYTES_MAX, BadMessage

SPLITS_PER_MESSAGE = 1000
PACKAGE_BYTES_MAX = MESSAGE_BYTES_MAX - 1024
SILENT_S = 3.0
"""A client that follows a job and receives nothing for this long says again that it follows it."""
TICK_S = 0.1
FETCH_S = 60.0
_REPLIES: dict[type, type] = {
    messages.ClusterWanted: messages.ClusterState,
    block_messages.PutWanted: block_messages.PutState,
    block_messages.VersionsWanted: block_messages.VersionsState,
    block_messages.VersionWanted: block_messages.VersionState,
    block_messages.StorageWanted: block_messages.StorageState,
}


class MasterSession:
    """One session with a master, from `_connect` on.

    cluster_name  names the cluster in messages to the user
    copies        directory for fetched files
    nodes         directory that holds the nodes' own directories, or None if they may not be read by path
    """

    def __init__(self, cluster_name: str, *, copies: str, nodes: str | None) -> None:
        self._cluster_name = cluster_name
        self._copies = copies
        self._nodes = nodes
        self._loop = Loop()
        self._context: transport.Context | None = None
        self._follows: set[str] = set()
        self._received_s = 0.0
        self._job_ends = JobEnds()
        self._ended: deque[JobEnded] = deque()  # not given by `poll` yet
        self._progress: dict[str, JobProgress] = {}  # by job, not given by `poll` yet
        self._reply: Any = None
        self._results: dict[int, FetchResult] = {}
        self._next_fetch = 1
        self._fault = ""
        self._unknown = ""  # a job that is followed and that the master does not know
        self._next_tick_s = 0.0

    def _connect(self, keys: Keys, address: str, servers: dict[str, bytes]) -> None:
        """Connect to the master at `address`, and later to nodes, by their public keys in `servers`."""
        self._context = transport.make_context()
        self._master = Outbox(transport.connect(self._context, keys, address, servers[MASTER]))
        self._requests = RequestQueue(self._master)
        self._fetcher = Fetcher(self._context, keys, servers, self._loop, self._fetched)
        self._loop.watch(self._master.socket, self._receive, self._master)
        self._received_s = time.monotonic()

    def _disconnect(self) -> None:
        if self._context is not None:
            transport.end_context(self._context)
            self._context = None

    # ---- requests -----------------------------------------------------------------------------------

    def submit(self, job: str, steps: tuple[StepSpec, ...], package: bytes, priority: int = 0) -> None:
        """Submit a job. Its splits follow. Raises CannotTravel when the package is too large for a message."""
        if len(package) > PACKAGE_BYTES_MAX:
            raise CannotTravel(
                f"the code of {job} with all that it refers to takes {len(package):,} bytes; at most "
                f"{PACKAGE_BYTES_MAX:,} travel: read large data from a file inside the job instead of capturing it"
            )
        self._follows.add(job)
        self._request(messages.JobCode(job, package))
        self._request(events.JobSubmitted(job, steps, priority))

    def add_splits(self, job: str, splits: tuple[Split, ...]) -> None:
        """Add input to a job."""
        for first in range(0, len(splits), SPLITS_PER_MESSAGE):
            self._request(events.SplitsAdded(job, splits[first : first + SPLITS_PER_MESSAGE]))

    def close_inputs(self, job: str) -> None:
        """Say that no more splits follow."""
        self._request(events.InputsClosed(job))

    def cancel(self, job: str) -> None:
        """End a job now. `poll` returns its `JobEnded`."""
        self._request(events.CancelRequested(job))

    def report_unreadable(self, attempt: str, node: str) -> None:
        """Report that an output of a job that is done is missing or damaged. The job runs again for it."""
        self._request(events.OutputUnreadable(attempt, node))

    def forget(self, job: str) -> None:
        """Delete everything of a job on all nodes, and end it if it runs. Files already fetched stay."""
        self._follows.discard(job)
        self._request(events.JobReleased(job))

    def follow(self, job: str) -> None:
        """Have `poll` report a job that another session submitted. `poll` raises UsageError if it is unknown."""
        self._follows.add(job)
        self._request(messages.FollowJob(job))

    def unfollow(self, job: str) -> None:
        """Stop following a job. From now on the session ignores that the master does not know it."""
        self._follows.discard(job)
        if self._unknown == job:
            self._unknown = ""

    def settle(self, timeout_s: float) -> None:
        """Wait until the master has accepted all requests. Raises ClusterUnreachable if it does not in time."""
        deadline_s = time.monotonic() + timeout_s
        while self._requests:
            self._turn(self._left_s(deadline_s, timeout_s))

    def ask(self, question: store_status.Question | messages.ClusterWanted, timeout_s: float) -> Any:
        """Return the reply to a question about the cluster or its block store.

        Raises ClusterUnreachable when the master does not answer in time.
        """
        deadline_s = time.monotonic() + timeout_s
        self._reply, asked_s = None, 0.0
        while not isinstance(self._reply, _REPLIES[type(question)]):
            if time.monotonic() - asked_s > AGAIN_S:  # the reply may have been lost on the way
                asked_s = time.monotonic()
                self._request(question)
            self._turn(min(TICK_S, self._left_s(deadline_s, timeout_s)))
        return self._reply

    def state(self, timeout_s: float) -> messages.ClusterState:
        """Return the state of the cluster. Raises ClusterUnreachable when the master does not answer in time."""
        state: messages.ClusterState = self.ask(messages.ClusterWanted(), timeout_s)
        return state

    def want(self, event: Any, timeout_s: float) -> None:
        """Send a request about the block store and wait until it is accepted. `ask` returns the outcome."""
        self._request(event)
        self.settle(timeout_s)

    def rest(self, seconds: float) -> None:
        """Take messages from the cluster for this long."""
        deadline_s = time.monotonic() + seconds
        while (left_s := deadline_s - time.monotonic()) > 0:
            self._turn(left_s)

    def _left_s(self, deadline_s: float, timeout_s: float) -> float:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise ClusterUnreachable(
                f"the master of the cluster in {self._cluster_name} did not answer within {timeout_s:g} s; "
                "its log says more"
            )
        return left_s

    def _request(self, message: Any) -> None:
        self._check()
        self._requests.add(channels.FROM_CLIENT.encode(message), time.monotonic())

    # ---- results ------------------------------------------------------------------------------------

    def poll(self, timeout_s: float) -> JobProgress | JobEnded | None:
        """Return the next end of a job or the latest progress, or None when nothing happens within the timeout.

        A job that was done can end a second time: an output was lost with its node and has been made again.

        Raises ClusterUnreachable when the cluster was stopped, or given up as its processes died too often.
        """
        deadline_s = time.monotonic() + timeout_s
        self._turn(0.0)
        while not self._ended and not self._progress:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return None
            self._turn(left_s)
        if self._ended:
            return self._ended.popleft()
        return self._progress.pop(next(iter(self._progress)))

    def fetch(self, node: str, attempt: str, name: str) -> str:
        """Return the path of a file of a committed attempt: the node's own file if readable here, else a copy.

        Raises CorruptData when the node cannot read it, JobFailed when the node does not answer, OutputError when
        the copy cannot be written here.
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
            if result.refused:
                raise CorruptData(text)
            raise (OutputError if result.here else JobFailed)(text)
        return path

    def _storage_of(self, _node: str) -> str:
        """Return the folder of a node's block store, or "" when this cluster has none."""
        return ""

    # ---- the loop -----------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._unknown:
            raise UsageError(
                f"the cluster in {self._cluster_name} has no submission {self._unknown}; `mrframe jobs` lists them"
            )
        if self._fault:
            raise ClusterUnreachable(f"the cluster in {self._cluster_name} is gone: {self._fault}")

    def _turn(self, timeout_s: float) -> None:
        """Receive messages and repeat requests that are due. Raises ClusterUnreachable if the cluster is gone."""
        self._check()
        self._loop.turn(max(0.0, min(timeout_s, self._next_tick_s - time.monotonic())))
        now_s = time.monotonic()
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + TICK_S
            self._fetcher.tick(now_s)
        self._requests.tick(now_s)
        if self._follows and not self._requests and now_s - self._received_s > SILENT_S:
            self._received_s = now_s
            for job in sorted(self._follows):
                self._request(messages.FollowJob(job))
        if not self._ended:
            self._check()

    def _receive(self) -> None:
        for _ in range(transport.BATCH_MAX):
            try:
                frames = transport.receive_reply(self._master.socket)
                if frames is None:
                    return
                self._received_s = time.monotonic()
                self._handle_message(channels.TO_CLIENT.decode(frames[0].buffer))
            except BadMessage as error:
                self._fault = f"the master sent a malformed message ({error})"

    def _handle_message(self, message: Any) -> None:
        match message:
            case messages.Accepted():
                self._requests.accepted(message.number)
            case messages.Peers():
                self._fetcher.know(message.nodes)
            case JobProgress():
                self._progress[message.job] = message
            case messages.JobUnknown():
                self._unknown = message.job
            case messages.Reports():
                self._job_ends.add_reports(message)
            case messages.Ended():
                self._end(message)
            case messages.Refused():
                self._fault = f"the master refused a request ({message.reason})"
            case _ if isinstance(message, tuple(_REPLIES.values())):
                self._reply = message

    def _end(self, message: messages.Ended) -> None:
        if not self._job_ends.is_complete(message):
            return  # some reports were lost on the way, and the master sends all of them again
        end = self._job_ends.take(message)
        if end is not None:
            self._ended.append(end)
        self._request(messages.EndHeard(message.job, message.number))

    def _fetched(self, result: FetchResult) -> None:
        self._results[result.request.key] = result
