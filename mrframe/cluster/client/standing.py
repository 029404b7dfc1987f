"""Start and stop a standing cluster: its supervisor (`supervisor.py`) becomes a daemon, and is signalled to end."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys

from mrframe import errors
from mrframe.cluster.client.cluster_dir import ClusterDir
from mrframe.errors import ClusterUnreachable
from mrframe.paths import python_path

START_S = 30.0
STOP_S = 20.0


def start(path: str, *, nodes: int, slots: int, shuffle: str) -> None:
    """Start a standing cluster in the directory at `path`, and wait until it serves. Raises why it does not."""
    ClusterDir(path).make()  # refused here with its own words
    ours, theirs = os.pipe()
    words = [path, str(nodes), str(slots), shuffle, str(theirs)]
    started = subprocess.Popen(  # noqa: S603 -- runs this Python with this package, nothing that a user names
        [sys.executable, "-m", "mrframe.cluster.client.supervisor", *words],
        env={**os.environ, "PYTHONPATH": python_path()},
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
        raise ClusterUnreachable(f"the supervisor ended at its start; {os.path.join(path, 'run', 'log')} may say why")
    outcome = json.loads(report)
    if outcome:
        raise getattr(errors, outcome["error"], ClusterUnreachable)(outcome["message"])


def stop(path: str) -> None:
    """End the cluster in this directory and wait for all its processes. Raises ClusterUnreachable if none runs."""
    cluster_dir = ClusterDir(path)
    pid = cluster_dir.access().pid
    handle = os.pidfd_open(pid)
    try:
        if not cluster_dir.is_alive():  # it ended before its number was taken hold of
            return
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not poll.poll(STOP_S * 1000):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            poll.poll(STOP_S * 1000)
            cluster_dir.claim()  # its keeper ends the rest
            cluster_dir.leave()
    finally:
        os.close(handle)
