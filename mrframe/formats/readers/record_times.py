"""The time of a record that has no schema: the field that holds it, and `day`, `hour` and `minute` from it.

A record's own field of such a name counts first. Not here: the forms of a time (`time_window.json_time`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from mrframe.formats.readers.line_reader import BAD, MISSING
from mrframe.formats.readers.time_window import json_time

TIME_NAMES = ("time", "timestamp", "@timestamp", "ts", "datetime", "date")
DERIVED = {"time": 0, "day": 10, "hour": 13, "minute": 16}
"""The fields that are made from a record's time, with their length as ISO text, 0 for the whole time."""


def with_times(field: str, own: Callable[[Any], Any], more: tuple[str, ...] = ()) -> Callable[[Any], Any]:
    """Return a getter for a field of a dict, made from the record's time if the record has no such field."""
    if field not in DERIVED:
        return own
    length, names = DERIVED[field], TIME_NAMES + more

    def get(record: Mapping[str, Any]) -> Any:
        value = own(record)
        if value is not MISSING:
            return value
        for name in names:
            raw = record.get(name)
            if isinstance(raw, (str, int, float)):
                return _derived(raw, length)
        return MISSING

    return get


@lru_cache(maxsize=1 << 14)
def _derived(raw: str | float, length: int) -> Any:
    time = json_time(raw)
    if time is None:
        return BAD
    return time.isoformat()[:length] if length else time


def has_time(record: Mapping[str, Any], more: tuple[str, ...] = ()) -> bool:
    """Return whether a record has a time, from which `day`, `hour` and `minute` are made."""
    return any(json_time(record.get(name)) is not None for name in TIME_NAMES + more)
