"""Start and stop a standing cluster on this machine, and show its status."""

from __future__ import annotations

import os

from mrframe.api.html_table import html_table
from mrframe.api.standing.connection import connect
from mrframe.api.standing.rows import ClusterStatus
from mrframe.api.standing.session_calls import REPLY_S
from mrframe.cluster.client import standing
from mrframe.cluster.client.cluster_dir import ClusterDir, default_cluster_dir
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.settings.options import Shuffle
from mrframe.engines.local import default_nodes
from mrframe.engines.protocol import cores


@dataclass(frozen=True, slots=True)
class StartedCluster:
    """A cluster that serves: where it lives, its nodes, and the executors on each."""

    directory: str
    nodes: int
    slots: int

    def _repr_html_(self) -> str:
        return html_table(["directory", "nodes", "slots"], [[self.directory, self.nodes, self.slots]])


def start_cluster(
    directory: str | None = None, *, nodes: int | None = None, slots: int | None = None, shuffle: Shuffle = "auto"
) -> StartedCluster:
    """Start a standing cluster and return when it serves. It goes on with earlier submissions.

        >>> started = mrframe.start_cluster(elsewhere, nodes=1, slots=1)
        >>> started.nodes, started.slots
        (1, 1)
        >>> mrframe.stop_cluster(elsewhere) == started.directory
        True

    directory  where it lives. By default in the user's state directory
    nodes      by default 2, or 1 on one core
    slots      executors on each node. By default as many as there are cores for it
    shuffle    "zmq": nodes read nothing of each other by path

    It goes on when this process ends. Raises ClusterUnreachable when one runs there already, or does not start.
    """
    cluster_dir = ClusterDir(directory or default_cluster_dir())
    many = default_nodes(nodes)
    each = slots or max(1, cores() // many)
    standing.start(cluster_dir.path, nodes=many, slots=each, shuffle=shuffle)
    return StartedCluster(cluster_dir.path, many, each)


def stop_cluster(directory: str | None = None) -> str:
    """End all processes of a standing cluster. Its journal and the output on its nodes stay for the next start.

    Whatever was deleted or damaged in its directory. Gives the directory. ClusterUnreachable when none runs there.
    """
    path = os.path.abspath(directory or default_cluster_dir())
    standing.stop(path)
    return path


def cluster_status(directory: str | None = None, *, reply_s: float = REPLY_S) -> ClusterStatus:
    """The nodes and submissions of a standing cluster. ClusterUnreachable when none runs there.

    >>> mrframe.cluster_status(directory).epoch  # the starts of its master
    1
    """
    with connect(directory, reply_s=reply_s) as client:
        return client.status()
