"""A cluster of processes on this machine, from its client's side: start, submit, follow, fetch, close.

The client owns the cluster: all processes end with `close()` or with the client's process, however that ends. It
makes the keys and restarts nodes that die. It does not restart the master: the jobs are lost then, and `poll` raises.

Not thread-safe: one thread at a time. Works in processes that have threads and ZeroMQ contexts of their own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, Self

from mrframe.cluster.client.keeper import KeeperSpec
from mrframe.cluster.client.master_session import PACKAGE_BYTES_MAX, MasterSession
from mrframe.cluster.client.process_tree import ProcessTree
from mrframe.cluster.master.client_sessions import CLIENT, MASTER
from mrframe.cluster.transport.auth import Keys, make_keys
from mrframe.cluster.transport.pipes import Pipe
from mrframe.core.model import events
from mrframe.core.model.limits import NodeLimits, SchedulerLimits
from mrframe.errors import ClusterUnreachable
from mrframe.store.disk import fault_text
from mrframe.store.scratch import remove_tree
from mrframe.wire import messages
from mrframe.wire.messages import Member

RUN_ATTEMPT = "mrframe.task.attempt:run_attempt"
START_S = 20.0
RESTARTS_MAX = 50

__all__ = ["PACKAGE_BYTES_MAX", "LocalCluster"]


class LocalCluster(MasterSession):
    """A master and nodes on this machine, made by `start`. A context manager."""

    def __init__(self, *, nodes: int, slots: int, scratch: str, by_path: bool, limits: NodeLimits) -> None:
        self.scratch = os.path.abspath(scratch)
        super().__init__(
            self.scratch, copies=os.path.join(self.scratch, CLIENT), nodes=self.scratch if by_path else None
        )
        self.restarts: dict[str, int] = {f"node-{number}": 0 for number in range(1, nodes + 1)}
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
        self._journal = ""  # directory of the master's journal, or "" to keep it in memory
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
        self._tree = ProcessTree(
            spec, exec_keeper=exec_keeper, loop=self._loop, ended=self._child_ended, lost=self._keeper_lost
        )
        make_run_scratch()
        try:
            os.makedirs(self.scratch, mode=0o700, exist_ok=True)
        except OSError as error:
            fault = fault_text(error, self.scratch)
            raise ClusterUnreachable(f"the directory {self.scratch} cannot be made: {fault}") from None

    def _open(self, limits: SchedulerLimits) -> None:
        assert self._tree is not None
        self._tree.fork([MASTER, *self.restarts], self._on_child_message)
        self._scheduler_limits = replace(limits, by_path=self._by_path)
        self._send_master_setup()
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

    def _send_master_setup(self) -> None:
        """Send the master its identity: keys, members, limits, journal."""
        assert self._tree is not None
        keys = self._keys[MASTER]
        self._tree.children[MASTER].pipe.send(
            messages.MasterSetup(
                keys.public, keys.secret, self._members, self._scheduler_limits, self._journal, self._master_address
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
            )
        )

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
        return {"keeper": self._tree.keeper_pid, **children, **executors}

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
        self._master_address = address

    def _keeper_lost(self) -> None:
        self._fault = self._fault or "its keeper process has ended, and everything with it; run the job again"

    def _child_ended(self, name: str, reason: str) -> None:
        self._executors.pop(name, None)
        refused = name in self._faults
        reason = self._faults.pop(name, reason)
        if name == MASTER:
            self._master_ended(reason)
        elif self._may_restart(name) and self._tree is not None:
            self.restarts[name] += 1
            self._start_node(name, reason, refused=refused)
        else:
            self._give_up(name, reason)

    def _start_node(self, name: str, _reason: str, *, refused: bool) -> None:  # noqa: ARG002
        """Restart a node that has ended. `refused`: it ended because its disk refused."""
        assert self._tree is not None
        self._tree.fork([name], self._on_child_message)
        if self._master_address:
            self._send_node_setup(name)

    def _master_ended(self, reason: str) -> None:
        self._fault = self._fault or f"its master {reason}; run the job again"

    def _may_restart(self, name: str) -> bool:
        return self.restarts[name] < RESTARTS_MAX

    def _give_up(self, name: str, reason: str) -> None:
        """Go on without a node that has died too often. If it was the last one, the cluster is gone."""
        if not self._context:
            self._fault = f"{name} {reason} at its start"
            return
        self._request(events.NodeGone(name, self._incarnations[name]))
        if not any(child != MASTER for child in self._tree.children) if self._tree else True:
            self._fault = f"all its nodes have ended, {name} last ({reason}), too often"
