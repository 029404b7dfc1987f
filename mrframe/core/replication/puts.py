"""Puts that are under way: their blocks, and when a put is over. `reconcile.py` sends the requests to nodes."""

from __future__ import annotations

from mrframe.core.model.block_messages import BlocksOffered
from mrframe.core.state.block_map import BlockMap, PendingPut

SILENT_S = 60.0
"""A put ends if its client sends nothing for this long. A client asks for its state far more often."""


def offer(block_map: BlockMap, event: BlocksOffered, now_s: float) -> None:
    """Add the blocks that a client offers, perhaps repeatedly."""
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
    """Return a put, and note that its client is alive."""
    put = block_map.puts.get(number)
    if put is not None:
        put.last_contact_s = now_s
    return put


def end(block_map: BlockMap, number: int) -> None:
    """End a put: release its blocks."""
    put = block_map.puts.pop(number, None)
    if put is not None:
        block_map.release(("", number), list(put.blocks))


def end_abandoned(block_map: BlockMap, now_s: float) -> None:
    """End the puts of silent clients."""
    for put in list(block_map.puts.values()):
        if now_s - put.last_contact_s > SILENT_S:
            end(block_map, put.number)


def fail_for_lack_of_room(block_map: BlockMap, name: str) -> None:
    """Fail the puts of a block for which there are too few nodes."""
    reason = next(iter(block_map.full_reasons.values()), "")
    for put in block_map.puts.values():
        if reason and name in put.pending:
            put.failed[name] = "full", reason
