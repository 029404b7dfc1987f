"""Logs made bad on purpose: sample lines, damaged as by a pen, a disk or an attacker.

Everything follows from the `random.Random` that is given, so a mutation is made again from its seed. Not here: the
result that a reader must give (`fuzz.py`).
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from random import Random

from mrframe.formats.application_formats import APPLICATIONS
from mrframe.formats.named_formats import FORMATS
from mrframe.formats.registry import is_added, kind_named

LINES_MAX = 12
CHANGES_MAX = 5

_ODD = (
    *(b"\n", b"\n\n", b"\r", b"\r\n", b"\r\r\n", b"\x00", b"\x00" * 40, b"\x0b", b"\x0c", b"\x1c", b"\xc2\x85"),
    *(b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"\x1b[2J", b'"', b'\\"', b"\\"),
    *(b"\\\\", b" ", b"  ", b"\t", b"-", b"?", b"[", b"]", b"{", b"}", b"[" * 2000, b'{"a":' * 2000, b"9" * 400),
    *(b"NaN", b"1e999", b"::1", b'" "', b'" 200 1 "', b"31/Feb/2015:23:59:60 +9999", b"GET / HTTP/1.1", b"a" * 3000),
)
_JSON_LINE = (
    b'{"time": "2015-05-17T10:05:03Z", "level": "error", "request": {"path": "/a", "status": 500}, "n": [1, 2]}'
)
_TRACE = (b"java.lang.IllegalStateException: 17", b"\tat a.b.C.d(C.java:42)", b"", b"\xff caf\xc3")
_TEXT_LINE = "a word, another one; caf\u00e9 and \u65e5\u672c".encode()


def samples_of(logs: Sequence[bytes], kinds: Sequence[str] = ()) -> dict[str, list[bytes]]:
    """Lines by format: the example of each, and the lines of `logs` (combined, or JSON) in all formats they fit."""
    samples = {known.name: [known.example.encode()] for known in FORMATS}
    samples |= {"json": [_JSON_LINE, b"{}"], "text": [_TEXT_LINE, b""], "words": [_TEXT_LINE, b""]}
    for line in (line for log in logs for line in log.split(b"\n") if line):
        if line.startswith(b"{"):
            samples["json"].append(line)
            continue
        samples["combined"].append(line)
        samples["common"].append(line.rsplit(b' "', 2)[0])
        samples["vhost"].append(b"www.example.org:443 " + line)
        samples["traefik"].append(line + b' 7 "web@docker" "http://10.0.0.3:80" 4ms')
        samples["text"].append(line)
    samples["words"] = samples["text"]
    for known in APPLICATIONS:
        samples[known.name] = [known.example.encode(), known.example.encode(), *_TRACE]
    for name in kinds:
        if is_added(name):
            samples[name] = [known.example.encode() for known in kind_named(name).formats]
    return samples


def some_lines(random: Random, samples: Sequence[bytes]) -> bytes:
    """Return a short log of sample lines. The last one may lack its line end."""
    end = random.choice((b"\n", b"\n", b"\n", b"\r\n"))
    lines = [random.choice(samples) for _ in range(random.randint(0, LINES_MAX))]
    data = b"".join(line + end for line in lines)
    return data[: -len(end)] if data and random.random() < 0.3 else data


def mutate(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """The data after one to five changes, anywhere in it."""
    for _ in range(random.randint(1, CHANGES_MAX)):
        data = random.choice(_CHANGES)(random, data, others)
    return data


def packed(random: Random, data: bytes) -> bytes:
    """The data as a gzip file of one or several members."""
    cut = random.randint(0, len(data))
    if random.random() < 0.5:
        return gzip.compress(data, random.randint(0, 9), mtime=0)
    return gzip.compress(data[:cut], mtime=0) + gzip.compress(data[cut:], mtime=0)


def _flip(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:  # noqa: ARG001  (one form for all)
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]


def _delete(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:  # noqa: ARG001
    at = random.randint(0, len(data))
    return data[:at] + data[at + random.choice((1, 1, 2, 5, 40)) :]


def _insert(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:  # noqa: ARG001
    at = random.randint(0, len(data))
    return data[:at] + random.choice(_ODD) + data[at + random.choice((0, 0, 1, 3)) :]


def _noise(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:  # noqa: ARG001
    at = random.randint(0, len(data))
    return data[:at] + random.randbytes(random.randint(1, 30)) + data[at:]


def _head(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:  # noqa: ARG001
    """A hole, marks or both at the head of a line."""
    at = data.rfind(b"\n", 0, random.randint(0, len(data))) + 1
    parts = [random.choice((b"\0", b"\0" * 40, b"\0" * 300, b"\xef\xbb\xbf", b"\xef\xbb")) for _ in range(3)]
    return data[:at] + b"".join(parts[: random.randint(1, 3)]) + data[at:]


def _repeat(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:  # noqa: ARG001
    at = random.randint(0, len(data))
    return data[:at] + data[at : at + random.randint(1, 60)] * random.randint(2, 5) + data[at:]


def _truncate(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:  # noqa: ARG001
    return data[: random.randint(0, len(data))]


def _splice(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = random.choice(others)
    return data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :] + b"\n" + data[-40:]


_CHANGES: tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...] = (
    *(_flip, _flip, _delete, _insert, _insert, _insert),
    *(_noise, _repeat, _truncate, _splice, _head),
)
