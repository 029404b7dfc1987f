#!/usr/bin/env python3
"""Make the inputs of the benchmarks from a seed, and write the truth about each beside it: `truth.json`.

    make_data.py logs|text|records FOLDER --bytes N [--files N] [--seed N]

- `logs` are combined access logs with a share of malformed lines. The truth is the generator's own account
  (counts by status, hits and bytes by path, hosts by hour, malformed lines), so it depends on no parser.
- `text` is words with Zipf frequencies from a vocabulary of five million. The truth is the digest of its word
  count, in the order of the words.
- `records` are lines of 100 bytes with random keys. The truth is the digest of the sorted lines.

The same arguments give the same bytes with one version of Python. Only the standard library is used. Not here: the
sizes, and the folder of the data (`inputs.py`).
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import json
import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate, chain, islice, product
from random import Random

LINES_AT_ONCE = 20_000
TOP_ROWS = 100
MALFORMED_SHARE = 0.001
START_S = 1_772_424_000  # 2 March 2026, 04:00 UTC
DAYS = 7
VOCABULARY = 5_000_000
HOSTS = 150_000
PATHS = 40_000
RECORD_BYTES = 100
KEY_BYTES = 10
KEY_SIGNS = bytes(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-"[byte % 64] for byte in range(256)
)
NOUNS = tuple(  # in alphabetical order
    """account agenda album archive article basket billing calendar camera catalog chart city club coast comment
contact country course delivery design device draft event export family feature forum gallery garden guide harbour
health help history holiday house import invoice island job journal kitchen lake letter library map market member
message mountain music news note offer order page partner payment photo player portal poster price product profile
project recipe region report review river room school search season service shop sport station story table team
ticket topic tour train travel village visit voucher weather week winter""".split()  # noqa: SIM905  (a list of this many would be a page)
)
STATUSES = {
    200: 815,
    206: 9,
    204: 5,
    301: 26,
    302: 17,
    304: 64,
    400: 4,
    401: 4,
    403: 6,
    404: 38,
    429: 3,
    500: 5,
    503: 4,
}
METHODS = {"GET": 931, "POST": 44, "HEAD": 15, "OPTIONS": 5, "PUT": 3, "DELETE": 2}
PROTOCOLS = {"HTTP/1.1": 67, "HTTP/2.0": 31, "HTTP/1.0": 2}
USERS = {"-": 970, "ana": 12, "jörg": 8, "backup-service": 10}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Pool:
    """Texts that are drawn with weights: given ones, or those of Zipf's law."""

    def __init__(self, texts: dict[object, float] | list[str], exponent: float = 1.0) -> None:
        weights = texts.values() if isinstance(texts, dict) else (n**-exponent for n in range(1, len(texts) + 1))
        self.texts = [str(text) for text in texts]
        self._cumulative = list(accumulate(weights))

    def draw(self, random: Random, count: int) -> list[str]:
        """So many of them."""
        return random.choices(self.texts, cum_weights=self._cumulative, k=count)


def distinct(count: int, make) -> list[str]:
    """So many different texts from a function that makes one."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[make()] = None
    return list(found)


def paths(random: Random, count: int) -> list[str]:
    """Return paths without queries, the most requested first."""
    known = [
        "/",
        "/index.html",
        "/favicon.ico",
        "/robots.txt",
        "/login",
        "/assets/site.css",
        "/assets/site.js",
        "/health",
    ]

    def make() -> str:
        one, two = random.choices(NOUNS, k=2)
        number = random.randrange(1_000_000)
        forms = (
            f"/{one}s/{number}",
            f"/{one}/{two}-{number % 9973}.html",
            f"/assets/{one}/{two}.{number:x}.js",
            f"/img/{one}-{number}.webp",
            f"/api/v{number % 3 + 1}/{one}s/{number}/{two}s",
            f"/{2015 + number % 12}/{number % 12 + 1:02}/{one}-and-{two}-{number % 97}/",
            f"/th%C3%A9/{one}_{number}",
        )
        return random.choices(forms, (20, 20, 15, 15, 15, 10, 5))[0]

    return known + distinct(count, make)


def queries(random: Random) -> dict[object, float]:
    """Return queries with weights. Most are empty."""
    forms = ("?q={}+{}", "?page={2}&sort={0}", "?from=mail&campaign={1}-{2}", "?back=%2F{0}%2F{2}%3Fx%3D1")
    some = distinct(3000, lambda: random.choice(forms).format(*random.choices(NOUNS, k=2), random.randrange(500)))
    return {"": 800, **{text: 200 / len(some) for text in some}}


def hosts(random: Random, count: int) -> list[str]:
    """Addresses, a tenth of them of IPv6."""

    def make() -> str:
        if random.random() < 0.1:
            return "2001:db8:" + ":".join(f"{random.randrange(65536):x}" for _ in range(4)) + "::1"
        return ".".join(map(str, random.choices(range(1, 255), k=4)))

    return distinct(count, make)


def agents(random: Random) -> list[str]:
    """User agents, some with quotes and backslashes as servers write them."""
    known = [
        "-",
        "curl/8.11.0",
        "python-requests/2.32.3",
        r"\"Quoted\" bot/1.0",
        r"odd \\ agent \"x\"",
        "Bot/2.1 (+http://bot.example/)",
    ]
    systems = (
        "Windows NT 10.0; Win64; x64",
        "X11; Linux x86_64",
        "Macintosh; Intel Mac OS X 10_15_7",
        "Linux; Android 15; Mobile",
    )

    def make() -> str:
        system, version = random.choice(systems), random.randrange(100, 150)
        if random.random() < 0.3:
            return f"Mozilla/5.0 ({system}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
        return f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"

    made = distinct(180, make)
    return made[:3] + known + made[3:]


def referers(random: Random, some_paths: list[str]) -> list[str]:
    """Where visitors came from."""
    others = distinct(
        8000, lambda: f"https://{random.choice(NOUNS)}.example.org/{random.choice(NOUNS)}/{random.randrange(10**5)}"
    )
    return [
        "-",
        "https://www.example.com/",
        *others,
        *(f"https://www.example.com{path}" for path in some_paths[:8000]),
    ]


class Logs:
    """Lines of access logs in the order of time, and the truth about those written so far."""

    def __init__(self, seed: int, lines_expected: int) -> None:
        self._random = random = Random(seed)
        some = paths(random, PATHS)
        self._hosts = Pool(hosts(random, HOSTS), 0.75)
        self._users, self._methods, self._protocols = Pool(USERS), Pool(METHODS), Pool(PROTOCOLS)
        self._paths, self._queries = Pool(some, 1.0), Pool(queries(random))
        self._statuses, self._agents = Pool(STATUSES), Pool(agents(random), 0.9)
        self._referers = Pool(referers(random, some), 0.7)
        self._gap_s = DAYS * 86_400 / max(1, lines_expected)
        self._now_s = float(START_S)
        self.lines = self.malformed = 0
        self.statuses: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.visitors: defaultdict[str, set[str]] = defaultdict(set)

    def some(self, count: int) -> bytes:
        """So many lines."""
        random = self._random
        host, path, status = (pool.draw(random, count) for pool in (self._hosts, self._paths, self._statuses))
        stamps, hours = self._times(count)
        sizes = [int(2 ** (random.random() * 17 + 4)) if 200 <= int(code) < 300 else 0 for code in status]
        columns = (
            host,
            self._users.draw(random, count),
            stamps,
            self._methods.draw(random, count),
            path,
            self._queries.draw(random, count),
            self._protocols.draw(random, count),
            status,
            [size or "-" for size in sizes],
            self._referers.draw(random, count),
            self._agents.draw(random, count),
        )
        lines = list(map('%s - %s [%s] "%s %s%s %s" %s %s "%s" "%s"\n'.__mod__, zip(*columns, strict=True)))
        data = [line.encode() for line in lines]
        bad = self._spoil(data)
        for column in (status, path, sizes, host, hours):
            for at in reversed(bad):
                del column[at]
        self._learn(status, path, sizes, host, hours)
        self.lines += count
        self.malformed += len(bad)
        return b"".join(data)

    def _times(self, count: int) -> tuple[list[str], list[str]]:
        """Times as a server writes them, and the hours as ISO text."""
        start_s = self._now_s
        busy = 1 + 0.6 * math.sin((start_s / 3600 % 24 - 9) / 24 * 2 * math.pi)  # day and night
        self._now_s = end_s = start_s + count * self._gap_s / busy
        seconds = sorted(map(int, (start_s + (end_s - start_s) * self._random.random() for _ in range(count))))
        shown = {second: time.gmtime(second) for second in set(seconds)}
        stamp = {s: time.strftime(f"%d/{MONTHS[t.tm_mon - 1]}/%Y:%H:%M:%S +0000", t) for s, t in shown.items()}
        hour = {s: time.strftime("%Y-%m-%dT%H", t) for s, t in shown.items()}
        return [stamp[s] for s in seconds], [hour[s] for s in seconds]

    def _spoil(self, data: list[bytes]) -> list[int]:
        """Make some lines malformed, and others odd but good. Returns the indexes of the malformed ones."""
        random, bad = self._random, []
        expected = len(data) * MALFORMED_SHARE
        for at in sorted(random.sample(range(len(data)), int(expected) + (random.random() < expected % 1))):
            line, form = data[at][:-1], random.randrange(8)
            if form == 0:  # well formed, but not UTF-8
                data[at] = line[:-1] + b' caf\xe9 \xff"\n'
                continue
            bad.append(at)
            if form < 3:  # the writer died
                data[at] = line[: random.randrange(len(line) - 1)] + b"\n"
            elif form < 5:  # not text at all
                noise = bytes(set(range(256)) - set(b"\r\n"))
                data[at] = bytes(random.choices(noise, k=random.randrange(20, 200))) + b"\xfe\n"
            elif form < 6:
                data[at] = b"\n"
            else:  # head and tail are gone
                data[at] = line[random.randrange(10, 40) : -4] + b"\n"
        return bad

    def _learn(self, status: list[str], path: list[str], sizes: list[int], host: list[str], hours: list[str]) -> None:
        self.statuses.update(status)
        self.hits.update(path)
        known = self.bytes
        for one, size in zip(path, sizes, strict=True):
            known[one] += size
        for one, hour in zip(host, hours, strict=True):
            self.visitors[hour].add(one)

    def truth(self) -> dict:
        """Return the truth about all lines so far."""
        best = heapq.nsmallest(TOP_ROWS, self.hits, key=lambda path: (-self.hits[path], path))
        return {
            "lines": self.lines,
            "malformed": self.malformed,
            "status_counts": dict(sorted(self.statuses.items())),
            "top_urls": [[path, self.hits[path], self.bytes[path]] for path in best],
            "visitors": {hour: len(found) for hour, found in sorted(self.visitors.items())},
        }


def make_logs(folder: str, size: int, files: int, seed: int, lines: int | None = None) -> dict:
    """Write access logs of about that many bytes, or exactly that many lines. Returns the truth."""
    logs = Logs(seed, lines or size // 190)
    for number in range(files):
        with open(os.path.join(folder, f"access-{number}.log"), "wb") as file:
            if lines is not None:
                file.write(logs.some(lines // files + (number < lines % files)))
                continue
            while (left := size // files - file.tell()) > 0:
                file.write(logs.some(max(1, min(LINES_AT_ONCE, left // 190))))
    return logs.truth()


def vocabulary(random: Random) -> list[str]:
    """Return different words, the most frequent first. Frequent words are short."""
    syllables = ["".join(pair) for pair in product("bcdfghjklmnprstvwz", "aeiou")]
    random.shuffle(syllables)
    frequent = [*syllables, *map("".join, product(syllables, repeat=2))]
    others = chain(product(syllables, repeat=3), islice(product(syllables, repeat=4), 7, None, 13))
    rare = list(map("".join, islice(others, max(0, VOCABULARY - len(frequent)))))
    random.shuffle(rare)
    return (frequent + rare)[:VOCABULARY]


def make_text(folder: str, size: int, files: int, seed: int) -> dict:
    """Write text of about that many bytes. Returns the truth."""
    random = Random(seed)
    words = vocabulary(random)
    counts: Counter[str] = Counter()
    draw, scale = random.random, math.log(len(words) + 1)
    total = 0
    for number in range(files):
        with open(os.path.join(folder, f"text-{number}.txt"), "wb") as file:
            while (left := size // files - file.tell()) > 0:
                # exp of a uniform number: a rank with a probability of about 1/rank, which is Zipf's law
                some = [words[int(math.exp(draw() * scale)) - 1] for _ in range(min(200_000, max(12, left // 7)))]
                counts.update(some)
                total += len(some)
                file.writelines((" ".join(some[at : at + 12]) + "\n").encode() for at in range(0, len(some), 12))
    digest = hashlib.sha256()
    ordered = iter(sorted(counts.items()))
    while rows := list(islice(ordered, 10_000)):
        digest.update("".join([f"{word}\t{count}\n" for word, count in rows]).encode())
    return {"words": total, "distinct": len(counts), "word_count": digest.hexdigest()}


def records(random: Random, count: int) -> Iterator[bytes]:
    """So many records: a random key, a number and something to fill them up."""
    keys = random.randbytes(KEY_BYTES * count).translate(KEY_SIGNS)
    fill = b" " + b"-" * (RECORD_BYTES - KEY_BYTES - 13 - 1) + b"\n"
    for number, at in enumerate(range(0, len(keys), KEY_BYTES)):
        yield b"%b %011d%b" % (keys[at : at + KEY_BYTES], number, fill)


def make_records(folder: str, size: int, files: int, seed: int) -> dict:
    """Write records of about that many bytes. Returns the truth."""
    random = Random(seed)
    count = max(1, size // RECORD_BYTES // files)
    lines: list[bytes] = []
    for number in range(files):
        own = list(records(random, count))
        with open(os.path.join(folder, f"records-{number}.txt"), "wb") as file:
            file.writelines(own)
        lines += own
    lines.sort()
    digest = hashlib.sha256()
    for at in range(0, len(lines), 10_000):
        digest.update(b"".join(lines[at : at + 10_000]))
    return {"records": len(lines), "sort": digest.hexdigest()}


MAKERS = {"logs": make_logs, "text": make_text, "records": make_records}


def make(kind: str, folder: str, size: int, *, files: int = 4, seed: int = 1, **more: int) -> dict:
    """Write files of one kind to an existing folder, and last their truth. Returns the truth."""
    truth = MAKERS[kind](folder, size, files, seed, **more)
    with open(os.path.join(folder, "truth.json"), "w", encoding="utf-8") as file:
        json.dump(truth, file, indent=1)
    return truth


def main() -> None:
    """Make the input that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=MAKERS)
    parser.add_argument("folder")
    parser.add_argument("--bytes", type=int, required=True, help="approximate size of all files together")
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    os.makedirs(given.folder, exist_ok=True)
    make(given.kind, given.folder, given.bytes, files=given.files, seed=given.seed)


if __name__ == "__main__":
    main()
