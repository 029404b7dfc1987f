"""The readers of the reference: files to records, line by line, as docs/reading.md says. Imports nothing of mrframe.

Text, words, access logs in the combined format and JSON lines, with windows of time. It leaves out all that the
generator of cases does not write (`random_inputs.py`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

BOM = b"\xef\xbb\xbf"
UTC = timezone.utc  # noqa: UP017  (the reference is plain on purpose)
MISSING = object()
LINE_FIELDS = ("file", "offset", "line")
OUTSIDE, WITHOUT = "outside_time", "without_time"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LINE = re.compile(
    rb"(?P<host>[^ ]+) (?P<ident>[^ ]+) (?P<user>[^ ]+)"
    rb" \[(?P<time>\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"
    rb' "(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}|-) (?P<size>\d+|-)'
    rb' "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"',
    re.DOTALL,
)
REQUEST = re.compile(rb"([A-Za-z_-]+) ([^ ?][^?]*)(?:\?(.*))? (HTTP/[0-9.]+)", re.DOTALL)
OLD_REQUEST = re.compile(rb"(GET) (/[^ ?]*)(?:\?([^ ]*))?")
PARTS = ("method", "path", "query", "protocol")


@dataclass(frozen=True)
class Input:
    """A file: the source of a join it belongs to (or ""), its path, and its content, decoded."""

    name: str
    path: str
    content: bytes


@dataclass(frozen=True)
class Record:
    """A record as a map gets it, its line (from 1) and its number among all records of the source."""

    fields: dict[str, Any]
    source: str
    line: int
    number: int


@dataclass
class Reading:
    """The result of reading all files of one source."""

    records: list[Record] = field(default_factory=list)
    malformed: list[tuple[str, int, int, bytes]] = field(default_factory=list)
    lines: int = 0
    bytes_in: int = 0
    bad_fields: Counter[str] = field(default_factory=Counter)
    outside_time: int = 0
    without_time: int = 0
    lacks: str = ""


def lines_of(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, line without its end) of each line."""
    at = len(BOM) if content.startswith(BOM) else 0
    for line in content[at:].split(b"\n"):
        if at < len(content):
            yield at, line.removesuffix(b"\r")
        at += len(line) + 1


def text_of(data: bytes) -> str:
    """Text that keeps every byte."""
    return data.decode("utf-8", "surrogateescape")


def read_all(
    reader: str, names: Sequence[str], paths: Any, inputs: Sequence[Input], options: Mapping[str, Any]
) -> Reading:
    """Read the files of one source. `names` are the fields that the job asks for, `paths` their places in JSON."""
    reading = Reading()
    window = [as_time(options.get(name)) for name in ("since", "until")]
    asked = [one for one in window if one is not None]
    for one in inputs:
        reading.bytes_in += len(one.content)
        for number, (offset, line) in enumerate(lines_of(one.content), 1):
            reading.lines += 1
            found = records_of(reader, line, names, paths if isinstance(paths, Mapping) else {})
            if found is None:
                reading.malformed.append((one.path, number, offset, line))
                continue
            for fields, bad, time in found:
                if asked and (time is None or not within(time, window)):
                    name = WITHOUT if time is None else OUTSIDE
                    setattr(reading, name, getattr(reading, name) + 1)
                    continue
                everything = {"file": one.path, "offset": offset, "line": text_of(line), **fields}
                reading.records.append(Record(everything, one.path, number, len(reading.records)))
                reading.bad_fields.update(bad)
    if reader == "json_lines":
        reading.lacks = lack_of_fields(inputs, names, paths if isinstance(paths, Mapping) else {})
    return reading


Found = tuple[dict[str, Any], list[str], datetime | None]


def records_of(reader: str, line: bytes, names: Sequence[str], paths: Mapping[str, str]) -> list[Found] | None:
    """Return (fields, names of invalid ones, time) of each record of a line, or None if the line is malformed."""
    if reader == "text":
        return [({}, [], None)]
    if reader == "words":
        return [({"word": text_of(word)}, [], None) for word in line.split()]
    if reader == "json_lines":
        value = object_of(line)
        if value is None:
            return None
        own = [name for name in names if name in paths or name not in LINE_FIELDS]
        found = {name: value_at(value, paths.get(name, name)) for name in own}
        bad = [f"missing.{name}" for name in own if found[name] is MISSING]
        return [({n: None if v is MISSING else v for n, v in found.items()}, bad, as_time(value.get("time")))]
    access = access_fields(line)
    if access is None:
        return None
    fields, odd = access
    return [(fields, [name for name in names if name in odd], fields["time"])]


# ---- JSON ----------------------------------------------------------------------------------------------


def object_of(line: bytes) -> dict[str, Any] | None:
    """The object that a line is."""
    try:
        value = json.loads(text_of(line))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def value_at(value: Any, path: str) -> Any:
    """Return the value at a path of names and numbers. A name that itself has dots goes first."""
    if path in value:
        return value[path]
    for step in path.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
    return value


def lack_of_fields(inputs: Sequence[Input], names: Sequence[str], paths: Mapping[str, str]) -> str:
    """ "must" when no record of the first input has one of the fields by its first name, "may" when some lack one."""
    wanted = [paths.get(name, name) for name in names if name in paths or name not in LINE_FIELDS]
    some = [[object_of(line) for _, line in lines_of(one.content)] for one in inputs]
    first = [value for value in next(filter(None, some), []) if value is not None]
    if first and any(all(path.split(".")[0] not in value for value in first) for path in wanted):
        return "must"
    found = [value for values in some for value in values if value is not None]
    return "may" if any(value_at(value, path) is MISSING for value in found for path in wanted) else ""


# ---- access logs ---------------------------------------------------------------------------------------


def access_fields(line: bytes) -> tuple[dict[str, Any], set[str]] | None:
    """Return (the fields of a line in the combined format, those that look like a value but are invalid)."""
    match = LINE.fullmatch(line)
    if match is None or match["time"][3:6].decode() not in MONTHS:
        return None
    fields: dict[str, Any] = {
        name: dash(match[name]) for name in ("host", "ident", "user", "request", "referer", "agent")
    }
    odd = set()
    for name in ("status", "size"):
        fields[name] = None if match[name] == b"-" else int(match[name])
    request = REQUEST.fullmatch(match["request"]) or OLD_REQUEST.fullmatch(match["request"])
    parts: tuple[bytes | None, ...] = (*request.groups(), None)[:4] if request is not None else (None,) * 4
    if request is None:
        odd |= set(PARTS)
    for name, part in zip(PARTS, parts, strict=True):
        fields[name] = None if part is None else text_of(part)
    raw = match["time"].decode()
    stamps = {"time": raw, "minute": raw[:17] + ":00 +0000", "hour": raw[:14] + ":00:00 +0000"}
    for name, stamp in {**stamps, "day": raw[:11] + ":00:00:00 +0000"}.items():
        time = clock(stamp)
        cut = {"time": None, "day": 10, "hour": 13, "minute": 16}[name]
        fields[name] = time if time is None or cut is None else time.isoformat()[:cut]
        odd |= {name} if time is None else set()
    return fields, odd


def dash(raw: bytes) -> str | None:
    """Return text, or None for a dash."""
    return None if raw == b"-" else text_of(raw)


def clock(stamp: str) -> datetime | None:
    """Parse a time such as `17/May/2015:10:05:03 +0000`. Returns None if it is not one."""
    day, month, rest = stamp.split("/")
    year, hour, minute, second = rest[:-6].split(":")
    east = timedelta(hours=int(stamp[-4:-2]), minutes=int(stamp[-2:]))
    try:
        zone = timezone(-east if stamp[-5] == "-" else east)
        numbers = (int(year), MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second))
        return datetime(*numbers, tzinfo=zone)
    except ValueError:
        return None


# ---- windows -------------------------------------------------------------------------------------------


def as_time(text: Any) -> datetime | None:
    """Parse an instant of ISO text, in UTC if it names no zone. Returns None for anything else."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def within(time: datetime, window: Sequence[datetime | None]) -> bool:
    """Return whether a time lies at or after the first and before the second."""
    since, until = window
    return (since is None or time >= since) and (until is None or time < until)
