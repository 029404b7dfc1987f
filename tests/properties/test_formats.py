"""The readers against the hand-written one-line parser, on lines as servers write them and on ruined ones."""

from __future__ import annotations

import json
import re
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mrframe.core.job.job import JSON_LINES
from mrframe.core.model.reader import Reader
from mrframe.formats.factory import make_reader
from mrframe.formats.named_formats import STRINGS
from mrframe.formats.readers.access import grammar_of
from mrframe.formats.readers.base import Parsed, as_raw
from mrframe.testing import oracle

CUSTOM = (
    r'LogFormat "%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\" %D %{X-Id}o" timed',
    r"%h,%{%Y-%m-%dT%H:%M:%S%z}t,%m %U%q %H,\"%!200{X-Why}i\",%T",
    '$remote_addr [$time_iso8601] "$request_method $scheme:$host$request_uri" $status $msec $request_time "$args"',
    '"$request" $uri$is_args$args $request_time "$http_user_agent"',
    r"\"%m %U%q %H\" %400,501{Accept}i %s %{usec}t",
    "$upstream_addr,$upstream_status $pipe [$a] $upstream_response_time, x=$upstream_bytes_sent ; $http_user_agent",
    r"%t %u [%D %h %{True-Client-IP}i %{UNIQUE_ID}e %r] %{Cookie}i %s \"%{User-Agent}i\" %l %b %{Referer}i",
    "%{X-Forwarded-For}i %h %u [%{%d/%b/%Y %I:%M:%S}t.%{msec_frac}t %{%p}t %{%z}t] %f -> %U",
    "%{end:%s}t.%{end:usec_frac}t %u %D %t",
    """log_format n escape=none '$remote_user "$request" $status "$http_referer" "$request_body"';""",
    """log_format j escape=json '{"s":$status,"t":$upstream_response_time,"u":"$remote_user","p":$server_port}';""",
    "%u,%t,%{X-A}i | %{%a %e %k %y %b}t%{%M}t %{VAR}e %D",
)
NAMES = ("common", "combined", *STRINGS, *CUSTOM)

odd = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [
            b"",
            b"-",
            b'\\"',
            b"\\",
            b"\\\\",
            b"a\\\\",
            b'x" "y',
            b"\t",
            b"\r",
            b"\x00\x0b\x0c",
            b"\xff\xfe",
            b"caf\xe9",
            b"?",
            b"a" * 3000,
        ]
    ),
)
text = st.one_of(
    st.sampled_from([b"192.0.2.7", b"-", b"::1", b"alice", b"curl/8.5.0", b"Mozilla/5.0 (X11)", b"example.org:80"]),
    st.sampled_from(
        [b"", b"jean paul", b"- -", b"a -", b"- a", b"a ", b" a", b"a,b", b"192.0.2.1, 192.0.2.2", b" -> ", b"[a] b"]
    ),
    odd,
)
listed = st.one_of(
    st.lists(
        st.sampled_from([b"0.004", b"-", b"200", b"10.0.0.1:80", b"unix:/s", b"", b":", b"x=1"]), max_size=4
    ).flatmap(lambda items: st.sampled_from([b", ", b" : ", b",", b" "]).map(lambda mark: mark.join(items))),
    st.sampled_from([b"0.1 : ", b"0.1, 0.2 : 0.3", b"0.1, ", b" : 0.1", b"a, b c"]),
    odd,
)
number = st.one_of(
    st.integers(0, 10**6).map(lambda n: b"%d" % n), st.sampled_from([b"-", b"0", b"007", b"1.50", b"9" * 30])
)
request = st.one_of(
    st.sampled_from(
        [b"GET /a HTTP/1.1", b"POST /a?b=c&d HTTP/2.0", b"GET / HTTP/1.0", b"-", b"GET /?", b"GET ?x HTTP/1.1"]
    ),
    st.sampled_from(
        [
            b'GET /q\\"x?y=\\\\ HTTP/1.1',
            b"\\x16\\x03",
            b"M-SEARCH * HTTP/1.1",
            b"GET  / HTTP/1.1",
            b"G.T /a HTTP/1.1",
            b"GET /a HTTPS/1.1",
            b"GET /a\\ b HTTP/1.1",
        ]
    ),
    odd,
)
SAMPLES = {
    "status": st.sampled_from([b"200", b"404", b"-", b"99", b"1234"]),
    "clf": st.sampled_from(
        [b"17/May/2015:10:05:03 +0000", b"31/Feb/2015:10:05:61 -0330", b"17/Mai/2015:10:05:03 +0000"]
    ),
    "iso": st.sampled_from([b"2015-05-17T10:05:03Z", b"2015-05-17T10:05:03.25+02:00", b"2015-02-31T10:05:03Z"]),
    "strftime": st.sampled_from(
        [
            *(b"2015-05-17T10:05:03+0200", b"2015-13-17T10:05:03+0200", b"17/May/2015 10:05:03.123 PM -0330"),
            *(b"1431857103.123456", b"Sun  7  9 15 May05", b"Sun 17 19 15 May05", b"Son 17 19 15 May05"),
        ]
    ),
    "list": listed,
    "commas": text,
    "epoch": st.sampled_from([b"1431857103.123", b"1431857103", b"1431857103123456"]),
    "int": number,
    "float": number,
    "request": request,
    "target": st.sampled_from([b"/a?b", b"/", b"/x?", b"?y", b"/a\\b"]),
    "query": st.sampled_from([b"", b"?a=b", b"?", b"x"]),
    "further": st.one_of(
        text.map(lambda value: b" " + value), st.sampled_from([b"", b" ", b' 0.007 "a b" [c]']), odd
    ),
    "vhost_port": st.sampled_from([b"example.org:443", b"example.org", b":80", b"[::1]:80", b"a:", b"::1"]),
}


@st.composite
def lines(draw: st.DrawFn, name: str) -> bytes:
    """A line of the format whose values may be anything, perhaps ruined afterwards."""
    grammar = grammar_of(name)
    line = b"".join(e if isinstance(e, bytes) else draw(SAMPLES.get(e.kind, text)) for e in grammar.elements)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, max(len(line) - 1, 0)))
        piece = draw(st.sampled_from([b'"', b"\\", b" ", b"\t", b"\x00", b"\r", b"\xff", b"[", b"-", b"", b"\n"]))
        line = line[:at] + piece + line[at + draw(st.integers(0, 2)) :]
    return line


@st.composite
def blocks(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(NAMES))
    ends = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r\r\n"])
    good = draw(st.lists(st.tuples(lines(name), ends), max_size=8))
    block = b"".join(line + end for line, end in good)
    if draw(st.booleans()):
        block = re.sub(rb"[\r\n]+$", b"", block)
    return name, block


def split_lines(block: bytes) -> list[bytes]:
    """The lines by the rule of the docs: newline ends, one carriage return before it belongs to the end.

    NUL bytes and byte order marks before a line do not belong to it. With nothing after them there is no line.
    """
    whole = [re.sub(rb"\A(\x00|\xef\xbb\xbf)+", b"", line) for line in block.split(b"\n")]
    if not whole[-1]:
        whole.pop()
    return [line[:-1] if line.endswith(b"\r") else line for line in whole]


def bytes_of(parsed: Parsed) -> int:
    """All bytes that are in a class."""
    heads = parsed.nul_bytes + parsed.bom_bytes
    return parsed.parsed_bytes + parsed.malformed_bytes + parsed.delimiter_bytes + heads


def whole_line_blocks(block: bytes, cuts: list[int]) -> list[bytes]:
    ends = [0, *(m.end() for m in re.finditer(b"\n", block))]
    chosen = sorted({0, len(block), *(ends[c % len(ends)] for c in cuts)})
    return [block[a:b] for a, b in pairwise(chosen)]


@settings(deadline=None, max_examples=250)
@given(blocks(), st.data())
def test_readers_of_access_logs_agree_with_the_oracle(case: tuple[str, bytes], data: st.DataObject) -> None:
    name, block = case
    grammar = grammar_of(name)
    fields = tuple(grammar.field_map())
    projection = tuple(data.draw(st.lists(st.sampled_from(fields), max_size=4)))
    reader = make_reader(Reader("access", name), projection, {})
    everything = as_raw(range(len(projection)))
    columns: list[list[bytes | None]] = [[] for _ in projection]
    malformed: list[tuple[int, int, bytes]] = []
    at = line = 0
    for piece in whole_line_blocks(block, data.draw(st.lists(st.integers(0, 20), max_size=3))):
        parsed = reader.parse(piece, "f", at, forms=everything)
        assert bytes_of(parsed) == len(piece)
        assert all(len(column.items) == parsed.records for column in parsed.columns)
        for column, more in zip(columns, parsed.columns, strict=True):
            column.extend(more.items)
        malformed += [(line + m.line, at + m.offset, m.data) for m in parsed.malformed]
        at, line = at + len(piece), line + parsed.lines

    expected = [oracle.parse_line(grammar, text) for text in split_lines(block)]
    good = [record for record in expected if record is not None]
    assert columns == [[record[field] for record in good] for field in projection]
    assert line == len(expected)
    assert [(number, text) for number, _, text in malformed] == [
        (number, text)
        for number, (text, record) in enumerate(zip(split_lines(block), expected, strict=True))
        if record is None
    ]
    assert all(
        block[offset:].startswith(text) and (offset == 0 or block[offset - 1 : offset] in (b"\n", b"\0", b"\xbf"))
        for _, offset, text in malformed
    )


@settings(deadline=None, max_examples=100)
@given(blocks())
def test_the_projection_changes_no_count(case: tuple[str, bytes]) -> None:
    name, block = case
    fields = (*grammar_of(name).field_map(), "line", "offset", "file")
    seen = set()
    for projection in ((), *((field,) for field in fields), fields):
        parsed = make_reader(Reader("access", name), projection, {}).parse(block, "f", 7)
        seen.add((parsed.records, parsed.lines, parsed.parsed_bytes, parsed.malformed_bytes, str(parsed.malformed)))
        assert all(len(column) == parsed.records for column in parsed.values)
    assert len(seen) == 1


@settings(deadline=None, max_examples=150)
@given(blocks())
def test_converting_later_gives_the_same_values(case: tuple[str, bytes]) -> None:
    name, block = case
    fields = tuple(grammar_of(name).field_map())
    reader = make_reader(Reader("access", name), fields, {})
    now = reader.parse(block, "f", 0)
    later = reader.parse(block, "f", 0, forms=as_raw(range(len(fields))))
    bad = dict(later.bad_fields)
    for index, column in enumerate(later.columns):
        values, wrong = reader.convert(index, column.items)
        assert values == now.values[index]
        if wrong:
            bad[fields[index]] = bad.get(fields[index], 0) + wrong
    assert bad == now.bad_fields


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200), st.booleans())
@example(b"a\r\nb", False)
@example(b"\r", False)
@example(b"\n\r\n\r\r\n", True)
@example(b"\0\0a\0\n\xef\xbb\xbf\0b\n\0", False)
@example(b"\0\0a b\0\n\xef\xbb\xbfb\xef\xbb\xbf\n\0\r", True)
def test_text_keeps_every_byte_of_a_line(block: bytes, words: bool) -> None:
    reader = make_reader(Reader("words" if words else "text"), ("line", "offset"), {})
    parsed = reader.parse(block, "f", 100)
    assert bytes_of(parsed) == len(block) and parsed.malformed_bytes == 0
    texts = split_lines(block)
    times = [len(t.split()) if words else 1 for t in texts]
    assert [t.encode("utf-8", "surrogateescape") for t in parsed.values[0]] == [
        t for t, n in zip(texts, times, strict=True) for _ in range(n)
    ]
    for number, (line, offset) in enumerate(zip(*parsed.values, strict=True)):
        where, found = reader.locate(block, number)
        assert (where + 100, found) == (offset, line.encode("utf-8", "surrogateescape"))
    if words:
        column = make_reader(Reader("words"), ("word",), {}).parse(block, "f", 0).values[0]
        assert [w.encode("utf-8", "surrogateescape") for w in column] == b"\n".join(texts).split()


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b", "c"]), inner, max_size=3)
    ),
    max_leaves=6,
)
json_line = st.one_of(
    plain.map(lambda v: json.dumps(v).encode()),
    st.dictionaries(st.sampled_from(["a", "b", "a.b"]), plain, max_size=3).map(lambda v: json.dumps(v).encode()),
    st.sampled_from(
        [
            b"",
            b"{",
            b"}",
            b'{"a":[1',
            b"2]}",
            b'{"a":1}{"b":2}',
            b'{"a":1},{"b":2}',
            b' {"a":1} ',
            b'{"a":"\xff"}',
            b"[]",
            b'{"a":NaN}',
        ]
    ),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(json_line, max_size=8), st.booleans())
def test_json_lines_agree_with_reading_each_line_alone(texts: list[bytes], ended: bool) -> None:
    block = b"\n".join(texts) + (b"\n" if ended and texts else b"")
    parsed = make_reader(JSON_LINES, ("a", "x"), {"x": "a.b"}).parse(block, "f", 0)
    objects, wrong = [], []
    for number, line in enumerate(split_lines(block)):
        try:
            value = json.loads(line.decode("utf-8", "surrogateescape"))
        except ValueError:
            value = None
        if isinstance(value, dict):
            objects.append(value)
        else:
            wrong.append((number, line))
    assert str(parsed.values[0]) == str([value.get("a") for value in objects])  # NaN differs from itself
    assert parsed.values[1] == [nested(value) for value in objects]
    assert [(m.line, m.data) for m in parsed.malformed] == wrong
    assert parsed.bad_fields.get("missing.a", 0) == sum("a" not in value for value in objects)
    assert bytes_of(parsed) == len(block)


def nested(value: dict) -> object:
    if "a.b" in value:
        return value["a.b"]
    inner = value.get("a")
    return inner.get("b") if isinstance(inner, dict) else None


def test_every_named_format_is_among_those_tested() -> None:
    assert set(STRINGS) - {"vhost_combined"} <= set(NAMES)
