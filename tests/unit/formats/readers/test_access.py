"""Access logs by block: values, what is bad, what is malformed, line ends, and hostile input."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from itertools import product

import pytest

from mrframe.formats.factory import explain, make_reader
from mrframe.formats.readers.access import grammar_of
from mrframe.formats.readers.base import as_raw
from mrframe.formats.registry import logs
from mrframe.testing.oracle import parse_line

HEAD = b"192.0.2.7 - alice [17/May/2015:10:05:03 -0330] "
GOOD = HEAD + b'"GET /a/b?c=d HTTP/1.1" 200 512 "http://example.org/" "caf\xe9"'


def read(block: bytes, *fields: str, reader=logs.combined, **options):
    return make_reader(reader, fields, {}).parse(block, "access.log", 1000, **options)


def test_a_combined_line_has_all_its_fields() -> None:
    found = explain(GOOD, logs.combined)
    assert found == {
        "host": "192.0.2.7",
        "ident": None,
        "user": "alice",
        "time": datetime(2015, 5, 17, 10, 5, 3, tzinfo=timezone(-timedelta(hours=3, minutes=30))),
        "day": "2015-05-17",
        "hour": "2015-05-17T10",
        "minute": "2015-05-17T10:05",
        "request": "GET /a/b?c=d HTTP/1.1",
        "method": "GET",
        "path": "/a/b",
        "query": "c=d",
        "protocol": "HTTP/1.1",
        "status": 200,
        "size": 512,
        "referer": "http://example.org/",
        "agent": "caf\udce9",
        "line": GOOD.decode("utf-8", "surrogateescape"),
    }


def test_file_offset_and_line_belong_to_every_reader() -> None:
    parsed = read(GOOD + b"\r\nbad\n\n" + GOOD, "file", "offset", "line", "status")
    text = GOOD.decode("utf-8", "surrogateescape")
    second = 1000 + len(GOOD) + 2 + 4 + 1
    assert parsed.values == [["access.log"] * 2, [1000, second], [text, text], [200, 200]]
    assert [(m.line, m.offset, m.data) for m in parsed.malformed] == [
        (1, len(GOOD) + 2, b"bad"),
        (2, len(GOOD) + 6, b""),
    ]
    assert (parsed.parsed_bytes, parsed.malformed_bytes, parsed.delimiter_bytes) == (2 * len(GOOD), 3, 4)


def test_a_request_that_is_not_http_is_a_record_and_counted_once_for_each_field() -> None:
    block = b"".join(HEAD + b'"%b" 400 - "-" "-"\n' % r for r in (b"\\x16\\x03", b"-", b"PUT /a", b"GET /b HTTP/1.0"))
    parsed = read(block, "path", "method", "query", "request", "size")
    assert parsed.values == [
        [None, None, None, "/b"],
        [None, None, None, "GET"],
        [None] * 4,
        ["\\x16\\x03", None, "PUT /a", "GET /b HTTP/1.0"],
        [None] * 4,
    ]
    assert parsed.bad_fields == {"path": 3, "method": 3, "query": 3}
    assert parsed.malformed == []


@pytest.mark.parametrize(
    ("request_line", "parts"),
    [
        (b"GET /i.php?x=a b HTTP/1.1", ["GET", "/i.php", "x=a b", "HTTP/1.1"]),
        (b"GET /i.php?v[]= 'wget x; y' HTTP/1.1", ["GET", "/i.php", "v[]= 'wget x; y'", "HTTP/1.1"]),
        (b"GET /a b.html HTTP/2.0", ["GET", "/a b.html", None, "HTTP/2.0"]),
        (b"GET /legacy?x=1", ["GET", "/legacy", "x=1", None]),
        (b"GET /legacy", ["GET", "/legacy", None, None]),
    ],
)
def test_a_target_may_hold_blanks_and_http_09_has_no_protocol(request_line: bytes, parts: list[str]) -> None:
    parsed = read(HEAD + b'"%b" 400 - "-" "-"\n' % request_line, "method", "path", "query", "protocol")
    assert [column[0] for column in parsed.values] == parts
    assert parsed.bad_fields == {}


def test_a_dash_between_blanks_is_no_user_as_old_jetty_writes_it() -> None:
    line = b'192.0.2.7 -  -  [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "M"\n'
    assert read(line, "host", "user", "status").values == [["192.0.2.7"], [None], [200]]


def test_a_time_that_cannot_be_is_none_and_counted() -> None:
    block = GOOD.replace(b"17/May", b"31/Feb") + b"\n" + GOOD.replace(b":05:03", b":05:61") + b"\n" + GOOD
    parsed = read(block, "time", "day", "minute", "status")
    assert [t is None for t in parsed.values[0]] == [True, True, False]
    assert parsed.values[1:] == [[None, "2015-05-17", "2015-05-17"], [None] + ["2015-05-17T10:05"] * 2, [200] * 3]
    assert parsed.bad_fields == {"time": 2, "day": 1, "minute": 1}


@pytest.mark.parametrize(
    ("line", "at", "expected"),
    [
        (GOOD[:-1], len(GOOD), "'\"'"),
        (GOOD.replace(b"May", b"Mai"), 19, "time"),
        (GOOD.replace(b" 200 ", b" 2x0 "), GOOD.index(b"200"), "status"),
        (GOOD + b" more", len(GOOD), "end of the line"),
        (b"", 0, "host"),
    ],
)
def test_a_malformed_line_says_where_it_stops_to_match(line: bytes, at: int, expected: str) -> None:
    found = explain(line, logs.combined)
    assert isinstance(found, tuple)
    assert found[0] in (at, at - 1) and expected in found[1]


def test_quotes_that_are_escaped_do_not_end_a_value() -> None:
    agents = [b'a \\"b\\" c', b"ends in a backslash \\\\", b'\\"', b"\\x22"]
    block = b"\n".join(HEAD + b'"GET / HTTP/1.1" 200 1 "-" "%b"' % agent for agent in agents)
    assert read(block, "agent").values == [[agent.decode() for agent in agents]]
    assert len(read(HEAD + b'"GET / HTTP/1.1" 200 1 "x\\" "y"', "agent").malformed) == 1


@pytest.mark.parametrize("slot", ["request", "referer", "agent"])
def test_quotes_and_backslashes_in_any_order_are_read_as_the_oracle_reads_them(slot: str) -> None:
    parts = {"request": b"GET / HTTP/1.1", "referer": b"-", "agent": b"-"}
    reader, grammar = make_reader(logs.combined, (slot,), {}), grammar_of("combined")
    for length in range(8):
        values = map(bytes, product(b'\\"a', repeat=length))
        lines = [HEAD + b'"%b" 200 1 "%b" "%b"' % tuple((parts | {slot: value}).values()) for value in values]
        found = [parse_line(grammar, line) for line in lines]
        parsed = reader.parse(b"\n".join(lines), "f", 0)
        wrong = [line for line, one in zip(lines, found, strict=True) if one is None]
        assert [one.data for one in parsed.malformed] == wrong
        assert parsed.values == [[str(one[slot], "ascii") for one in found if one is not None]]


def test_a_value_before_the_first_blank_may_hold_any_byte_but_blanks_and_line_ends() -> None:
    hosts = [bytes((byte,)) for byte in range(256) if byte not in b"\0 \n-"]
    block = b"".join(GOOD.replace(b"192.0.2.7", host) + b"\n" for host in hosts)
    assert read(block, "host").values == [[host.decode("utf-8", "surrogateescape") for host in hosts]]


@pytest.mark.parametrize(
    "days", [["31/Feb"] * 3, ["31/Feb", "17/May", "31/Feb"], []], ids=["all", "some", "no lines"]
)
def test_an_hour_that_lines_have_in_common_may_be_none_and_is_counted_for_each(days) -> None:
    block = b"".join(GOOD.replace(b"17/May", day.encode()) + b"\n" for day in days)
    parsed = read(block, "hour")
    assert parsed.values == [["2015-05-17T10" if day == "17/May" else None for day in days]]
    assert parsed.bad_fields == ({"hour": days.count("31/Feb")} if days else {})


def test_a_dash_is_no_value_and_a_dash_within_a_value_is() -> None:
    hosts = [b"-", b"a-b", b"192.0.2.7"]
    block = b"".join(GOOD.replace(b"192.0.2.7", host) + b"\n" for host in hosts)
    assert read(block, "host").values == [[None, "a-b", "192.0.2.7"]]


def test_raw_columns_are_bytes_and_are_converted_later() -> None:
    reader = make_reader(logs.combined, ("status", "query", "day"), {})
    block = GOOD + b"\n" + GOOD.replace(b"?c=d", b"").replace(b" 200 ", b" - ")
    raw = reader.parse(block, "f", 0, forms=as_raw(range(3)))
    assert [column.items for column in raw.columns] == [[b"200", b"-"], [b"c=d", None], [b"17/May/2015"] * 2]
    assert reader.convert(0, raw.columns[0].items) == ([200, None], 0)
    assert reader.convert(2, [b"31/Feb/2015", b"17/May/2015"]) == ([None, "2015-05-17"], 1)


def test_numbers_may_have_leading_zeros_and_an_endless_one_is_none() -> None:
    sizes = [b"007", b"-", b"9" * 30, b"9" * 5000]
    parsed = read(b"\n".join(HEAD + b'"GET / HTTP/1.1" 200 %b "-" "-"' % size for size in sizes), "size")
    assert parsed.values == [[7, None, int("9" * 30), None]]
    assert parsed.bad_fields == {"size": 1}


def test_a_record_is_located_by_its_number() -> None:
    block = b"bad\r\n" + GOOD + b"\n\n" + GOOD.replace(b"200", b"404")
    reader = make_reader(logs.combined, ("status",), {})
    assert reader.locate(block, 1) == (5 + len(GOOD) + 2, GOOD.replace(b"200", b"404"))
    with pytest.raises(IndexError, match="2 records"):
        reader.locate(block, 2)


def test_a_vhost_is_read_with_and_without_its_port() -> None:
    block = b"www.example.org:443 " + GOOD + b"\n[::1] " + GOOD + b"\n[::1]:80 " + GOOD
    assert read(block, "vhost", "port", reader=logs.vhost).values == [
        ["www.example.org", "[::1]", "[::1]"],
        [443, None, 80],
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"x",
        b"x y",
        b'h - - [17/May/2015:10:05:03 +0000] "',
        b'h - - [17/May/2015:10:05:03 +0000] "\\"',
        b'h - - [17/May/2015:10:05:03 +0000] "' + b'\\"' * 20,
        b'" ',
        b"h - - [",
        b"x" * 2000,
        b'"\\',
        b'\\" ',
        b"\\" * 50,
    ],
)
def test_hostile_blocks_take_time_in_proportion_to_their_length(line: bytes) -> None:
    reader = make_reader(logs.combined, ("status", "path"), {})

    def seconds(size: int) -> float:
        block = (line + b"\n") * (size // (len(line) + 1))
        started = time.process_time()
        reader.parse(block, "f", 0)
        return time.process_time() - started

    seconds(1000)
    small, large = (min(seconds(size) for _ in range(2)) for size in (5_000, 100_000))
    assert large < 100 * max(small, 0.0005)  # 20 times the bytes; a square would be 400 times


def test_one_endless_line_is_one_malformed_line() -> None:
    parsed = read(b"x" * 1_000_000, "status")
    assert (parsed.records, parsed.lines, parsed.malformed_bytes, parsed.delimiter_bytes) == (0, 1, 1_000_000, 0)
