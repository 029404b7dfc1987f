"""The line of a record within its source: lines before a split are counted only when something has failed.

To count the lines of all that is decoded took half as long as the decoding itself, and nobody asks for them when all
goes well: what a run tells in the end comes from the ledgers of the splits. Not here: which record failed
(`mapping.py`, `careful.py`).
"""

from __future__ import annotations

from mrframe.core.spec import Split
from mrframe.errors import MrframeError
from mrframe.formats.decode import decoded_chunks

READ_BYTES = 1 << 20


def lines_before(split: Split) -> int:
    """Newlines of the source before a split; -1 when they cannot be counted any more."""
    if split.lines_before >= 0:
        return split.lines_before
    if not split.packed:
        return count_lines(split.path, split.offset)
    try:
        return _decoded_lines(split)
    except (MrframeError, OSError):  # the compressed file is gone, or another one: the failure is told all the same
        return -1


def _decoded_lines(split: Split) -> int:
    lines, left = 0, split.order[1]
    for chunk in decoded_chunks(split.packed, split.source):
        lines += chunk.count(b"\n", 0, left)
        left -= len(chunk)
        if left <= 0:
            return lines
    return -1


def count_lines(path: str, end: int) -> int:
    """Newlines before byte `end` of a file."""
    lines = 0
    with open(path, "rb") as file:
        while end > 0 and (data := file.read(min(end, READ_BYTES))):
            lines += data.count(b"\n")
            end -= len(data)
    return lines
