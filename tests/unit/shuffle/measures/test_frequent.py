"""The most frequent values: exact, ranked, and shown as they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mrframe import Job, heavy_hitters, words
from mrframe.errors import JobError


def result(n, values):
    return heavy_hitters(n).finish(heavy_hitters(n).start(values))


def test_the_most_frequent_come_first_and_ties_by_key():
    values = ["b", "a", None, "b", 1, 1.0, True, 1, ("x", b"y"), ("x", b"y"), "a", "c"]
    assert result(4, values) == [(1, 2), ("a", 2), ("b", 2), (("x", b"y"), 2)]
    assert [type(value) for value, _ in result(9, [1, 1.0, True])] == [bool, int, float]
    assert result(3, []) == []


def test_times_of_one_instant_are_one_value_in_utc():
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    found = result(2, [noon, noon.astimezone(timezone(timedelta(hours=2))), datetime(2026, 3, 1)])
    assert found == [(noon, 2), (datetime(2026, 3, 1), 1)]


def test_a_number_of_values_that_is_none_is_refused():
    for n in (0, -1, True, 2.0, "3"):
        with pytest.raises(JobError, match="whole number of at least 1"):
            heavy_hitters(n)


def test_a_job_gives_the_same_for_any_splits(mr_run):
    job = Job(read=words, map=initial, reduce=heavy_hitters(2))
    text = "ab ac ab ad\nab ac ba\n" * 300 + "bb ba\n"
    rows = mr_run(job, text)
    assert list(rows) == [("a", [("ab", 900), ("ac", 600)]), ("b", [("ba", 301), ("bb", 1)])]
    assert list(mr_run(job, text, split_bytes=700, partitions=2)) == list(rows)


def initial(word):
    yield word[0], word
