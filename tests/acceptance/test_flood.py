"""Connections of strangers, more than a process may have open files: no job fails, and none takes much longer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from standing import LOG, answer

FLOOD = """
import resource, select, socket, sys
at_once, at_most, *ports = map(int, sys.argv[1:])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
poll, held, made = select.epoll(), {}, 0
while True:
    while made < at_most and len(held) < at_once:
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", ports[made % len(ports)]))
        held[one.fileno()] = one
        poll.register(one, select.EPOLLRDHUP)
        made += 1
        if made % 1000 == 0:
            print(made, flush=True)
    for fd, _ in poll.poll(0.1):  # the other end has closed it
        poll.unregister(fd)
        held.pop(fd).close()
"""


def listeners(standing):
    """Return the ports at which the cluster's processes listen."""
    mine = set()
    for pid in standing.processes():
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                mine.add(os.readlink(fd))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sorted({row[1].rpartition(":")[2] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in mine})


@contextlib.contextmanager
def flood(standing, at_once, at_most=1 << 30):
    """Keep so many connections open that never say a word. Those that are closed are replaced, `at_most` in all."""
    ports = [str(int(port, 16)) for port in listeners(standing)]
    assert len(ports) == 3
    environment = {name: value for name, value in os.environ.items() if name != "MARK_OF_TEST"}
    command = [sys.executable, "-c", FLOOD, str(at_once), str(at_most), *ports]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as stranger:
        try:
            yield stranger
        finally:
            stranger.send_signal(signal.SIGKILL)


def start(standing, soft, hard):
    """Start a cluster whose processes may have so many open files. `hard` 0: as many as this one."""
    lower = f"ulimit -Hn {hard}; " if hard else ""
    command = [
        sys.executable,
        "-m",
        "mrframe",
        "cluster",
        "start",
        "--nodes",
        "2",
        "--slots",
        "1",
        "--dir",
        standing.home,
    ]
    limited = ["sh", "-c", f'ulimit -Sn {soft}; {lower}exec "$@"', "sh", *command]
    subprocess.run(limited, env=standing.environment, check=True, timeout=60)


def jobs(standing, count):
    """Run so many jobs, one after the other, each to its end. Returns the seconds."""
    wanted = answer(standing, "status_codes", LOG)
    began_s = time.monotonic()
    for _ in range(count):
        job = standing.submit("status_codes", LOG, "--split-bytes", 20_000)
        standing.run("wait", job, "--timeout-s", 60, "--dir", standing.home)
        assert standing.run("result", job, "--dir", standing.home).stdout == wanted
    return time.monotonic() - began_s


def test_a_cluster_with_few_descriptors_goes_on_under_a_flood(standing):
    start(standing, 200, 200)
    with flood(standing, at_once=800) as stranger:
        while int(stranger.stdout.readline()) < 1000:
            pass
        jobs(standing, 1)
        assert stranger.poll() is None
    nodes = json.loads(standing.cluster("status", "--json").stdout)["nodes"]
    assert [node["state"] for node in nodes] == ["joined", "joined"]
    standing.cluster("stop")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_connections_make_twenty_jobs_no_more_than_half_as_long_again(standing):
    start(standing, 1024, 0)
    jobs(standing, 2)
    calm_s = jobs(standing, 20)
    flooded_s = 0.0
    for _ in range(3):
        with flood(standing, at_once=3400, at_most=3400) as stranger:
            made = 0
            while made < 3000:
                made = int(stranger.stdout.readline())
            flooded_s += jobs(standing, 7)
    assert flooded_s / 21 <= 1.5 * calm_s / 20
    standing.cluster("stop")
