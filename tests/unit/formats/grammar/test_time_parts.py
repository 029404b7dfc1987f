"""Times that a format writes in several parts: one instant with its zone and fraction, and windows over it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mrframe.core.model.reader import Reader
from mrframe.errors import FormatError
from mrframe.formats.factory import explain, make_reader
from mrframe.formats.readers.access import grammar_of
from mrframe.formats.readers.time_window import Window
from mrframe.formats.registry import kind_of, logs
from mrframe.formats.schema import fields_of
from mrframe.testing.oracle import parse_line

EAST = timezone(timedelta(hours=2))
WANTED = datetime(2023, 10, 10, 13, 55, 36, tzinfo=EAST)
MS, US = WANTED.replace(microsecond=483_000), WANTED.replace(microsecond=483_123)


def times_of(reader):
    return kind_of(reader).times(reader.format)


@pytest.mark.parametrize(
    ("string", "text", "wanted"),
    [
        ("[%{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t]", "[10/Oct/2023:13:55:36.483 +0200]", MS),
        ("%{%Y-%m-%dT%H:%M:%S}t.%{usec_frac}t%{%z}t", "2023-10-10T13:55:36.483123+0200", US),
        ("%{%F}t %{%T}t,%{msec_frac}t %{%z}t", "2023-10-10 13:55:36,483 +0200", MS),
        ("[%{%FT%T}t.%{msec_frac}t %{%z}t]", "[2023-10-10T13:55:36.483 +0200]", MS),
        ("%{begin:%F}t %{begin:%T}t%{%z}t", "2023-10-10 13:55:36+0200", WANTED),
        ("%{end:%F %T}t %{end:%z}t", "2023-10-10 13:55:36 +0200", WANTED),
        ("%{%z}t %{%T}t %{%a}t, %{%e %b %y}t", "+0200 13:55:36 Tue, 10 Oct 23", WANTED),
        ("%{%d/%b/%Y}t %{%I:%M:%S}t.%{usec_frac}t %{%p}t %{%z}t", "10/Oct/2023 01:55:36.483123 PM +0200", US),
        ("%{%F %r %z}t", "2023-10-10 01:55:36 PM +0200", WANTED),
        ("%{%Y.%j}t %{%R}t:%{%S}t %{%z}t", "2023.283 13:55:36 +0200", WANTED),
        ("%t.%{usec_frac}t", "[10/Oct/2023:13:55:36 +0200].483123", US),
        ("%{sec}t %{usec_frac}t", "1696938936 483123", US),
        ("%{sec}t.%{msec_frac}t", "1696938936.483", MS),
        ("%{%s}t.%{msec_frac}t%{%z}t", "1696938936.483+0200", MS),
        ("%{msec}t %{%z}t", "1696938936483 +0200", MS),
        ("%{usec}t", "1696938936483123", US),
        ("%{%d/%b/%Y}t:%{%T}t %{%z}t", "10/Oct/2023:13:55:36 +0200", WANTED),
        ("%{100%% %F %T}t %{%z}t", "100% 2023-10-10 13:55:36 +0200", WANTED),
    ],
)
def test_the_parts_of_a_time_are_one_instant(string: str, text: str, wanted: datetime) -> None:
    line = f"192.0.2.1 {text} 200".encode()
    found = explain(line, logs.format(f"%h {string} %s"))
    assert isinstance(found, dict), found
    assert found["time"] == wanted and found["status"] == 200
    zoned = "z" in string or string.startswith("%t")
    assert found["time"].utcoffset() == (timedelta(hours=2) if zoned else timedelta(0))
    local = wanted if zoned else wanted.astimezone(UTC)
    assert [found[name] for name in ("day", "hour", "minute")] == [local.isoformat()[:end] for end in (10, 13, 16)]
    assert list(found) == ["host", "time", "day", "hour", "minute", "status", "line"]
    raw = parse_line(grammar_of(f"%h {string} %s"), line)
    assert (
        raw is not None
        and raw["time"]
        == text.strip("[]" if string[0] == "[" or string == "%t" else "").encode()[
            1 if string.startswith("%t.") else 0 :
        ]
    )


@pytest.mark.parametrize(
    ("string", "line", "fields"),
    [
        (
            "%t %{end:%F %T %z}t",
            "[10/Oct/2023:13:55:36 +0200] 2023-10-10 14:55:36 +0200",
            {"end_hour": "2023-10-10T14"},
        ),
        ("%{end:sec}t %{sec}t.%{usec_frac}t", "1696938937 1696938936.483123", {"end_minute": "2023-10-10T11:55"}),
        ("%t %{sec}t", "[10/Oct/2023:13:55:36 +0200] 1696938937", {"time_2": WANTED + timedelta(seconds=1)}),
        ("%t %h %{msec_frac}t", "[10/Oct/2023:13:55:36 +0200] ::1 007", {"msec_frac": 7}),
        ("%t %h %{end:usec_frac}t", "[10/Oct/2023:13:55:36 +0200] ::1 483123", {"end_usec_frac": 483_123}),
        ("%t %h %{%H:%M}t", "[10/Oct/2023:13:55:36 +0200] ::1 13:55", {"clock": "13:55"}),
        ("%t %h %{%z}t", "[10/Oct/2023:13:55:36 +0200] ::1 +0200", {"zone": "+0200"}),
    ],
)
def test_a_part_of_another_time_is_a_field_of_its_own(string: str, line: str, fields: dict) -> None:
    found = explain(line.encode(), logs.format(string))
    assert isinstance(found, dict), found
    assert {name: found[name] for name in fields} == fields
    assert found["time"].replace(microsecond=0) == WANTED


@pytest.mark.parametrize(
    ("string", "says"),
    [
        ("%{%F %T}t %h %{%z}t", r"%\{%z\}t says the zone of a time whose other part %\{%F %T\}t stands apart"),
        ("%{%F}t %h %{%T}t", "says the hour, minute, second of a time"),
        ("%{%F %I:%M}t", "neither AM nor PM"),
        ("%{%F %T %Z}t", "time form %Z"),
    ],
)
def test_a_time_that_cannot_be_put_together_is_refused(string: str, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        grammar_of(string)


def test_a_clock_without_a_date_is_no_time() -> None:
    assert "time" not in (fields_of(logs.format("%h %{%T}t %s")) or {})
    assert times_of(logs.format("%h %{%T}t %s")) is None
    assert times_of(logs.format("%h %{Time}i")) is None  # a header of that name


def test_a_header_named_as_the_time_does_not_take_its_name() -> None:
    found = explain(b'"noon" [10/Oct/2023:13:55:36 +0200]', logs.format('"%{Time}i" %t'))
    assert isinstance(found, dict) and (found["time"], found["time_2"]) == (WANTED, "noon")


@pytest.mark.parametrize(
    "text", ["2023-02-30 01:00:00.000 PM", "2023-10-10 13:00:00.000 PM", "2023-10-10 01:60:00.000 AM"]
)
def test_a_time_that_cannot_be_is_none_and_counted(text: str) -> None:
    reader = make_reader(logs.format("%{%F %I:%M:%S}t.%{msec_frac}t %{%p}t %s"), ("time", "status"), {})
    parsed = reader.parse(f"{text} 200\n".encode(), "f", 0)
    assert (parsed.values, parsed.bad_fields) == ([[None], [200]], {"time": 1})


@pytest.mark.parametrize(
    ("since", "until", "wanted"),
    [
        pytest.param(None, datetime(2023, 10, 10, tzinfo=UTC), [200, 201], id="zone"),
        pytest.param(datetime(2023, 10, 9, 22, 30, 20, 484_000, tzinfo=UTC), None, [201, 202], id="since a fraction"),
        pytest.param(None, datetime(2023, 10, 9, 22, 30, 20, 484_000, tzinfo=UTC), [200], id="until a fraction"),
    ],
)
def test_a_window_over_parts_is_by_instant_zone_and_fraction(since, until, wanted) -> None:
    string = r"%h [%{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t] %s"
    times = ["10/Oct/2023:00:30:20.483 +0200", "09/Oct/2023:22:30:20.484 +0000", "10/Oct/2023:03:30:20.483 +0200"]
    block = "".join(f"::1 [{text}] {200 + n}\n" for n, text in enumerate(times)).encode()
    reader = make_reader(Reader("access", string), ("status",), {}, Window(since, until))
    assert reader.parse(block, "x.log", 0).values == [wanted]


def test_parts_without_a_zone_are_of_the_zone_that_is_given() -> None:
    reader = Reader("access", "%{%F}t %{%T}t.%{msec_frac}t %s")
    window = Window(datetime(2023, 10, 10, 11, 55, tzinfo=UTC), None, "Europe/Berlin")
    block = b"2023-10-10 13:54:59.999 200\n2023-10-10 13:55:00.000 201\n"
    found = make_reader(reader, ("status", "time"), {}, window).parse(block, "x.log", 0)
    assert found.values[0] == [201] and found.values[1][0].utcoffset() == timedelta(hours=2)
