"""Finds the line number of a record in its source. Counts the lines before a split only after a failure.

Counting all decoded lines took half as long as decoding itself, and only failures need line numbers: the figures at
the end of a run come from the ledgers of the splits. Not here: finding the failed record (`map_task.py`,
`isolated_attempt.py`).
"""

from __future__ import annotations

from dataclasses import replace

from mrframe.core.model.spec import Split
from mrframe.errors import MrframeError
from mrframe.formats.inputs.compression import decoded_chunks
from mrframe.formats.inputs.splits import open_split

READ_BYTES = 1 << 20


def lines_before(split: Split) -> int:
    """Count the newlines of the source before a split. Returns -1 if it cannot.

    The blocks before a stored one may lie on other nodes.
    """
    if split.lines_before >= 0 or split.is_stored:
        return split.lines_before
    try:
        return _decoded_lines(split) if split.packed else _lines_of(replace(split, offset=0), split.offset)
    except (MrframeError, OSError):  # the file is gone or replaced: report the failure all the same
        return -1


def _decoded_lines(split: Split) -> int:
    lines, left = 0, split.order[1]
    for chunk in decoded_chunks(split.packed, split.source):
        lines += chunk.count(b"\n", 0, left)
        left -= len(chunk)
        if left <= 0:
            return lines
    return -1


def lines_within(split: Split, end: int) -> int:
    """Count the newlines of a split before byte `end` of its source's content."""
    return _lines_of(split, end)


def _lines_of(split: Split, end: int) -> int:
    lines, at = 0, split.offset
    with open_split(split) as content:
        while at < end:
            data = content.read_at(at, min(end - at, READ_BYTES))
            lines += data.count(b"\n")
            at += len(data)
    return lines
