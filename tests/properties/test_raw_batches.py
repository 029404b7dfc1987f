"""Arrow columns made of the kernel's places are those that the values make: any format, any bytes, any fields."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mrframe import Job, logs, text, total, words
from mrframe.core.model.reader import Reader
from mrframe.formats.factory import make_reader
from mrframe.formats.readers.base import Scanned, values_of
from mrframe.formats.readers.time_window import Window
from mrframe.formats.schema import fields_of
from mrframe.kernel import compiled
from mrframe.task.columnar.arrow import of_scanned
from mrframe.task.map.map_batch import Batches, scanned_forms
from mrframe.testing.mutations import mutate, samples_of, some_lines

SAMPLES = samples_of([(Path(__file__).parents[2] / "sample_logs" / "access.log").read_bytes()[:20_000]])
pa = pytest.importorskip("pyarrow")
pytestmark = pytest.mark.skipif(compiled() is None, reason="no kernel is installed")
SETTINGS = settings(max_examples=200, deadline=None)
WINDOW = Window(datetime(2015, 5, 17, 9, tzinfo=UTC), datetime(2015, 5, 19, tzinfo=UTC))

texts = st.lists(
    st.binary(max_size=6)
    | st.sampled_from([b"a", b" ", b"\n", b"\r\n", b"\t\v\f", b"-", b"\0", "\U0010fcff".encode()])
    | st.sampled_from(["é\x1c\x85\u2028".encode()])
).map(b"".join)


def odd_lines(line):
    return len(line) % 2


def seen(job, reader, block, forms):
    """Return the table that the function is given for a block, its ledger, and the fields that are bad."""
    tables = []

    def note(table):
        tables.append(table)
        return pa.table({"key": pa.array([], pa.string())})

    parsed = reader.parse(block, "f", 7, forms=forms)
    columns = [column if isinstance(column, Scanned) else values_of(column) for column in parsed.columns]
    batches = Batches(replace(job, map_batch=note), reader)
    _, bad = batches.tables(columns, parsed.records)
    for name, number in parsed.bad_fields.items():
        bad[name] = bad.get(name, 0) + number
    ledger = ("records", "lines", "parsed_bytes", "malformed_bytes", "delimiter_bytes", "outside_time_bytes")
    return tables, [getattr(parsed, name) for name in ledger], bad, batches.taken(), parsed.columns


def same(read: Reader, fields: tuple[str, ...], block: bytes, *, where=None, window=None) -> bool:
    """Check that both ways give one table and ledger. Returns whether no column was made of values."""
    job = Job(read=read, map_batch=lambda table: table, fields=fields, where=where, reduce=total)
    reader = make_reader(read, job.projection(), {}, window)
    tables, *told, _ = seen(job, reader, block, {})
    found, *told_too, columns = seen(job, reader, block, scanned_forms(job, reader))
    assert told_too == told
    assert len(found) == len(tables)
    for one, other in zip(found, tables, strict=True):
        one.validate(full=True)
        assert one.equals(other), (one, other)
        assert one.schema.equals(other.schema)
    return all(
        isinstance(column, Scanned) and of_scanned(column, spelt) is not None
        for column, spelt in zip(columns, reader.scanned_values(), strict=True)
    )


@SETTINGS
@given(st.sampled_from(["combined", "common", "vhost", "traefik"]), st.randoms(use_true_random=False), st.data())
def test_raw_columns_of_access_logs_give_what_values_give(name, random, data):
    block = some_lines(random, SAMPLES[name])
    block = mutate(random, block, SAMPLES[name]) if data.draw(st.booleans()) else block
    read = Reader("access", name)
    fields = data.draw(st.lists(st.sampled_from(sorted(fields_of(read))), min_size=1, max_size=4, unique=True))
    where, window = data.draw(st.sampled_from([None, odd_lines])), data.draw(st.sampled_from([None, WINDOW]))
    same(read, tuple(fields), block, where=where, window=window)


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


def test_text_that_is_utf8_is_never_made_values():
    for block in (b"one two\nthree\n", "caf\xe9 \U0001f600\n".encode(), b""):
        assert same(words, ("word",), block)
        assert same(text, ("line",), block)
    assert not same(text, ("line",), b"caf\xe9\n")
    assert not same(text, ("line",), "\U0010fcff\n".encode())


LINE = b'192.0.2.7 - - [17/May/2015:10:05:0%d +0000] "%s HTTP/1.1" 200 512 "-" "curl/8.0"\n'


def test_a_record_that_only_the_strict_pattern_takes_is_in_its_place_and_not_made_a_value():
    lines = [LINE % (at, b"GET /a b" if at in (0, 3, 4, 7) else b"GET /%d" % at) for at in range(8)]
    block = b"bad\n".join(lines)
    for read, window in ((logs.combined, None), (logs.combined, WINDOW)):
        assert same(read, ("path", "status", "size", "agent"), block, window=window)
    assert same(logs.combined, ("path",), LINE % (0, b"GET /a b"))


def test_a_reader_whose_columns_the_kernel_lacks_goes_by_values():
    for read, fields in ((Reader("json"), ("line",)), (text, ("offset",)), (logs.combined, ("time", "hour"))):
        job = Job(read=read, map_batch=lambda table: table, fields=fields, reduce=total)
        assert not scanned_forms(job, make_reader(read, fields, {}))
    job = Job(read=text, map_batch=lambda table: table, fields=("line",), where=odd_lines, reduce=total)
    assert not scanned_forms(job, make_reader(text, ("line",), {}))
