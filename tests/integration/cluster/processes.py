"""Helpers for tests with real processes: who is there, and waiting for the end of processes without sleeping."""

import contextlib
import os
import select
import time

from mrframe.core.model.actions import JobEnded
from mrframe.core.model.spec import Split, StepSpec

LEAVE_S = 5.0


def descendants(pid):
    """All living processes below one."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                for child in map(int, file.read().split()):
                    found += [child, *descendants(child)]
    return found


def alive(pids):
    """Those that live; one that has ended and is not reaped by its parent does not."""
    living = []
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] not in "ZX":
                living.append(pid)
    return living


def wait_gone(pids, within_s=LEAVE_S):
    """Wait until all these have ended; those that have not in time."""
    deadline = time.monotonic() + within_s
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        os.close(handle)
    return alive(pids)


def everyone(cluster):
    """Pids of the whole tree of a cluster."""
    keeper = cluster.pids()["keeper"]
    return [keeper, *descendants(keeper)]


def poll_for(cluster, seconds):
    """Let time pass while the cluster works; its end if it came."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        event = cluster.poll(left)
        if isinstance(event, JobEnded):
            return event
    return None


def submit(cluster, package, splits, partitions=2, job="job-1"):
    cluster.submit(job, (StepSpec(partitions),), package)
    cluster.add_splits(job, tuple(Split("file", f"s{i}", "/none", 0, i, (i, 0)) for i in range(splits)))
    cluster.close_inputs(job)


def wait_end(cluster, within_s=30.0):
    ended = poll_for(cluster, within_s)
    assert ended is not None, "the job did not end"
    return ended


def answer(cluster, ended):
    """What the fake work function adds up; 40 keys for each split."""
    assert ended.failure is None, ended.failure
    total = 0
    for attempt, node in ended.outputs:
        with open(cluster.fetch(node, attempt, "part.mrf")) as file:
            total += int(file.read())
    return total


def expected(splits):
    return 40 * splits * (splits - 1) // 2
