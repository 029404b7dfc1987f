"""Write the sample logs of this folder and their known answers: `python make_samples.py [FOLDER]`.

This is not part of mrframe and imports nothing of it: the known answers are book-kept while the lines are
made, never by reading them back, so they can judge mrframe. Rules:

1. The same seed gives the same bytes on every Python: chance is `getrandbits`, arithmetic is on whole numbers.
2. Only names and addresses that are reserved for documentation occur (RFC 2606, 5737, 3849).
3. A line that is made malformed is malformed for every reading of the combined format.
"""

from __future__ import annotations

import json
import random
import struct
import sys
import zlib
from bisect import bisect
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

SEED = 20260302
START = datetime(2026, 2, 27, tzinfo=UTC)  # a month ends inside the samples
INCIDENT = datetime(2026, 3, 1, 14, tzinfo=UTC)  # for an hour, a third of the answers are 502 and 503
BY_HOUR = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 10, 11, 12, 12, 11, 10, 9, 9, 8, 7, 5, 3)
FILES = (("access.log.2.gz", 0, 56), ("access.log.1", 56, 88), ("access.log", 88, 96))  # name, hours from, to
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://bot.example.org/)",
    "curl/8.11.0",
    r"Tester \"quoted\" 1.0",
    "-",
)
REFERERS = ("-", "https://www.example.com/", "https://search.example.net/?q=lamp", "https://news.example.org/today")
WORDS = {
    "harbour": "ferry pilot harbour gull anchor tide crane lantern cargo rope",
    "mountain": "guide ridge hut snow goat path lantern valley rope storm",
    "kitchen": "cook oven bread knife apron soup lantern table spoon cargo",
}
VERBS = "watches follows carries leaves counts mends finds forgets lifts greets"
MANNERS = ("slowly", "twice", "again", "early", "alone", "before noon", "in the rain", "without a word", "at night")


class Chance:
    """Whole random numbers from a seed, the same on every Python."""

    def __init__(self, seed: int) -> None:
        self._bits = random.Random(seed).getrandbits

    def below(self, limit: int) -> int:
        """A number from 0 to limit - 1."""
        return self._bits(48) % limit

    def pick(self, items):
        """One of the items, all equally likely."""
        return items[self.below(len(items))]

    def weighted(self, items, cumulated):
        """One of the items, by their cumulated whole weights."""
        return items[bisect(cumulated, self.below(cumulated[-1]))]


def falling(items):
    """The items with weights that fall with the rank, cumulated."""
    return items, list(accumulate(100_000 // (rank + 4) for rank in range(len(items))))


class Answers:
    """Counts the written lines, one method for each kind of line."""

    def __init__(self) -> None:
        self.lines: Counter = Counter()
        self.malformed: dict = defaultdict(list)
        self.status: Counter = Counter()
        self.urls: dict = defaultdict(lambda: [0, 0])
        self.hours: dict = defaultdict(lambda: [0, 0])
        self.hosts: dict = defaultdict(set)
        self.bytes: Counter = Counter()
        self.not_found: Counter = Counter()
        self.referers: Counter = Counter()
        self.services: dict = defaultdict(list)
        self.words: Counter = Counter()
        self.index: dict = defaultdict(set)
        self.text: list = []

    def line(self, name, *, good=True):
        """Count a line of a file, and note the number of a malformed one (from 1)."""
        self.lines[name] += 1
        if not good:
            self.malformed[name].append(self.lines[name])

    def request(self, record):
        """Count a good line of an access log."""
        day, hour, path = record["time"].strftime("%Y-%m-%d"), record["time"].strftime("%Y-%m-%dT%H"), record["path"]
        self.status[record["status"]] += 1
        self.urls[path][0] += 1
        self.urls[path][1] += record["size"]
        self.hours[hour][0] += 1
        self.hours[hour][1] += record["status"] >= 500
        self.hosts[day].add(record["host"])
        self.bytes[day] += record["size"]
        if record["status"] == 404:
            self.not_found[path] += 1
        if record["referer"] != "-":
            self.referers[record["referer"]] += 1

    def plain(self):
        """Everything as JSON: for each job its rows as [key, value], in the order of its output."""
        files = {word: sorted(names) for word, names in self.index.items()}
        services = {name: _latency(took) for name, took in self.services.items()}
        return {
            "lines": dict(sorted(self.lines.items())),
            "malformed": dict(sorted(self.malformed.items())),
            "jobs": {
                "bytes_by_day": _by_key(self.bytes),
                "error_rate": _by_key({hour: _share(*counts) for hour, counts in self.hours.items()}),
                "inverted_index": _by_key(files),
                "latency": _by_key(services),
                "not_found": _ranked(self.not_found),
                "referrers": _ranked(self.referers),
                "sort": [[line, None] for line, _, _, _ in sorted(self.text)],
                "status_codes": _by_key(self.status),
                "top_urls": _ranked(self.urls, lambda value: value[0])[:20],
                "visitors": _by_key({day: len(hosts) for day, hosts in self.hosts.items()}),
                "word_count": _by_key(self.words),
            },
        }


def _by_key(rows):
    return [[key, rows[key]] for key in sorted(rows)]


def _ranked(rows, measure=lambda value: value):
    return [[key, rows[key]] for key in sorted(rows, key=lambda key: (-measure(rows[key]), key))]


def _share(requests, errors):
    return {"requests": requests, "errors": errors, "share": errors / requests}


def _latency(took):
    return {"requests": len(took), "mean_ms": sum(took) / len(took), "slowest_ms": max(took)}


class AccessLog:
    """Makes the lines of an access log in combined form."""

    def __init__(self, chance: Chance) -> None:
        self.chance = chance
        addresses = [f"192.0.2.{n}" for n in range(1, 120)] + [f"198.51.100.{n}" for n in range(1, 150)]
        self.hosts = falling(addresses + [f"2001:db8::{n:x}" for n in range(1, 40)])
        pages = [
            "/",
            "/static/app.css",
            "/static/app.js",
            "/search",
            "/login",
            "/cart",
            "/favicon.ico",
            "/api/orders",
        ]
        pages += [f"/products/{n}" for n in range(1, 61)] + [f"/img/{n:02d}.png" for n in range(1, 31)]
        pages += ["/feed.xml", "/robots.txt", "/old/index.html", "/wp-login.php", "/.env", "/caf\udce9/men\udcfc"]
        self.paths = falling(pages)
        self.sizes = {path: 200 + chance.below(30_000) for path in pages}

    def record(self, time):
        """One request at this time, as a dict."""
        chance = self.chance
        path = chance.weighted(*self.paths)
        status = self.status(path, time)
        return {
            "host": chance.weighted(*self.hosts),
            "user": ("-", "-", "-", "-", "alice", "bob")[chance.below(6)]
            if path in ("/cart", "/api/orders")
            else "-",
            "time": time,
            "method": "POST" if path in ("/login", "/api/orders") else ("GET", "GET", "GET", "HEAD")[chance.below(4)],
            "path": path,
            "query": f"?q={chance.pick(('lamp', 'chair', 'tea+cup'))}&page={chance.below(9)}"
            if path == "/search"
            else "",
            "status": status,
            "size": 0 if status == 304 else self.sizes[path] if status == 200 else 150 + chance.below(400),
            "referer": chance.pick(REFERERS),
            "agent": chance.pick(AGENTS),
        }

    def status(self, path, time):
        """A status that suits the path and the time."""
        roll = self.chance.below(300)
        if INCIDENT <= time < INCIDENT + timedelta(hours=1) and roll < 100:
            return 502 if roll < 40 else 503
        if path in ("/wp-login.php", "/.env") or roll == 299:
            return 404
        if path == "/old/index.html":
            return 301
        if roll == 298:
            return 500
        return 304 if path.startswith(("/static", "/img")) and roll < 100 else 200

    def line(self, record):
        """Return a record as a line, without its end. A size of zero is written `-`."""
        return (
            f"{record['host']} - {record['user']} [{record['time'].strftime('%d/%b/%Y:%H:%M:%S +0000')}] "
            f'"{record["method"]} {record["path"]}{record["query"]} HTTP/1.1" {record["status"]} '
            f'{record["size"] or "-"} "{record["referer"]}" "{record["agent"]}"'
        ).encode("utf-8", "surrogateescape")

    def malformed(self, line):
        """A line that no reading of the format can accept, made from a good one."""
        form = self.chance.below(5)
        if form == 0:  # the writer was killed within the request
            return line[: line.index(b'"') + 2 + self.chance.below(8)]
        if form == 1:  # bytes of something else
            return bytes(byte for byte in (self.chance.below(256) for _ in range(60)) if byte not in b'\r\n"[')
        if form == 2:  # a quote that nobody escaped
            return line.replace(b" HTTP/1.1", b'?q="lamp" HTTP/1.1', 1)
        return b"" if form == 3 else b"[warn] worker 7 was restarted"


def write_access(folder: Path, answers: Answers) -> None:
    """The access logs: one as it grows, one rotated, one rotated and compressed."""
    log = AccessLog(Chance(SEED))
    for name, first, last in FILES:
        lines = []
        for hour in range(first, last):
            start = START + timedelta(hours=hour)
            count = BY_HOUR[hour % 24] * 9 + log.chance.below(9)
            for second in sorted(log.chance.below(3600) for _ in range(count)):
                record = log.record(start + timedelta(seconds=second))
                lines.append(log.line(record))
                answers.request(record)
                answers.line(name)
                if log.chance.below(180) == 0:
                    lines.append(log.malformed(lines[-1]))
                    answers.line(name, good=False)
        data = b"\n".join(lines) + b"\n"
        (folder / name).write_bytes(gzipped(data) if name.endswith(".gz") else data)


def gzipped(data: bytes) -> bytes:
    """A gzip file of one member (RFC 1952), without time or name. Only the deflate stream is up to zlib."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + body + struct.pack("<II", zlib.crc32(data), len(data))


def write_app(folder: Path, answers: Answers) -> None:
    """`app.jsonl`: the log of a service about its requests, one JSON object a line."""
    chance, name = Chance(SEED + 1), "app.jsonl"
    with (folder / name).open("wb") as file:
        for number in range(1500):
            service = chance.pick(("orders", "orders", "search", "login"))
            took = 3 + chance.below(40) + (chance.below(900) if chance.below(20) == 0 else 0)
            record = {
                "time": (START + timedelta(seconds=230 * number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "level": "warning" if took > 200 else "info",
                "service": service,
                "ms": took,
                "request": {"method": chance.pick(("GET", "POST")), "route": f"/api/{service}"},
                "user": chance.pick((None, "alice", "bob", "zoë")),
            }
            line = json.dumps(record, ensure_ascii=False).encode()
            if good := chance.below(120) != 0:
                answers.services[service].append(took)
            else:
                line = chance.pick((b"", line[: len(line) // 2], b"starting up"))
            answers.line(name, good=good)
            file.write(line + b"\n")


def write_text(folder: Path, answers: Answers) -> None:
    """Three texts of sentences made from short lists of words."""
    chance = Chance(SEED + 2)
    for place, (topic, nouns) in enumerate(WORDS.items()):
        name, offset, lines = f"{topic}.txt", 0, []
        for _ in range(120):
            line = " ".join(sentence(chance, nouns.split()) for _ in range(1 + chance.below(2)))
            answers.line(name)
            answers.text.append((line, place, offset, f"{name}:{offset}"))
            answers.words.update(line.split())
            for word in line.split():
                answers.index[word.rstrip(".,").lower()].add(name)
            lines.append(line)
            offset += len(line) + 1
        (folder / name).write_text("\n".join(lines) + "\n", encoding="ascii", newline="\n")


def sentence(chance: Chance, nouns) -> str:
    """A short sentence about some of the nouns."""
    comma = "," if chance.below(3) == 0 else ""
    who, does, whom = chance.pick(nouns), chance.pick(VERBS.split()), chance.pick(nouns)
    return f"The {who} {does} the {whom}{comma} {chance.pick(MANNERS)}."


def write_all(folder: Path) -> None:
    """Write every sample and known_answers.json into a folder that exists."""
    answers = Answers()
    write_access(folder, answers)
    write_app(folder, answers)
    write_text(folder, answers)
    (folder / "known_answers.json").write_text(one_row_a_line(answers.plain()), encoding="ascii", newline="\n")


def one_row_a_line(plain) -> str:
    """The answers as JSON that shows a changed row as a changed line."""
    jobs = plain.pop("jobs")
    blocks = []
    for name, rows in jobs.items():
        lines = ",\n".join(f"      {json.dumps(row)}" for row in rows)
        blocks.append(f"    {json.dumps(name)}: [\n{lines}\n    ]")
    facts = "".join(f"  {json.dumps(name)}: {json.dumps(value)},\n" for name, value in plain.items())
    return "{\n" + facts + '  "jobs": {\n' + ",\n".join(blocks) + "\n  }\n}\n"


if __name__ == "__main__":
    write_all(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
