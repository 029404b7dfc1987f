"""The supervisor of a standing cluster: a daemon of its own.

It does for a standing cluster the work of the client of a private one (`client.py`): it makes the keys, has the
keeper fork master and nodes, and restarts processes that die. Unlike in a private cluster that includes the master,
which resumes from its journal, at the same address and under the same keys, so clients and nodes reconnect by
themselves. When the supervisor ends, in whatever way, the keeper ends all other processes. The journal and the sealed
attempts stay, and the next `start` resumes from them.

Rules.
- A master or keeper that dies `DEATHS_MAX` times within `DEATHS_S` is not started again, and the cluster ends. Nodes
  are always started again, after growing pauses (`restart_pauses.py`).
- A master or node that ends because its disk refuses is started again after `RESPITE_S`, without limit:
  it resumes once there is space. Meanwhile clients learn why the master does not answer.
- A journal may be an older copy that lacks attempts of later masters. So the next master counts on from the highest
  epoch of any sealed attempt on its nodes, and no id is given twice.
- A cluster whose directory is deleted or moved ends, and makes or removes nothing at that path any more.
- The log outlives the cluster: the next one appends to it. One that cannot be written, or a fault that cannot be
  reported to clients, does not end the cluster.
- `standing.start` learns over a pipe that the daemon serves, or why it does not.

Not here: starting and stopping the daemon (`standing.py`), and sessions with it (`standing_session.py`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections import deque
from typing import NoReturn

from mrframe.cluster.client.client import RUN_ATTEMPT, LocalCluster
from mrframe.cluster.client.cluster_dir import Access, ClusterDir
from mrframe.cluster.client.keeper import KeeperSpec
from mrframe.cluster.master.client_sessions import CLIENT, MASTER
from mrframe.cluster.master.fact_journal import DiskJournal
from mrframe.cluster.node.node_dir import NodeDir
from mrframe.cluster.transport.process import leave, set_title
from mrframe.core.model.limits import NodeLimits, SchedulerLimits
from mrframe.errors import ClusterUnreachable, MrframeError
from mrframe.store.blocks import BlockStore
from mrframe.store.disk import unwritten, writing
from mrframe.store.manifests import Manifests
from mrframe.task.isolation.process_log import log, stamp_lines

DEATHS_MAX = 100
DEATHS_S = 60.0
JOURNAL_S = 20.0  # how long the master of the cluster before may still hold the journal
WAIT_S = 1.0
RESPITE_S = 1.0


class StandingCluster(LocalCluster):
    """The supervisor's cluster, in a cluster directory that it has claimed."""

    standing = True
    pause_s = RESPITE_S

    def __init__(self, cluster_dir: ClusterDir, *, nodes: int, slots: int, by_path: bool) -> None:
        super().__init__(nodes=nodes, slots=slots, scratch=cluster_dir.nodes, by_path=by_path, limits=NodeLimits())
        self.stopping = False
        self._cluster_dir = cluster_dir
        self._journal = cluster_dir.journal
        self._death_times_s: dict[str, deque[float]] = {}
        self._refused = False  # the last master ended because its disk refused

    def begin(self) -> None:
        """Start all processes and let clients in. Raises CorruptData for a damaged journal, and NotPrivate."""
        for name in self.restarts:  # reports folders that cannot be used to `start`
            self._folder(name)
            Manifests(BlockStore(self._storage_of(name)).path)
        journal = DiskJournal(self._journal, wait_s=JOURNAL_S)  # reports a faulty journal to `start`
        try:
            sealed = [self._folder(name).last_epoch() for name in os.listdir(self._cluster_dir.nodes)]
            journal.pass_epoch(max(sealed, default=0))
        finally:
            journal.close()
        spec = KeeperSpec(os.getpid(), "", "", RUN_ATTEMPT, standing=True)  # nothing is to be removed at the end
        self._start_keeper(spec, lambda: None, exec_keeper=True)
        self._open(SchedulerLimits())
        keys = self._keys[CLIENT]
        self._cluster_dir.announce(
            Access(
                pid=os.getpid(),
                address=self._master_address,
                nodes=len(self.restarts),
                slots=self._slots,
                by_path=self._by_path,
                public_key=keys.public.decode(),
                secret_key=keys.secret.decode(),
                members=tuple((member.name, member.public_key.decode()) for member in self._members),
            )
        )

    def serve(self) -> None:
        """Keep the cluster running until it is asked to stop. Raises ClusterUnreachable if it cannot go on."""
        while not self.stopping:
            if not self._cluster_dir.is_claimed():
                raise ClusterUnreachable(
                    f"the directory {self._cluster_dir.path} was deleted or moved, so its cluster ends"
                )
            self._turn(WAIT_S)
            self._cluster_dir.bound_log()

    def stop_at(self, wake: int) -> None:
        """Stop when this descriptor becomes readable."""

        def stop() -> None:
            self.stopping = True

        self._loop.watch(wake, stop)

    def _note_restart(self, name: str, reason: str, *, refused: bool) -> None:
        self._log(f"{name} ended: {reason}; it is started again")
        if name == MASTER and refused:
            self._refused = True
            self._cluster_dir.report_fault(reason)

    def _master_serves(self, address: str) -> None:
        super()._master_serves(address)
        if self._refused:
            self._refused = False
            self._cluster_dir.report_fault("")

    def _may_restart(self, name: str) -> bool:
        now_s = time.monotonic()
        deaths = self._death_times_s.setdefault(name, deque(maxlen=DEATHS_MAX))
        deaths.append(now_s)
        return name in self.restarts or len(deaths) < DEATHS_MAX or now_s - deaths[0] > DEATHS_S

    def _how_often(self, _name: str) -> str:
        return f"{DEATHS_MAX} times within {DEATHS_S:g} s"

    def _storage_of(self, node: str) -> str:
        return os.path.join(self._cluster_dir.blocks, node)

    def _folder(self, node: str) -> NodeDir:
        return NodeDir(os.path.join(self._cluster_dir.nodes, node))

    def _log(self, text: str) -> None:
        log(text)

    def _clean(self) -> None:
        if not self._cluster_dir.is_claimed():
            return
        for name in self.restarts:
            try:
                self._folder(name).held()  # deletes unsealed attempts
            except OSError as error:
                self._log(f"what {name} has not sealed stays: {error}")


# ---- the daemon -------------------------------------------------------------------------------------


def main() -> NoReturn:
    """Be the supervisor: `python -m mrframe.cluster.client.supervisor HOME NODES SLOTS SHUFFLE FD`."""
    path, nodes, slots, shuffle, fd = sys.argv[1:]
    report = int(fd)
    os.set_inheritable(report, False)  # noqa: FBT003 -- as the function is
    os.umask(0o077)
    wake, waker = os.pipe()
    for end in (wake, waker):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(waker)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    set_title("mrframe super", keep_arguments=True)  # `cluster_processes.supervisors` reads them
    status = 0
    try:
        with writing(path):
            cluster_dir = ClusterDir(path)
            cluster_dir.claim()
    except MrframeError as error:
        _say(report, error)
        leave(1)
    _write_to(cluster_dir.log)
    stamp_lines()
    log(f"starts {nodes} nodes with {slots} slots each")
    cluster = StandingCluster(cluster_dir, nodes=int(nodes), slots=int(slots), by_path=shuffle == "auto")
    try:
        cluster.stop_at(wake)
        cluster.begin()
        _say(report, None)
        log("serves")
        cluster.serve()
        log("stops, as it was asked to")
    except OSError as error:
        log(traceback.format_exc())
        _say(report, unwritten(error, error.filename or path))
        status = 1
    except MrframeError as error:
        log(f"ends: {error}")
        _say(report, error)
        status = 1
    except Exception as error:  # the boundary of the process: log unforeseen errors and keep the log
        log(traceback.format_exc())
        _say(report, ClusterUnreachable(f"the supervisor failed at its start ({type(error).__name__}: {error})"))
        status = 1
    finally:
        cluster.close()
        cluster_dir.leave(clean_exit=not status)
    leave(status)


def _write_to(path: str) -> None:
    """Write the log there, or nowhere if the disk refuses it: that does not end the cluster."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # never waits
        fd = os.open(path, flags, 0o600)
    except OSError:
        return  # standard error leads nowhere already
    for stream in (1, 2):
        os.dup2(fd, stream)
    os.close(fd)


def _say(report: int, error: MrframeError | None) -> None:
    """Report to `start` that the daemon serves, or why it does not. Does nothing after the first report."""
    text = json.dumps({"error": type(error).__name__, "message": str(error)} if error else {})
    try:
        os.write(report, f"{text}\n".encode())
        os.close(report)
    except OSError:
        pass  # reported already, or nobody waits for it any more


if __name__ == "__main__":
    main()
