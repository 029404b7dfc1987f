"""Records without a schema have the day, hour and minute of their time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mrframe.core.job.job import JSON_LINES
from mrframe.formats.factory import make_reader
from mrframe.formats.registry import kind_of

NAMES = ("day", "hour", "minute", "time")


def read(line: bytes, *names: str):
    parsed = make_reader(JSON_LINES, names, {}).parse(line, "f", 0)
    return [column[0] for column in parsed.values], parsed.bad_fields


@pytest.mark.parametrize(
    ("field", "minute"),
    [
        (b'"ts": 1431857103.5', "2015-05-17T10:05"),
        (b'"ts": 1431857103500', "2015-05-17T10:05"),
        (b'"timestamp": 1431857103500000', "2015-05-17T10:05"),
        (b'"timestamp": 1431857103500000000', "2015-05-17T10:05"),
        (b'"timestamp": "1431857103.500"', "2015-05-17T10:05"),
        (b'"@timestamp": "2015-05-17T10:05:03.123456789Z"', "2015-05-17T10:05"),
        (b'"date": "17/May/2015:23:05:03 +0200"', "2015-05-17T23:05"),
        (b'"date": "[17/May/2015:23:05:03 +0200]"', "2015-05-17T23:05"),
        (b'"datetime": "2015-05-17 10:05:03"', "2015-05-17T10:05"),
    ],
)
def test_day_hour_and_minute_are_made_from_the_time(field: bytes, minute: str) -> None:
    values, bad = read(b"{" + field + b"}", *NAMES)
    assert (values[:3], bad) == ([minute[:10], minute[:13], minute], {})
    assert isinstance(values[3], datetime) and values[3].isoformat()[:16] == minute


def test_own_fields_count_first_and_a_time_that_cannot_be_is_bad() -> None:
    assert read(b'{"time": "2015-05-17T10:05:03Z", "day": "Sunday", "hour": null}', *NAMES) == (
        ["Sunday", None, "2015-05-17T10:05", "2015-05-17T10:05:03Z"],
        {},
    )
    assert read(b'{"time": "31/Feb/2015:10:05:03 +0000"}', "day") == ([None], {"day": 1})
    assert read(b'{"time": "yesterday", "ts": 1}', "day") == ([None], {"day": 1})
    assert read(b'{"status": 1, "ts": null}', "day") == ([None], {"missing.day": 1})
    assert read(b'{"ts": 1431857103}', "time")[0] == [datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC)]


def test_a_day_is_absent_only_where_no_record_has_a_time() -> None:
    kind = kind_of(JSON_LINES)
    assert kind.absent([b'{"ts": 1431857103}', b"{}"], ["day"]) is None
    assert kind.absent([b'{"status": 1}'], ["day"]) == ("day", ["status"])
