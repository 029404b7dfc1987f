"""A node's side of the block store: stores, verifies and deletes blocks on the master's request and reports them.

The master decides about blocks (`core/replication/reconcile.py`), the block executor does the work
(`block_executor.py`). Between them, this module chooses the source of each replica and reports to the master.

Rules.
- The node reports all of its blocks after each welcome of a new master and every `REPORT_S`, so a lost message leaves
  nothing unknown for longer than that.
- A replica that cannot be read from the disk of another node on this host is fetched. Either way it is verified
  before it is stored.
- Scrubbing verifies every block once in `scrub_s`, one at a time while the executor is idle. It starts at a random
  name: a node that is restarted every few hours would otherwise verify only the first blocks.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from mrframe.cluster.node.block_executor import BlockExecutor, BlockRequest
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
from mrframe.core.model.events import ExecutorDied, ExecutorReady
from mrframe.core.model.manifest_messages import DropVersion, KeepVersion, VersionAsked
from mrframe.errors import MrframeError
from mrframe.store.blocks import BlockStore, block_path

StorageMessage = StoreBlock | DropBlock | JudgeBlocks | KeepVersion | DropVersion | VersionAsked
REPORT_S = 20.0
REPORT_BLOCKS = 2_000


@dataclass(slots=True, eq=False)
class Verification:
    """A verification that the master has asked for: `left` of its `blocks` blocks are still to be read."""

    left: int
    blocks: int


class BlockService:
    """The block store in `folder` of this node (`name`, `incarnation`). `send` sends to the master."""

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
        self._executor = BlockExecutor(pool, self._done)
        self._fetcher = fetcher
        self._send = send
        self._fetching: dict[str, StoreBlock] = {}
        self._verifications: dict[int, Verification] = {}
        self._next_report_s = 0.0
        self._scrub_s = scrub_s
        self._scrubbed = os.urandom(32).hex()  # as blocks are named
        self._next_scrub_s = time.monotonic() + self._scrub_pause_s(self._store.names())

    # ---- requests of the master ---------------------------------------------------------------------

    def handle(self, message: StorageMessage, now_s: float) -> None:
        """Do what the master asks for. Raises ValueError for an invalid name of a block or version."""
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
                self._verify(number, names)

    def _get(self, message: StoreBlock, now_s: float) -> None:
        """Store a block from its client's file or from another node's store."""
        if message.name in self._fetching or self._executor.is_storing(message.name):
            return
        if message.path:
            self._store_from(message, message.path, is_block=False)
            return
        if self._node[0] in message.holders:  # the master thinks that it is here already: verify that copy
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

    def fetched(self, result: FetchResult) -> None:
        """Take the result of a transfer that was begun for a block."""
        message = self._fetching.pop(result.request.name, None)
        if message is None:
            return
        if result.reason:
            self._refuse(message.name, "failed" if result.here else "gone", result.reason)
        else:
            self._store_from(message, result.request.path, is_block=True, copy=result.request.path)

    def _store_from(self, message: StoreBlock, path: str, *, is_block: bool, copy: str = "") -> None:
        folder = self._store.path
        order = StoreOrder(message.name, message.length, folder, path, message.offset, is_block, message.provisional)
        self._executor.submit(BlockRequest(order, copy=copy))

    def _verify(self, number: int, names: tuple[str, ...]) -> None:
        """Verify all blocks of the store and these. With number 0, only these, without a reply."""
        if number in self._verifications:
            return
        all_names = sorted({*names, *self._store.names()}) if number else list(names)
        if number:
            self._verifications[number] = Verification(len(all_names), len(all_names))
            self._end_verification(number)
        self._executor.submit(*(BlockRequest(JudgeOrder(name, self._store.path), number) for name in all_names))

    # ---- results of the executor ----------------------------------------------------------------------

    def handle_executor(self, event: ExecutorReady | ExecutorDied | BlockDone) -> None:
        """Take an event of the block executor."""
        self._executor.handle(event)

    def _done(self, request: BlockRequest, result: BlockDone) -> None:
        if request.copy:
            _delete(request.copy)
        if isinstance(request.order, JudgeOrder):
            self._verified(request, result)
        elif result.kind in ("", "damaged"):
            self._send(BlockStored(*self._node, result.name, request.order.length, result.file_bytes, result.new))
        else:
            self._refuse(result.name, result.kind, result.reason)

    def _verified(self, request: BlockRequest, result: BlockDone) -> None:
        name = result.name
        if result.kind == "" and not request.verification:
            self._send(BlockStored(*self._node, name, 0, 0, new=False))
        elif result.kind:
            self._send(BlockDamaged(*self._node, name, request.verification, result.reason))
        verification = self._verifications.get(request.verification)
        if verification is not None:
            verification.left -= 1
            self._end_verification(request.verification)

    def _end_verification(self, number: int) -> None:
        verification = self._verifications[number]
        if verification.left <= 0:
            del self._verifications[number]
            self._send(BlocksJudged(*self._node, number, verification.blocks))

    def _refuse(self, name: str, kind: Any, reason: str) -> None:
        self._send(BlockRefused(*self._node, name, kind, reason))

    # ---- time ---------------------------------------------------------------------------------------

    def welcomed(self) -> None:
        """Report all blocks soon: a new master knows nothing of them."""
        self._next_report_s = 0.0

    def tick(self, now_s: float) -> None:
        """Report, scrub, and kill an executor that hangs, when each is due."""
        if now_s >= self._next_report_s:
            self._next_report_s = now_s + REPORT_S
            self._report()
        self._executor.tick(now_s)
        if now_s >= self._next_scrub_s and not self._executor.busy:
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
        """Verify the block that follows the last one by name, and after the last block the first one."""
        names = self._store.names()
        self._next_scrub_s = now_s + self._scrub_pause_s(names)
        if names:
            index = bisect_right(names, self._scrubbed)
            self._scrubbed = names[index % len(names)]
            self._executor.submit(BlockRequest(JudgeOrder(self._scrubbed, self._store.path)))


def _delete(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # it was never complete
