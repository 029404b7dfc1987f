"""Columns give what records give: any bytes in the log, any cutting, any ready reducer."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import Job, RunOptions, collect, count, distinct, largest, mean, smallest, text, total
from mrframe.task.columnar import arrow
from mrframe.task.map import map_output

pa = pytest.importorskip("pyarrow")

SETTINGS = settings(max_examples=25, deadline=None)

odd_text = st.text(st.characters(exclude_characters="\n"), max_size=4) | st.sampled_from(
    ["\ud800", "\udcff", "\U0010fc80", "\U0010ffff", "\U0010f7ff", "a", "é"]
)
lines = st.lists(
    st.binary(max_size=4).filter(lambda line: b"\n" not in line and b"\r" not in line)
    | st.sampled_from([b"\xff", "\U0010fcff".encode(), b"\xf4\x8f", b"\xb0\x80", b"1", b"-7"]),
    max_size=20,
)


def as_read(odd: str) -> str:
    """Return this text as a reader gives it back from a log, surrogates and all."""
    return odd.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


@SETTINGS
@given(st.lists(st.none() | odd_text.map(as_read)))
def test_text_survives_the_way_to_arrow_and_back(column):
    array, bad = arrow.to_array("key", "text", column)
    assert arrow.values_of(array) == column
    assert not bad


@SETTINGS
@given(st.lists(st.none() | st.integers(-(2**70), 2**70), min_size=1))
def test_ints_survive_up_to_64_bits_and_the_others_are_counted(column):
    array, bad = arrow.to_array("key", "int", column)
    fit = [v if v is not None and -(2**63) <= v < 2**63 else None for v in column]
    assert arrow.values_of(array) == fit
    assert bad == fit.count(None) - column.count(None)


def in_columns(table):
    """Each line as the key, and its length, half of it or the line itself as the value."""
    line = table.column("line")
    length = pa.compute.binary_length(line)
    yield pa.table({"key": line, "value": length})
    yield pa.table(
        {"key": pa.compute.struct_field(pa.compute.make_struct(length, line, field_names=["a", "b"]), [0])}
    )


def in_records(line: str):
    length = len(arrow._fit(line).encode())
    yield line, length
    yield length, None


def answers(content: list[bytes], options: RunOptions, *jobs: Job) -> list[list[object]]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(map_output, "TABLE_ROWS_MIN", 1)  # so that small tables are folded as large ones are
        path = os.path.join(folder, "in.txt")
        with open(path, "wb") as file:
            file.write(b"a\n" + b"".join(line + b"\n" for line in content))  # which does not look compressed
        found = []
        for job in jobs:
            with mrframe.run(job, [path], options) as result:
                found.append(list(result))
    return found


@SETTINGS
@given(
    lines,
    st.sampled_from([count, total, smallest, largest, mean, distinct, collect, {"n": count, "t": total}]),
    st.builds(
        lambda split_bytes, partitions: RunOptions(engine="inline", split_bytes=split_bytes, partitions=partitions),
        st.integers(1, 60),
        st.integers(1, 4),
    ),
)
def test_columns_give_what_records_give(content, reduce, options):
    columns = Job(read=text, map_batch=in_columns, fields=("line",), reduce=reduce)
    records = Job(read=text, map=in_records, reduce=reduce)
    by_columns, by_records = answers(content, options, columns, records)
    assert by_columns == by_records
