"""The order in which a node judges its blocks, with a clock and an executor that the test plays."""

from __future__ import annotations

import time

from mrframe.cluster.node.block_executor import BLOCK_EXECUTOR
from mrframe.cluster.node.block_service import BlockService
from mrframe.core.model.block_messages import BlockDone
from mrframe.core.model.events import ExecutorReady

DAY_S = 24 * 3600.0


class PlayedPool:
    """Executors that do nothing, and remember what they were given."""

    def __init__(self):
        self.orders = []

    def spawn(self, number):
        assert number == BLOCK_EXECUTOR

    def work_on(self, number, order):
        self.orders.append(order.name)


def scrubbed(folder, hours):
    """The blocks that a node judges by itself in the first hours after its start, in order."""
    pool = PlayedPool()
    node = BlockService(
        str(folder), node=("node-1", "x"), by_path=True, pool=pool, fetcher=None, send=lambda _: None, scrub_s=DAY_S
    )
    node.handle_executor(ExecutorReady(BLOCK_EXECUTOR))
    begun_s = time.monotonic()
    for minute in range(0, hours * 60 + 1, 10):
        before = len(pool.orders)
        node.tick(begun_s + minute * 60)
        for name in pool.orders[before:]:
            node.handle_executor(BlockDone(BLOCK_EXECUTOR, name, "", "", file_bytes=1, new=False))
    return pool.orders


def test_all_blocks_are_verified_once_a_day_evenly_and_from_a_random_start(tmp_path):
    names = [f"{number:064x}" for number in range(1 << 252, 16 << 252, 1 << 252)]
    assert scrubbed(tmp_path, 24) == []
    for name in names:
        (tmp_path / "blocks" / name).write_bytes(b"")
    day = scrubbed(tmp_path, 25)
    assert sorted(set(day)) == names
    assert len(day) == 15
    place = names.index(day[0])
    assert day == names[place:] + names[:place]
    short = {name for _ in range(200) for name in scrubbed(tmp_path, 4)}
    assert short == set(names), "a node that never lives for a day judges all of them in the end"
