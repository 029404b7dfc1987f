"""Arrow columns made of a block's bytes are those that its values make: any format, any bytes, any fields."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mrframe import Job, logs, text, total, words
from mrframe.core.model.reader import Reader
from mrframe.formats.factory import make_reader
from mrframe.formats.readers.base import Arrow
from mrframe.formats.schema import fields_of, kinds_of
from mrframe.task.columnar import arrow
from mrframe.task.columnar.arrow_reader import ArrowReader, gives_arrow
from mrframe.testing.mutations import mutate, samples_of, some_lines

SAMPLES = samples_of([(Path(__file__).parents[2] / "sample_logs" / "access.log").read_bytes()[:20_000]])
pa = pytest.importorskip("pyarrow")
SETTINGS = settings(max_examples=200, deadline=None)

texts = st.lists(
    st.binary(max_size=6)
    | st.sampled_from([b"a", b" ", b"\n", b"\r\n", b"\t\v\f", b"-", b"\0", "\U0010fcff".encode()])
    | st.sampled_from(["é\x1c\x85\u2028".encode()])
).map(b"".join)


def same(read: Reader, fields: tuple[str, ...], block: bytes) -> bool:
    """Check that both ways give one table, ledger and count of bad fields. Returns whether all was made of bytes."""
    job = Job(read=read, map_batch=lambda table: table, fields=fields, reduce=total)
    reader = make_reader(read, fields, {})
    parsed = reader.parse(block, "f", 7)
    table, bad = arrow.to_table(fields, kinds_of(read, fields, {}), parsed.values)
    for name, number in parsed.bad_fields.items():
        bad[name] = bad.get(name, 0) + number
    straight = ArrowReader(job, make_reader(read, fields, {}))
    found = straight.parse(block, "f", 7, forms=straight.forms)
    if found.records:
        made = pa.Table.from_arrays([column.array for column in found.columns], names=list(fields))
        made.validate(full=True)
        assert made.equals(table), (made, table)
    assert found.bad_fields == bad
    for name in ("records", "lines", "parsed_bytes", "malformed_bytes", "delimiter_bytes"):
        assert getattr(found, name) == getattr(parsed, name), name
    inner = straight._reader.parse(block, "f", 7, forms=straight._inner_forms)
    return all(isinstance(column, Arrow) for column in inner.columns)


@SETTINGS
@given(st.sampled_from(["combined", "common", "vhost", "traefik"]), st.randoms(use_true_random=False), st.data())
def test_raw_columns_of_access_logs_give_what_values_give(name, random, data):
    block = some_lines(random, SAMPLES[name])
    block = mutate(random, block, SAMPLES[name]) if data.draw(st.booleans()) else block
    read = Reader("access", name)
    fields = data.draw(st.lists(st.sampled_from(sorted(fields_of(read))), min_size=1, max_size=4, unique=True))
    same(read, tuple(fields), block)


@pytest.mark.parametrize("size", ["-", "0", "007", str(2**63 - 1), str(2**63), "9" * 30])
@pytest.mark.parametrize("user", ["-", "\U0010fcff", "é", "\udcff", "/a?-"])
def test_numbers_and_names_that_arrow_reads_differently_give_what_values_give(size, user):
    line = f'10.0.0.1 - {user} [17/May/2015:10:05:01 +0200] "GET /p HTTP/1.1" - {size} "-" "ua"\n'
    block = line.encode("utf-8", "surrogateescape") * 2
    same(logs.combined, ("size", "status", "user", "query", "hour", "referer", "line", "offset"), block)


@pytest.mark.parametrize("values", [("", "", ""), ("a", "", "80"), ("-", "-", "-"), ("a", "x, y", "")])
def test_empty_values_give_what_values_give(values):
    read = logs.format(r"log_format x 'a:$custom\tb:$http_x_b\tc:$server_port\td:\"$http_x_d\"';")
    line = 'a:{}\tb:{}\tc:{}\td:""\n'.format(*values).encode()
    for block in (line, line * 2, line + b'a:q\tb:r\tc:1\td:"s"\n'):
        same(read, ("custom", "x_b", "port", "x_d"), block)


@SETTINGS
@given(texts)
@example(b"")
@example(b"one  two\r\n")
@example("é \u2028x\n".encode())
@example(b"a\xff b")
def test_raw_words_and_lines_give_what_values_give(block):
    for read, fields in (
        (words, ("word",)),
        (text, ("line",)),
        (words, ("line", "word")),
        (text, ("offset", "line")),
    ):
        same(read, fields, block)


def test_words_and_lines_of_utf8_are_never_made_text_of_python():
    for block in (b"one two\nthree\n", "caf\xe9 \U0001f600\n".encode(), b""):
        assert same(words, ("word",), block)
        assert same(text, ("line",), block)
    assert not same(text, ("line",), b"caf\xe9\n")


def test_a_job_with_where_and_a_reader_without_bytes_go_by_values():
    job = Job(read=text, map_batch=lambda table: table, fields=("line",), where=lambda line: line, reduce=total)
    assert not gives_arrow(job, make_reader(text, ("line",), {}))
    json = Job(read=Reader("json"), map_batch=lambda table: table, fields=("line",), reduce=total)
    assert not gives_arrow(json, make_reader(Reader("json"), ("line",), {}))
