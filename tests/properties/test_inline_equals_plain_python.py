"""The inline engine against plain Python: any text, any job, any cutting, any partitions, the same answer."""

from __future__ import annotations

import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import Job, RunOptions, collect, count, distinct, largest, mean, smallest, text, top, total, words
from mrframe.shuffle.keys import order

SETTINGS = settings(max_examples=12, deadline=None)

lines = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=12) | st.just("a b a"), max_size=30
)
cutting = st.builds(
    lambda splits, partitions, memory: RunOptions(
        engine="inline", split_bytes=splits, partitions=partitions, memory_bytes=memory
    ),
    st.integers(1, 200),
    st.integers(1, 6),
    st.sampled_from([0, 256 << 20]),
)


def answer(job: Job, content: bytes, options: RunOptions) -> list[tuple[Any, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.txt")
        with open(path, "wb") as file:
            file.write(content)
        with mrframe.run(job, [path], options) as result:
            assert result.summary.bytes_in == len(content)
            return list(result)


def plainly(pairs: list[tuple[Any, Any]], reduce: Callable[[Any, list[Any]], Any]) -> list[tuple[Any, Any]]:
    groups: dict[bytes, tuple[Any, list[Any]]] = {}
    from mrframe.shuffle.keys import canonical

    for key, value in pairs:
        groups.setdefault(canonical(key), (key, []))[1].append(value)
    rows = [(key, reduce(key, values)) for key, values in groups.values()]
    return sorted(rows, key=lambda row: order(row[0]))


def odd_keys(line: str):
    """Keys of every type, some equal for Python and different for mrframe."""
    n = len(line) % 3
    yield (
        (n, float(n), bool(n), str(n), str(n).encode(), None, (n, line[:1]), (bool(n), line[:1]))[len(line) % 8],
        line,
    )


def words_of(line: str):
    for word in line.split():
        yield word, len(word)


def last_first(key, values):
    values = list(values)
    yield key, (values[-1], values[0], len(values))


def keep_both(key, values):
    yield key, "".join(values)


def split_lines(content: bytes) -> list[str]:
    parts = [re.sub(rb"\A(\x00|\xef\xbb\xbf)+", b"", part) for part in content.split(b"\n")]
    if not parts[-1]:
        parts.pop()
    return [p.removesuffix(b"\r").decode("utf-8", "surrogateescape") for p in parts]


def text_of(some: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in some).encode()


@given(lines, cutting)
@SETTINGS
def test_a_reduce_that_depends_on_order_gives_what_plain_python_gives(some, options):
    content = text_of(some)
    pairs = [pair for line in split_lines(content) for pair in words_of(line)]
    expected = plainly(pairs, lambda _k, vs: (vs[-1], vs[0], len(vs)))
    assert answer(Job(read=text, map=words_of, reduce=last_first), content, options) == expected


@given(lines, cutting)
@SETTINGS
def test_keys_of_all_types_stay_apart(some, options):
    content = text_of(some)
    pairs = [pair for line in split_lines(content) for pair in odd_keys(line)]
    expected = plainly(pairs, lambda _k, vs: vs)
    got = answer(Job(read=text, map=odd_keys, reduce=collect), content, options)
    assert [(type(k), k, v) for k, v in got] == [(type(k), k, v) for k, v in expected]


@given(lines, cutting)
@SETTINGS
def test_a_combiner_of_the_job_gives_what_plain_python_gives(some, options):
    def joined(line: str):
        yield len(line) % 4, line

    content = text_of(some)
    expected = plainly([(len(line) % 4, line) for line in split_lines(content)], lambda _k, vs: "".join(vs))
    assert answer(Job(read=text, map=joined, combine=keep_both, reduce=keep_both), content, options) == expected


REFERENCE: dict[Any, Callable[[list[Any]], Any]] = {
    total: sum,
    count: len,
    smallest: min,
    largest: max,
    mean: lambda vs: sum(vs) / len(vs),
    distinct: lambda vs: len(set(vs)),
    collect: list,
}


@pytest.mark.parametrize("reducer", REFERENCE, ids=repr)
@given(some=lines, options=cutting)
@SETTINGS
def test_ready_reducers_give_what_plain_python_gives(reducer, some, options):
    content = text_of(some)
    pairs = [pair for line in split_lines(content) for pair in words_of(line)]
    expected = plainly(pairs, lambda _k, vs: REFERENCE[reducer](vs))
    assert answer(Job(read=text, map=words_of, reduce=reducer), content, options) == expected


@given(lines, cutting)
@SETTINGS
def test_several_measures_at_once_give_what_plain_python_gives(some, options):
    content = text_of(some)
    pairs = [pair for line in split_lines(content) for pair in words_of(line)]
    expected = plainly(pairs, lambda _k, vs: {"n": len(vs), "bytes": sum(vs), "all": vs})
    job = Job(read=text, map=words_of, reduce={"n": count, "bytes": total, "all": collect})
    assert answer(job, content, options) == expected


@given(lines, cutting)
@SETTINGS
def test_declared_count_equals_the_function(some, options):
    content = text_of(some)

    def each(word: str):
        yield word, 1

    declared = answer(Job(read=words, key="word", reduce=count), content, options)
    assert declared == answer(Job(read=words, map=each, reduce=total), content, options)
    assert declared == plainly([(w.decode(), 1) for w in content.split()], lambda _k, vs: len(vs))


@given(lines, cutting, st.integers(1, 5))
@SETTINGS
def test_top_is_by_value_then_key(some, options, n):
    content = text_of(some)
    counts: dict[str, int] = defaultdict(int)
    for word in content.split():
        counts[word.decode()] += 1
    expected = sorted(counts.items(), key=lambda row: (-row[1], row[0]))[:n]
    assert answer(Job(read=words, key="word", reduce=count).then(top(n)), content, options) == expected


@given(lines, cutting)
@SETTINGS
def test_a_second_step_reads_pairs_in_key_order(some, options):
    def by_count(key, value):
        yield value, key

    content = text_of(some)
    counts: dict[str, int] = defaultdict(int)
    for word in content.split():
        counts[word.decode()] += 1
    expected = plainly([(n, w) for w, n in sorted(counts.items())], lambda _k, vs: vs)
    job = Job(read=words, key="word", reduce=count).then(Job(map=by_count, reduce=collect))
    assert answer(job, content, options) == expected


@given(lines, cutting, st.integers(0, 20))
@SETTINGS
def test_map_split_and_early_stop_leave_the_ledger_balanced(some, options, stop):
    def few(records):
        for seen, record in enumerate(records):
            if seen >= stop:
                return
            yield record.line, 1

    content = text_of(some)
    got = answer(Job(read=text, map_split=few, fields=("line",), reduce=count), content, options)
    assert sum(n for _, n in got) <= len(some)
    if options.split_bytes >= len(content):
        assert sum(n for _, n in got) == min(stop, len(some))


@given(lines, cutting)
@SETTINGS
def test_where_filters_before_map(some, options):
    def each(line: str):
        yield line, 1

    content = text_of(some)
    kept = [line for line in split_lines(content) if len(line) > 2]
    job = Job(read=text, where=lambda line: len(line) > 2, map=each, reduce=count)
    assert answer(job, content, options) == plainly([(line, 1) for line in kept], lambda _k, vs: len(vs))


def test_more_partitions_than_slots_of_a_byte():
    content = text_of([f"w{i} w{i % 7}" for i in range(400)])
    pairs = [pair for line in split_lines(content) for pair in words_of(line)]
    expected = plainly(pairs, lambda _k, vs: (vs[-1], vs[0], len(vs)))
    options = RunOptions(engine="inline", partitions=300, splits=2)
    assert answer(Job(read=text, map=words_of, reduce=last_first), content, options) == expected


def by_instant(line: str):
    east = timezone(timedelta(hours=int(line)))
    yield datetime(2024, 10, 27, 12 + int(line), tzinfo=east), line


@pytest.mark.parametrize("splits", [1, 2, 4])
@pytest.mark.parametrize("reduce", [count, collect, lambda key, values: [(key, len(list(values)))]])
def test_a_key_of_several_forms_is_shown_as_it_came_first_however_the_input_is_cut(reduce, splits, tmp_path):
    path = tmp_path / "in.txt"
    path.write_bytes(b"5\n2\n-3\n0\n")
    options = RunOptions(engine="inline", splits=splits)
    with mrframe.run(Job(read=text, map=by_instant, reduce=reduce), [str(path)], options) as result:
        ((key, _),) = result.rows()
    assert key.isoformat() == "2024-10-27T17:00:00+05:00"
