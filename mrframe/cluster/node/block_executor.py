"""The node's block executor: one process that stores and verifies blocks, one after the other.

Reading, compressing and syncing a block would hold up the node's loop, so a process of its own does it. It is forked
from the warm parent when it is first needed and again after it has died. It runs no user code. An executor that needs
more than `WORK_S` for one block is killed, and the block counts as failed.

Not here: which blocks are to be stored or verified (`block_service.py`), and how that is done (`task/block_work.py`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from mrframe.cluster.node.pool import BLOCK_EXECUTOR, Pool
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.block_messages import BlockDone, JudgeOrder, StoreOrder
from mrframe.core.model.events import ExecutorDied, ExecutorReady

WORK_S = 120.0


@dataclass(slots=True, eq=False)
class BlockRequest:
    """A block to store or to verify.

    verification  the number of its verification, or 0
    copy          the path of a fetched copy, to be deleted afterwards, or ""
    """

    order: StoreOrder | JudgeOrder
    verification: int = 0
    copy: str = ""


class BlockExecutor:
    """A queue of requests in front of the block executor. `done` gets each request with its result."""

    def __init__(self, pool: Pool, done: Callable[[BlockRequest, BlockDone], None]) -> None:
        self._pool = pool
        self._done = done
        self._waiting: deque[BlockRequest] = deque()
        self._current: BlockRequest | None = None
        self._since_s = 0.0
        self._is_up = False
        self._is_ready = False

    @property
    def busy(self) -> bool:
        """True while a request is in progress."""
        return self._current is not None

    def is_storing(self, name: str) -> bool:
        """Return whether this block is being stored, or waits for it."""
        requests = (*self._waiting, self._current)
        return any(one and isinstance(one.order, StoreOrder) and one.order.name == name for one in requests)

    def submit(self, *requests: BlockRequest) -> None:
        """Queue these requests."""
        self._waiting.extend(requests)
        self._work()

    def handle(self, event: ExecutorReady | ExecutorDied | BlockDone) -> None:
        """Handle a report of the executor's process, or of the pool about it."""
        match event:
            case ExecutorReady():
                self._is_ready = True
            case ExecutorDied():
                self._is_up = self._is_ready = False
                if self._current is not None:
                    name, reason = self._current.order.name, f"its block executor {event.reason}"
                    self._finish(BlockDone(BLOCK_EXECUTOR, name, "failed", reason))
            case BlockDone():
                self._finish(event)
        self._work()

    def tick(self, now_s: float) -> None:
        """Kill an executor that hangs."""
        if self._current is not None and now_s - self._since_s > WORK_S:
            self._since_s = now_s
            self._pool.kill(BLOCK_EXECUTOR)

    def _finish(self, result: BlockDone) -> None:
        request, self._current = self._current, None
        if request is not None and request.order.name == result.name:
            self._done(request, result)

    def _work(self) -> None:
        """Give the executor its next block."""
        if self._current is not None or not self._waiting:
            return
        if not self._is_up:
            self._is_up = True
            self._pool.spawn(BLOCK_EXECUTOR)
        if self._is_ready:
            self._current = self._waiting.popleft()
            self._since_s = time.monotonic()
            self._pool.work_on(BLOCK_EXECUTOR, self._current.order)
