"""A cluster of processes on this machine, from its client's side: start, submit, follow, fetch, close.

The client owns the cluster: all processes end with `close()` or with the client's process, however that ends. It
makes the keys and restarts every process that dies. The next master goes on from the journal of the one before, at
its address and with its keys. When the keeper dies, the kernel ends all others with it, and all are started again.
The sealed output of nodes stays. `docs/decisions/0014-restarts.md` says why this is enough.

A process that dies again and again while no task is completed is not started again. Without its master or keeper the
cluster is gone then, and `poll` raises.

Not thread-safe: one thread at a time. Works in processes that have threads and ZeroMQ contexts of their own.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Self

from mrframe.cluster.client.keeper import KeeperSpec
from mrframe.cluster.client.master_session import PACKAGE_BYTES_MAX, MasterSession
from mrframe.cluster.client.process_tree import ProcessTree
from mrframe.cluster.client.restart_pauses import RestartPauses
from mrframe.cluster.master.client_sessions import CLIENT, MASTER
from mrframe.cluster.transport.auth import Keys, make_keys
from mrframe.cluster.transport.pipes import Pipe
from mrframe.cluster.transport.process import describe_status
from mrframe.core.model import events
from mrframe.core.model.limits import NodeLimits, SchedulerLimits
from mrframe.core.model.reports import JobProgress
from mrframe.errors import ClusterUnreachable
from mrframe.store import open_files
from mrframe.store.disk import fault_text
from mrframe.store.scratch import remove_tree
from mrframe.wire import messages
from mrframe.wire.messages import Member

KEEPER = "keeper"
RUN_ATTEMPT = "mrframe.task.attempt:run_attempt"
START_S = 20.0
DEATHS_MAX = 10
"""Deaths of the master or keeper while no task is completed, after which the cluster is given up."""
NODE_DEATHS_MAX = 50
"""The same of a node. The cluster goes on without it."""
Done = tuple[float, bool, int]
"""How far a job has come: its step, whether all its maps are completed, and tasks that are completed since."""
_ALL_DONE: Done = (math.inf, True, 0)
_REMEDY = (
    "find what ends it (the kernel's log names processes that it killed for want of memory), then run the job again"
)
OPEN_FILES_BASE = 64
OPEN_FILES_PER_NODE = 4
"""Descriptors of the client for each node: both ends of its pipe at first, later a connection to it."""

__all__ = ["PACKAGE_BYTES_MAX", "LocalCluster"]


class LocalCluster(MasterSession):
    """A master and nodes on this machine, made by `start`. A context manager."""

    standing = False
    pause_s = 0.1
    """Pause before a process is started again that has ended because its disk refuses."""

    def __init__(self, *, nodes: int, slots: int, scratch: str, by_path: bool, limits: NodeLimits) -> None:
        self.scratch = os.path.abspath(scratch)
        super().__init__(
            self.scratch, copies=os.path.join(self.scratch, CLIENT), nodes=self.scratch if by_path else None
        )
        self.restarts: dict[str, int] = {f"node-{number}": 0 for number in range(1, nodes + 1)}
        self._deaths: Counter[str] = Counter()  # by process, since a task was completed
        self._furthest: dict[str, Done] = {}  # by job: the most that was completed
        self._due_s: dict[str, float] = {}  # process -> when it is to be started again
        self._given_up: set[str] = set()
        self._blameless: set[str] = set()  # nodes whose last process no attempt has ended
        self._node_pauses = RestartPauses()
        self._slots = slots
        self._by_path = by_path
        self._limits = limits
        self._tree: ProcessTree | None = None
        self._keys: dict[str, Keys] = {name: make_keys() for name in (CLIENT, MASTER, *self.restarts)}
        self._members = tuple(Member(name, keys.public) for name, keys in self._keys.items())
        self._incarnations: dict[str, str] = {}
        self._faults: dict[str, str] = {}  # reasons that a node gave for its own end
        self._executors: dict[str, tuple[tuple[str, int], ...]] = {}
        self._master_address = ""
        self._journal = os.path.join(self.scratch, "journal")
        self._scheduler_limits = SchedulerLimits()

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
        """Start a master and `nodes` nodes with `slots` executors each. Raises ClusterUnreachable when that fails.

        scratch      the cluster's directory, made if needed and removed at the end
        run_scratch  the directory of the whole run around `scratch`, also removed at the end and when this process
                     dies; `make_run_scratch` makes it, once there is a keeper that will remove it
        shuffle      "zmq": never read another node's file by path
        exec_keeper  start the keeper by exec; False forks it from this process, which is faster and needs a
                     process without threads
        work         the function that executors run, as `module:function` (see `cluster/node/executor.py`)
        """
        by_path = shuffle == "auto"
        cluster = cls(nodes=nodes, slots=slots, scratch=scratch, by_path=by_path, limits=node_limits or NodeLimits())
        try:
            outer = os.path.abspath(run_scratch or scratch)
            spec = KeeperSpec(os.getpid(), cluster.scratch, outer, work)
            cluster._start_keeper(spec, make_run_scratch, exec_keeper=exec_keeper)
            cluster._open(scheduler_limits or SchedulerLimits())
        except BaseException:
            cluster.close()
            raise
        return cluster

    def _start_keeper(self, spec: KeeperSpec, make_run_scratch: Callable[[], object], *, exec_keeper: bool) -> None:
        """Start the keeper before the directory that it removes: a kill in between would leave that for ever."""
        self._make_tree = partial(
            ProcessTree,
            spec,
            exec_keeper=exec_keeper,
            loop=self._loop,
            ended=self._child_ended,
            lost=self._keeper_lost,
        )
        self._tree = self._make_tree()
        make_run_scratch()
        try:
            os.makedirs(self.scratch, mode=0o700, exist_ok=True)
        except OSError as error:
            fault = fault_text(error, self.scratch)
            raise ClusterUnreachable(f"the directory {self.scratch} cannot be made: {fault}") from None

    def _open(self, limits: SchedulerLimits) -> None:
        open_files.need(OPEN_FILES_BASE + OPEN_FILES_PER_NODE * len(self.restarts), f"--nodes {len(self.restarts)}")
        self._scheduler_limits = replace(limits, by_path=self._by_path)
        self._start_all()
        deadline_s = time.monotonic() + START_S
        while not self._master_address:
            self._check()
            if time.monotonic() > deadline_s:
                raise ClusterUnreachable(f"the master did not start within {START_S:g} s; is the machine overloaded?")
            self._loop.turn(deadline_s - time.monotonic())
        for name in self.restarts:
            self._send_node_setup(name)
        servers = {member.name: member.public_key for member in self._members}
        self._connect(self._keys[CLIENT], self._master_address, servers)

    def _start_all(self) -> None:
        """Have the keeper fork master and nodes. Nodes learn who they are when the master's address is known."""
        assert self._tree is not None
        names = [name for name in self.restarts if name not in self._given_up]
        self._due_s.clear()
        self._tree.fork([MASTER, *names], self._on_child_message)
        self._send_master_setup()
        if self._master_address:
            for name in names:
                self._send_node_setup(name)

    def _send_master_setup(self) -> None:
        """Send the master its identity: keys, members, limits, journal."""
        assert self._tree is not None
        keys = self._keys[MASTER]
        self._tree.children[MASTER].pipe.send(
            messages.MasterSetup(
                keys.public,
                keys.secret,
                self._members,
                self._scheduler_limits,
                self._journal,
                self._master_address,
                self.standing,
            )
        )

    def _send_node_setup(self, name: str) -> None:
        """Send a node its identity: name, keys, members, directories."""
        assert self._tree is not None
        child = self._tree.children.get(name)
        if child is None:
            return
        keys = self._keys[name]
        self._incarnations[name] = os.urandom(8).hex()
        child.pipe.send(
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
                self._storage_of(name),
                name in self._blameless,
            )
        )
        self._blameless.discard(name)

    def _storage_of(self, _node: str) -> str:
        """Return the folder of a node's block store: a cluster that lives for one run has none."""
        return ""

    def pids(self) -> dict[str, int]:
        """Return the pid of each process of the cluster: `keeper`, `master`, `node-1`, `node-1/executor-1`, …"""
        self._turn(0.0)
        if self._tree is None:
            return {}
        children = {name: child.pid for name, child in self._tree.children.items() if child.pid}
        executors = {f"{node}/{name}": pid for node, pids in self._executors.items() for name, pid in pids}
        return {KEEPER: self._tree.keeper_pid, **children, **executors}

    def end_work(self) -> None:
        """Have all processes but the keeper ended, since no job follows. Their files stay until `close`."""
        if self._tree is not None:
            self._tree.end_children()

    def close(self) -> None:
        """End all processes and remove the scratch directory. May be called again."""
        tree, self._tree = self._tree, None
        self._fault = self._fault or "it was closed"
        if tree is not None:
            tree.end()
        self._disconnect()
        self._clean()

    def _clean(self) -> None:
        """Remove the files that the processes leave behind."""
        remove_tree(self.scratch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- processes ----------------------------------------------------------------------------------

    def _on_child_message(self, name: str, pipe: Pipe) -> None:
        for message in pipe.receive():
            if isinstance(message, messages.ExecutorPids):
                self._executors[name] = message.pids
            elif isinstance(message, messages.ChildFault):
                self._faults[name] = message.reason
            elif name == MASTER:
                self._master_serves(message.address)

    def _master_serves(self, address: str) -> None:
        if self._master_address and self._context is not None:  # it is the next one: send again what it did not get
            self._requests.repeat()
            self._received_s = 0.0
        self._master_address = address

    def _handle_message(self, message: Any) -> None:
        super()._handle_message(message)
        if isinstance(message, JobProgress):
            self._note_progress(message.job, (message.step, message.stage != "map", message.tasks_done))
        elif isinstance(message, messages.Ended):
            self._note_progress(message.job, _ALL_DONE)

    def _note_progress(self, job: str, done: Done) -> None:
        """Forget the deaths until now if a job has come further than ever."""
        if done > self._furthest.get(job, (0, False, 0)):
            self._furthest[job] = done
            self._deaths.clear()

    def _turn(self, timeout_s: float) -> None:
        if self._due_s:
            for name in [name for name, due_s in self._due_s.items() if time.monotonic() >= due_s]:
                self._due_s.pop(name, None)
                self._start_again(name)
            timeout_s = min([timeout_s, *(due_s - time.monotonic() for due_s in self._due_s.values())])
        super()._turn(timeout_s)

    def _keeper_lost(self) -> None:
        if self._tree is None:
            return
        status = self._tree.clear()
        self._executors.clear()
        reason = "ended" if status is None else describe_status(status)
        if not self._master_address and status is not None and not os.WIFSIGNALED(status):
            self._fault = self._fault or f"its keeper process {reason} at its start"
        else:
            self._ended_process(KEEPER, reason)

    def _child_ended(self, name: str, reason: str) -> None:
        self._executors.pop(name, None)
        fault = self._faults.pop(name, "")
        if fault and name == MASTER and not self._master_address:
            self._fault = self._fault or f"its master did not begin: {fault}"
            return
        self._ended_process(name, fault or reason, refused=bool(fault))

    def _ended_process(self, name: str, reason: str, *, refused: bool = False) -> None:
        """Start a process again that has ended. `refused`: it ended by itself, because its disk refuses."""
        if self._tree is None:
            return
        if not self._may_restart(name):
            self._give_up(name, reason, refused=refused)
            return
        self._note_restart(name, reason, refused=refused)
        if name in self.restarts:
            self.restarts[name] += 1
        if refused or name == KEEPER:
            self._blameless.update([name] if refused else self.restarts)
        now_s = time.monotonic()
        pause_s = self._node_pauses.next_s(name, now_s) if name in self.restarts else 0.0
        if refused or pause_s:
            self._due_s[name] = now_s + max(pause_s, self.pause_s if refused else 0.0)
        else:
            self._start_again(name)

    def _note_restart(self, name: str, reason: str, *, refused: bool) -> None:
        """Tell of a process that is started again."""

    def _start_again(self, name: str) -> None:
        """Start a process that has ended, or later if descriptors or processes are used up now."""
        assert self._tree is not None
        try:
            if name == KEEPER:
                self._tree = self._make_tree()
                self._start_all()
                return
            self._tree.fork([name], self._on_child_message)
        except OSError as error:
            self._note_restart(name, f"it cannot be started now ({error.strerror})", refused=False)
            self._due_s[name] = time.monotonic() + self.pause_s
            return
        if name == MASTER:
            self._send_master_setup()
        elif self._master_address:
            self._send_node_setup(name)

    def _may_restart(self, name: str) -> bool:
        self._deaths[name] += 1
        return self._deaths[name] < (NODE_DEATHS_MAX if name in self.restarts else DEATHS_MAX)

    def _give_up(self, name: str, reason: str, *, refused: bool) -> None:
        """Go on without a node that has died too often. If it was the last one, the cluster is gone."""
        if name in (MASTER, KEEPER):
            often = f"its {name} process ended {self._how_often(name)}, the last time: {reason}; {_REMEDY}"
            self._fault = self._fault or (f"its {name} process cannot go on: {reason}" if refused else often)
            return
        self._given_up.add(name)
        if not self._context:
            self._fault = f"{name} {reason} at its start"
            return
        self._request(events.NodeGone(name, self._incarnations[name]))
        if self._given_up.issuperset(self.restarts):
            self._fault = f"all its nodes have ended, {name} last ({reason}), too often"

    def _how_often(self, name: str) -> str:
        return f"{self._deaths[name]:,} times while no task was completed"
