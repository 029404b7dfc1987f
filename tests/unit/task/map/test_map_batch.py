"""`map_batch`: what the function is given, what it may return, and who is blamed when it fails."""

from __future__ import annotations

import math
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

import mrframe
from mrframe import Job, RunOptions, collect, count, json_lines, logs, text, total
from mrframe.errors import ExtraMissing, JobError, UserCodeError
from mrframe.task.columnar import arrow

pa = pytest.importorskip("pyarrow")

INLINE = RunOptions(engine="inline", max_bad="90%")
LINE = '10.0.0.{n} - - [17/May/2015:10:05:0{n} +0200] "GET /p{n} HTTP/1.1" 200 {size} "-" "ua"\n'
LOG = LINE.format(n=1, size=10) + "no log line\n" + LINE.format(n=2, size="-") + LINE.format(n=1, size=9**30)


def rows(tmp_path, job, content, options=INLINE):
    path = tmp_path / "in.log"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with mrframe.run(job, [str(path)], options) as result:
        return list(result), result.summary


def seen(tmp_path, fields, content, read=logs.combined, **more):
    """The tables that the function is given."""
    tables = []

    def note(table):
        tables.append(table)
        return pa.table({"key": pa.array([], pa.string())})

    assert rows(tmp_path, Job(read=read, map_batch=note, fields=fields, reduce=count, **more), content)[0] == []
    return tables


def test_the_function_is_given_a_table_of_typed_columns_without_the_malformed_lines(tmp_path):
    (table,) = seen(tmp_path, ("path", "size", "time", "status", "user", "offset"), LOG)
    assert isinstance(table, pa.Table)
    assert [str(field.type) for field in table.schema] == [
        "string", "int64", "timestamp[us, tz=UTC]", "int64", "string", "int64",
    ]  # fmt: skip
    assert table.column("path").to_pylist() == ["/p1", "/p2", "/p1"]
    assert table.column("time").cast(pa.int64()).to_pylist()[0] == 1431849901_000000
    assert table.column("user").null_count == 3


def test_the_ledger_is_that_of_any_map_and_an_int_beyond_64_bits_is_null_and_counted(tmp_path):
    sizes = lambda table: table.select(["path", "size"]).rename_columns(["key", "value"])  # noqa: E731
    job = Job(read=logs.combined, map_batch=sizes, fields=("path", "size"), reduce=collect)
    got, summary = rows(tmp_path, job, LOG)
    assert got == [("/p1", [10, None]), ("/p2", [None])]
    assert (summary.records, summary.malformed, summary.bad_fields) == (3, 1, {"size": 1})


def test_map_batch_gets_only_blocks_with_records_that_where_keeps(tmp_path):
    (table,) = seen(tmp_path, ("path",), LOG, where=lambda size: size == 10)
    assert table.to_pydict() == {"path": ["/p1"]}
    assert seen(tmp_path, ("path",), LOG, where=lambda size: size == 11) == []


def test_fields_of_json_have_the_type_of_their_values(tmp_path):
    lines = '{"a": 1, "b": {"c": 1.5}, "d": null, "e": [1], "t": "x"}\n'
    lines += '{"a": 2, "b": {"c": 3}, "d": null, "e": [], "t": null}\n'
    fields = {"a": "a", "c": "b.c", "d": "d", "e": "e", "t": "t"}
    (table,) = seen(tmp_path, fields, lines, read=json_lines)
    assert [str(f.type) for f in table.schema] == ["int64", "double", "null", "list<item: int64>", "string"]
    assert table.column("c").to_pylist() == [1.5, 3.0]


@pytest.mark.parametrize(
    "values", [["1", '"x"'], ["true", "1"], ["1.5", str(2**60 + 1)], [str(2**70), "1"], ['["\\ud800"]', "null"]]
)
def test_values_of_json_that_make_no_column_are_refused_by_name(tmp_path, values):
    lines = "".join(f'{{"odd": {value}}}\n' for value in values)
    job = Job(read=json_lines, map_batch=lambda table: table, fields=("odd",), reduce=count)
    with pytest.raises(UserCodeError, match=r"'odd' in one block make no Arrow column.*map="):
        rows(tmp_path, job, lines)


def test_bytes_that_are_not_utf8_survive_the_way_to_arrow_and_back(tmp_path):
    content = b"\xff plain\n\xf4\x8f\xbe\x80\n\xed\xa0\x80\n" + "é\U0010ffff".encode() + b"\xe9\n"
    job = Job(read=text, map_batch=lambda t: t.rename_columns(["key"]), fields=("line",), reduce=count)
    got = [key for key, _ in rows(tmp_path, job, content)[0]]
    assert got == [key for key, _ in rows(tmp_path, Job(read=text, key="line", reduce=count), content)[0]]
    assert sorted(key.encode("utf-8", "surrogateescape") for key in got) == sorted(content.splitlines())


NOON = datetime(2024, 2, 29, 12, 0, 0, 7)


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (pa.array(["a", None]).dictionary_encode(), ["a", None]),
        (pa.array(["a", "\U0010fc41"], pa.string_view()), ["a", "\udc41"]),
        (pa.array([NOON]), [NOON]),
        (pa.array([NOON.replace(tzinfo=timezone(timedelta(hours=3)))], pa.timestamp("us", "Asia/Tokyo")),
         [NOON.replace(hour=9, tzinfo=UTC)]),
        (pa.array([date(2024, 2, 29), None], pa.date64()), [date(2024, 2, 29), None]),
        (pa.array([{"a": 1, "b": "x"}, None]), [(1, "x"), None]),
        (pa.array([{}, {}], pa.struct([])), [(), ()]),
        (pa.array([["x", None], None, []]), [["x", None], None, []]),
        (pa.array([[["x"], []], [["\U0010fcff"]]]), [[["x"], []], [["\udcff"]]]),
        (pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2)), [[1, 2], None, [3, 4]]),
        (pa.array([b"\xff"]), [b"\xff"]),
        (pa.array([1.5, True, None], pa.float32()), [1.5, 1.0, None]),
        (pa.array([Decimal("1.50")]), [Decimal("1.50")]),
        (pa.chunked_array([pa.array([1, 2]), pa.array([3])]), [1, 2, 3]),
        (pa.array([[1], [2], [3]]).slice(1, 1), [[2]]),
        (pa.array([{"a": 1}, {"a": 2}]).slice(1), [(2,)]),
    ],
    ids=lambda value: str(value.type) if hasattr(value, "type") else "",
)  # fmt: skip
def test_arrow_values_become_values_of_ours(array, values):
    got = arrow.values_of(array)
    assert got == values
    assert list(map(type, got)) == list(map(type, values))


@pytest.mark.parametrize(
    "array",
    [
        pa.array([timedelta(1)]),
        pa.array([1], pa.timestamp("ns")),
        pa.array([[[(1, 2)]]], pa.list_(pa.map_(pa.int8(), pa.int8()))),
    ],
)
def test_arrow_values_that_are_none_of_ours_are_refused(array):
    with pytest.raises(UserCodeError, match=r"cast it|round it"):
        arrow.values_of(array)


class Stream:
    """A table of a library that only has the PyCapsule interface."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "shape",
    [
        lambda t: t,
        lambda t: t.to_batches()[0],
        Stream,
        lambda t: [t.slice(0, 1), Stream(t.slice(1))],
        lambda t: iter(t.to_batches(max_chunksize=1)),
        lambda t: (part for part in (t, t.slice(0, 0))),
    ],
)
def test_it_returns_or_yields_tables_of_any_library(tmp_path, shape):
    def pairs(table):
        return shape(pa.table({"value": table.column("line"), "key": pa.array([1] * len(table))}))

    job = Job(read=text, map_batch=pairs, fields=("line",), reduce=collect)
    assert rows(tmp_path, job, "a\nb\n")[0] == [(1, ["a", "b"])]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (None, "returned NoneType; it must return, or yield, tables"),
        (7, "returned int"),
        ({"key": [1]}, "returned dict"),
        ([("a", 1)], "returned tuple"),
        (pa.table({"word": ["a"], "value": [1]}), "the columns word, value; it must have the columns key and value"),
        (pa.table({"key": [math.nan]}), "NaN"),
    ],
)
def test_a_result_that_is_no_table_of_pairs_is_refused_with_the_functions_name(tmp_path, wrong, message):
    def oddly(table):
        return wrong

    with pytest.raises(UserCodeError, match=message):
        rows(tmp_path, Job(read=text, map_batch=oddly, fields=("line",), reduce=total), "a\n")


def test_a_failure_names_the_record_on_which_the_function_fails_alone(tmp_path):
    def picky(table):
        numbers = [int(line) for line in table.column("line").to_pylist()]
        return pa.table({"key": numbers})

    with pytest.raises(UserCodeError) as caught:
        rows(tmp_path, Job(read=text, map_batch=picky, fields=("line",), reduce=count), "1\n2\nx\n4\n")
    assert (caught.value.record, caught.value.line, caught.value.offset) == (b"x", 3, 4)
    assert "in picky" in caught.value.traceback_text


def test_a_failure_on_several_records_together_names_none(tmp_path):
    def picky(table):
        assert len(table) < 2
        return pa.table({"key": table.column("line")})

    with pytest.raises(UserCodeError) as caught:
        rows(tmp_path, Job(read=text, map_batch=picky, fields=("line",), reduce=count), "1\n2\n")
    assert caught.value.record is None


def test_a_later_step_may_be_given_columns_too(tmp_path):
    def halves(table):
        return pa.table({"key": pa.compute.struct_field(table.column("key"), [1]), "value": table.column("value")})

    first = Job(read=text, map=lambda line: [((line, len(line)), 1)], reduce=total)
    job = first.then(Job(map_batch=halves, fields=("key", "value"), reduce=total))
    assert rows(tmp_path, job, "a\nb\ncc\n")[0] == [(1, 2), (2, 1)]


def test_it_needs_fields_and_excludes_the_other_maps():
    with pytest.raises(JobError, match="map_batch= needs fields="):
        Job(map_batch=lambda table: table, reduce=count)
    with pytest.raises(JobError, match="map and map_batch was given"):
        Job(map=lambda line: (), map_batch=lambda table: table, fields=("line",), reduce=count)
    with pytest.raises(JobError, match="is not a function"):
        Job(map_batch="x", fields=("line",), reduce=count)


def test_without_pyarrow_the_job_is_refused_before_it_runs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr(arrow, "find_spec", lambda name: None)
    called = []
    job = Job(read=text, map_batch=called.append, fields=("line",), reduce=count)
    with pytest.raises(ExtraMissing, match=r"pip install 'mrframe\[fast\]'"):
        rows(tmp_path, job, "a\n")
    assert called == []
