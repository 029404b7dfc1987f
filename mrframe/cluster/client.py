"""A cluster of processes on this machine, as its client sees it: start, submit, follow, fetch, close.

The client owns the cluster: all of it ends with `close()` or with the client's process, however that ends.
It makes the keys, starts again nodes that die, and tells the master what it wants in numbered requests that
are repeated until accepted. A master is not started again: its jobs are lost, and `poll` says so.

Not thread-safe: one thread at a time. Works in processes that have threads and ZeroMQ contexts of their own.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, Self

from mrframe.cluster import transport
from mrframe.cluster.auth import Keys, make_keys
from mrframe.cluster.clients import NUMBER
from mrframe.cluster.fetching import Fetcher, Outcome, Wanted
from mrframe.cluster.folder import file_in
from mrframe.cluster.household import Household
from mrframe.cluster.keeper import Charge
from mrframe.cluster.lines import Line
from mrframe.cluster.master import CLIENT, MASTER
from mrframe.cluster.transport import Loop, Outbox
from mrframe.core import events
from mrframe.core.actions import JobEnded
from mrframe.core.limits import NodeLimits, SchedulerLimits
from mrframe.core.records import JobProgress
from mrframe.core.spec import Split, StepSpec
from mrframe.errors import CannotTravel, ClusterUnreachable, JobFailed
from mrframe.store.scratch import remove_tree
from mrframe.wire import messages
from mrframe.wire.codec import MESSAGE_BYTES_MAX, BadMessage
from mrframe.wire.messages import Member

RUN_ATTEMPT = "mrframe.task.attempt:run_attempt"
START_S = 20.0
RESTARTS_MAX = 50
SPLITS_PER_MESSAGE = 1000
PACKAGE_BYTES_MAX = MESSAGE_BYTES_MAX - 1024
AGAIN_S = 1.0
TICK_S = 0.1
FETCH_S = 60.0


class LocalCluster:
    """A master and nodes on this machine. Made by `start`; a context manager."""

    def __init__(self, *, nodes: int, slots: int, scratch: str, by_path: bool, limits: NodeLimits) -> None:
        self.scratch = os.path.abspath(scratch)
        self.restarts: dict[str, int] = {f"node-{number}": 0 for number in range(1, nodes + 1)}
        self._slots = slots
        self._by_path = by_path
        self._limits = limits
        self._loop = Loop()
        self._household: Household | None = None
        self._context: transport.Context | None = None
        self._keys: dict[str, Keys] = {name: make_keys() for name in (CLIENT, MASTER, *self.restarts)}
        self._members = tuple(Member(name, keys.public) for name, keys in self._keys.items())
        self._incarnations: dict[str, str] = {}
        self._executors: dict[str, tuple[tuple[str, int], ...]] = {}
        self._master_address = ""
        self._asked = 0
        self._unaccepted: dict[int, bytes] = {}
        self._again_s = 0.0
        self._reports: dict[tuple[str, int], dict[int, tuple[Any, ...]]] = {}
        self._heard: dict[str, int] = {}
        self._ends: deque[JobEnded] = deque()
        self._progress: JobProgress | None = None
        self._outcomes: dict[int, Outcome] = {}
        self._next_fetch = 1
        self._fault = ""
        self._next_tick_s = 0.0

    @classmethod
    def start(
        cls,
        *,
        nodes: int,
        slots: int,
        scratch: str,
        shuffle: Literal["auto", "zmq"] = "auto",
        exec_keeper: bool = True,
        run_scratch: str | None = None,
        make_run_scratch: Callable[[], object] = lambda: None,
        work: str = RUN_ATTEMPT,
        node_limits: NodeLimits | None = None,
        scheduler_limits: SchedulerLimits | None = None,
    ) -> LocalCluster:
        """Start a master and `nodes` nodes with `slots` executors each; ClusterUnreachable when that fails.

        scratch      the cluster's directory, made when needed and removed at the end
        run_scratch  the directory of the whole run around `scratch`: removed at the end too, and when this process
                     dies; `make_run_scratch` makes it, once there is a keeper that will remove it
        shuffle      "zmq": never read another node's file by path
        exec_keeper  start the keeper by exec; False forks it from this process, which is faster and needs a
                     process without threads
        work         what executors run, as `module:function` (see `cluster/executor.py`)
        """
        by_path = shuffle == "auto"
        cluster = cls(nodes=nodes, slots=slots, scratch=scratch, by_path=by_path, limits=node_limits or NodeLimits())
        try:
            outer = os.path.abspath(run_scratch or scratch)
            charge = Charge(os.getpid(), cluster.scratch, outer, work)
            cluster._keep(charge, make_run_scratch, exec_keeper=exec_keeper)
            cluster._open(scheduler_limits or SchedulerLimits())
        except BaseException:
            cluster.close()
            raise
        return cluster

    def _keep(self, charge: Charge, make_run_scratch: Callable[[], object], *, exec_keeper: bool) -> None:
        """Start the keeper, and only then make what it removes: a kill between the two would leave it for ever."""
        self._household = Household(
            charge, exec_keeper=exec_keeper, loop=self._loop, ended=self._child_ended, lost=self._keeper_lost
        )
        make_run_scratch()
        try:
            os.makedirs(self.scratch, mode=0o700, exist_ok=True)
        except OSError as error:
            raise ClusterUnreachable(f"the directory {self.scratch} cannot be made: {error.strerror}") from None

    def _open(self, limits: SchedulerLimits) -> None:
        assert self._household is not None
        self._household.fork([MASTER, *self.restarts], self._hear_child)
        keys = self._keys[MASTER]
        self._household.children[MASTER].line.send(
            messages.MasterSetup(keys.public, keys.secret, self._members, limits)
        )
        deadline_s = time.monotonic() + START_S
        while not self._master_address:
            self._check()
            if time.monotonic() > deadline_s:
                raise ClusterUnreachable(f"the master did not start within {START_S:g} s; is the machine overloaded?")
            self._loop.turn(deadline_s - time.monotonic())
        for name in self.restarts:
            self._introduce(name)
        self._context = transport.make_context()
        servers = {member.name: member.public_key for member in self._members}
        mine = self._keys[CLIENT]
        self._master = Outbox(transport.connect(self._context, mine, self._master_address, servers[MASTER]))
        self._fetcher = Fetcher(self._context, mine, servers, self._loop, self._fetched)
        self._loop.watch(self._master.socket, self._receive, self._master)

    def _introduce(self, name: str) -> None:
        """Tell a node who it is."""
        assert self._household is not None
        child = self._household.children.get(name)
        if child is None:
            return
        keys = self._keys[name]
        self._incarnations[name] = secrets.token_hex(8)
        child.line.send(
            messages.NodeSetup(
                name,
                self._incarnations[name],
                self._slots,
                os.path.join(self.scratch, name),
                self._by_path,
                keys.public,
                keys.secret,
                self._members,
                self._master_address,
                self._limits,
            )
        )

    # ---- what is asked ------------------------------------------------------------------------------

    def submit(self, job: str, steps: tuple[StepSpec, ...], package: bytes) -> None:
        """Submit a job; its splits follow. CannotTravel when the package is too large for a message."""
        if len(package) > PACKAGE_BYTES_MAX:
            raise CannotTravel(
                f"the code of {job} with all that it refers to takes {len(package):,} bytes; at most "
                f"{PACKAGE_BYTES_MAX:,} travel: read large data from a file inside the job instead of capturing it"
            )
        self._ask(messages.JobCode(job, package))
        self._ask(events.JobSubmitted(job, steps))

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
        """Delete everything of a job on all nodes; what was fetched stays."""
        self._ask(events.JobReleased(job))

    def _ask(self, message: Any) -> None:
        self._check()
        self._asked += 1
        data = self._unaccepted[self._asked] = messages.FROM_CLIENT.encode(message)
        self._again_s = time.monotonic() + AGAIN_S
        self._master.send(NUMBER.pack(self._asked), data)

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

        JobFailed when the node does not give it.
        """
        if self._by_path:
            path = file_in(os.path.join(self.scratch, node), attempt, name)
            if os.path.exists(path):
                return path
        path = file_in(os.path.join(self.scratch, CLIENT), attempt, name)
        deadline_s = time.monotonic() + FETCH_S
        while self._fetcher.address(node) is None and time.monotonic() < deadline_s:
            self._turn(TICK_S)  # the node has just died, and its next process has not said hello yet
        number, self._next_fetch = self._next_fetch, self._next_fetch + 1
        self._fetcher.fetch(Wanted(number, node, attempt, name, None, path), time.monotonic())
        while number not in self._outcomes:
            self._turn(TICK_S)
        reason = self._outcomes.pop(number).reason
        if reason:
            raise JobFailed(f"{name} of {attempt} could not be fetched from {node}: {reason}; run the job again")
        return path

    def pids(self) -> dict[str, int]:
        """The processes of the cluster: `keeper`, `master`, `node-1`, `node-1/executor-1`, …"""
        self._turn(0.0)
        if self._household is None:
            return {}
        children = {name: child.pid for name, child in self._household.children.items() if child.pid}
        executors = {f"{node}/{name}": pid for node, pids in self._executors.items() for name, pid in pids}
        return {"keeper": self._household.keeper_pid, **children, **executors}

    def close(self) -> None:
        """End all processes and remove the scratch directory; may be called again."""
        household, self._household = self._household, None
        self._fault = self._fault or "it was closed"
        if household is not None:
            household.end()
        if self._context is not None:
            self._context.destroy(linger=0)
            self._context = None
        remove_tree(self.scratch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- the loop -----------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._fault:
            raise ClusterUnreachable(f"the cluster in {self.scratch} is gone: {self._fault}")

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
                self._master.send(NUMBER.pack(number), data)
        if not self._ends:
            self._check()

    def _receive(self) -> None:
        for _ in range(transport.BATCH_MAX):
            try:
                frames = transport.receive_answer(self._master.socket)
                if frames is None:
                    return
                self._hear(messages.TO_CLIENT.decode(frames[0].buffer))
            except BadMessage as error:
                self._fault = f"the master sent what is no message ({error})"

    def _hear(self, message: Any) -> None:
        match message:
            case messages.Accepted():
                for number in [number for number in self._unaccepted if number <= message.number]:
                    del self._unaccepted[number]
            case messages.Peers():
                self._fetcher.know(message.nodes)
            case JobProgress():
                self._progress = message
            case messages.Reports():
                self._reports.setdefault((message.job, message.number), {})[message.first] = message.reports
            case messages.Ended():
                self._end(message)
            case messages.Refused():
                self._fault = f"the master refused a request ({message.reason})"

    def _end(self, ended: messages.Ended) -> None:
        pieces = self._reports.get((ended.job, ended.number), {})
        reports = tuple(report for _, piece in sorted(pieces.items()) for report in piece)
        if self._heard.get(ended.job, 0) < ended.number:
            if len(reports) != ended.reports:
                return  # some were lost on the way, and all come again
            self._heard[ended.job] = ended.number
            self._ends.append(JobEnded(ended.job, ended.outputs, reports, ended.failure))
        self._reports.pop((ended.job, ended.number), None)
        self._ask(messages.EndHeard(ended.job, ended.number))

    def _fetched(self, outcome: Outcome) -> None:
        self._outcomes[outcome.wanted.key] = outcome

    # ---- processes ----------------------------------------------------------------------------------

    def _hear_child(self, name: str, line: Line) -> None:
        for message in line.receive():
            if isinstance(message, messages.ExecutorPids):
                self._executors[name] = message.pids
            elif name == MASTER:
                self._master_address = message.address

    def _keeper_lost(self) -> None:
        self._fault = self._fault or "its keeper process has ended, and everything with it; run the job again"

    def _child_ended(self, name: str, reason: str) -> None:
        self._executors.pop(name, None)
        if name == MASTER:
            self._fault = self._fault or f"its master {reason}; run the job again"
        elif self.restarts[name] < RESTARTS_MAX and self._household is not None:
            self.restarts[name] += 1
            self._household.fork([name], self._hear_child)
            if self._master_address:
                self._introduce(name)
        else:
            self._give_up(name, reason)

    def _give_up(self, name: str, reason: str) -> None:
        """A node has died too often: the cluster goes on without it, unless it was the last."""
        if not self._context:
            self._fault = f"{name} {reason} at its start"
            return
        self._ask(events.NodeGone(name, self._incarnations[name]))
        if not any(child != MASTER for child in self._household.children) if self._household else True:
            self._fault = f"all its nodes have ended, {name} last ({reason}), {RESTARTS_MAX} times"
