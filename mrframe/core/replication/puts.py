"""Puts that are under way: their blocks, and when a put is over. `reconcile.py` sends the requests to nodes."""

from __future__ import annotations

from mrframe.core.model.block_messages import BlocksOffered
from mrframe.core.state.block_map import BlockMap, PendingPut

SILENT_S = 60.0
"""A put whose client was not heard for so long is over."""


def offer(block_map: BlockMap, event: BlocksOffered, now_s: float) -> None:
    """A client offers blocks, maybe again."""
    put = block_map.puts.get(event.put)
    if put is None:
        put = block_map.puts[event.put] = PendingPut(event.put, max(1, event.replicas), now_s)
    put.last_contact_s = now_s
    for block in event.blocks:
        if block.name not in put.blocks:
            put.pending[block.name] = None
        put.blocks[block.name] = block
        put.failed.pop(block.name, None)
        block_map.need(("", put.number), block.name, block.length, put.replicas)


def touch(block_map: BlockMap, number: int, now_s: float) -> PendingPut | None:
    """A put, whose client asks for it."""
    put = block_map.puts.get(number)
    if put is not None:
        put.last_contact_s = now_s
    return put


def end(block_map: BlockMap, number: int) -> None:
    """A put is over: it needs its blocks no more."""
    put = block_map.puts.pop(number, None)
    if put is not None:
        block_map.release(("", number), list(put.blocks))


def end_abandoned(block_map: BlockMap, now_s: float) -> None:
    """End the puts whose clients are gone."""
    for put in list(block_map.puts.values()):
        if now_s - put.last_contact_s > SILENT_S:
            end(block_map, put.number)


def fail_for_lack_of_room(block_map: BlockMap, name: str) -> None:
    """There are too few nodes that take a block: whoever puts it is told."""
    reason = next(iter(block_map.full_reasons.values()), "")
    for put in block_map.puts.values():
        if reason and name in put.pending:
            put.failed[name] = "full", reason
