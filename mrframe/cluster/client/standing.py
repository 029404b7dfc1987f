"""Start and stop a standing cluster: its supervisor (`supervisor.py`) becomes a daemon, and is signalled to end.

Rules.
- Stopping needs nothing of the cluster's directory but its path (`cluster_processes.py`).
- A cluster is started only when no process of an earlier one of the same directory is left.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import subprocess
import sys

from mrframe import errors
from mrframe.cluster.client import cluster_processes
from mrframe.cluster.client.cluster_dir import ClusterDir
from mrframe.errors import ClusterUnreachable, MrframeError
from mrframe.paths import python_path

START_S = 30.0
STOP_S = 20.0
KEEPER_S = 5.0
"""How long a keeper may take to end the processes of a cluster whose supervisor has ended."""


def start(path: str, *, nodes: int, slots: int, shuffle: str) -> None:
    """Start a standing cluster in the directory at `path`, and wait until it serves. Raises why it does not."""
    cluster_dir = ClusterDir(path)
    cluster_dir.make()  # refused here with its own words
    _wait_for_earlier(cluster_dir)
    ours, theirs = os.pipe()
    words = [cluster_dir.path, str(nodes), str(slots), shuffle, str(theirs)]
    started = subprocess.Popen(  # noqa: S603 -- runs this Python with this package, nothing that a user names
        [sys.executable, "-m", cluster_processes.SUPERVISOR, *words],
        env={**os.environ, "PYTHONPATH": python_path(), **cluster_processes.marked(path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[theirs],
        start_new_session=True,
    )
    os.close(theirs)
    started.returncode = 0  # it outlives this process
    with open(ours, "rb") as pipe:
        poll = select.poll()
        poll.register(ours, select.POLLIN)
        if not poll.poll(START_S * 1000):
            os.kill(started.pid, signal.SIGTERM)
            raise ClusterUnreachable(f"the cluster did not start within {START_S:g} s; is the machine overloaded?")
        report = pipe.readline()
    if not report:
        raise ClusterUnreachable(f"the supervisor ended at its start; {os.path.join(path, 'log')} may say why")
    outcome = json.loads(report)
    if outcome:
        raise getattr(errors, outcome["error"], ClusterUnreachable)(outcome["message"])


def _wait_for_earlier(cluster_dir: ClusterDir) -> None:
    """Wait for processes that were started for this directory and have it no more. They are about to end.

    Their directory was deleted, or they are stopping, or their supervisor was killed. One that is about to begin is
    waited for, too. Raises ClusterUnreachable for a cluster that has the directory, or does not end.
    """
    path = cluster_dir.path
    if not cluster_processes.wait(lambda: cluster_processes.supervisors(path), cluster_dir.is_alive, STOP_S):
        numbers = ", ".join(map(str, cluster_processes.supervisors(path)))
        raise ClusterUnreachable(
            f"an earlier cluster of {path} has not ended (process {numbers}); end it with: mrframe cluster stop"
        )
    if cluster_dir.is_alive():
        raise cluster_dir.runs_already()
    _end_rest(path)


def stop(path: str) -> None:
    """End the cluster in this directory and wait for all its processes, whatever its files are.

    Raises ClusterUnreachable if none runs.
    """
    path = os.path.abspath(path)
    if not cluster_processes.members(path):
        cluster_dir = ClusterDir(path)
        cluster_dir.require()
        raise ClusterUnreachable(
            f"a cluster runs in {path}, but none of its processes can be seen here; it may be another container's or "
            "machine's, and must be stopped there"
        )
    find = functools.partial(cluster_processes.supervisors, path)
    killed = not cluster_processes.end(find, signal.SIGTERM, STOP_S)
    if killed:
        cluster_processes.end(find, signal.SIGKILL, STOP_S)
    _end_rest(path)
    if killed and os.path.isdir(path):
        with contextlib.suppress(MrframeError, OSError):  # the next start does it otherwise
            cluster_dir = ClusterDir(path)
            cluster_dir.claim()
            cluster_dir.leave()


def _end_rest(path: str) -> None:
    """Wait for the processes of a cluster whose supervisor has ended. Their keeper kills them, if it can."""
    find = functools.partial(cluster_processes.members, path)
    if not cluster_processes.wait(find, lambda: False, KEEPER_S):
        cluster_processes.end(find, signal.SIGKILL, STOP_S)
