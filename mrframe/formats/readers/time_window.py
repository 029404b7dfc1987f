"""Windows of time: the meaning of `--since` and `--until`, and a reader that gives only the records within.

A window is half-open: a record counts from `since` on and before `until`, by the instant that its time names. Times
are compared as instants, so logs of several zones can be asked together. Times without a zone are taken in the zone
of the window, UTC unless `--timezone` says otherwise. Where clocks were set back, the first of the two instants
counts. A time that was skipped counts from the offset before. Not here: formats of times in logs (`times.py`).

`WindowReader` stands around any reader of blocks that has times. It leaves out whole records and counts their
bytes, so its user sees a log without the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import compress
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import UsageError, did_you_mean
from mrframe.formats.grammar.times import time_of
from mrframe.formats.readers.base import (
    ALL_VALUES,
    BlockReader,
    Column,
    Forms,
    Parsed,
    RawBytes,
    RawValue,
    Scanned,
    Values,
    as_raw,
    good_lines,
    plain_lines,
    text_of_record,
    values_of,
)
from mrframe.formats.readers.records import RecordReader

_SPAN = re.compile(r"(\d+)\s*(s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCH_UNITS = ((10**17, 10**9), (10**14, 10**6), (10**11, 1000))
"""From which number on a time counts such parts of a second. As seconds, 10**11 would be in the year 5138."""
_SECONDS_SINCE_1970 = re.compile(r"[0-9]{9,19}(?:\.[0-9]+)?", re.ASCII)
_CLF = re.compile(r"\[?[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}\]?", re.ASCII)
FORMS = (
    "a date (2026-05-17), a time (2026-05-17T10:05, with +02:00 or Z or without), 24h, 90m, 7d, today, yesterday, now"
)
INSIDE, OUTSIDE, WITHOUT, EDGE = 0, 1, 2, 3  # EDGE: of several times, perhaps some
STATES_MAX = 1 << 16
HIDDEN = "\0"  # begins the names of columns that only the window wants


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` (None: ever) until before `until` (None: ever), both aware. `zone` is for times without one."""

    since: datetime | None
    until: datetime | None
    zone: str = "UTC"

    def state(self, time: datetime | None) -> int:
        """Return INSIDE, OUTSIDE, or WITHOUT for no time. If the window has no ends, everything is inside."""
        if self.since is None and self.until is None:
            return INSIDE
        if time is None:
            return WITHOUT
        return OUTSIDE if self.side(time) else INSIDE

    def side(self, time: datetime) -> int:
        """-1 before the window, 0 in it, 1 after it."""
        if time.tzinfo is None:
            time = time.replace(tzinfo=zone_named(self.zone))
        if self.since is not None and time < self.since:
            return -1
        return int(self.until is not None and time >= self.until)

    def to_plain(self) -> tuple[str, str, str]:
        """As three texts, for the settings of tasks."""
        ends = [end.astimezone(UTC).isoformat() if end is not None else "" for end in (self.since, self.until)]
        return ends[0], ends[1], self.zone

    @classmethod
    def from_plain(cls, plain: Sequence[str]) -> Window:
        """Back from `to_plain`."""
        since, until = (datetime.fromisoformat(end) if end else None for end in plain[:2])
        return cls(since, until, plain[2])


def window_of(since: str | None, until: str | None, zone: str | None, now: datetime) -> Window | None:
    """Return the window for these texts at the instant `now`, None if it restricts nothing. Raises UsageError."""
    named = zone_named(zone or "UTC")
    if since is None and until is None and named is UTC:
        return None
    start = None if since is None else _moment("--since", since, named, now)
    end = None if until is None else _moment("--until", until, named, now)
    if start is not None and end is not None and end <= start:
        raise UsageError(
            f"the window is empty: --until {until} ({end.isoformat()}) is not after --since {since} "
            f"({start.isoformat()})"
        )
    return Window(start, end, zone or "UTC")


def zone_named(name: str) -> tzinfo:
    """Return a zone of the tz database. Raises UsageError with the nearest name if there is none."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(name, available_timezones()) or "; give one such as Europe/Berlin"
        raise UsageError(f"--timezone {name}: there is no such time zone here{hint}") from None


def _moment(flag: str, text: str, zone: tzinfo, now: datetime) -> datetime:
    text = text.strip()
    span = _SPAN.fullmatch(text)
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        if span is not None:
            return now - timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
        if text in ("now", "today", "yesterday"):
            day = today.date() - timedelta(days=text == "yesterday")
            return now if text == "now" else datetime(day.year, day.month, day.day, tzinfo=zone)
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=zone)
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{flag} {text!r} is no time; give {FORMS}") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=zone)


def json_time(value: Any) -> datetime | None:
    """Convert a value of JSON to a time: ISO text, or seconds or milliseconds since 1970. None if it is no time."""
    try:
        if isinstance(value, str):
            if "/" in value:  # 17/May/2015:10:05:03 +0000, perhaps in brackets
                return time_of("clf", "", value.strip("[]").encode("ascii")) if _CLF.fullmatch(value) else None
            if _SECONDS_SINCE_1970.fullmatch(value) is None:
                return datetime.fromisoformat(value)
            value = float(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            unit = next((unit for least, unit in _EPOCH_UNITS if abs(value) >= least), 1)
            return datetime.fromtimestamp(value / unit, UTC)
    except (ValueError, OverflowError, OSError, KeyError):
        pass
    return None


@dataclass(frozen=True, slots=True)
class Times:
    """Where a record's time comes from: the first of the columns from `first` on that holds a time.

    labels   the projected fields, under which bad values are counted
    naive    whether the log's times have no zone
    projected  which of the projected fields are times
    digits   positions of the last digits of minute and second in the text of a time, None if they vary
    """

    first: int
    columns: int
    labels: tuple[str, ...]
    naive: bool = False
    projected: frozenset[int] = frozenset()
    digits: tuple[int, int] | None = None


class WindowReader:
    """Gives the records of `inner` within a window. The columns of `inner` are followed by those of times."""

    def __init__(self, inner: BlockReader, times: Times, window: Window) -> None:
        self._inner = inner
        self._times = times
        self._window = window
        self._span: list[datetime] = []  # the first and the last time that was met
        self._states: dict[Any, int] = {}
        self._coarse: dict[Any, int] = {}

    @property
    def only_leaves_out(self) -> bool:
        """Return whether a job sees the same of a record within as without the window."""
        asks = self._window.since is not None or self._window.until is not None
        return asks and not (self._times.naive and self._times.projected)

    def _met(self, times: Iterable[datetime]) -> None:
        for time in times:
            first, last = self._span or (time, time)
            self._span = [min(first, time), max(last, time)]

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:
        """Parse a block and keep the records within. See `BlockReader`."""
        scanned = {index: form for index, form in forms.items() if form is Scanned}
        parsed, states = self._with_states(block, source, offset, scanned)
        parsed.columns = parsed.columns[: self._times.first]
        if self._span:
            parsed.span = (self._span[0].isoformat(), self._span[1].isoformat())
        if states.count(INSIDE) < parsed.records:
            self._leave_out(parsed, states, block)
        for index, label in enumerate(self._times.labels):
            column = parsed.columns[index]
            if isinstance(column, RawBytes) and forms.get(index) is not RawBytes:
                values, bad = self.convert(index, column.items)
                parsed.columns[index] = Values(values)
                if bad:
                    parsed.bad_fields[label] = parsed.bad_fields.get(label, 0) + bad
            elif isinstance(column, Values):
                parsed.columns[index] = Values(self._zoned(index, column.items))
        return parsed

    def convert(self, index: int, column: Sequence[bytes | None]) -> tuple[list[Any], int]:
        """Convert raw bytes. See `BlockReader`."""
        values, bad = self._inner.convert(index, column)
        return self._zoned(index, values), bad

    def _zoned(self, index: int, values: list[Any]) -> list[Any]:
        """Return the values of a column. Times without a zone get the one of the window."""
        if self._times.naive and index in self._times.projected:
            zone = zone_named(self._window.zone)
            return [value if value is None else value.replace(tzinfo=zone) for value in values]
        return values

    def lines_of_records(self, block: bytes, parsed: Parsed) -> Sequence[int]:
        """Return the number of its line for each record within. See `BlockReader`."""
        if not parsed.outside_time and not parsed.without_time:
            return self._inner.lines_of_records(block, parsed)
        all_of_them, states = self._with_states(block, "", 0)
        inside = [state == INSIDE for state in states]
        return list(compress(self._inner.lines_of_records(block, all_of_them), inside))

    def locate(self, block: bytes, record: int) -> tuple[int, bytes]:
        """Find the line of the n-th record within. See `BlockReader`."""
        _, states = self._with_states(block, "", 0)
        inside = [number for number, state in enumerate(states) if state == INSIDE]
        return self._inner.locate(block, inside[record])

    def scanned_values(self) -> list[RawValue | None]:
        """Return those of the inner reader. See `BlockReader`."""
        return list(self._inner.scanned_values()[: self._times.first])

    def text_at(self, block: bytes, offset: int) -> bytes:
        """Return the text of the record that begins at this offset. See `text_of_record`."""
        return text_of_record(self._inner, block, offset)

    def _with_states(
        self, block: bytes, source: str, offset: int, scanned: Forms = ALL_VALUES
    ) -> tuple[Parsed, list[int]]:
        """The block with all columns raw or scanned, and the state of each record."""
        first, count = self._times.first, self._times.columns
        parsed = self._inner.parse(block, source, offset, forms={**as_raw(range(first + count)), **scanned})
        for name in [name for name in parsed.bad_fields if HIDDEN in name]:
            del parsed.bad_fields[name]
        if count > 1:
            rows = zip(*map(values_of, parsed.columns[first:]), strict=True)
            times = [next((t for t in map(json_time, row) if t is not None), None) for row in rows]
            zone = zone_named(self._window.zone)
            self._met(time if time.tzinfo else time.replace(tzinfo=zone) for time in times if time is not None)
            return parsed, [self._window.state(time) for time in times]
        times_column = parsed.columns[first]
        if isinstance(times_column, RawBytes):
            return parsed, self._states_of(times_column.items)
        return parsed, self._looked_up(self._states, values_of(times_column), self._value_state)

    def _states_of(self, column: Sequence[Any]) -> list[int]:
        """Return the state of each text. Those that differ only in last digits of minute and second share a check."""
        digits = self._times.digits
        if digits is None or None in column:
            return self._looked_up(self._states, column, self._text_state)
        minute, second = digits
        coarse = [text[:minute] + text[minute + 1 : second] + text[second + 1 :] for text in column]
        states = self._looked_up(self._coarse, coarse, self._coarse_state)
        if EDGE in states:
            exact = self._looked_up(self._states, column, self._text_state)
            states = [one if state == EDGE else state for state, one in zip(states, exact, strict=True)]
        return states

    @staticmethod
    def _looked_up(known: dict[Any, int], texts: Sequence[Any], state_of: Callable[[Any], int]) -> list[int]:
        """Return each text's state from a cache. Logs repeat times and are nearly in order."""
        try:
            return [known[text] for text in texts]
        except KeyError:
            if len(known) > STATES_MAX:
                known.clear()
            for text in texts:
                if text not in known:
                    known[text] = state_of(text)
            return [known[text] for text in texts]

    def _text_state(self, text: bytes | None) -> int:
        return self._time_state(self._time(text))

    def _value_state(self, time: datetime | None) -> int:
        return self._time_state(self._as_logged(time))

    def _time_state(self, time: datetime | None) -> int:
        if time is not None:
            self._met((time,))
        return self._window.state(time)

    def _coarse_state(self, text: bytes) -> int:
        """The state of all times that this text stands for, EDGE when they are not all on one side of each end."""
        assert self._times.digits is not None
        minute, second = self._times.digits[0], self._times.digits[1] - 1
        first, last = (self._time(text[:minute] + d + text[minute:second] + d + text[second:]) for d in (b"0", b"9"))
        if first is None or last is None:
            return EDGE
        self._met((first, last))
        return self._window.state(first) if self._window.side(first) == self._window.side(last) else EDGE

    def _time(self, text: bytes | None) -> datetime | None:
        (time,), _ = self._inner.convert(self._times.first, [text])
        return self._as_logged(time)

    def _as_logged(self, time: datetime | None) -> datetime | None:
        """Return a time without the zone UTC that the reader gave it, if the log has none."""
        return time if time is None or not self._times.naive else time.replace(tzinfo=None)

    def _leave_out(self, parsed: Parsed, states: list[int], block: bytes) -> None:
        sizes = self._sizes(block, parsed, states)
        parsed.outside_time, parsed.without_time = states.count(OUTSIDE), states.count(WITHOUT)
        parsed.outside_time_bytes = sum(compress(sizes, [state == OUTSIDE for state in states]))
        parsed.without_time_bytes = sum(compress(sizes, [state == WITHOUT for state in states]))
        parsed.parsed_bytes -= parsed.outside_time_bytes + parsed.without_time_bytes
        inside = [state == INSIDE for state in states]
        parsed.records = inside.count(True)
        parsed.columns = [_chosen(column, inside) for column in parsed.columns]
        parsed.formats = list(compress(parsed.formats, inside))

    def _sizes(self, block: bytes, parsed: Parsed, states: list[int]) -> list[int]:
        """Return the bytes of each record's line. If all records have one state, the first one has all bytes."""
        if states.count(states[0]) == len(states):
            return [parsed.parsed_bytes, *[0] * (len(states) - 1)]
        if isinstance(self._inner, RecordReader):
            return self._inner.bytes_of_records(block, parsed)
        lines = plain_lines(block).split()
        return [len(lines[number]) for number in good_lines(parsed)]


def _chosen(column: Column, inside: list[bool]) -> Column:
    if isinstance(column, RawBytes):
        return RawBytes(list(compress(column.items, inside)))
    if isinstance(column, Scanned):
        return replace(column, kept=inside)
    return Values(list(compress(values_of(column), inside)))
