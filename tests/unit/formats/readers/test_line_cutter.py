"""The kernel cuts lines as the strict pattern does, refuses what it may, and reads the common lines itself."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mrframe.formats.application_formats import APPLICATIONS, LAYOUTS
from mrframe.formats.grammar.grammar import Grammar
from mrframe.formats.grammar.patterns import capture_of
from mrframe.formats.named_formats import STRINGS
from mrframe.formats.readers.access import grammar_of
from mrframe.formats.readers.application import layout_of
from mrframe.formats.readers.base import plain_lines
from mrframe.formats.readers.convert import raw_values
from mrframe.formats.readers.line_cutter import cutter_for
from mrframe.kernel import compiled
from mrframe.testing import oracle

pytestmark = pytest.mark.skipif(compiled() is None, reason="no kernel is installed")

FORMATS = (*STRINGS, *LAYOUTS, *oracle.STRINGS_FOR_THE_KERNEL)
LINES = {known.name: known.example.encode() for known in APPLICATIONS} | {
    "combined": b'192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 512 "-" "curl/8.0"',
    "common": b'192.0.2.7 - al [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 -',
    "vhost": b'www.example.org:443 192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/2.0" 304 0 "-" "a \\" b"',
}
STATUS_LINES = ("combined", "common", "vhost")
WORDS = rb"""
192.0.2.7|-| |"|\|\\|[|]|?|, | : |:|a,|::1|a b| - |12|200|2000|0.003|www.example.org:80|10:05:03 AM|Mon  7|Mon 17
17/May/2015:10:05:03 +0000|17/Foo/2015:10:05:03 +0000|2015-05-17T10:05:03Z|2015-05-17T10:05:03.5+01:00
2015-05-17 10:05:03,123|2015-05-17T10:05:03,1 |2015-05-17 10:05:03 +02:00|INFO|INFO
[main] |] - | --- [|org.a.B: |   |,|.5
GET /a?b=c HTTP/1.1|GET /|GET / x HTTP/1.1|POST ? HTTP/1.0
"""
PIECES = st.sampled_from([*WORDS.strip().replace(b"\n", b"|").split(b"|"), b"\x00", b"\xff", b"x" * 70, b"|"])


def captures_of(grammar: Grammar):
    return [capture_of(*one) for one in grammar.field_map().values()]


def by_oracle(grammar: Grammar, line: bytes):
    fields = oracle.parse_line(grammar, line)
    if fields is None:
        return None
    return {capture_of(*one): fields[name] for name, one in grammar.field_map().items()}


def check(name: str, lines: list[bytes]) -> int:
    """Compare the cutter with the parser of one line. Returns the number of lines that the kernel refused."""
    grammar = layout_of(name) if name in LAYOUTS else grammar_of(name)
    cutter = cutter_for(grammar, captures_of(grammar))
    if not cutter.uses_kernel:
        return len(lines)
    body = b"".join(line + b"\n" for line in lines)
    found = cutter.cut(plain_lines(body))
    columns = [raw_values(column) for column in found.columns]
    expected = [by_oracle(grammar, line) for line in lines]
    assert found.malformed == [(at, lines[at]) for at, one in enumerate(expected) if one is None]
    good = [one for one in expected if one is not None]
    for capture, column in zip(cutter.captures, columns, strict=True):
        assert list(column) == [one[capture] for one in good]
    return len(found.columns[0].block.refused)


def mutated(line: bytes):
    place = st.integers(0, len(line))
    return st.lists(st.tuples(place, place, PIECES), max_size=3).map(
        lambda edits: _edited(line, edits).replace(b"\n", b" ")
    )


def _edited(line: bytes, edits):
    for at, length, piece in edits:
        line = line[:at] + piece + line[at + length % 12 :]
    return line


@pytest.mark.parametrize("name", LINES)
def test_common_lines_are_not_refused(name):
    assert check(name, [LINES[name]] * 3) == 0


@pytest.mark.parametrize("name", STATUS_LINES)
@pytest.mark.parametrize("status", [b"20", b"2000", b"2x0", b"-", b"", b"--"])
def test_another_status_is_cut_as_the_parser_of_one_line_cuts_it(name, status):
    check(name, [re.sub(rb'" \d{3} ', b'" ' + status + b" ", LINES[name])])


@pytest.mark.parametrize("name", LINES)
@given(st.data())
def test_ruined_lines_are_cut_as_the_parser_of_one_line_cuts_them(name, data):
    line = mutated(LINES[name])
    check(name, [one.lstrip(b"\x00") for one in data.draw(st.lists(line, max_size=6))])


@pytest.mark.parametrize("name", FORMATS)
@given(st.lists(st.lists(PIECES, max_size=14).map(b"".join).map(lambda line: line.lstrip(b"\x00")), max_size=6))
@example([b""])
@example([b"a" * 4096, b"-"])
def test_any_line_is_cut_as_the_parser_of_one_line_cuts_it(name, lines):
    check(name, lines)


def test_the_last_line_may_end_at_the_end_of_the_memory():
    grammar = grammar_of("common")
    cutter = cutter_for(grammar, captures_of(grammar))
    for size in range(1, 140):
        line = LINES["common"][: size % 70] + b"x" * (size // 70)
        assert cutter.cut(plain_lines(line + b"\n")).malformed == (
            [] if oracle.parse_line(grammar, line) else [(0, line)]
        )


def test_a_record_that_only_the_strict_pattern_takes_stands_in_its_place():
    odd = LINES["combined"].replace(b"GET /a?b=c HTTP/1.1", b"GET /a b HTTP/1.1")
    cutter = cutter_for(grammar_of("combined"), [capture_of(*grammar_of("combined").field_map()["path"])])
    lines = plain_lines(b"\n".join((LINES["combined"], b"bad", odd, LINES["combined"], b"")))
    assert list(raw_values(cutter.cut(lines).columns[0])) == [b"/a", b"/a b", b"/a"]
    (column,) = cutter.cut(lines).columns
    assert (column.block.values(0), column.strict, column.numbers) == ([b"/a", b"/a"], [b"/a b"], [1])
    assert lines.count == 4
