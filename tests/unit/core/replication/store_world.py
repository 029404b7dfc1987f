"""A master's scheduler and nodes that only remember, with a clock of its own; messages arrive at once or are lost."""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256

from mrframe.core.model.actions import Persist, SendNode
from mrframe.core.model.block_messages import (
    BlockDamaged,
    BlockRefused,
    BlocksHeld,
    BlocksOffered,
    BlockStored,
    DropBlock,
    JudgeBlocks,
    OfferedBlock,
    PutEnded,
    PutWanted,
    StoreBlock,
    VersionWanted,
)
from mrframe.core.model.catalog import DatasetBlock, DatasetFile, Version
from mrframe.core.model.events import DatasetPut, NodeGone, NodeJoined, Tick
from mrframe.core.model.manifest_messages import (
    DropVersion,
    KeepVersion,
    VersionAsked,
    VersionKept,
    VersionsHeld,
    VersionTold,
)
from mrframe.core.replication.reconcile import AWAY_S, REQUEST_S
from mrframe.core.replication.rendezvous import replica_nodes
from mrframe.core.replication.replicas import SETTLE_S
from mrframe.core.scheduling.scheduler import Scheduler

TICK_S = 0.5


def name_of(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


class World:
    def __init__(self, nodes: int) -> None:
        self.now_s = 0.0
        self.epoch = 1
        self.facts: list = []
        self.scheduler = Scheduler(1)
        self.disks: dict[str, set[str]] = {f"node-{number}": set() for number in range(1, nodes + 1)}
        self.alive: dict[str, str] = {}
        self.full: set[str] = set()
        self.sent: list = []
        self.lose = 0
        self.puts = 1000
        self.provisional: dict[str, set[str]] = defaultdict(set)
        self.manifests: dict[str, dict[str, Version]] = defaultdict(dict)
        for node in self.disks:
            self.join(node)

    def handle(self, event) -> None:
        waiting = [event]
        while waiting:
            for action in self.scheduler.handle(waiting.pop(0), self.now_s):
                if isinstance(action, Persist):
                    self.facts.append(action.fact)
                elif isinstance(action, SendNode) and isinstance(
                    action.message,
                    StoreBlock | DropBlock | JudgeBlocks | KeepVersion | DropVersion | VersionAsked,
                ):
                    waiting += self._do(action.node, action.message)

    def _do(self, node: str, message) -> list:
        self.sent.append((node, message))
        if node not in self.alive:
            return []
        if self.lose:
            self.lose -= 1
            return []
        who, disk = (node, self.alive[node]), self.disks[node]
        match message:
            case DropBlock(name, moved):
                if moved or not self.named(node, name):
                    disk.discard(name)
                    self.provisional[node].discard(name)
            case KeepVersion(version):
                self.manifests[node][version.key] = version
                self.provisional[node] -= {block.name for block in version.blocks()}
                return [VersionKept(*who, version.key)]
            case DropVersion(key):
                gone = self.manifests[node].pop(key, None)
                for block in gone.blocks() if gone else ():
                    if block.name in disk and not self.named(node, block.name):
                        self.provisional[node].add(block.name)
            case VersionAsked(key):
                return [VersionTold(*who, self.manifests[node][key])]
            case JudgeBlocks(number, names):
                return [BlockDamaged(*who, name, number, "gone") for name in names if name not in disk]
            case StoreBlock() if node in self.full:
                return [BlockRefused(*who, message.name, "full", "no room")]
            case StoreBlock():
                there = any(message.name in self.disks[other] for other in message.holders if other in self.alive)
                if not message.path and not there:
                    return [BlockRefused(*who, message.name, "gone", "not there")]
                new = message.name not in disk
                disk.add(message.name)
                if not message.provisional:
                    self.provisional[node].discard(message.name)
                elif new:
                    self.provisional[node].add(message.name)
                return [BlockStored(*who, message.name, 10, 5, new)]
        return []

    def join(self, node: str) -> None:
        incarnation = f"{node}-{self.now_s}-{len(self.sent)}"
        self.alive[node] = incarnation
        self.disks.setdefault(node, set())
        self.handle(NodeJoined(node, incarnation, 1, ()))
        self.report_blocks(node)

    def named(self, node: str, name: str) -> bool:
        return name in self.names(node)

    def names(self, node: str) -> set[str]:
        """The blocks that manifests on a node name."""
        return {block.name for version in self.manifests[node].values() for block in version.blocks()}

    def report_blocks(self, node: str) -> None:
        disk, marked, who = self.disks[node], self.provisional[node], (node, self.alive[node])
        unnamed = disk - self.names(node)
        provisional = tuple(sorted(unnamed & marked))
        unknown = tuple((name, 5) for name in sorted(unnamed - marked))
        self.handle(VersionsHeld(*who, "", "", tuple(sorted(self.manifests[node]))))
        self.handle(BlocksHeld(*who, "", "", tuple(sorted(disk)), provisional, unknown))

    def kill(self, node: str) -> None:
        self.handle(NodeGone(node, self.alive.pop(node)))

    def restart_master(self, *, facts: int | None = None) -> None:
        """The next master; with `facts` from a copy of the journal that has only so many."""
        self.epoch += 1
        del self.facts[len(self.facts) if facts is None else facts :]
        self.scheduler = Scheduler(self.epoch)
        self.scheduler.recover(list(self.facts))
        for node in list(self.alive):
            self.handle(NodeJoined(node, self.alive[node], 1, ()))
            self.report_blocks(node)

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += TICK_S
            for node in self.alive if self.now_s % (4 * TICK_S) == 0 else ():  # as by their heartbeats
                self.report_blocks(node)
            self.handle(Tick())

    def offer(self, put: int, blocks, replicas: int = 2) -> None:
        offered = tuple(OfferedBlock(name_of(b), 10, f"/log-{b}", 0) for b in blocks)
        self.handle(BlocksOffered(put, replicas, offered))

    def state(self, put: int):
        return self.scheduler.reply(PutWanted(put), self.now_s)

    def put(self, dataset: str, blocks, replicas: int = 2) -> int:
        """Put blocks as the next version; its number."""
        self.puts += 1
        self.offer(self.puts, blocks, replicas)
        for _ in range(60):
            self.run(1)
            if not self.state(self.puts).pending:
                break
        number = self.scheduler.state.datasets.last(dataset) + 1
        files = tuple(DatasetFile(f"{b}", (DatasetBlock(name_of(b), 10),)) for b in blocks)
        self.handle(DatasetPut(Version(dataset, number, self.puts, replicas, files)))
        found = self.scheduler.state.datasets.find(dataset, number)
        for _ in range(200):
            if not found or not self.scheduler.reply(VersionWanted(dataset, number), self.now_s).unrecorded:
                break
            self.run(1)
        else:
            raise AssertionError(f"{dataset}@{number} has nodes without its manifest")
        self.handle(PutEnded(self.puts))
        return number if found is not None else 0

    def where(self, block: int) -> set[str]:
        return {node for node, disk in self.disks.items() if name_of(block) in disk}

    def settle(self) -> None:
        self.run(SETTLE_S + AWAY_S + REQUEST_S + 10)


def wanted(world: World, block: int, replicas: int = 2) -> set[str]:
    return set(replica_nodes(name_of(block), dict.fromkeys(world.alive, 1.0), replicas))
