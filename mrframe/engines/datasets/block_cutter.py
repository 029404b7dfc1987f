"""Cuts files into the blocks that a `put` stores, named by their content.

A block is a piece of the file by the one rule of `formats/inputs/line_blocks.py`, after decompression. So a log that
has grown, was rotated or was compressed since it was put has the same blocks but for its last, and only those after
it are new. Not here: where blocks go, and the catalog of datasets (`core/model/catalog.py`).

The file is read twice, here for the names and again by the node that stores a block. The node verifies the content
against the name, so a file that was written to in between is noticed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO

from mrframe.core.model.block_messages import OfferedBlock
from mrframe.formats.inputs.compression import decode_file
from mrframe.formats.inputs.files import InputFile
from mrframe.formats.inputs.splits import plan_splits
from mrframe.task.block_work import read_piece


def cuts(file: InputFile, block_bytes: int, folder: str) -> Iterator[OfferedBlock]:
    """The blocks of a file, in order. An empty file and standard input have none.

    Those of a compressed file are decoded into `folder`, a private directory, and are the caller's to delete. Raises
    InputChanged when the file becomes shorter or goes meanwhile, InputError when it is compressed and damaged.
    """
    if file.compression:
        yield from _decoded(file, block_bytes, folder)
        return
    for split in plan_splits([file], split_bytes=block_bytes):
        yield _cut(file.path, split.offset, split.length)


def _decoded(file: InputFile, block_bytes: int, folder: str) -> Iterator[OfferedBlock]:
    number = len(os.listdir(folder))

    def path(index: int) -> str:
        return os.path.join(folder, f"{number}-{index}")

    def open_block(index: int) -> BinaryIO:
        return open(path(index), "xb")

    for block in decode_file(file.path, file.name, block_bytes, open_block, file.state[:4]):
        yield _cut(path(block.index), 0, block.length)


def _cut(path: str, offset: int, length: int) -> OfferedBlock:
    digest = sha256()
    for piece in read_piece(path, offset, length):
        digest.update(piece)
    return OfferedBlock(digest.hexdigest(), length, path, offset)
