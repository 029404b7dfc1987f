"""The work of a block executor: store a block, or check one. It runs no user code and knows no job.

Every block is checked against its name before it is kept, whatever its origin. A log that changed since its client
looked, a rotten replica or a truncated copy is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from mrframe.core.model.block_messages import BlockDone, JudgeOrder, StoreOrder
from mrframe.errors import CorruptData, InputChanged, MrframeError, StoreFull
from mrframe.formats.inputs.block_file import BlockFile, best_codec, write_block
from mrframe.store.blocks import BlockStore

PIECE_BYTES = 1 << 20


def do_block(executor: int, order: StoreOrder | JudgeOrder) -> BlockDone:
    """Carry out an order. Errors are part of the returned message."""
    try:
        if isinstance(order, JudgeOrder):
            return _verify(executor, order)
        return _store(executor, order)
    except InputChanged as error:
        return BlockDone(executor, order.name, "changed", str(error))
    except CorruptData as error:
        return BlockDone(executor, order.name, "gone", str(error))
    except StoreFull as error:
        return BlockDone(executor, order.name, "full", str(error))
    except (MrframeError, OSError) as error:
        return BlockDone(executor, order.name, "failed", str(error))


def _verify(executor: int, order: JudgeOrder) -> BlockDone:
    try:
        check_block(BlockStore(order.folder).file(order.name), order.name)
    except CorruptData as error:
        return BlockDone(executor, order.name, "damaged", str(error))
    return BlockDone(executor, order.name)


def check_block(path: str, name: str) -> int:
    """Return the size of a block's file in bytes. Raises CorruptData unless it is the whole block of this name."""
    with BlockFile(path) as block:
        block.check(name)
    return os.stat(path).st_size


def _store(executor: int, order: StoreOrder) -> BlockDone:
    store = BlockStore(order.folder)
    if not order.provisional:
        store.adopt(order.name)
    try:
        return BlockDone(executor, order.name, file_bytes=check_block(store.file(order.name), order.name))
    except CorruptData:
        pass  # missing or damaged: store it again
    with store.stage(order.length) as file:
        written = write_block(file, _content(order), best_codec())
        if (written.name, written.length) != (order.name, order.length):
            raise InputChanged(f"{order.path} changed while it was put; put it again, or a copy of it")
        if order.provisional and not os.path.lexists(store.file(order.name)):  # never in place of a rotten one
            store.mark_provisional(order.name)
        store.publish(file, order.name)
    return BlockDone(executor, order.name, file_bytes=written.file_bytes, new=True)


def _content(order: StoreOrder) -> Iterator[bytes]:
    if order.is_block:
        with BlockFile(order.path) as block:
            yield from block.chunks()
            return
    yield from read_piece(order.path, order.offset, order.length)


def read_piece(path: str, offset: int, length: int) -> Iterator[bytes]:
    """Yield `length` bytes of a file from `offset`, in pieces. Raises InputChanged if it is gone or too short."""
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 -- closed below; only its absence is of interest
    except OSError as error:
        raise InputChanged(f"{path} cannot be read any more ({error.strerror}); put it again") from None
    with file:
        file.seek(offset)
        while length:
            try:
                data = file.read(min(PIECE_BYTES, length))
            except OSError as error:
                raise InputChanged(f"{path} cannot be read any more ({error.strerror}); check the disk") from None
            if not data:
                raise InputChanged(f"{path} became shorter while it was put; put it again, or a copy of it")
            length -= len(data)
            yield data
