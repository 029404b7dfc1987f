"""Total order and sorted values against plain Python: any keys, cutting, partitions and budget, the same answer."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import Job, RunOptions, collect, count, each, text
from mrframe.shuffle.keys import canonical, order
from mrframe.task.map import map_output

SETTINGS = settings(max_examples=12, deadline=None)

HEADS = "\0\ufeff"  # they do not belong to a line
words = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8).map(lambda w: w.lstrip(HEADS))
lines = (
    st.lists(words, max_size=40)
    | st.lists(st.sampled_from(["hot", "hot", "hot", "cold", "z"]), max_size=40)
    | st.builds(lambda line, times: [line] * times, words, st.integers(1, 40))
)
cutting = st.builds(
    lambda splits, partitions, memory: RunOptions(
        engine="inline", split_bytes=splits, partitions=partitions, memory_bytes=memory
    ),
    st.integers(20, 400),
    st.sampled_from([1, 2, 3, 8]),
    st.sampled_from([0, 256 << 20]),
)


@pytest.fixture(autouse=True, scope="module")
def _spill_at_once():
    """Looks at the budget after every block, so that a budget of nothing makes many runs."""
    before = map_output.SPILL_CHECK_BYTES
    map_output.SPILL_CHECK_BYTES = 1
    yield
    map_output.SPILL_CHECK_BYTES = before


def answer(job: Job, some: list[str], options: RunOptions) -> list[tuple[Any, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.txt")
        with open(path, "wb") as file:
            file.write(content_of(some))
        with mrframe.run(job, [path], options) as result:
            return list(result)


def content_of(some: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in some).encode()


def typed(line: str) -> Any:
    """A key or value of any type, some equal for Python and different for mrframe."""
    n = len(line) % 4
    return (n, float(n), -0.0, bool(n), line, line.encode(), None, (n, line), (bool(n), line[:1]), 1 << (60 + n))[
        sum(map(ord, line)) % 10
    ]


def by_type(line):
    yield typed(line), line


def values_by_type(line):
    yield line[:1], typed(line[1:])


def swapped(key, values):  # yields other keys than it is given: parts overlap
    for value in values:
        yield value, key


def listed(key, values):
    yield key, list(values)


def concatenated(key, values):
    yield key, "".join(values)


def shown(rows: list[tuple[Any, Any]]) -> list[str]:
    return [f"{key!r} {value!r}" for key, value in rows]


JOBS = [
    Job(read=text, map=by_type, reduce=listed),
    Job(read=text, map=by_type, reduce=collect),
    Job(read=text, key="line", reduce=count),
    Job(read=text, map=by_type, combine=concatenated, reduce=concatenated),
]


@given(lines, cutting, st.sampled_from(JOBS))
@SETTINGS
def test_total_order_is_the_order_of_hash(some, options, job):
    as_total = dataclasses.replace(job, key_order="total")
    assert shown(answer(as_total, some, options)) == shown(answer(job, some, options))


@given(lines, cutting)
@SETTINGS
def test_each_keeps_every_pair_in_key_and_input_order(some, options):
    pairs = [pair for line in some for pair in by_type(line)]
    expected = sorted(pairs, key=lambda pair: order(pair[0]))
    for key_order in ("hash", "total"):
        got = answer(Job(read=text, map=by_type, reduce=each, key_order=key_order), some, options)
        assert [(canonical(k), v) for k, v in got] == [(canonical(k), v) for k, v in expected]


@given(lines, cutting)
@SETTINGS
def test_rows_with_equal_keys_come_in_the_order_of_the_keys_that_were_reduced(some, options):
    got = answer(Job(read=text, map=by_type, reduce=swapped, key_order="total"), some, options)
    pairs = sorted((pair for line in some for pair in by_type(line)), key=lambda pair: order(pair[0]))
    expected = sorted(((value, key) for key, value in pairs), key=lambda row: order(row[0]))
    assert [(k, canonical(v)) for k, v in got] == [(k, canonical(v)) for k, v in expected]


@given(lines, cutting, st.sampled_from(["hash", "total"]), st.sampled_from([listed, collect]))
@SETTINGS
def test_values_come_in_their_order(some, options, key_order, reduce):
    job = Job(read=text, map=values_by_type, reduce=reduce, sort_values=True, key_order=key_order)
    groups: dict[str, list[Any]] = {}
    for line in some:
        groups.setdefault(line[:1], []).append(typed(line[1:]))
    expected = [(key, sorted(values, key=order)) for key, values in sorted(groups.items())]
    assert shown(answer(job, some, options)) == shown(expected)


@given(lines, cutting)
@SETTINGS
def test_a_later_step_may_have_total_order_and_sorted_values(some, options):
    def first_letters(key, value):
        yield key[:1], (value, key)

    job = Job(read=text, key="line", reduce=count).then(
        Job(map=first_letters, reduce=listed, key_order="total", sort_values=True)
    )
    counts = {line: some.count(line) for line in some}
    groups: dict[str, list[Any]] = {}
    for line, number in counts.items():
        groups.setdefault(line[:1], []).append((number, line))
    assert answer(job, some, options) == [(key, sorted(values)) for key, values in sorted(groups.items())]
