"""A table of pairs that is folded in the kernel gives the result that its pairs give, one by one."""

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
from mrframe.kernel import compiled
from mrframe.shuffle.buffers import FoldBuffer
from mrframe.shuffle.keys import canonical
from mrframe.shuffle.reducers import as_fold
from mrframe.shuffle.run_file.run_reader import RunReader
from mrframe.shuffle.run_file.run_writer import RunWriter
from mrframe.task.columnar import arrow
from mrframe.task.map.kernel_pairs import KernelPairsBuffer, aggregates_of

pa = pytest.importorskip("pyarrow")
pytestmark = pytest.mark.skipif(compiled() is None, reason="no kernel is installed")

SETTINGS = settings(max_examples=150, deadline=None)

REDUCERS = {
    "count": count,
    "total": total,
    "mean": mean,
    "smallest": smallest,
    "largest": largest,
    "distinct": distinct,
    "measures": {"n": count, "sum": total, "mean": mean, "least": smallest, "most": largest},
    "texts": {"n": count, "different": distinct},
}
texts = st.sampled_from(
    ["", "a", "b", "a\0", "\0\7", "é", "\ue000", "\U0001f600", "\U0010fcff", "\U0010fcc3\U0010fca9", "long " * 9]
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


def outcome(buffer, fold, add, some):
    """Return the result of each key, from the run file that a buffer makes of tables, or the type of its error."""
    try:
        for table in some:
            add(buffer, table)
    except (KeyRefused, TypeError, UserCodeError, OverflowError) as error:
        return type(error)
    file, states = io.BytesIO(), {}
    writer = RunWriter(file, slots=4)
    buffer.write_runs(writer)
    writer.close()
    reader = RunReader(file, "run", unpickle=False)
    for slot in reader.slots_present():
        for stream in reader.streams(slot):
            for _, keys, values in stream:
                for key, value in zip(keys, values, strict=True):
                    states.setdefault((slot, canonical(key)), []).append(value)
    return {key: as_plain(fold.finish(fold.merge(one))) for key, one in states.items()}


def as_plain(result):
    return repr(sorted(map(repr, result)) if isinstance(result, list) else result)


def by_pairs(buffer, table):
    buffer.add(*arrow.pairs_of(table))


def by_columns(buffer, table):
    if not buffer.add_table(table):
        by_pairs(buffer, table)


def table_buffer(fold, *, may_encode=True):
    return KernelPairsBuffer(fold, may_encode=may_encode)


@pytest.mark.parametrize("reduce", REDUCERS.values(), ids=REDUCERS)
@SETTINGS
@given(st.lists(tables(), min_size=1, max_size=3), st.booleans())
def test_tables_give_what_their_pairs_give(reduce, some, may_encode):
    fold = as_fold(reduce)
    found = outcome(table_buffer(fold, may_encode=may_encode), fold, by_columns, some)
    assert found == outcome(FoldBuffer(fold), fold, by_pairs, some)


BY_TEXT = {"distinct", "texts"}
ANY, INTS = set(REDUCERS), set(REDUCERS) - BY_TEXT
TAKEN = [
    (pa.array(["a", "b"]).dictionary_encode(), pa.array([1, None]), INTS),
    (pa.array([None, "b"]), pa.array([2**63, 2**64 - 1], pa.uint64()), INTS),
    (pa.array(["a", "b"], pa.large_string()), pa.array([-1, 2], pa.int8()), INTS),
    (pa.array(["a", "b"], pa.string_view()), pa.array(["x", None]), {"count", *BY_TEXT}),
    (pa.array(["a", "b"]), pa.array(["x", "y"]).dictionary_encode(), BY_TEXT),
    (pa.array(["a", "\U0010fcff"]), pa.array([1, 2]), set()),
    (pa.array(["a", "b"]), pa.array(["x", "\U0010fcff"]), {"count"}),
    (pa.array(["a", "b"]), pa.array([True, False]), {"count"}),
    (pa.array(["a", "b"]), pa.array([0.1, None]), {"count"}),
    (pa.array(["a", "b"]), pa.array([{"a": 1}] * 2), set()),
    (pa.array([1, 2]), pa.array([1, 2]), set()),
    (pa.array([b"a", b"b"]), pa.array([1, 2]), set()),
]


@pytest.mark.parametrize(("key", "value", "which"), TAKEN, ids=lambda one: str(getattr(one, "type", "")))
def test_each_reducer_takes_tables_of_its_types(key, value, which):
    taken = {
        name
        for name, one in REDUCERS.items()
        if table_buffer(as_fold(one)).add_table(pa.table([key, value], ["key", "value"]))
    }
    assert taken == which


def test_folds_that_the_kernel_lacks_have_no_such_buffer():
    for reduce in (collect, {"n": count, "all": collect}, {"sum": total, "different": distinct}):
        assert aggregates_of(as_fold(reduce)) is None


def test_sums_of_many_are_exact():
    rows, fold = 10_000, as_fold(total)
    numbers = [2**62 + 1, 10**17, -(10**17) + 1] * rows
    table = pa.table({"key": ["a"] * len(numbers), "value": numbers})
    (result,) = outcome(table_buffer(fold), fold, by_columns, [table]).values()
    assert result == repr(sum(numbers))


def test_a_buffer_is_empty_once_it_is_written_and_counts_its_memory():
    fold = as_fold(total)
    buffer, table = table_buffer(fold), pa.table({"key": [str(n) for n in range(9999)], "value": [1] * 9999})
    empty = buffer.size_bytes()
    for _ in range(2):
        assert len(outcome(buffer, fold, by_columns, [table])) == 9999
    assert buffer.add_table(table)
    assert buffer.size_bytes() > empty + 9999 * 40
