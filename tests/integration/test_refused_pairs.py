"""Pairs that are refused: the record that yields one is named, and no other is left out, whatever waits between."""

from __future__ import annotations

import pytest

import mrframe
from mrframe import Job, RunOptions, collect, count, text, total
from mrframe.errors import UserCodeError

LINES = 20_000  # more than are taken from a map_split at once


def nan_on_the_third(records):
    for record in records:
        yield (float("nan") if record.line == "3" else record.line), 1


def text_on_the_third(records):
    for record in records:
        yield record.line, ("one" if record.line == "3" else 1)


def no_pair_on_the_third(records):
    for record in records:
        yield record.line if record.line == "3" else (record.line, 1)


def nan(line: str):
    yield (float("nan") if line == "3" else line), 1


def first_of(key, values):
    yield key, next(values)


def split(function, reduce):
    return Job(read=text, map_split=function, fields=("line",), reduce=reduce)


JOBS = {
    "a key": split(nan_on_the_third, count),
    "a key that is only sorted": split(nan_on_the_third, first_of),
    "a value": split(text_on_the_third, total),
    "no pair": split(no_pair_on_the_third, collect),
    "a key of map that is only sorted": Job(read=text, map=nan, reduce=first_of),
}


@pytest.fixture
def path(tmp_path):
    (tmp_path / "in.txt").write_text("".join(f"{number}\n" for number in range(1, LINES + 1)))
    return str(tmp_path / "in.txt")


@pytest.mark.parametrize("name", JOBS)
def test_the_record_of_a_refused_pair_is_named(name, path):
    with pytest.raises(UserCodeError) as raised:
        mrframe.run(JOBS[name], [path], RunOptions(engine="inline"))
    assert (raised.value.source, raised.value.line, raised.value.record) == (path, 3, b"3")


@pytest.mark.parametrize("name", JOBS)
def test_only_the_record_of_a_refused_pair_is_left_out(name, path):
    with mrframe.run(JOBS[name], [path], RunOptions(engine="inline", max_failed="1")) as result:
        assert (result.summary.quarantined, result.summary.rows) == (1, LINES - 1)
        assert [one.line for one in result.summary.failed] == [3]
