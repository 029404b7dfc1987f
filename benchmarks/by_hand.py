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
LINE = re.compile(
    rb'(?P<host>[^ \n]+) [^ \n]+ [^ \n]+ \[[^\]\n]+\] "[A-Z]+ (?P<path>[^ ?"\n]+)[^ "\n]* [^ "\n]+" '
    rb'(?P<status>\d{3}) (?P<size>\d+|-) "(?:[^"\\\n]|\\.)*" "(?:[^"\\\n]|\\.)*"'
)


def lines(path, first, last):
    """The lines that begin in a piece of a file."""
    with open(path, "rb", BLOCK_BYTES) as file:
        file.seek(max(0, first - 1))
        if first:
            file.readline()
        while file.tell() < last and (line := file.readline()):
            yield line.rstrip(b"\n")


def status_codes(piece):
    """Counts by status."""
    counts: Counter = Counter()
    for line in lines(*piece):
        if match := LINE.fullmatch(line):
            counts[match["status"]] += 1
    return dict(counts)


def top_urls(piece):
    """Hits and bytes by path."""
    table: dict = defaultdict(lambda: [0, 0])
    for line in lines(*piece):
        if match := LINE.fullmatch(line):
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
