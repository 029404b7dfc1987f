"""Datasets: found while nodes have yet to report, and put by a client that keeps in touch with the master."""

from __future__ import annotations

import gzip
import os
from types import SimpleNamespace

import pytest

from mrframe.core.model.block_messages import (
    LISTED_MAX,
    BlocksOffered,
    OfferedBlock,
    PutState,
    PutWanted,
    StorageState,
    StorageWanted,
    VersionsState,
    VersionState,
    VersionsWanted,
)
from mrframe.core.model.catalog import DatasetBlock, DatasetFile, Version
from mrframe.core.model.events import DatasetPut
from mrframe.core.replication.puts import SILENT_S
from mrframe.engines.datasets import datasets
from mrframe.engines.datasets.datasets import find, put

VERSION = Version("access", 1, 1, 1, (DatasetFile("x.log", (DatasetBlock("b" * 64, 10),)),))


class Starting:
    """A cluster that has the block after so many rests, and has heard all its nodes after as many, too."""

    def __init__(self, rests, *, lost=False):
        self.rests, self.lost = rests, lost

    def ask(self, question, timeout_s):
        there = self.rests <= 0
        if isinstance(question, StorageWanted):
            return StorageState(there, (), (), 0, 0, (), ())
        return VersionState("access", 1, VERSION, (("node-1",) if there and not self.lost else (),))

    def rest(self, seconds):
        self.rests -= 1
        assert self.rests > -3, "it waits for what will not come"


@pytest.mark.parametrize("rests", [0, 1, 5])
def test_blocks_are_known_once_the_nodes_have_said_what_they_have(rests):
    assert find(Starting(rests), "access").holders == (("node-1",),)


def test_a_block_that_is_lost_is_not_waited_for():
    cluster = Starting(2, lost=True)
    assert find(cluster, "access").holders == ((),)
    assert cluster.rests == 0


class Receiving:
    """A cluster that stores each block as it is offered. At `restart_s` a new master knows nothing of it."""

    def __init__(self, restart_s):
        self.now_s, self.restart_s = 0.0, restart_s
        self.contacts_s, self.known, self.versions = [0.0], {}, []

    def want(self, event, timeout_s):
        if isinstance(event, BlocksOffered):
            self.receive()
            self.known |= {block.name: self.now_s for block in event.blocks}
        elif isinstance(event, DatasetPut):
            self.versions.append(event.version)

    def ask(self, question, timeout_s):
        if isinstance(question, PutWanted):
            self.receive()
            return PutState(question.put, len(self.known), (), 0, 0, ())
        if isinstance(question, VersionsWanted):
            return VersionsState("logs", len(self.versions), ())
        return VersionState("logs", 1, self.versions[-1] if self.versions else None, ())

    def receive(self):
        self.contacts_s.append(self.now_s)
        if self.now_s >= self.restart_s:
            self.known, self.restart_s = {}, float("inf")


@pytest.mark.parametrize("restart_s", [float("inf"), 50.0], ids=["one master", "a new master"])
def test_a_client_that_cuts_a_large_file_slowly_keeps_in_touch(tmp_path, monkeypatch, restart_s):
    cluster = Receiving(restart_s)

    def slow_cuts(file, block_bytes, folder):
        for number in range(90):
            cluster.now_s += 2.0
            yield OfferedBlock(f"{number:064x}", 1, file.path, number)

    monkeypatch.setattr(datasets, "cuts", slow_cuts)
    monkeypatch.setattr(datasets, "time", SimpleNamespace(monotonic=lambda: cluster.now_s))
    (tmp_path / "x.log").write_text("a\n")
    made = put(cluster, "logs", [str(tmp_path / "x.log")], block_bytes=1, replicas=1, folder=str(tmp_path))
    assert len(made.version.blocks()) == len(cluster.known) == 90
    gaps_s = [after - before for before, after in zip(cluster.contacts_s, cluster.contacts_s[1:], strict=False)]
    assert max(gaps_s) < SILENT_S / 5
    if restart_s < cluster.now_s:
        assert min(cluster.known.values()) < restart_s + SILENT_S, "it has offered its blocks again in time"


class Behind(Receiving):
    """A cluster that still lacks so many blocks of other files that it does not list those offered last."""

    def __init__(self):
        super().__init__(float("inf"))
        self.paths, self.states = [], 0

    def want(self, event, timeout_s):
        super().want(event, timeout_s)
        self.paths += [block.path for block in event.blocks] if isinstance(event, BlocksOffered) else []

    def ask(self, question, timeout_s):
        reply = super().ask(question, timeout_s)
        if not isinstance(question, PutWanted):
            return reply
        self.states += 1
        if self.states > 3:
            return reply
        assert all(map(os.path.exists, self.paths)), "a block is deleted before it is stored"
        return PutState(question.put, len(self.known), tuple(map(str, range(LISTED_MAX))), self.states, 0, ())

    def rest(self, seconds):
        pass


def test_a_decoded_block_stays_until_the_cluster_lists_all_that_it_lacks(tmp_path, monkeypatch):
    cluster = Behind()

    def cuts(file, block_bytes, folder):
        for number in range(12):
            path = tmp_path / f"{number}.block"
            path.write_text("a\n")
            yield OfferedBlock(f"{number:064x}", 2, str(path), 0)

    monkeypatch.setattr(datasets, "cuts", cuts)
    (tmp_path / "x.log.gz").write_bytes(gzip.compress(b"a\n" * 12))
    put(cluster, "logs", [str(tmp_path / "x.log.gz")], block_bytes=2, replicas=1, folder=str(tmp_path))
    assert cluster.states > 3
    assert not any(map(os.path.exists, cluster.paths))
