"""Attacks on a running cluster of real processes; docs/threats.md says which threat each of them is."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zmq
from standing import LOG, ROOT, answer

from mrframe.cluster.node.node_dir import file_in
from mrframe.cluster.transport import transport
from mrframe.cluster.transport.auth import make_keys
from mrframe.errors import ClusterUnreachable

AUDIT = """
import os, sys
def audit(event, args):
    if event == "pickle.find_class":
        with open({path!r}, "a") as file:
            print(open("/proc/self/comm").read().strip(), file=file)
sys.addaudithook(audit)
"""
PICKLED = """
import mrframe, sys
from mrframe import Job, RunOptions, text, total

class Two:
    value = 2

if __name__ == "__main__":
    job = Job(read=text, map=lambda line, two=Two(): [("lines", two.value)], reduce=total)
    with mrframe.run(job, [sys.argv[1]], RunOptions(engine="local", nodes=2)) as result:
        print(list(result))
"""


def attack(address: str, count: int, dice: random.Random) -> None:
    """So many connections of strangers: garbage, half-open, without CURVE, with a wrong key."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    context = zmq.Context()
    open_ones = []
    for number in range(count):
        match number % 4:
            case 0 | 1:
                connection = socket.create_connection((host, int(port)), timeout=5)
                with contextlib.suppress(OSError):
                    connection.sendall(dice.randbytes(dice.randrange(200)) if number % 4 else b"")
                open_ones.append(connection)
            case 2:
                plain = context.socket(zmq.DEALER)
                plain.setsockopt(zmq.LINGER, 0)
                plain.connect(address)
                plain.send(b"let me in")
                open_ones.append(plain)
            case 3:
                wrong = make_keys()
                stranger = transport.connect(context, wrong, address, make_keys().public)
                open_ones.append(stranger)
        if len(open_ones) >= 200:
            for one in open_ones:
                one.close()
            open_ones = []
    for one in open_ones:
        one.close()
    context.destroy(0)


def memory_bytes(standing, title):
    """Resident memory of a process of the cluster."""
    (pid,) = [pid for pid, name in standing.processes().items() if name == title]
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def attacked(standing, count):
    standing.cluster("start", "--nodes", 2, "--slots", 1)
    address = json.loads((standing.home / "run" / "access").read_text())["address"]
    wanted = answer(standing, "visitors", LOG)
    standing.run("wait", standing.submit("visitors", LOG), "--dir", standing.home)  # all is warm
    before = memory_bytes(standing, "mrframe master")
    job = standing.submit("visitors", LOG, "--split-bytes", 5000)
    attack(address, count, random.Random(count))
    standing.run("wait", job, "--timeout-s", 60, "--dir", standing.home)
    assert standing.run("result", job, "--dir", standing.home).stdout == wanted
    assert memory_bytes(standing, "mrframe master") - before <= 50 << 20
    state = json.loads(standing.cluster("status", "--json").stdout)
    assert state["epoch"] == 1
    assert [node["state"] for node in state["nodes"]] == ["joined", "joined"]
    standing.cluster("stop")
    assert standing.processes() == {}


def test_two_hundred_hostile_connections_do_not_disturb_the_cluster(standing):
    attacked(standing, 200)


@pytest.mark.slow
def test_ten_thousand_hostile_connections_do_not_disturb_the_cluster(standing):
    attacked(standing, 10_000)


def test_everything_listens_on_the_loopback_only(standing):
    standing.cluster("start", "--nodes", 2, "--slots", 1)
    deadline_s = time.monotonic() + 20
    while len(listening := addresses_of(standing.processes())) < 3:  # the master and two nodes
        assert time.monotonic() < deadline_s, listening
    assert listening == ["0100007F"] * 3
    standing.cluster("stop")


def addresses_of(pids):
    """The addresses at which these processes listen."""
    mine = set()
    for pid in pids:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                mine.add(os.readlink(fd))
    listening = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in mine:
                listening.append(words[1].partition(":")[0])
    return listening


def test_no_process_but_executors_and_the_client_opens_a_pickle(tmp_path):
    said = tmp_path / "unpickled"
    (tmp_path / "sitecustomize.py").write_text(AUDIT.format(path=str(said)))
    script = tmp_path / "script.py"
    script.write_text(PICKLED)
    done = subprocess.run(
        [sys.executable, str(script), str(LOG)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert str(2 * LOG.read_bytes().count(b"\n")).encode() in done.stdout
    titles = {" ".join(line.split()[:2]) for line in said.read_text().splitlines()}
    assert "mrframe exec" in titles  # the hook works
    assert not titles & {"mrframe master", "mrframe node-1", "mrframe node-2", "mrframe keeper", "mrframe warm"}


@pytest.mark.parametrize("seed", range(4))
def test_names_from_peers_never_lead_out_of_a_nodes_folders(tmp_path, seed):
    dice = random.Random(seed)
    pieces = [
        "..",
        "/",
        "\0",
        "%2f",
        "a",
        "0" * 64,
        "job-1",
        "m0000.1.1",
        "map.mrf",
        "mrfs",
        ".",
        "~",
        "\n",
        "é",
        "\\",
    ]
    inside = (str(tmp_path / "node"), str(tmp_path / "store"))
    for _ in range(250):
        attempt, name = ("".join(dice.choices(pieces, k=dice.randrange(1, 6))) for _ in range(2))
        with contextlib.suppress(ValueError):
            path = file_in(inside[0], dice.choice([attempt, "mrfs", "job-1/m0000.1.1"]), name, inside[1])
            assert os.path.normpath(path).startswith(inside)


def test_an_old_libzmq_is_refused(monkeypatch):
    monkeypatch.setattr(transport.zmq, "zmq_version_info", lambda: (4, 3, 1))
    with pytest.raises(ClusterUnreachable, match=r"4\.3\.5 or later"):
        transport.make_context()
