"""Shared by the peers: the pattern of a record, cutting an input, writing rows.

A peer is called `peer.py JOB OUT INPUT…` and writes rows, columns separated by tabs, to files in the folder OUT:

    status_counts  status, lines, one row for `malformed`       in any order
    top_urls       path, hits, bytes of the 100 busiest          by hits downwards, then path
    visitors       hour (ISO, or as in the log), hosts          in any order
    word_count     word, count                                  by word, files in the order of their names
    sort           the lines                                    in order, files in the order of their names
    empty_tasks    nothing: a thousand tasks that find nothing

A line that RECORD does not match is malformed, an empty one too.
"""

from __future__ import annotations

import heapq
import os
import re
import sys
from collections.abc import Iterable, Iterator

TOP_ROWS = 100
BLOCK_BYTES = 256 << 10  # larger ones fall out of the cache of a core
PATTERN = (
    r'(\S+) (\S+) (\S+) \[([^\]]+)\] "([A-Z]+) (\S+) (HTTP/[0-9.]+)" ([0-9]{3}) ([0-9]+|-)'
    r' "([^"\\]*(?:\\.[^"\\]*)*)" "([^"\\]*(?:\\.[^"\\]*)*)"'
)
HOST, TIME, TARGET, STATUS, SIZE = 0, 3, 5, 7, 8
HOUR_CHARS = 14  # of 02/Mar/2026:04:00:03 +0000
RECORD = re.compile(PATTERN.encode())
TEXT_RECORD = re.compile(PATTERN, re.ASCII)


def status_of(line: str) -> str:
    """The status of a line, or `malformed`."""
    match = TEXT_RECORD.fullmatch(line)
    return match[STATUS + 1] if match else "malformed"


def hit_of(line: str) -> tuple[str, tuple[int, int]] | None:
    """(path, (1, bytes)) of a line."""
    match = TEXT_RECORD.fullmatch(line)
    if match is None:
        return None
    size = match[SIZE + 1]
    return match[TARGET + 1].partition("?")[0], (1, 0 if size == "-" else int(size))


def visit_of(line: str) -> tuple[str, str] | None:
    """(hour, host) of a line."""
    match = TEXT_RECORD.fullmatch(line)
    return (match[TIME + 1][:HOUR_CHARS], match[HOST + 1]) if match else None


def add_pairs(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """The sum, item by item."""
    return one[0] + other[0], one[1] + other[1]


def busiest(items: Iterable[tuple]) -> list[tuple]:
    """The rows of `top_urls` from pairs of (path, (hits, bytes))."""
    best = heapq.nsmallest(TOP_ROWS, items, key=lambda item: (-item[1][0], item[0]))
    return [(path, hits, size) for path, (hits, size) in best]


def arguments() -> tuple[str, str, list[str]]:
    """(job, folder of the answer, inputs) from the command line."""
    return sys.argv[1], sys.argv[2], sys.argv[3:]


def write(out: str, rows: Iterable[tuple], name: str = "part-0") -> None:
    """Rows of text, bytes or numbers to a file."""

    def text(cell: object) -> str:
        return cell.decode("utf-8", "surrogateescape") if isinstance(cell, bytes) else str(cell)

    with open(os.path.join(out, name), "w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.writelines("\t".join(map(text, row)) + "\n" for row in rows)


def pieces(inputs: list[str], piece_bytes: int) -> list[tuple[str, int, int]]:
    """Return (file, first byte, last byte) of pieces of about that many bytes."""
    return [
        (path, at, min(at + piece_bytes, size))
        for path, size in ((path, os.path.getsize(path)) for path in inputs)
        for at in range(0, size, piece_bytes)
    ]


def blocks(piece: tuple[str, int, int]) -> Iterator[bytes]:
    """Blocks of whole lines: those that begin in the piece."""
    path, at, end = piece
    with open(path, "rb", buffering=BLOCK_BYTES) as file:
        if at:
            file.seek(at - 1)
            file.readline()  # the line before begins in the piece before
            at = file.tell()
        while at < end:
            block = file.read(min(BLOCK_BYTES, end - at))
            if not block:
                return
            if not block.endswith(b"\n"):
                block += file.readline()
            at += len(block)
            yield block


def lines_of(block: bytes) -> list[bytes]:
    """The lines of a block, without their ends."""
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines
