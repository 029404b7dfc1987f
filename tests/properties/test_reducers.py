"""Ready reducers: whatever way the values are grouped and merged, the state and the result are the same."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from itertools import chain, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe import approx_distinct, approx_quantile, first, heavy_hitters, last, median, quantile, stddev
from mrframe.shuffle import exact_sum, reducers
from mrframe.shuffle.buffers import CombineBuffer, FoldBuffer, PairBuffer
from mrframe.shuffle.keys import canonical
from mrframe.shuffle.reducers import Measures, collect, count, distinct, largest, mean, smallest, total

SETTINGS = settings(max_examples=60, deadline=None)
floats = st.floats(allow_nan=False, allow_infinity=False, width=64)
numbers = st.none() | st.integers() | st.booleans() | floats
cuts = st.lists(st.integers(0, 30), max_size=5)


REDUCERS = [
    *(total, count, smallest, largest, mean, distinct, collect),
    *(median, stddev, first, last, quantile(0.95), approx_quantile(0.95), approx_distinct, heavy_hitters(3)),
]


def grouped(values, cuts):
    edges = sorted({min(c, len(values)) for c in cuts} | {0, len(values)})
    return [values[a:b] for a, b in pairwise(edges)] or [values]


@given(st.lists(numbers, max_size=30), cuts)
@SETTINGS
@pytest.mark.parametrize("reducer", REDUCERS, ids=repr)
def test_grouping_changes_nothing(reducer, values, cuts):
    whole = reducer.finish(reducer.start(values))
    parts = reducer.finish(reducer.merge([reducer.start(some) for some in grouped(values, cuts)]))
    table = reducer.new_table()
    for some in grouped(values, cuts):
        reducer.fold(table, ["key"] * len(some), some)
    sealed = reducer.sealed(list(reducer.entries(table)[1]))
    travelled = [piece for one in sealed for piece in (reducer.pieces(one, 2) if reducer.divisible else [one])]
    assert not values or reducer.finish(reducer.merge(travelled)) == whole
    assert type(whole) is type(parts)
    assert whole == parts


@given(st.lists(floats, max_size=30))
@SETTINGS
def test_a_float_total_is_the_exact_sum_rounded_once(values):
    true = sum(map(Fraction, values), Fraction(0))
    try:
        expected = float(true)
    except OverflowError:
        expected = math.inf if true > 0 else -math.inf
    got = total.finish(total.start(values))
    assert got == expected
    if values:
        at_mean = true / len(values)
        assert mean.finish(mean.start(values)) == float(at_mean)


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=5), max_size=20), cuts)
@SETTINGS
def test_decimals_add_without_rounding(values, cuts):
    got = total.finish(total.merge([total.start(some) for some in grouped(values, cuts)]))
    assert Fraction(got) == sum(map(Fraction, values), Fraction(0))


def test_sums_that_leave_the_range_of_floats_and_come_back():
    assert (
        exact_sum.finish(exact_sum.merge([exact_sum.add([1e308, 1e308]), exact_sum.add([-1e308, -1e308, 2.5])]))
        == 2.5
    )
    assert exact_sum.finish(exact_sum.add([math.inf, 1.0])) == math.inf
    assert math.isnan(exact_sum.finish(exact_sum.merge([exact_sum.add([math.inf]), exact_sum.add([-math.inf])])))


@pytest.mark.parametrize("values", [["3"], [1, b"x"], [1.0, Decimal(1)], [{1}]])
def test_a_value_that_cannot_be_added_is_refused(values):
    with pytest.raises(TypeError, match=r"not a number|exactly"):
        total.start(values)


def test_none_is_left_out_of_values_but_counted():
    assert total.start([None, 2, None]) == 2
    assert count.start([None, 2]) == 2
    assert collect.start([None, 2]) == [None, 2]
    assert distinct.finish(distinct.start([None, 2, 2])) == 1
    assert mean.finish(mean.start([None])) is None
    assert smallest.start([None]) is None


def test_a_dict_value_gives_each_measure_its_item():
    measures = Measures({"hits": count, "bytes": total})
    state = measures.merge([measures.start([{"hits": 1, "bytes": 5}]), measures.start([{"hits": 1, "bytes": 7}])])
    assert measures.finish(state) == {"hits": 2, "bytes": 12}
    with pytest.raises(TypeError, match="'bytes'"):
        measures.start([{"hits": 1}])


keys = st.one_of(
    st.integers(-2, 2),
    st.booleans(),
    st.floats(-2, 2).map(lambda f: round(f) + 0.0),
    st.none(),
    st.text("ab", max_size=2),
    st.binary(max_size=1),
    st.tuples(st.integers(0, 1) | st.booleans(), st.text("a", max_size=1)),
)
blocks = st.lists(st.lists(st.tuples(keys, st.integers(0, 9)), min_size=1, max_size=8), max_size=6)


@given(blocks)
@SETTINGS
def test_buffers_keep_keys_apart_that_a_dict_takes_for_one(blocks):
    expected: dict[bytes, int] = {}
    for block in blocks:
        for key, value in block:
            expected[canonical(key)] = expected.get(canonical(key), 0) + value
    for buffer in (FoldBuffer(total), CombineBuffer(lambda k, vs: [sum(vs)]), PairBuffer()):
        for block in blocks:
            buffer.add([k for k, _ in block], [v for _, v in block])
        assert buffer.size_bytes() >= 0
        got: dict[bytes, int] = {}
        for key, value in zip(*buffer.drain(), strict=True):
            got[canonical(key)] = got.get(canonical(key), 0) + value
        assert got == expected
        assert buffer.drain() == ([], [])


def test_a_buffer_of_several_folds_without_pairs_drains_to_nothing():
    assert FoldBuffer(Measures({"hits": count, "bytes": total})).drain() == ([], [])


@given(st.lists(st.lists(st.tuples(st.sampled_from("aab"), st.none() | st.integers(0, 3) | st.sampled_from("xyz")))))
@SETTINGS
@pytest.mark.parametrize("cached_items", [0, 2, 1000])
def test_distinct_folds_blocks_of_one_key_and_of_many_to_the_same(cached_items, blocks):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reducers, "_CACHED_ITEMS", cached_items)
        buffer = FoldBuffer(distinct)
        for block in blocks:
            buffer.add([key for key, _ in block], [value for _, value in block])
    wanted: dict[str, dict[object, None]] = {}
    for key, value in chain.from_iterable(blocks):
        wanted.setdefault(key, {}).update({} if value is None else {value: None})
    keys, states = buffer.drain()
    tokens = [[value if isinstance(value, str) else canonical(value) for value in one] for one in wanted.values()]
    assert (keys, states) == (list(wanted), tokens)  # and in the order of arrival, whatever the hash seed
