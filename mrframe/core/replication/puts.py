"""Puts that are under way: what was offered, and which of them are over. `reconcile.py` asks the nodes for it."""

from __future__ import annotations

from mrframe.core.model.block_messages import BlocksOffered
from mrframe.core.state.block_map import Keepers, PendingPut

SILENT_S = 60.0
"""A put whose client was not heard for so long is over."""


def offered(keepers: Keepers, event: BlocksOffered, now_s: float) -> None:
    """A client offers blocks, maybe again."""
    put = keepers.puts.get(event.put)
    if put is None:
        put = keepers.puts[event.put] = PendingPut(event.put, max(1, event.replicas), now_s)
    put.heard_s = now_s
    for block in event.blocks:
        if block.name not in put.blocks:
            put.pending[block.name] = None
        put.blocks[block.name] = block
        put.failed.pop(block.name, None)
        keepers.need(("", put.number), block.name, block.length, put.replicas)


def hear(keepers: Keepers, number: int, now_s: float) -> PendingPut | None:
    """A put, whose client asks for it."""
    put = keepers.puts.get(number)
    if put is not None:
        put.heard_s = now_s
    return put


def end(keepers: Keepers, number: int) -> None:
    """A put is over: it needs its blocks no more."""
    put = keepers.puts.pop(number, None)
    if put is not None:
        keepers.release(("", number), list(put.blocks))


def end_silent(keepers: Keepers, now_s: float) -> None:
    """End the puts whose clients are gone."""
    for put in list(keepers.puts.values()):
        if now_s - put.heard_s > SILENT_S:
            end(keepers, put.number)


def fail(keepers: Keepers, name: str) -> None:
    """There are too few nodes that take a block: whoever puts it is told."""
    reason = next(iter(keepers.full.values()), "")
    for put in keepers.puts.values():
        if reason and name in put.pending:
            put.failed[name] = "full", reason
