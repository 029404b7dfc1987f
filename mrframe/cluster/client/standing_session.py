"""A session with a standing cluster that is already running, and goes on when the session ends."""

from __future__ import annotations

import os
import time
from typing import Self

from mrframe.cluster.client.cluster_dir import ClusterDir
from mrframe.cluster.client.master_session import MasterSession
from mrframe.cluster.transport.auth import Keys
from mrframe.errors import ClusterUnreachable

FAULT_S = 4.0
"""How long a client waits for a master that is known to be unable to go on."""


class StandingSession(MasterSession):
    """A client of a standing cluster. `copies` is a directory for fetched files. A context manager."""

    def __init__(self, cluster_dir: ClusterDir, copies: str) -> None:
        access = cluster_dir.access()
        super().__init__(cluster_dir.path, copies=copies, nodes=cluster_dir.nodes if access.by_path else None)
        self.access = access
        self._cluster_dir = cluster_dir
        self._refused, self._refused_s = "", 0.0  # why the master cannot go on, and since when that is known
        self._blocks = cluster_dir.blocks
        try:
            self._handle = os.pidfd_open(access.pid)
        except ProcessLookupError:
            raise ClusterUnreachable(f"the cluster in {cluster_dir.path} has just ended; start one again") from None
        self._loop.watch(self._handle, self._stopped)
        servers = {name: key.encode() for name, key in access.members}
        self._connect(Keys(access.public_key.encode(), access.secret_key.encode()), access.address, servers)

    def _storage_of(self, node: str) -> str:
        return os.path.join(self._blocks, node)

    def _left_s(self, deadline_s: float, timeout_s: float) -> float:
        now_s = time.monotonic()
        fault = self._cluster_dir.fault()
        if fault and not self._refused:
            self._refused_s = now_s
        self._refused = fault
        if fault and (now_s - self._refused_s > FAULT_S or now_s >= deadline_s):
            raise ClusterUnreachable(f"the master of the cluster in {self._cluster_name} cannot go on: {fault}")
        return super()._left_s(deadline_s, timeout_s)

    def _stopped(self) -> None:
        self._loop.forget(self._handle)
        self._fault = "it was stopped; what it has accepted goes on when it is started again"

    def close(self) -> None:
        """Leave the cluster, which goes on."""
        self._disconnect()
        os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
