"""Windows of time: what the flags mean, and what a reader of blocks leaves out."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from mrframe.core.model.reader import Reader
from mrframe.errors import UsageError
from mrframe.formats.factory import make_reader
from mrframe.formats.readers.time_window import Window, window_of

NOW = datetime(2026, 5, 17, 12, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
LINE = b'1.2.3.4 - - [%s] "GET / HTTP/1.1" 200 10\n'


@pytest.mark.parametrize(
    ("text", "zone", "meant"),
    [
        ("2026-05-17", None, datetime(2026, 5, 17, tzinfo=UTC)),
        ("2026-05-17", "Europe/Berlin", datetime(2026, 5, 16, 22, tzinfo=UTC)),
        ("2026-05-17T10:05", None, datetime(2026, 5, 17, 10, 5, tzinfo=UTC)),
        ("2026-05-17 10:05:03", "Europe/Berlin", datetime(2026, 5, 17, 8, 5, 3, tzinfo=UTC)),
        ("2026-05-17T10:05:03+09:00", "Europe/Berlin", datetime(2026, 5, 17, 1, 5, 3, tzinfo=UTC)),
        ("2026-05-17T10:05Z", "Europe/Berlin", datetime(2026, 5, 17, 10, 5, tzinfo=UTC)),
        ("24h", None, NOW - timedelta(hours=24)),
        ("90m", None, NOW - timedelta(minutes=90)),
        ("7d", "Europe/Berlin", NOW - timedelta(days=7)),
        ("now", None, NOW),
        ("today", None, datetime(2026, 5, 17, tzinfo=UTC)),
        ("yesterday", "Europe/Berlin", datetime(2026, 5, 15, 22, tzinfo=UTC)),
        ("2026-03-29T02:30", "Europe/Berlin", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # skipped by the clocks
        ("2026-10-25T02:30", "Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # there twice: the first
    ],
)
def test_a_time_that_is_asked_for_means_this_instant(text, zone, meant):
    window = window_of(text, None, zone, NOW)
    assert window.since.astimezone(UTC) == meant
    assert Window.from_plain(window.to_plain()) == Window(meant, None, zone or "UTC")


@pytest.mark.parametrize(
    ("since", "until", "zone", "said"),
    [
        ("soon", None, None, "--since 'soon' is no time; give a date"),
        (None, "2026-02-30", None, "--until '2026-02-30' is no time"),
        ("2026-05-17", "2026-05-17", None, "the window is empty"),
        ("1h", "2h", None, "the window is empty"),
        ("1h", None, "Europe/Berln", "did you mean 'Europe/Berlin'"),
        (None, None, "nowhere", "no such time zone"),
        ("9" * 20 + "d", None, None, "is no time"),
    ],
)
def test_an_invalid_window_is_refused_with_the_reason(since, until, zone, said):
    with pytest.raises(UsageError, match=said):
        window_of(since, until, zone, NOW)


def test_without_since_and_until_there_is_no_window():
    assert window_of(None, None, None, NOW) is None
    assert window_of(None, None, "UTC", NOW) is None


def parsed(block: bytes, window: Window, reader=Reader("access", "common"), names=("status",)):
    made = make_reader(reader, names, {}, window)
    found = made.parse(block, "x.log", 0)
    sizes = found.parsed_bytes + found.malformed_bytes + found.delimiter_bytes
    assert sizes + found.outside_time_bytes + found.without_time_bytes == len(block)
    assert all(len(column) == found.records for column in found.values)
    return found


def test_the_ends_are_half_open_and_instants():
    window = Window(datetime(2026, 5, 17, 10, tzinfo=UTC), datetime(2026, 5, 17, 11, tzinfo=UTC))
    times = [b"17/May/2026:09:59:59 +0000", b"17/May/2026:10:00:00 +0000", b"17/May/2026:12:59:59 +0200"]
    times += [b"17/May/2026:11:00:00 +0000", b"17/May/2026:06:30:00 -0400"]
    found = parsed(b"".join(LINE % time for time in times), window)
    assert (found.records, found.outside_time) == (3, 2)


def test_a_window_within_ten_minutes_is_found_among_them():
    window = Window(datetime(2026, 5, 17, 10, 4, 30, tzinfo=UTC), datetime(2026, 5, 17, 10, 4, 31, tzinfo=UTC))
    times = [b"17/May/2026:10:04:%02d +0000" % second for second in range(60)]
    assert parsed(b"".join(LINE % time for time in times), window).records == 1


def test_the_span_covers_all_times_that_were_read_within_and_outside():
    window = Window(datetime(2026, 5, 17, 10, 15, tzinfo=UTC), datetime(2026, 5, 17, 10, 25, tzinfo=UTC))
    made = make_reader(Reader("access", "common"), ("status",), {}, window)
    blocks = [LINE % b"17/May/2026:10:%02d:30 +0000" % minute for minute in (20, 12, 28)]
    spans = [[datetime.fromisoformat(time) for time in made.parse(block, "x.log", 0).span] for block in blocks]
    first, last = spans[-1]
    assert first <= datetime(2026, 5, 17, 10, 12, 30, tzinfo=UTC) < datetime(2026, 5, 17, 10, 20, tzinfo=UTC)
    assert datetime(2026, 5, 17, 10, 28, 30, tzinfo=UTC) <= last < datetime(2026, 5, 17, 10, 30, tzinfo=UTC)
    assert all(before[0] >= after[0] and before[1] <= after[1] for before, after in itertools.pairwise(spans))


def test_there_is_no_span_without_a_window():
    made = make_reader(Reader("access", "common"), ("status",), {})
    assert made.parse(LINE % b"17/May/2026:10:12:30 +0000", "x.log", 0).span == ("", "")


def test_records_without_a_usable_time_are_a_class_of_their_own():
    window = Window(None, NOW)
    found = parsed(LINE % b"31/Feb/2026:10:00:00 +0000" + LINE % b"17/May/2025:10:00:00 +0000" + b"torn\n", window)
    assert (found.records, found.without_time, found.outside_time, len(found.malformed)) == (1, 1, 0, 1)
    assert found.without_time_bytes == len(LINE % b"31/Feb/2026:10:00:00 +0000") - 1


def test_the_place_of_a_record_is_its_own():
    window = Window(datetime(2026, 5, 17, tzinfo=UTC), None)
    lines = [LINE % b"17/May/2025:10:00:00 +0000", b"torn\n", LINE % b"18/May/2026:10:00:00 +0000"]
    made = make_reader(Reader("access", "common"), ("status",), {}, window)
    assert made.locate(b"".join(lines), 0) == (len(lines[0] + lines[1]), lines[2][:-1])


def test_times_without_a_zone_are_of_the_zone_that_is_given():
    reader = Reader("access", "%h [%{%Y-%m-%d %H:%M:%S}t] %>s")
    line = b"1.2.3.4 [2026-05-17 10:30:00] 200\n"
    window = Window(
        datetime(2026, 5, 17, 8, 30, tzinfo=UTC), datetime(2026, 5, 17, 8, 31, tzinfo=UTC), "Europe/Berlin"
    )
    found = parsed(line, window, reader, ("time", "hour"))
    assert found.values == [[datetime(2026, 5, 17, 10, 30, tzinfo=BERLIN)], ["2026-05-17T10"]]
    assert parsed(line, Window(window.since, window.until), reader).records == 0
    only_zone = parsed(line, Window(None, None, "Europe/Berlin"), reader, ("time",))
    assert only_zone.values[0][0].utcoffset() == timedelta(hours=2)


def test_a_zone_in_the_log_counts_more_than_the_one_that_is_given():
    found = parsed(LINE % b"17/May/2026:10:00:00 +0500", Window(None, None, "Europe/Berlin"), names=("time",))
    assert found.values[0][0].tzinfo == timezone(timedelta(hours=5))


@pytest.mark.parametrize(
    ("line", "records", "without"),
    [
        (b'{"time": "2026-05-17T10:00:00Z"}', 1, 0),
        (b'{"time": "2026-05-17T10:00:00"}', 1, 0),
        (b'{"@timestamp": "2025-05-17T10:00:00Z"}', 0, 0),
        (b'{"ts": 1779012000}', 1, 0),
        (b'{"ts": 1779012000000.5}', 1, 0),
        (b'{"time": "soon", "timestamp": 1779012000}', 1, 0),
        (b'{"time": true}', 0, 1),
        (b'{"n": 1}', 0, 1),
        (b'{"time": 1e300}', 0, 1),
    ],
)
def test_json_says_its_time_under_one_of_several_names(line, records, without):
    window = Window(datetime(2026, 5, 17, tzinfo=UTC), datetime(2026, 5, 18, tzinfo=UTC))
    found = parsed(line + b"\n", window, Reader("json"), ("n",))
    assert (found.records, found.without_time) == (records, without)
    assert set(found.bad_fields) <= {"missing.n"}


@pytest.mark.parametrize("reader", [Reader("text"), Reader("words"), Reader("access", "%h %>s")])
def test_readers_without_times_refuse(reader):
    name = {"text": "line", "words": "word"}.get(reader.kind, "status")
    with pytest.raises(UsageError, match="has no times"):
        make_reader(reader, (name,), {}, Window(NOW, None))
    assert make_reader(reader, (name,), {}, Window(None, None, "Europe/Berlin")) is not None
