"""The cluster's own store, with real processes: put, read, rot, kill, fill up, grow, drain; nothing is lost."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from standing import LOG, ROOT, StandingCluster, answer
from test_submissions import until

BLOCK = 40_000
PUT = [sys.executable, "-m", "mrframe", "fs", "put", "--block-size", "20000", "--json", "access"]


class Store(StandingCluster):
    """A home whose cluster keeps datasets."""

    def fs(self, *words, code=0):
        return self.run("fs", *words, "--dir", self.home, code=code)

    def put(self, *words):
        return json.loads(self.fs("put", *words, "--block-size", BLOCK, "--json").stdout)

    def stat(self, name):
        return json.loads(self.fs("stat", name, "--json").stdout)

    def blocks(self, name):
        """[(block, nodes)] of a version."""
        return [(b["name"], b["nodes"]) for file in self.stat(name)["files"] for b in file["blocks"]]

    def file(self, node, block):
        return self.home / "blocks" / node / "blocks" / block

    def on_disks(self):
        return sorted(path.name for path in self.home.glob("blocks/*/*/*"))

    def start(self, *words):
        self.cluster("start", *words)
        return self

    def job(self, *words):
        """The answer of a submission."""
        job = self.submit(*words)
        self.run("wait", job, "--timeout-s", 50, "--dir", self.home)
        return self.run("result", job, "--dir", self.home).stdout


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    yield store
    store.kill_all()


def flip(path, seed=1):
    data = bytearray(path.read_bytes())
    data[random.Random(seed).randrange(len(data))] ^= 1 << seed % 8
    path.write_bytes(data)


def test_a_dataset_is_read_and_a_second_put_stores_only_new_blocks(store, tmp_path):
    store.start("--nodes", 2, "--slots", 1)
    whole = LOG.read_bytes()
    log = tmp_path / "access.log"
    cut = whole.rfind(b"\n", 0, len(whole) - 20_000) + 1
    log.write_bytes(whole[:cut])
    first = store.put("access", log)
    count = first["blocks"]
    assert (first["name"], first["new"], first["stored_replicas"]) == ("mrfs:access@1", True, 2 * count)
    assert count > 1
    assert store.put("access", log)["new"] is False
    with open(log, "ab") as file:
        file.write(whole[cut:])
    grown = store.put("access", log)
    assert (grown["name"], grown["stored_replicas"]) == ("mrfs:access@2", 2 * (grown["blocks"] - count + 1))
    packed = tmp_path / "access.log.1.gz"
    packed.write_bytes(gzip.compress(whole))
    rotated = store.put("access", packed)
    assert (rotated["name"], rotated["stored_replicas"], rotated["bytes"]) == ("mrfs:access@3", 0, len(whole))
    assert store.fs("cat", "access@1").stdout == whole[:cut]
    assert store.fs("cat", "mrfs:access", packed).stdout == whole
    assert not list(tmp_path.glob("mrframe-*"))
    got = store.job("top_urls", "mrfs:access", "--limit", 5)
    assert got == answer(store, "top_urls", LOG, "--limit", 5)
    both = store.job("top_urls", "mrfs:access@1", "mrfs:access@2", log, "--limit", 5)
    first_part = tmp_path / "first.log"
    first_part.write_bytes(whole[:cut])
    second = shutil.copy(LOG, tmp_path / "second.log")
    assert both == answer(store, "top_urls", first_part, LOG, second, "--limit", 5)
    assert [line.split()[0] for line in store.fs("ls").stdout.decode().splitlines()] == [
        "mrfs:access@1",
        "mrfs:access@2",
        "mrfs:access@3",
    ]
    alone = store.put("access", packed, "--replicas", 1)
    assert (alone["name"], alone["new"], alone["stored_replicas"]) == ("mrfs:access@4", True, 0)
    store.fs("rm", "access", "--all")
    store.fs("balance")
    assert store.on_disks() == []
    assert b"no dataset" in store.fs("cat", "access", code=2).stderr
    refused = store.run("run", "top_urls", "mrfs:access", code=2)
    assert b"mrframe submit JOB mrfs:access" in refused.stderr
    store.cluster("stop")
    assert store.processes() == {}


def test_each_file_of_a_dataset_is_read_in_its_own_format(store, tmp_path):
    logs = [tmp_path / "access.log", tmp_path / "other_vhosts.log"]
    logs[0].write_bytes(LOG.read_bytes())
    logs[1].write_bytes(
        b"".join(b"www.example.org:443 " + line for line in LOG.read_bytes().splitlines(keepends=True))
    )
    store.start("--nodes", 2)
    assert store.put("both", *logs)["name"] == "mrfs:both@1"
    job = store.submit("status_codes", "mrfs:both")
    store.run("wait", job, "--timeout-s", 50, "--dir", store.home)
    result = store.run("result", job, "-v", "--dir", store.home)
    assert result.stdout == answer(store, "status_codes", *logs)
    assert b"format of mrfs:both@1/other_vhosts.log: vhost\n" in result.stderr
    lines = store.run("why", job, "404", "--dir", store.home).stdout
    assert lines.count(b"/access.log:") == lines.count(b"/other_vhosts.log:") > 0


def test_a_damaged_block_is_named_and_repaired_and_the_answer_stays_exact(store):
    store.start("--nodes", 2, "--slots", 1)
    store.put("access", LOG)
    block, nodes = store.blocks("access")[1]
    wanted = answer(store, "visitors", LOG)
    for seed, node in enumerate(nodes):
        sound = store.file(node, block).read_bytes()
        flip(store.file(node, block), seed)
        if not seed:  # a job, or whoever reads it, meets it first
            assert store.job("visitors", "mrfs:access", "--cache", "off") == wanted
            store.fs("fsck", "--repair")
            flip(store.file(node, block), seed)
        found = json.loads(store.fs("fsck", "--json", code=1).stdout)
        assert [(one["node"], one["block"]) for one in found["damaged"]] == [(node, block)]
        assert found["damaged"][0]["places"][0]["file"] == str(LOG)
        assert store.fs("cat", "access").stdout == LOG.read_bytes()
        store.fs("fsck", "--repair")
        assert store.file(node, block).read_bytes() == sound
    assert b"0 damaged" in store.fs("fsck").stdout
    store.cluster("stop")


def test_the_death_of_a_node_fails_neither_a_put_nor_a_job(store, tmp_path):
    store.start("--nodes", 4, "--slots", 1)
    log = tmp_path / "access.log"
    log.write_bytes(LOG.read_bytes() * 5)
    putting = subprocess.Popen(
        [*PUT, log, "--dir", store.home],
        env=store.environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    while putting.poll() is None and len(store.on_disks()) < 20:
        pass
    store.kill("mrframe node-2")
    out, _ = putting.communicate(timeout=50)
    assert json.loads(out)["name"] == "mrfs:access@1"
    job = store.submit("visitors", "mrfs:access")
    store.kill("mrframe node-3")
    store.run("wait", job, "--timeout-s", 50, "--dir", store.home)
    assert store.run("result", job, "--dir", store.home).stdout == answer(store, "visitors", log)
    store.kill("mrframe master")
    store.fs("fsck", "--repair")
    assert all(len(nodes) == 2 for _, nodes in store.blocks("access"))
    store.cluster("stop")
    store.start("--nodes", 4, "--slots", 1)
    assert store.fs("cat", "access").stdout == log.read_bytes()
    store.cluster("stop")
    assert store.processes() == {}


def test_a_full_store_is_an_error_and_leaves_no_partial_dataset(store, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "from mrframe.store import blocks\n"
        "import os, types\n"
        "real = os.statvfs\n"
        "def statvfs(path):\n"
        "    full = 'blocks/node-' in str(path) and len(os.listdir(os.path.join(path, 'blocks'))) >= 1\n"
        "    return types.SimpleNamespace(f_bavail=0, f_frsize=1) if full else real(path)\n"
        "os.statvfs = statvfs\n"
    )
    store.environment["PYTHONPATH"] += os.pathsep + str(tmp_path)
    store.start("--nodes", 2, "--slots", 1)
    refused = store.fs("put", "access", LOG, "--block-size", BLOCK, code=1)
    assert b"has no room" in refused.stderr
    assert b"nothing of this put is kept" in refused.stderr
    store.fs("balance")
    assert store.on_disks() == []
    assert b"no datasets" in store.fs("ls").stdout
    store.cluster("stop")


SOON = "from mrframe.core.replication import reconcile\nreconcile.ORPHAN_S = 0.5\n"


def test_moving_a_damaged_journal_away_loses_no_block_and_no_result(store, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SOON)  # what no put needs is deleted at once
    store.environment["PYTHONPATH"] += os.pathsep + str(tmp_path)
    store.start("--nodes", 2, "--slots", 1)
    store.put("access", LOG)
    job = store.submit("visitors", "mrfs:access")
    store.run("wait", job, "--timeout-s", 50, "--dir", store.home)
    wanted = store.run("result", job, "--dir", store.home).stdout
    store.cluster("stop")
    before = store.on_disks()
    mark = store.home / "journal" / "journal.mark"
    sound = mark.read_bytes()
    mark.write_bytes(b"\xff" + sound[1:])
    assert b"move that directory away" in store.cluster("start", code=1).stderr
    mark.write_bytes(sound)
    (store.home / "journal").rename(tmp_path / "journal.saved")
    store.start("--nodes", 2, "--slots", 1)
    assert b"mrframe fs recover" in store.fs("fsck", code=1).stdout
    store.fs("balance")  # all that is to be deleted is deleted then
    assert store.on_disks() == before
    assert store.fs("ls").stdout.splitlines()[-1].endswith(b"mrframe fs recover brings them back")
    assert store.fs("recover").stdout == b"mrfs:access@1 is there again\n"
    assert store.fs("recover", code=2).stderr.startswith(b"error: no node knows a version")
    assert store.fs("cat", "access").stdout == LOG.read_bytes()
    store.fs("fsck")
    store.cluster("stop")
    (store.home / "journal").rename(tmp_path / "journal.new")
    (tmp_path / "journal.saved").rename(store.home / "journal")
    store.start("--nodes", 2, "--slots", 1)
    assert store.run("result", job, "--dir", store.home).stdout == wanted
    store.fs("fsck")
    store.fs("rm", "access", "--all")
    store.fs("balance")
    until(lambda: store.on_disks() == [])
    store.cluster("stop")


@pytest.mark.slow
def test_restoring_an_older_journal_loses_no_later_dataset(store, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SOON)
    store.environment["PYTHONPATH"] += os.pathsep + str(tmp_path)
    store.start("--nodes", 2, "--slots", 1)
    store.put("access", LOG)
    store.cluster("stop")
    shutil.copytree(store.home / "journal", tmp_path / "copy")
    store.start("--nodes", 2, "--slots", 1)
    later = tmp_path / "later.log"
    later.write_bytes(b"127.0.0.1 another line\n" * 3000)
    assert store.put("access", later)["name"] == "mrfs:access@2"
    job = store.submit("word_count", later)
    store.run("wait", job, "--timeout-s", 50, "--dir", store.home)
    store.cluster("stop")
    before, sealed = store.on_disks(), sorted(store.home.glob("nodes/*/*/*/*"))
    assert sealed
    (store.home / "journal").rename(tmp_path / "newest")
    (tmp_path / "copy").rename(store.home / "journal")
    store.start("--nodes", 2, "--slots", 1)
    assert json.loads(store.cluster("status", "--json").stdout)["epoch"] == 3  # 2 was another master's
    store.fs("balance")
    assert (store.on_disks(), sorted(store.home.glob("nodes/*/*/*/*"))) == (before, sealed)
    found = json.loads(store.fs("fsck", "--json", code=1).stdout)
    assert [(one["name"], one["nodes"]) for one in found["not_in_journal"]] == [
        ("mrfs:access@2", ["node-1", "node-2"])
    ]
    store.fs("recover", "access")
    assert store.fs("cat", "access@2").stdout == later.read_bytes()
    assert store.fs("cat", "access@1").stdout == LOG.read_bytes()
    store.cluster("stop")


def test_put_refuses_unusable_input_with_the_remedy(store, tmp_path):
    store.start("--nodes", 1, "--slots", 1)
    empty = tmp_path / "empty.log"
    empty.touch()
    for words, said in (
        (["a/b", LOG], "names no dataset"),
        (["access@3", LOG], "say access, without @3"),
        (["access", tmp_path / "none.log"], "does not exist"),
        (["access", "-"], "standard input cannot be put"),
        (["access", LOG, "--block-size", "0"], "--block-size 0"),
        (["access", LOG, "--block-size", "much"], "--block-size much"),
    ):
        refused = store.fs("put", *words, code=2)
        assert said in refused.stderr.decode()
        assert b"Traceback" not in refused.stderr
    assert store.put("empty", empty)["blocks"] == 0
    assert store.fs("cat", "empty").stdout == b""
    assert store.job("visitors", "mrfs:empty") == b""
    for words in (["cat", "empty", "none.log"], ["stat", "none"], ["rm", "empty"], ["rm", "empty@7"]):
        assert store.fs(*words, code=2).stderr.startswith(b"error: ")
    store.cluster("stop")


def test_blocks_are_rebalanced_when_nodes_come_and_go(store):
    store.start("--nodes", 2, "--slots", 1)
    store.put("access", LOG)
    store.cluster("stop")
    store.start("--nodes", 3, "--slots", 1)
    store.fs("balance")
    held = store.fs("balance").stdout.decode()
    assert "node-3" in held
    assert list(store.home.glob("blocks/node-3/blocks/*"))
    store.fs("decommission", "node-1")
    assert not list(store.home.glob("blocks/node-1/blocks/*"))
    store.fs("decommission", "node-2")
    assert b"last node" in store.fs("decommission", "node-3", code=2).stderr
    assert b"no node 'node-9'" in store.fs("decommission", "node-9", code=2).stderr
    assert all(nodes == ["node-3"] for _, nodes in store.blocks("access"))
    store.fs("decommission", "node-1", "--undo")
    assert all(nodes == ["node-1", "node-3"] for _, nodes in store.blocks("access"))
    assert store.fs("cat", "access").stdout == LOG.read_bytes()
    store.cluster("stop")


def test_blocks_travel_by_the_network_when_they_may_not_be_read_by_path(store):
    store.start("--nodes", 2, "--slots", 1, "--shuffle", "zmq")
    store.put("access", LOG, "--replicas", 1)
    assert store.fs("cat", "access").stdout == LOG.read_bytes()
    store.fs("decommission", "node-1")
    assert store.job("visitors", "mrfs:access") == answer(store, "visitors", LOG)
    store.cluster("stop")


@pytest.mark.slow
def test_a_lost_block_fails_the_job_and_is_reported_as_lost(store):
    store.start("--nodes", 2, "--slots", 1)
    store.put("access", LOG)
    block, nodes = store.blocks("access")[2]
    for node in nodes:
        store.file(node, block).unlink()
    lost = store.fs("fsck", code=1).stdout.decode()
    assert f"LOST: mrfs:access@1 {LOG} from byte" in lost
    job = store.submit("visitors", "mrfs:access", "--cache", "off")
    failed = store.run("wait", job, "--timeout-s", 55, "--dir", store.home, code=1)
    assert block[:12] in failed.stderr.decode()
    again = store.put("access", LOG)
    assert (again["new"], again["stored_replicas"]) == (False, 2)
    assert store.job("visitors", "mrfs:access") == answer(store, "visitors", LOG)
    store.cluster("stop")


FAILS = """
import os
from mrframe import Job, count, text

def look(line):
    if line.startswith("BAD"):
        {how}
    yield len(line), 1

job = Job(read=text, map=look, reduce=count)
"""


@pytest.mark.parametrize("how", ["raise ValueError(line)", "os.abort()"])
@pytest.mark.parametrize("number", [5, 9000])
def test_a_failing_record_of_a_stored_block_is_named(store, tmp_path, how, number):
    """Its line is known in the first block alone: those before another one may lie on other nodes."""
    store.start("--nodes", 2, "--slots", 1)
    lines = [b"line %d of a log\n" % i for i in range(10_000)]
    lines[number] = b"BAD %d\n" % number
    (tmp_path / "log").write_bytes(b"".join(lines))
    (tmp_path / "fails.py").write_text(FAILS.format(how=how))
    store.fs("put", "lines", tmp_path / "log", "--block-size", "64KiB")
    job = store.submit(tmp_path / "fails.py", "mrfs:lines")
    said = store.run("wait", job, "--timeout-s", 50, "--dir", store.home, code=1).stderr.decode()
    at = sum(map(len, lines[:number]))
    place = f"log:{number + 1} (byte {at})" if number == 5 else f"log (byte {at})"
    assert f"{place}\n  record  BAD {number}\n" in said
    store.cluster("stop")


def test_map_tasks_run_where_their_blocks_are(store, tmp_path):
    store.start("--nodes", 4, "--slots", 1)
    log = tmp_path / "access.log"
    log.write_bytes(LOG.read_bytes() * 300)
    store.fs("put", "access", log, "--block-size", "1MiB")
    job = store.submit("status_codes", "mrfs:access", "--cache", "off")
    store.run("wait", job, "--timeout-s", 50, "--dir", store.home)
    summary = tmp_path / "summary.json"
    store.run("result", job, "--summary", summary, "--dir", store.home)
    said = json.loads(summary.read_text())
    local, other = said["data_local"], said["other_map"]
    assert local + other > 20
    assert local >= 0.6 * (local + other)  # small blocks are not waited for; by chance it would be half
    store.cluster("stop")


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [25])
def test_nodes_and_the_master_are_killed_again_and_again_while_versions_are_put(store, tmp_path, rounds):
    dice = random.Random(rounds)
    store.start("--nodes", 4, "--slots", 1)
    log = tmp_path / "access.log"
    lines = LOG.read_bytes().splitlines(keepends=True)
    versions = []
    for _ in range(rounds):
        with open(log, "ab") as file:
            file.write(b"".join(dice.choices(lines, k=dice.randrange(200, 3000))))
        putting = subprocess.Popen(
            [*PUT, log, "--dir", store.home],
            env=store.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        before = len(store.on_disks())
        while putting.poll() is None and len(store.on_disks()) < before + dice.randrange(1, 12):
            pass
        store.kill(dice.choice(["mrframe master", *(f"mrframe node-{number}" for number in range(1, 5))]))
        out, _ = putting.communicate(timeout=100)
        assert putting.returncode == 0
        versions.append((json.loads(out)["name"], log.read_bytes()))
    for name, content in versions:
        assert store.fs("cat", name).stdout == content
    store.fs("fsck", "--repair")
    assert all(len(nodes) == 2 for _, nodes in store.blocks("access"))
    assert Path(store.home, "journal").is_dir()
    store.cluster("stop")
    assert store.processes() == {}
