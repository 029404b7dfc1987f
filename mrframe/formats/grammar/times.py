"""Times of log lines: from the bytes of a slot to an aware datetime, and to day, hour and minute as text.

The day, hour and minute are those of the *local* time that the log shows. Text that matches the grammar but
is no time (31/Feb) gives None. A form without a zone is taken as UTC. These are called once for each
distinct text (`convert.py` remembers), so they are plain rather than quick.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from mrframe.formats.grammar.grammar import MONTHS
from mrframe.formats.grammar.strftime import read

_MONTH = {name.encode(): number for number, name in enumerate(MONTHS, 1)}
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000}
_LENGTHS = {"day": 10, "hour": 13, "minute": 16}  # of the ISO text


def time_of(kind: str, detail: str, raw: bytes) -> datetime | None:
    """Convert a whole slot of a time kind. None if there is no such time."""
    try:
        if kind == "clf":
            return _clf(raw)
        if kind == "iso":
            time = datetime.fromisoformat((raw[:19] + raw[19:].strip(b" ").replace(b" ", b"")).decode("ascii"))
            return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        if kind == "epoch":
            return _epoch(raw, _UNITS[detail])
        return read(detail, raw.decode("ascii"))
    except (ValueError, OverflowError):
        return None


def truncated(kind: str, detail: str, role: str, raw: bytes) -> str | None:
    """Day, hour or minute as ISO text.

    `raw` is the slot's beginning up to that part for the forms "clf" and "iso", the whole slot otherwise.
    None when there is no such day, hour or minute.
    """
    length = _LENGTHS[role]
    if kind == "clf":
        raw = raw + b"17/May/2015:00:00:00 +0000"[len(raw) :]
    elif kind == "iso":
        raw = raw + b"2015-05-17T00:00:00Z"[len(raw) :]
    time = time_of(kind, detail, raw)
    return time.isoformat()[:length] if time is not None else None


_SECONDS = {b"%02d" % second: timedelta(seconds=second) for second in range(60)}


def _clf(raw: bytes) -> datetime:
    second = _SECONDS.get(raw[18:20])
    if second is None:
        raise ValueError("a second of 60 or more")
    return _clf_minute(raw[:17], raw[21:]) + second


@lru_cache(maxsize=1024)
def _clf_minute(minute: bytes, offset: bytes) -> datetime:
    """Return the beginning of a minute, cached. Logs are in order, so few are needed at a time."""
    east = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
    zone = UTC if not east else timezone(-east if offset[:1] == b"-" else east)
    year, month, day = int(minute[7:11]), _MONTH[minute[3:6]], int(minute[:2])
    return datetime(year, month, day, int(minute[12:14]), int(minute[15:17]), tzinfo=zone)


def _epoch(raw: bytes, unit: int) -> datetime:
    whole, _, fraction = raw.partition(b".")
    micros = int(whole) * (1_000_000 // unit) + (int(fraction[:6].ljust(6, b"0")) // unit if fraction else 0)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
