"""The same questions answered by hand: a pool of two processes, a regex, a dict. What mrframe is measured against.

`python by_hand.py QUESTION FILE…` prints the answer as JSON. It cuts files into pieces at line ends and does no
more than the question needs: no account of malformed lines but their number, no bound on memory.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import sys
from collections import Counter, defaultdict

PIECE_BYTES = 8 << 20
BLOCK_BYTES = 256 << 10
MAX_LINE_BYTES = 64 << 10
LINE = re.compile(
    rb'[^ ]++ [^ ]++ [^ ]++ \[[^\]]++\] "[A-Z]++ (?P<path>[^ ?"]++)[^ "]*+ [^ "]++" '
    rb'(?P<status>\d{3}) (?P<size>\d+|-) "[^"\\]*+(?:\\.[^"\\]*+)*+" "[^"\\]*+(?:\\.[^"\\]*+)*+"'
).fullmatch


def matches(path, first, last):
    """The matches of the lines that begin in a piece of a file, block by block."""
    with open(path, "rb", 0) as file:
        if first:
            file.seek(first - 1)
            first += file.read(MAX_LINE_BYTES).index(b"\n")  # the line before begins in the piece before
            file.seek(first)
        while first < last:
            block = file.read(BLOCK_BYTES)
            over = block.find(b"\n", last - 1 - first) if last - first <= len(block) else -1
            end = over + 1 or block.rfind(b"\n") + 1 or len(block)  # the line that goes over the end is the last
            file.seek(first := first + end)
            for line in block[:end].split(b"\n"):
                if match := LINE(line):
                    yield match


def status_codes(piece):
    """Counts by status."""
    counts: Counter = Counter()
    for match in matches(*piece):
        counts[match["status"]] += 1
    return dict(counts)


def top_urls(piece):
    """Hits and bytes by path."""
    table: dict = defaultdict(lambda: [0, 0])
    for match in matches(*piece):
        row = table[match["path"]]
        row[0] += 1
        row[1] += 0 if match["size"] == b"-" else int(match["size"])
    return dict(table)


def add(parts):
    """One table from those of all pieces."""
    table: dict = {}
    for part in parts:
        for key, value in part.items():
            old = table.get(key)
            if old is None:
                table[key] = value
            else:
                table[key] = (
                    old + value if isinstance(value, int) else [a + b for a, b in zip(old, value, strict=True)]
                )
    return table


def main(question, paths):
    """The answer in the order in which mrframe gives it."""
    sizes = {path: os.path.getsize(path) for path in paths}
    pieces = [(p, at, min(at + PIECE_BYTES, size)) for p, size in sizes.items() for at in range(0, size, PIECE_BYTES)]
    with multiprocessing.Pool(2) as pool:
        table = add(pool.imap_unordered(globals()[question], pieces))
    rows = [[key.decode("utf-8", "surrogateescape"), value] for key, value in table.items()]
    if question == "status_codes":
        return sorted([int(key), value] for key, value in rows)
    return sorted(rows, key=lambda row: (-row[1][0], row[0]))[:20]


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2:])))
