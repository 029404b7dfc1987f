"""The step that adds a row for each period without records to a result by time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mrframe.core.job.job import PAIRS, Job
from mrframe.errors import UsageError
from mrframe.formats.readers.periods import PERIODS_MAX, periods_from

ROWS_MAX = 1_000_000
"""Limit of rows of the step: with further fields, each period has a row for each of their combinations."""


def filling(by: str, zone: str | None, empty: Any, columns: tuple[str, ...], *, alone: bool) -> Job:
    """Return the step. `empty` is the value of a period without records. `alone`: the period is the whole key."""
    reduce = _filler(by, zone, empty, alone=alone)
    return Job(read=PAIRS, map=_gathered, reduce=reduce, partitions=1, columns=columns, pure=True)


def _gathered(key: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    yield None, (key, value)


def _filler(by: str, zone: str | None, empty: Any, *, alone: bool) -> Callable[[Any, Any], Iterator[tuple[Any, Any]]]:
    def fill(_key: Any, values: Any) -> Iterator[tuple[Any, Any]]:
        return filled(values, by, zone, empty, alone=alone)

    return fill


def filled(rows: Any, by: str, zone: str | None, empty: Any, *, alone: bool) -> Iterator[tuple[Any, Any]]:
    """Yield the rows, and a row for each period between the first and the last that has none.

    With other fields in the key, each combination of them gets a row. Rows without a time are yielded unchanged.
    """
    found: dict[Any, dict[Any, Any]] = {}
    others: dict[Any, None] = {}
    for key, value in rows:
        period, rest = (key, ()) if alone else (key[0], key[1:])
        if period is None:
            yield key, value
            continue
        found.setdefault(period, {})[rest] = value
        others[rest] = None
    if not found:
        return
    first, last = next(iter(found)), next(reversed(found))
    for number, period in enumerate(periods_from(first, last, by, zone)):
        if number >= PERIODS_MAX or number * len(others) >= ROWS_MAX:
            raise UsageError(
                f"from {first} to {last} there are too many periods of {by} to show the empty ones; ask for longer "
                "ones, narrow the time with --since and --until, or give --no-fill"
            )
        there = found.pop(period, {})
        for rest in others:
            yield period if alone else (period, *rest), there.get(rest, empty)
    for period, there in found.items():  # where the log's own zone changed
        for rest, value in there.items():
            yield period if alone else (period, *rest), value
