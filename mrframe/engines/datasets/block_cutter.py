"""Cuts files into the blocks that a `put` stores, named by their content.

A block is a piece of the file by the one rule of `formats/inputs/line_blocks.py`, after decompression. So a log that
has grown, was rotated or was compressed since it was put has the same blocks but for its last, and only those after
it are new. If the detected format has records of several lines, a block ends between two of them.
Not here: where blocks go, and the catalog of datasets (`core/model/catalog.py`).

The file is read twice, here for the names and again by the node that stores a block. The node verifies the content
against the name, so a file that was written to in between is noticed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO

from mrframe.core.model.block_messages import OfferedBlock
from mrframe.errors import FormatError
from mrframe.formats.detect import LINES_MAX, detect_quickly
from mrframe.formats.inputs.compression import decode_file
from mrframe.formats.inputs.files import InputFile
from mrframe.formats.inputs.head import head_of
from mrframe.formats.inputs.splits import plan_splits
from mrframe.formats.registry import kind_of
from mrframe.task.block_work import read_piece

SAMPLE_BYTES = 256 << 10
"""Read of a file to detect its format."""


def cuts(file: InputFile, block_bytes: int, folder: str) -> Iterator[OfferedBlock]:
    """The blocks of a file, in order. An empty file and standard input have none.

    Those of a compressed file are decoded into `folder`, a private directory, and are the caller's to delete. Raises
    InputChanged when the file becomes shorter or goes meanwhile, InputError when it is compressed and damaged.
    """
    start = _record_start(file)
    if file.compression:
        yield from _decoded(file, block_bytes, folder, start)
        return
    for split in plan_splits([file], split_bytes=block_bytes, starts={0: start}):
        yield _cut(file.path, split.offset, split.length)


def _record_start(file: InputFile) -> str:
    """Return the pattern for the start of a record of the format that is detected for the file, "" for none."""
    try:
        reader = detect_quickly(head_of(file, SAMPLE_BYTES), file.name, lines_max=LINES_MAX)
    except FormatError:  # an encoding that is not read
        return ""
    return kind_of(reader).record_start(reader.format) if reader is not None else ""


def _decoded(file: InputFile, block_bytes: int, folder: str, start: str) -> Iterator[OfferedBlock]:
    number = len(os.listdir(folder))

    def path(index: int) -> str:
        return os.path.join(folder, f"{number}-{index}")

    def open_block(index: int) -> BinaryIO:
        return open(path(index), "xb")

    for block in decode_file(file.path, file.name, block_bytes, open_block, file.state[:4], record_start=start):
        yield _cut(path(block.index), 0, block.length)


def _cut(path: str, offset: int, length: int) -> OfferedBlock:
    digest = sha256()
    for piece in read_piece(path, offset, length):
        digest.update(piece)
    return OfferedBlock(digest.hexdigest(), length, path, offset)
