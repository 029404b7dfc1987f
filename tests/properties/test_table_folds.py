"""A table of pairs that is folded as columns leaves the bytes in the run file that its pairs leave, one by one."""

from __future__ import annotations

import io
import math
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe import collect, count, distinct, largest, mean, smallest, total
from mrframe.errors import KeyRefused, UserCodeError
from mrframe.shuffle.reducers import as_fold
from mrframe.shuffle.run_file.run_writer import RunWriter
from mrframe.task.columnar import arrow
from mrframe.task.columnar.table_fold_buffer import TableFoldBuffer

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
from mrframe.task.columnar import arrow_groupby, dictionary  # noqa: E402  (needs NumPy)

SETTINGS = settings(max_examples=150, deadline=None)

REDUCERS = {
    "count": count,
    "total": total,
    "mean": mean,
    "smallest": smallest,
    "largest": largest,
    "distinct": distinct,
    "measures": {"n": count, "sum": total, "mean": mean, "least": smallest, "most": largest, "different": distinct},
}
texts = st.sampled_from(
    ["", "a", "b", "a\0", "é", "\ue000", "\U0001f600", "\U0010fcff", "\U0010fcc3\U0010fca9", "long " * 9]
)
floats = st.floats(allow_nan=False) | st.sampled_from([0.1, 0.2, 1e16, -1e16, 1.5, 0.0, 3.0])
tame = st.integers(-(10**9), 10**9).map(lambda n: n / 1000)
times = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))
KINDS = {
    "text": (pa.string(), texts),
    "large text": (pa.large_string(), texts),
    "view": (pa.string_view(), texts),
    "bytes": (pa.binary(), st.binary(max_size=2)),
    "fixed": (pa.binary(2), st.binary(min_size=2, max_size=2)),
    "bool": (pa.bool_(), st.booleans()),
    "small ints": (pa.int8(), st.integers(-128, 127)),
    "ints": (pa.int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)),
    "unsigned": (pa.uint64(), st.integers(0, 2**64 - 1) | st.integers(0, 3)),
    "floats": (pa.float64(), floats),
    "tame floats": (pa.float64(), tame),
    "single": (pa.float32(), st.floats(width=32, allow_nan=False)),
    "not a number": (pa.float64(), st.sampled_from([math.nan, 1.0])),
    "half": (pa.float16(), st.sampled_from([0.5, 1.0])),
    "nulls": (pa.null(), st.none()),
    "days": (pa.date32(), st.dates()),
    "milliseconds": (pa.date64(), st.dates()),
    "times": (pa.timestamp("us", "Asia/Tokyo"), times.map(lambda t: t.replace(tzinfo=UTC))),
    "clock": (pa.timestamp("us"), times),
    "nanoseconds": (pa.timestamp("ns"), st.integers(0, 2000)),
    "decimals": (pa.decimal128(5, 1), st.integers(-99, 99).map(lambda n: Decimal(n) / 10)),
    "lists": (pa.list_(pa.int8()), st.lists(st.integers(0, 2), max_size=2)),
    "tuples": (
        pa.struct([("a", pa.string()), ("b", pa.struct([("c", pa.float64()), ("d", pa.int8())]))]),
        st.builds(
            lambda a, c: {"a": a, "b": {"c": c, "d": None}}, st.sampled_from("xy"), st.sampled_from([0.0, -0.0, 1.0])
        ),
    ),
}  # fmt: skip


@st.composite
def columns(draw, rows: int):
    """A column of that many rows: of any type, with nulls or without, in chunks, cut off at both ends, encoded."""
    kind, values = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    values = draw(
        st.lists(values | st.none() if draw(st.booleans()) else values, min_size=rows + 2, max_size=rows + 2)
    )
    array = pa.array(values, kind)
    if draw(st.booleans()) and kind not in (pa.list_(pa.int8()), pa.float16()) and not pa.types.is_struct(kind):
        array = dictionary_encoded(draw, array, kind)
    cut = draw(st.integers(0, rows))
    return pa.chunked_array([array[1 : cut + 1], array[cut + 1 : rows + 1]])


def dictionary_encoded(draw, array, kind):
    """As a dictionary encodes it: with null in the indexes or among the values, and with values that are not used."""
    if "view" in str(kind):
        return array
    if draw(st.booleans()):
        return array.dictionary_encode()
    values = pa.concat_arrays([array, pa.array([None], kind)])
    indexes = [draw(st.none() | st.integers(0, len(values) - 1)) for _ in array]
    return pa.DictionaryArray.from_arrays(pa.array(indexes, pa.int8()), values)


@st.composite
def tables(draw):
    rows = draw(st.integers(1, 12))
    key = draw(columns(rows))
    return pa.table({"key": key, "value": draw(columns(rows))} if draw(st.integers(0, 9)) else {"key": key})


def outcome(fold, add, some):
    """Return the run file that the buffer makes of tables, or the type of its error."""
    buffer = TableFoldBuffer(fold)
    try:
        for table in some:
            add(buffer, table)
    except (KeyRefused, TypeError, UserCodeError, OverflowError) as error:
        return type(error)
    file = io.BytesIO()
    writer = RunWriter(file, slots=4)
    drained = buffer.drain()
    writer.add_run(*drained)
    writer.close()
    return file.getvalue(), repr(drained)


def by_pairs(buffer, table):
    buffer.add(*arrow.pairs_of(table))


@pytest.fixture(autouse=True, scope="module")
def _always_worth_it():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrow_groupby, "repeats", lambda _: True)
        yield


def by_columns(buffer, table):
    if not buffer.add_table(table):
        by_pairs(buffer, table)


@pytest.mark.parametrize("reduce", REDUCERS.values(), ids=REDUCERS)
@SETTINGS
@given(st.lists(tables(), min_size=1, max_size=3))
def test_columns_leave_the_bytes_of_their_pairs(reduce, some):
    fold = as_fold(reduce)
    assert outcome(fold, by_columns, some) == outcome(fold, by_pairs, some)


FOLDED = [
    (pa.array(["a", "b"]).dictionary_encode(), pa.array([1, None]), set(REDUCERS)),
    (pa.array([None, "b"]), pa.array([2**63, 2**64 - 1], pa.uint64()), set(REDUCERS)),
    (pa.array([{"a": 1, "b": "x"}] * 2), pa.array([0.1, None]), set(REDUCERS)),
    (pa.array([1, 2]), pa.array([True, False]), set(REDUCERS)),
    (pa.array([1, 2]), pa.nulls(2), set(REDUCERS)),
    (pa.array([1, 2]), pa.array(["x", "y"]).dictionary_encode(), {"count", "smallest", "largest", "distinct"}),
    (pa.array([1, 2]), pa.array([{"a": 1}] * 2), {"count", "distinct"}),
    (pa.array([1, 2]), pa.array([-0.0, 1.0]), {"count", "total", "mean", "distinct"}),
    (pa.array([1, 2]), pa.array([math.nan, 1.0]), {"count"}),
    (pa.array([1, 2]), pa.array([1e300, 1.0]), {"count", "smallest", "largest", "distinct"}),
    (pa.array([1, 2]), pa.array([1e-30, 1e30]), {"count", "smallest", "largest", "distinct"}),
    (pa.array([1, 2]), pa.array([5e-324, 1.0]), {"count", "smallest", "largest", "distinct"}),
    (pa.array([[1], [2]]), pa.array([1, 2]), set()),
]


@pytest.mark.parametrize(("key", "value", "which"), FOLDED, ids=lambda one: str(getattr(one, "type", "")))
def test_each_reduce_folds_columns_of_the_types_that_it_takes(key, value, which):
    taken = set()
    for name, reduce in REDUCERS.items():
        try:
            found = arrow_groupby.states_of(as_fold(reduce), pa.table({"key": key, "value": value}))
        except KeyRefused:
            found = None
        if found is not None:
            taken.add(name)
    assert taken == which


def test_collect_keeps_every_value_anyway():
    assert arrow_groupby.states_of(collect, pa.table({"key": [1], "value": [2]})) is None
    assert (
        arrow_groupby.states_of(as_fold({"n": count, "all": collect}), pa.table({"key": [1], "value": [2]})) is None
    )


def test_sums_of_many_are_exact_where_a_float_is_not():
    rows = 10_000
    ints, parts = [2**62 + 1] * rows, [0.1, 1e9 + 0.7, -1e-5] * rows
    _, (whole,) = arrow_groupby.states_of(total, pa.table({"key": ["a"] * rows, "value": ints}))
    assert whole == rows * (2**62 + 1)
    _, (state,) = arrow_groupby.states_of(total, pa.table({"key": ["a"] * len(parts), "value": parts}))
    assert total.finish(state) == math.fsum(parts)
    assert state == total.start(parts)


def test_codes_number_the_values_in_the_order_of_arrival():
    array = pa.chunked_array([pa.array(["x", "b", "x"]), pa.array(["a", None])])
    for column in (array, array.dictionary_encode(), array.cast(pa.string_view())):
        numbers, values = dictionary.codes_of(column)
        assert numbers.tolist() == [0, 1, 0, 2, 3]
        assert values == ["x", "b", "a", None]


def test_values_that_are_the_same_as_keys_have_one_number():
    for values, first in (([0.0, -0.0, 1.0], "0.0"), (["\U0010fcc3\U0010fca9", "é", "x"], "'é'")):
        numbers, different = dictionary.codes_of(pa.array(values))
        assert numbers.tolist() == [0, 0, 1]
        assert repr(different[0]) == first


def test_values_that_never_come_again_are_not_worth_it():
    assert dictionary.repeats(pa.array(["a"] * 200 + list(map(str, range(800)))))
    assert not dictionary.repeats(pa.array(list(map(str, range(1000)))))
    assert not dictionary.repeats(pa.array(list(map(str, range(1000)))).dictionary_encode())
    assert dictionary.repeats(pa.array([{"a": n} for n in range(10)]))
