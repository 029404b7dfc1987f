"""Periods of the calendar: which one a time falls into, and which ones lie between two of them.

A period is `minute`, `hour`, `day`, `week` (of ISO 8601), `weekday`, `month`, or a length such as `5m` or `6h` that
divides an hour or a day. Without a zone it is that of the local time that the log shows. With one it is that of the
zone, so a day has 23 or 25 hours where clocks change, and the hour that comes twice is two periods.

A period of up to 12 hours is named by the instant at which it begins, a longer one by text that sorts in order:
2026-03-29, 2026-W13, 2026-03, 7-Sun. Not here: times in logs (`grammar/times.py`) and windows (`time_window.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from mrframe.errors import UsageError
from mrframe.formats.readers.time_window import json_time, zone_named

_LENGTH = re.compile(r"(\d{1,4})(s|m|min|h)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}
_WORDS = {"minute": 60, "hour": 3600}
_DAYS = ("1-Mon", "2-Tue", "3-Wed", "4-Thu", "5-Fri", "6-Sat", "7-Sun")
NAMES = ("minute", "hour", "day", "week", "weekday", "month")
PERIODS_MAX = 100_000
"""Periods between the first and the last, at most. More come of a length that is too short for the log."""


def check_period(text: str) -> None:
    """Raise UsageError for a text that names no period."""
    if text not in NAMES and _seconds(text) is None:
        raise UsageError(
            f"--by {text!r} is no period; give one of {', '.join(NAMES)}, or a length that divides an hour or a day: "
            "10s, 5m, 15m, 6h"
        )


@lru_cache(maxsize=16)
def _seconds(by: str) -> int | None:
    """Return the length of a period of up to 12 hours, None for others."""
    found = _LENGTH.fullmatch(by)
    seconds = _WORDS.get(by) or (int(found[1]) * _SECONDS[found[2]] if found else 0)
    whole = 3600 if seconds < 3600 else 86_400
    return seconds if 0 < seconds < 86_400 and whole % seconds == 0 else None


def period_of(time: Any, by: str, zone: str | None) -> Any:
    """Return the period of a time, or of a value of JSON that is one. None for anything else.

    A time that the zone moves out of the years 1 to 9999 has none.
    """
    if not isinstance(time, datetime):
        time = json_time(time)
        if time is None:
            return None
    if zone is not None:
        named = zone_named(zone)
        try:
            time = time.replace(tzinfo=named) if time.tzinfo is None else time.astimezone(named)
        except OverflowError:
            return None
    elif time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    seconds = _seconds(by)
    return _long_period(time, by) if seconds is None else _begin(time, seconds)


def _long_period(time: date, by: str) -> str:
    if by == "day":
        return time.isoformat()[:10]
    if by == "month":
        return time.isoformat()[:7]
    year, week, weekday = time.isocalendar()
    return f"{year:04}-W{week:02}" if by == "week" else _DAYS[weekday - 1]


def _begin(time: datetime, seconds: int) -> datetime:
    """Return the begin of a period of this length, with its offset from UTC and no zone."""
    of_day = time.hour * 3600 + time.minute * 60 + time.second
    begin = of_day - of_day % seconds
    wall = time.replace(hour=begin // 3600, minute=begin // 60 % 60, second=begin % 60, microsecond=0)
    if seconds > 3600:
        wall = wall.replace(fold=0)
    offset = wall.utcoffset()
    assert offset is not None
    return wall.replace(tzinfo=timezone(offset) if offset else UTC, fold=0)


def periods_from(first: Any, last: Any, by: str, zone: str | None) -> Iterator[Any]:
    """Yield the periods from one to the other, both included. Of weekdays, all seven."""
    seconds = _seconds(by)
    if by == "weekday":
        yield from _DAYS
    elif seconds is not None:
        yield from _short_periods(first, last, seconds, zone)
    else:
        day, end = _first_day(first, by), _first_day(last, by)
        yield _long_period(day, by)
        while day < end:
            ahead = 1 if by == "day" else 7 if by == "week" else 32
            day = day + timedelta(days=ahead)
            day = day.replace(day=1) if by == "month" else day
            yield _long_period(day, by)


def _first_day(period: str, by: str) -> date:
    if by == "week":
        return date.fromisocalendar(int(period[:4]), int(period[6:]), 1)
    return date.fromisoformat(period if by == "day" else f"{period}-01")


def _short_periods(first: datetime, last: datetime, seconds: int, zone: str | None) -> Iterator[datetime]:
    """Yield them in order. In a zone each step is of at most an hour, and counts where it enters another period."""
    if zone is None:
        length = timedelta(seconds=seconds)
        for number in range((last - first) // length + 1):
            yield first + number * length
        return
    named = zone_named(zone)
    at, step = first, timedelta(seconds=min(seconds, 3600))
    begin = first
    yield begin
    while begin < last:
        after = begin
        while after <= begin:
            at += step
            after = _begin(at.astimezone(named), seconds)
        begin = after
        if begin <= last:
            yield begin
