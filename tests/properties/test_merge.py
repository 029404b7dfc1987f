"""Merging equals sorting the concatenation stably. Grouping equals itertools.groupby over it."""

import io
from itertools import groupby, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe.shuffle.group import group, runs_of_equal
from mrframe.shuffle.keys import canonical, kind_of, normal, order
from mrframe.shuffle.merge import merge
from mrframe.testing.strategies import key_columns

SETTINGS = settings(deadline=None, max_examples=200)
COLUMNS = st.one_of(
    st.lists(key_columns(max_size=20), max_size=7),
    key_columns(min_size=40, max_size=90).map(lambda column: [column[i::5] for i in range(5)]),
)


def blocks_of(pairs, sizes):
    """The pairs cut into blocks of the given sizes (over and over, and a size may be 0)."""
    at = turn = 0
    while at < len(pairs):
        size = sizes[turn % len(sizes)]
        keys = [key for key, _ in pairs[at : at + size]]
        kind = kind_of(keys)
        yield kind, normal(keys, kind), [value for _, value in pairs[at : at + size]]
        at += size
        turn += 1


@SETTINGS
@given(
    COLUMNS,
    st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any),
    st.integers(2, 5),
    st.sampled_from([0, 500, 1 << 20]),
)
def test_merged_streams_are_sorted_and_grouped_as_plain_python_does(columns, sizes, fan_in, at_once_bytes):
    everything, streams, files = [], [], []
    for number, column in enumerate(columns):
        pairs = [(key, (number, i)) for i, key in enumerate(sorted(column, key=order))]
        everything += pairs
        streams.append(blocks_of(pairs, sizes))

    def make_file():
        files.append(io.BytesIO())
        return files[-1]

    merged = list(merge(streams, fan_in=fan_in, make_file=make_file, at_once_bytes=at_once_bytes))
    assert all(file.closed for file in files)
    assert len(files) == 0 or len(columns) > fan_in
    assert len(files) > 0 or len(columns) <= fan_in or at_once_bytes > 0

    expected = sorted(everything, key=lambda pair: order(pair[0]))
    flat = [(canonical(key), value) for _, keys, values in merged for key, value in zip(keys, values, strict=True)]
    assert flat == [(canonical(key), value) for key, value in expected]
    for kind, keys, _ in merged:
        assert kind in {"", kind_of(keys)}
        starts = runs_of_equal(kind, keys)
        runs = [len(list(run)) for _, run in groupby(map(canonical, keys))]
        assert [b - a for a, b in pairwise(starts)] == runs

    groups = [(canonical(key), list(values)) for key, values in group(blocks_of(expected, sizes))]
    assert groups == [
        (same, [value for _, value in run]) for same, run in groupby(expected, key=lambda pair: canonical(pair[0]))
    ]
