"""Inputs of random jobs: text, access logs and JSON lines with everything that may be wrong with them.

`random.Random` decides everything. Lines are built, not mutated: for lines ruined at random see `fuzz.py`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from random import Random

BOM = b"\xef\xbb\xbf"
WORDS = (
    b"a",
    b"b",
    b"bb",
    b"ccc",
    b"x",
    b"item",
    b"7",
    b"50",
    b"caf\xc3\xa9",
    b"\xff",
    b"\xe2\x80\x83",
    b"longer-word",
)
BLANKS = (b" ", b" ", b" ", b"  ", b"\t", b"\x0b", b"\x1c")
TIMES = (
    *("17/May/2015:10:05:03 +0000", "17/May/2015:10:05:04 +0000", "17/May/2015:12:05:03 +0200"),
    *("18/May/2015:00:00:00 +0000", "31/Dec/2014:23:59:59 -0530", "31/Feb/2015:10:00:00 +0000"),
    *("17/May/2015:10:05:60 +0000", "17/May/2015:24:05:00 +0000"),
)
MARKS = ("2015-05-17", "2015-05-17T12:05:03+02:00", "2015-05-17T10:05:04", "2015-05-18T00:00+00:00")
"""Ends of windows, in their order, on and beside the times of the lines."""
REQUESTS = (
    *(
        b"GET /a HTTP/1.1",
        b"GET /a?x=1 HTTP/1.1",
        b"POST /item?q= HTTP/2.0",
        b"GET /b%20b HTTP/1.0",
        b"HEAD /x HTTP/1.1",
    ),
    *(
        b"\\x16\\x03\\x01",
        b"GET /only",
        b'GET /q\\"q HTTP/1.1',
        b"GET  /two HTTP/1.1",
        b"GET /caf\xc3\xa9 HTTP/1.1",
        b"",
    ),
)
BROKEN = (b"", b"garbage", b"\xff", b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200', b" ", b"-")
NOT_JSON = (b"", b"{", b"[1]", b"null", b'{"name": 1} x', b"'a'", b'{"name": "a",}', b"\xff")


def content(random: Random, reader: str, lines_max: int = 40) -> bytes:
    """The bytes of a file for a reader."""
    make = {"text": text_line, "words": text_line, "combined": log_line, "json_lines": json_line}[reader]
    end = random.choice((b"\n", b"\n", b"\n", b"\r\n"))
    lines = [make(random) for _ in range(random.choice((0, 1, 3, random.randint(0, lines_max), lines_max)))]
    data = b"".join(line + (end if random.random() < 0.95 else b"\r\n") for line in lines)
    if data and random.random() < 0.25:
        data = data.removesuffix(b"\n")
    return BOM + data if random.random() < 0.1 else data


def text_line(random: Random) -> bytes:
    """A line of words."""
    words = random.choices(WORDS, k=random.choice((0, 1, 1, 2, 3, 6)))
    return random.choice((b"", b"", b" ")) + random.choice(BLANKS).join(words)


def log_line(random: Random) -> bytes:
    """A line in the combined format, or one that only looks like it."""
    if random.random() < 0.06:
        return random.choice(BROKEN)
    host, user = b"192.0.2.%d" % random.randint(1, 4), random.choice((b"-", b"-", b"ann", b"bob"))
    time, request = random.choice(TIMES[: random.choice((5, 8))]).encode(), random.choice(REQUESTS)
    status = random.choice((b"200", b"200", b"404", b"500", b"-", b"304"))
    size = random.choice((b"-", b"0", b"12", b"007", b"50", b"12345678901234567890"))
    referer, agent = random.choice((b"-", b"", b"http://x/")), random.choice((b"-", b"curl/8.5", b"caf\xe9 \\\\"))
    return b'%s - %s [%s] "%s" %s %s "%s" "%s"' % (host, user, time, request, status, size, referer, agent)


def json_line(random: Random) -> bytes:
    """Return an object on a line, or a line that is not an object."""
    if random.random() < 0.06:
        return random.choice(NOT_JSON)
    texts = ("a", "b", "x", "item", "é", "\udcff", "50", "", "ccc")
    found: dict[str, object] = {"name": random.choice(texts)}
    if random.random() < 0.9:
        found["n"] = random.choice((0, 1, -1, 2, 7, 2**63, 10**25, 1.5, -0.0, None, True, "7", float("inf")))
    if random.random() < 0.8:
        found["tags"] = random.choice(([], ["a"], ["x", 1], {"b": 2}, "none"))
    if random.random() < 0.8:
        found["time"] = random.choice(
            ("2015-05-17T10:05:03Z", "2015-05-17T12:05:04+02:00", "2015-05-18T00:00:00", "soon")
        )
    line = json.dumps(found, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogateescape")
    return line.replace(b" ", b"") if random.random() < 0.2 else line


def packed(data: bytes) -> bytes:
    """The data as a gzip file of one or several members."""
    cut = len(data) // 3 if len(data) % 3 == 0 else len(data)
    return b"".join(gzip.compress(part, mtime=0) for part in (data[:cut], data[cut:]) if part or cut == len(data))


def sources_of(readers: Sequence[str]) -> list[str]:
    """Return names for the sources of a join, or [""] for any other job."""
    return [""] if len(readers) == 1 else ["left", "right", "third"][: len(readers)]
