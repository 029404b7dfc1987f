"""Compare the answer of a contestant with the truth of the input.

An answer is a folder of files as `peers/rows.py` says. Files with names that begin with a dot do not belong to it.
No contestant is trusted to count right, mrframe least: every answer of every run is read and judged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
OK = "right"
CHUNK_BYTES = 8 << 20


def judge(job: str, folder: Path, truth: dict) -> str:
    """Return `right`, or `wrong: ` with the difference, for people."""
    try:
        return "wrong: " + wrong if (wrong := _JUDGES[job](folder, truth)) else OK
    except (OSError, ValueError, IndexError) as error:
        return f"wrong: the answer cannot be read ({error!r:.100})"


def parts(folder: Path) -> list[Path]:
    """The files of an answer, in order."""
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def rows(folder: Path) -> Iterator[list[str]]:
    """The rows of an answer, as text."""
    for path in parts(folder):
        with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for line in file:
                yield line.rstrip("\n").split("\t")


def _status_counts(folder: Path, truth: dict) -> str:
    found = {status: int(count) for status, count in rows(folder)}
    summary = folder / ".summary.json"
    if summary.exists():  # mrframe counts malformed lines in the summary, not in a row
        found["malformed"] = json.loads(summary.read_text())["malformed"]
    expected = {**truth["status_counts"], "malformed": truth["malformed"]}
    off = sum(abs(found.get(key, 0) - expected.get(key, 0)) for key in {*found, *expected} - {"malformed"})
    if off:
        return f"off by {off} lines"
    missing = found.get("malformed", 0) - expected["malformed"]
    return f"malformed lines off by {missing:+}" if missing else ""


def _top_urls(folder: Path, truth: dict) -> str:
    found = [[path, int(hits), int(float(size))] for path, hits, size in rows(folder)]
    return _different(found, truth["top_urls"])


def _visitors(folder: Path, truth: dict) -> str:
    found = sorted((_iso_hour(hour), int(count)) for hour, count in rows(folder))
    return _different(found, sorted(truth["visitors"].items()))


def _different(found: list, expected: list) -> str:
    off = sum(one != other for one, other in zip(found, expected, strict=False)) + abs(len(found) - len(expected))
    return f"{off} of {len(expected)} rows" if off else ""


def _iso_hour(text: str) -> str:
    """02/Mar/2026:04 as 2026-03-02T04, and that as it is."""
    if "/" not in text:
        return text
    day, month, rest = text.split("/")
    year, hour = rest.split(":")
    return f"{year}-{MONTHS.index(month) + 1:02}-{day}T{hour}"


def _digest(job: str):
    def wrong(folder: Path, truth: dict) -> str:
        digest = hashlib.sha256()
        for path in parts(folder):
            with path.open("rb") as file:
                while data := file.read(CHUNK_BYTES):
                    digest.update(data)
        return "" if digest.hexdigest() == truth[job] else _wrong_rows(job, folder, truth)

    return wrong


def _wrong_rows(job: str, folder: Path, truth: dict) -> str:
    lines = sorted(line for path in parts(folder) for line in path.read_bytes().splitlines(keepends=True))
    if hashlib.sha256(b"".join(lines)).hexdigest() == truth[job]:
        return "not in order"
    return f"other rows ({len(lines)} of {truth.get('distinct', truth.get('records'))})"


def _nothing(folder: Path, truth: dict) -> str:
    summary = folder / ".summary.json"
    if summary.exists():
        maps = json.loads(summary.read_text())["tasks"] - 1  # one reduce task
        if maps not in (1, truth["records"]):
            return f"{maps} map tasks"
    found = sum(1 for _ in rows(folder))
    return f"{found} rows" if found else ""


_JUDGES = {
    "status_counts": _status_counts,
    "latency": _status_counts,
    "top_urls": _top_urls,
    "visitors": _visitors,
    "word_count": _digest("word_count"),
    "sort": _digest("sort"),
    "empty_tasks": _nothing,
}
