"""A node's store of blocks, as its driver: what the master asks for is done one after the other by a block executor.

The executor is a process of its own, forked from the warm parent when it is first needed: reading, compressing and
syncing would hold up the node's loop. It runs no user code. What is decided about blocks, the master decides
(`core/replication/reconcile.py`); here is only the order of work, and what is said about it.

Rules.
- What the node has is told in full with each welcome of a new master, and every `TELL_S`: so nothing that was lost on
  the way stays unknown.
- A replica that is not read from the disk of another node on this host is fetched, and judged as all others are.
- All blocks are judged once in `scrub_s`, one by one, while nothing else is asked for. It begins at a place that
  chance finds: a node that is started again and again would else judge only the first ones.
- An executor that takes longer than `WORK_S` for a block is ended; the block is refused.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import Any

from mrframe.cluster.node.fetching import Fetcher, FetchRequest, FetchResult
from mrframe.cluster.node.manifest_store import ManifestStore
from mrframe.cluster.node.pool import Pool
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.block_messages import (
    STORED,
    BlockDamaged,
    BlockDone,
    BlockRefused,
    BlocksHeld,
    BlocksJudged,
    BlockStored,
    DropBlock,
    JudgeBlocks,
    JudgeOrder,
    StoreBlock,
    StoreOrder,
)
from mrframe.core.model.manifest_messages import DropVersion, KeepVersion, VersionAsked
from mrframe.errors import MrframeError
from mrframe.store.blocks import BlockStore, block_path

BLOCK_EXECUTOR = 0
"""The number of the block executor among the executors, which count from 1."""
StorageMessage = StoreBlock | DropBlock | JudgeBlocks | KeepVersion | DropVersion | VersionAsked
REPORT_S = 20.0
REPORT_BLOCKS = 2_000
WORK_S = 120.0


@dataclass(slots=True, eq=False)
class Job:
    """A block that waits for the executor, or is worked on. `judging`: the number of the judging it belongs to."""

    order: StoreOrder | JudgeOrder
    judging: int = 0
    fetched: str = ""


@dataclass(slots=True, eq=False)
class Judging:
    """A judging under way: so many blocks are still to be read, of so many."""

    left: int
    blocks: int


class BlockService:
    """The store in `folder` of this node (`name`, `incarnation`). `say` sends to the master."""

    def __init__(
        self,
        folder: str,
        *,
        node: tuple[str, str],
        by_path: bool,
        pool: Pool,
        fetcher: Fetcher,
        send: Callable[[Any], None],
        scrub_s: float,
    ) -> None:
        self._store = BlockStore(folder)
        self._store.sweep()
        self._node = node
        self._manifests = ManifestStore(self._store, node, send)
        self._by_path = by_path
        self._pool = pool
        self._fetcher = fetcher
        self._send = send
        self._waiting: deque[Job] = deque()
        self._fetching: dict[str, StoreBlock] = {}
        self._current: Job | None = None
        self._since_s = 0.0
        self._has_executor = False
        self._ready = False
        self._judgings: dict[int, Judging] = {}
        self._next_report_s = 0.0
        self._scrub_s = scrub_s
        self._scrubbed = os.urandom(32).hex()  # as blocks are named
        self._next_scrub_s = time.monotonic() + self._scrub_pause_s(self._store.names())

    # ---- what the master wants ----------------------------------------------------------------------

    def handle(self, message: StorageMessage, now_s: float) -> None:
        """Do what the master says; ValueError when it names no block or version."""
        match message:
            case StoreBlock():
                self._store.file(message.name)
                self._get(message, now_s)
            case KeepVersion() | DropVersion() | VersionAsked():
                self._manifests.handle(message)
            case DropBlock(name, moved):
                if self._manifests.name(name) and not moved:
                    return  # a version that the master does not know yet needs it
                try:
                    self._store.delete(name)
                except MrframeError as error:
                    self._refuse(name, "failed", str(error))
            case JudgeBlocks(number, names):
                for name in names:
                    self._store.file(name)
                self._judge(number, names)

    def _get(self, message: StoreBlock, now_s: float) -> None:
        """Have a block stored: from its client's file, or from another node's store."""
        busy = [
            job.order.name for job in (*self._waiting, self._current) if job and isinstance(job.order, StoreOrder)
        ]
        if message.name in busy or message.name in self._fetching:
            return
        if message.path:
            self._store_from(message, message.path, is_block=False)
            return
        if self._node[0] in message.holders:  # it is here, as far as the master knows: it is looked at
            self._store_from(message, self._store.file(message.name), is_block=True)
            return
        for holder in message.holders:
            address = self._fetcher.address(holder)
            path = block_path(address.storage, message.name) if self._by_path and address and address.storage else ""
            if path and os.path.exists(path):
                self._store_from(message, path, is_block=True)
                return
        self._fetching[message.name] = message
        holder = message.holders[0] if message.holders else ""
        path = self._store.staged(message.name)
        self._fetcher.fetch(FetchRequest((STORED, message.name), holder, STORED, message.name, None, path), now_s)

    def result(self, result: FetchResult) -> None:
        """A block has been fetched, or could not be."""
        message = self._fetching.pop(result.request.name, None)
        if message is None:
            return
        if result.reason:
            self._refuse(message.name, "failed" if result.here else "gone", result.reason)
        else:
            self._store_from(message, result.request.path, is_block=True, fetched=result.request.path)

    def _store_from(self, message: StoreBlock, path: str, *, is_block: bool, fetched: str = "") -> None:
        folder = self._store.path
        order = StoreOrder(message.name, message.length, folder, path, message.offset, is_block, message.provisional)
        self._waiting.append(Job(order, fetched=fetched))
        self._work()

    def _judge(self, number: int, names: tuple[str, ...]) -> None:
        if number in self._judgings:
            return
        all_names = sorted({*names, *self._store.names()}) if number else list(names)
        if number:
            self._judgings[number] = Judging(len(all_names), len(all_names))
            self._end_judging(number)
        for name in all_names:
            self._waiting.append(Job(JudgeOrder(name, self._store.path), number))
        self._work()

    # ---- the executor ---------------------------------------------------------------------------------

    def _work(self) -> None:
        """Give the executor its next block."""
        if self._current is not None or not self._waiting:
            return
        if not self._has_executor:
            self._has_executor = True
            self._pool.spawn(BLOCK_EXECUTOR)
        if self._ready:
            self._current = self._waiting.popleft()
            self._since_s = time.monotonic()
            self._pool.work_on(BLOCK_EXECUTOR, self._current.order)

    def executor_ready(self) -> None:
        """The executor is up."""
        self._ready = True
        self._work()

    def executor_died(self, reason: str) -> None:
        """The executor has ended: what it was at has failed, and the next one goes on."""
        self._has_executor = self._ready = False
        if self._current is not None:
            self.done(BlockDone(BLOCK_EXECUTOR, self._current.order.name, "failed", f"its block executor {reason}"))
        self._work()

    def done(self, done: BlockDone) -> None:
        """The executor has done its order."""
        job, self._current = self._current, None
        if job is None or job.order.name != done.name:
            return
        if job.fetched:
            _delete(job.fetched)
        if isinstance(job.order, JudgeOrder):
            self._judged(job, done)
        elif done.kind in ("", "damaged"):
            stored = BlockStored(*self._node, done.name, job.order.length, done.file_bytes, done.new)
            self._send(stored)
        else:
            self._refuse(done.name, done.kind, done.reason)
        self._work()

    def _judged(self, job: Job, done: BlockDone) -> None:
        name = done.name
        if done.kind == "" and not job.judging:
            self._send(BlockStored(*self._node, name, 0, 0, new=False))
        elif done.kind:
            self._send(BlockDamaged(*self._node, name, job.judging, done.reason))
        judging = self._judgings.get(job.judging)
        if judging is not None:
            judging.left -= 1
            self._end_judging(job.judging)

    def _end_judging(self, number: int) -> None:
        judging = self._judgings[number]
        if judging.left <= 0:
            del self._judgings[number]
            self._send(BlocksJudged(*self._node, number, judging.blocks))

    def _refuse(self, name: str, kind: Any, reason: str) -> None:
        self._send(BlockRefused(*self._node, name, kind, reason))

    # ---- time ---------------------------------------------------------------------------------------

    def welcomed(self) -> None:
        """A new master is there, who knows nothing of what is here."""
        self._next_report_s = 0.0

    def tick(self, now_s: float) -> None:
        """Tell what is here, scrub, and end an executor that hangs, as time passes."""
        if now_s >= self._next_report_s:
            self._next_report_s = now_s + REPORT_S
            self._report()
        if self._current is not None and now_s - self._since_s > WORK_S:
            self._since_s = now_s
            self._pool.kill(BLOCK_EXECUTOR)
        if now_s >= self._next_scrub_s and self._current is None:
            self._scrub_next(now_s)

    def _report(self) -> None:
        for message in self._manifests.held():
            self._send(message)
        names = self._store.names()
        marked = self._store.provisional()
        provisional = {name for name in marked if not self._manifests.name(name)}
        unknown = {name for name in names if name not in marked and not self._manifests.name(name)}
        after = ""
        for first in range(0, max(1, len(names)), REPORT_BLOCKS):
            some = tuple(names[first : first + REPORT_BLOCKS])
            to = some[-1] if first + REPORT_BLOCKS < len(names) else ""
            sizes = tuple((name, self._store.size(name)) for name in some if name in unknown)
            self._send(BlocksHeld(*self._node, after, to, some, tuple(n for n in some if n in provisional), sizes))
            after = to

    def _scrub_pause_s(self, names: list[str]) -> float:
        return self._scrub_s / max(1, len(names))

    def _scrub_next(self, now_s: float) -> None:
        """Judge the block behind the one that was judged last, by name; behind the last the first one."""
        names = self._store.names()
        self._next_scrub_s = now_s + self._scrub_pause_s(names)
        if names:
            place = bisect_right(names, self._scrubbed)
            self._scrubbed = names[place % len(names)]
            self._waiting.append(Job(JudgeOrder(self._scrubbed, self._store.path)))
            self._work()


def _delete(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # it was never complete
