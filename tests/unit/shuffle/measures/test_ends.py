"""The first and the last value: of the input, and by a time that comes with each."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mrframe import Job, first, first_by, json_lines, last, last_by


def result(reducer, values):
    return reducer.finish(reducer.start(values))


def test_none_is_neither_first_nor_last():
    assert [result(one, [None, 3, 4, None]) for one in (first, last)] == [3, 4]
    assert [result(one, [None]) for one in (first, last, first_by, last_by)] == [None] * 4


def test_by_time_the_order_of_the_input_decides_between_equal_times():
    pairs = [(2, "b"), (1, "a"), (None, "x"), (1, "c"), (2, "d"), (3, None), None]
    assert [result(one, pairs) for one in (first_by, last_by)] == ["a", "d"]
    mixed = [(datetime(2026, 1, 1, tzinfo=UTC), "new"), ("text", "other"), (5, "old")]
    assert [result(one, mixed) for one in (first_by, last_by)] == ["old", "new"]


def test_a_value_that_is_no_pair_is_refused():
    with pytest.raises(TypeError, match="not a pair"):
        first_by.start(["ab"])


def test_a_job_gives_the_same_for_any_splits(mr_run):
    times = [5, 3, 9, 1, 9, 4] * 40
    text = "".join(f'{{"k": {at % 2}, "at": {time}, "n": {at}}}\n' for at, time in enumerate(times))
    for reducer, value, expected in (
        (first, "n", [0, 1]),
        (last, "n", [238, 239]),
        (first_by, ("at", "n"), [0, 3]),
        (last_by, ("at", "n"), [238, 239 - 2]),
    ):
        job = Job(read=json_lines, key="k", value=value, reduce=reducer)
        for options in ({}, {"split_bytes": 300, "partitions": 2}):
            got = dict(mr_run(job, text, **options))
            if reducer is last_by:
                assert times[got[0]] == max(times[0::2])
                assert got == {
                    k: max(n for n, t in enumerate(times) if n % 2 == k and t == max(times[k::2])) for k in (0, 1)
                }
            else:
                assert [got[0], got[1]] == expected
