"""Periods of the calendar beside plain Python, through changes of clocks and of the year, in several zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from mrframe.errors import UsageError
from mrframe.formats.readers.periods import NAMES, check_period, period_of, periods_from

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")  # the last one by half an hour
BEGINS = [
    datetime.fromisoformat(f"{day}T00:00Z")
    for day in ("2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31", "2026-12-31")
]
LENGTHS = {"5m": 300, "hour": 3600, "6h": 6 * 3600}


def plain(time, by, zone):
    """The period of an instant, from the wall clock of the zone."""
    local = time.astimezone(ZoneInfo(zone))
    if by == "weekday":
        return local.strftime("%u-%a")
    return local.strftime({"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}[by])


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("by", ["day", "week", "weekday", "month"])
def test_long_periods_are_those_of_the_wall_clock(zone, by):
    for begin in BEGINS:
        for minutes in range(0, 3 * 1440, 17):
            time = begin + timedelta(minutes=minutes)
            assert period_of(time, by, zone) == plain(time, by, zone)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("by", sorted(LENGTHS))
def test_a_short_period_begins_where_the_wall_clock_says_and_holds_its_times(zone, by):
    minutes = LENGTHS[by] // 60
    for begin in BEGINS:
        for ahead in range(0, 3 * 1440, 17):
            time = begin + timedelta(minutes=ahead)
            local, period = time.astimezone(ZoneInfo(zone)), period_of(time, by, zone)
            wall = local.hour * 60 + local.minute
            assert period.date() == local.date()
            assert period.hour * 60 + period.minute == wall - wall % minutes
            if minutes < 60 or (minutes == 60 and zone != "Australia/Lord_Howe"):  # an hour of 90 minutes there
                assert period.utcoffset() == local.utcoffset()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("by", ["minute", "15m", "hour", "3h", "12h", "day", "week", "month"])
def test_the_periods_between_two_are_those_that_all_the_times_between_fall_into(zone, by):
    for begin in BEGINS:
        times = [begin + timedelta(minutes=minutes) for minutes in range(2 * 1440)]
        met = list(dict.fromkeys(period_of(time, by, zone) for time in times))
        assert met == sorted(met)
        assert list(periods_from(met[0], met[-1], by, zone)) == met


def test_without_a_zone_a_period_is_that_of_the_time_as_it_is_written():
    east = timezone(timedelta(hours=5, minutes=30))
    time = datetime(2026, 12, 31, 23, 47, 59, tzinfo=east)
    assert period_of(time, "hour", None) == datetime(2026, 12, 31, 23, tzinfo=east)
    assert [period_of(time, by, None) for by in ("day", "week", "weekday", "month")] == [
        *("2026-12-31", "2026-W53", "4-Thu", "2026-12")
    ]
    hours = [time.replace(hour=hour, minute=0, second=0) for hour in range(20, 24)]
    assert list(periods_from(hours[0], hours[-1], "hour", None)) == hours


def test_values_of_json_are_times_as_for_since():
    assert period_of("2026-05-17T10:05:03Z", "5m", None) == datetime(2026, 5, 17, 10, 5, tzinfo=UTC)
    assert period_of(1_779_012_303, "day", "Asia/Tokyo") == "2026-05-17"
    assert period_of("2026-05-17T23:30:00", "hour", "Asia/Tokyo").utcoffset() == timedelta(hours=9)
    assert period_of("yesterday", "day", None) is None
    assert period_of(None, "day", None) is None


@pytest.mark.parametrize("text", ["7m", "0m", "5h", "24h", "50m", "1d", "fortnight", "", "m"])
def test_a_length_that_does_not_divide_an_hour_or_a_day_is_refused(text):
    with pytest.raises(UsageError, match="is no period"):
        check_period(text)


def test_all_names_and_the_usual_lengths_are_periods():
    for text in (*NAMES, "10s", "1m", "5min", "30m", "1h", "12h"):
        check_period(text)


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("by", [*NAMES, "6h"])
def test_periods_end_with_the_calendar(zone, by):
    begin, end = datetime(1, 1, 1, 0, 59, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    for times in ((begin, begin + timedelta(hours=70)), (end - timedelta(hours=70), end)):
        for time in times:
            period = period_of(time, by, zone)
            assert period is None or period in list(periods_from(period, period, by, zone))
        first, last = (period_of(time, by, zone) for time in times)
        if first is not None and last is not None:
            assert {first, last} <= set(periods_from(first, last, by, zone))
    assert period_of(end, by, "UTC") is not None
    assert period_of(end, by, "Europe/Berlin") is None
    assert period_of(begin, by, "America/New_York") is None
