"""Lines written from values and read back: any directives in any order, values with blanks, lists, nothing.

A format that is not refused must give back every value, by the reader and by the parser of one line. And it must be
the only way: all ways to cut the line into values that a server may write are counted here, by trying each.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mrframe.core.model.reader import Reader
from mrframe.errors import FormatError
from mrframe.formats.factory import make_reader
from mrframe.formats.readers.access import grammar_of
from mrframe.formats.readers.base import as_raw
from mrframe.testing import oracle

Could = Callable[[bytes, bytes], bool]  # may this be a value, before this literal?
NUMBER = rb"(?:[0-9]+(?:\.[0-9]+)?|-)"
WORD = rb"(?!:(?: |$))[^ ,]+"


@dataclass(frozen=True)
class Directive:
    """How a directive is written, the field it gives, values of it, and which values a server may write."""

    written: str
    field: str
    values: st.SearchStrategy[bytes]
    could: Could


def matches(pattern: bytes) -> Could:
    return lambda value, literal: re.fullmatch(pattern, value) is not None


def word(value: bytes, literal: bytes) -> bool:
    return value not in (b"", b":") and b" " not in value and literal[:1] not in (value[-1:], *map(bytes, zip(value)))


def word_or_nothing(value: bytes, literal: bytes) -> bool:
    return value == b"" or word(value, literal)


def free(value: bytes, literal: bytes) -> bool:
    """Text with blanks: no quotes or control bytes, and nothing that looks like a column or the end of the value."""
    if value == b"-":
        return True
    words = value.split(literal[:1]) if literal else [value]
    return (
        words[0] != b""
        and not re.search(rb'[\x00-\x1f"]', value)
        and (not literal.strip() or literal not in value)
        and (len(words) == 1 or b"-" not in (words[0], words[-1]))
        and not value.startswith((b": ", b" "))
    )


def free_or_nothing(value: bytes, literal: bytes) -> bool:
    return value == b"" or free(value, literal)


def addresses(value: bytes, literal: bytes) -> bool:
    if literal[:1] == b",":
        return re.fullmatch(rb"%b(?:, %b)*" % (WORD, WORD), value) is not None
    if literal[:1] not in (b"", b" ") and literal[:1] in value:
        return False
    return re.fullmatch(rb"[^ ]+(?:(?<=,) [^ ]+)*(?<!,)", value) is not None


def servers(value: bytes, literal: bytes) -> bool:
    form = rb"%b(?:, %b| : (?:%b)?)*" % (WORD, WORD, WORD)
    return re.fullmatch(form, value) is not None and (literal[:1] in (b"", b" ", b",") or literal[:1] not in value)


def joined(items: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Items as nginx joins them. The last redirect may have reached no server."""
    mark = st.sampled_from([b", ", b" : "])
    more = st.lists(st.tuples(mark, items).map(b"".join), max_size=3).map(b"".join)
    return st.tuples(items, more, st.sampled_from([b"", b"", b" : "])).map(b"".join)


words = st.sampled_from([b"-", b"a", b"10.0.0.1:80", b"x-y", b"[x]", b"\xe9"])
texts = st.lists(st.sampled_from([b"-", b"a", b"jean", b"17", b"200", b"[b]", b"c;", b"d:", b"\\x22"]), max_size=4)
spaced = texts.map(b" ".join)
plural = st.lists(st.sampled_from([b"1.1.1.1", b"::1", b"unknown"]), min_size=1, max_size=3).map(b", ".join)
number = st.sampled_from([b"0", b"12", b"-"])
TIME, TIME_PATTERN = st.just(b"17/May/2015:10:05:03 +0200"), rb"[0-9]+/May/[0-9:]+ [+][0-9]+"
LIST = matches(rb"%b(?:, %b| : %b?)*" % (NUMBER, NUMBER, NUMBER))

NGINX = [
    Directive("$remote_addr", "host", words, word),
    Directive("$remote_user", "user", spaced, free),
    Directive("$upstream_response_time", "upstream_response_time", joined(number), LIST),
    Directive("$upstream_status", "upstream_status", joined(number), LIST),
    Directive(
        "$upstream_addr",
        "upstream_addr",
        joined(st.sampled_from([b"10.0.0.1:80", b"unix:/s", b"back"])),
        servers,
    ),
    Directive("$custom", "custom", st.one_of(words, st.just(b"")), word_or_nothing),
    Directive("$http_x_note", "x_note", spaced, free_or_nothing),
    Directive("$http_x_forwarded_for", "x_forwarded_for", plural, addresses),
    Directive("$body_bytes_sent", "size", number, matches(NUMBER)),
    Directive("[$time_local]", "time", TIME, matches(TIME_PATTERN)),
    Directive('"$http_referer"', "referer", spaced, lambda value, _: b'"' not in value),
]
APACHE = [
    Directive("%h", "host", words, word),
    Directive("%u", "user", spaced, free),
    Directive("%{X-Forwarded-For}i", "x_forwarded_for", plural, addresses),
    Directive("%{X-Note}i", "x_note", spaced, free_or_nothing),
    Directive("%{VAR}e", "env_var", st.one_of(words, st.just(b"")), word_or_nothing),
    Directive("%D", "duration_us", number, matches(NUMBER)),
    Directive("%t", "time", TIME, matches(TIME_PATTERN)),
    Directive('"%{Referer}i"', "referer", spaced, lambda value, _: b'"' not in value),
]


@dataclass(frozen=True)
class Written:
    """A format, a line of it, the literals around its values, and the values by field."""

    format: str
    line: bytes
    literals: list[bytes]
    directives: list[Directive]
    values: list[bytes]


@st.composite
def written(draw: st.DrawFn) -> Written:
    dialect = draw(st.sampled_from([NGINX, APACHE]))
    chosen = draw(st.lists(st.sampled_from(dialect), min_size=1, max_size=6, unique=True))
    gaps = st.sampled_from([" ", " ", " ", " ", " | ", " k=", ",", "\t", " -> ", ";"])
    literals, text = [""], ""
    for number, directive in enumerate(chosen):
        gap = draw(gaps) if number else ""
        before, _, after = directive.written.rpartition(directive.written.strip('"[]'))
        if directive.written == "%t":
            before, after = "[", "]"
        literals[-1] += gap + before
        literals.append(after)
        text += gap + directive.written
    escaped = text.replace('"', '\\"')
    text = f"log_format x '{text}';" if dialect is NGINX else f'LogFormat "{escaped}" x'
    encoded = [literal.encode() for literal in literals]
    values = [
        draw(directive.values.filter(lambda value, d=directive, at=at: d.could(value, encoded[at + 1])))
        for at, directive in enumerate(chosen)
    ]
    line = encoded[0] + b"".join(value + literal for value, literal in zip(values, encoded[1:], strict=True))
    return Written(text, line, encoded, chosen, values)


def cuts(written: Written, line: bytes, number: int = 0) -> list[list[bytes]]:
    """Return all ways to cut the rest of a line into values from this one on."""
    if number == len(written.directives):
        return [[]] if not line else []
    literal, could = written.literals[number + 1], written.directives[number].could
    found = []
    for end in range(len(line) + 1):
        if could(line[:end], literal) and line.startswith(literal, end) and (literal or end == len(line)):
            found += [[line[:end], *rest] for rest in cuts(written, line[end + len(literal) :], number + 1)]
    return found


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(written())
def test_a_line_gives_back_the_values_that_it_was_written_from(written: Written) -> None:
    try:
        grammar = grammar_of(written.format)
    except FormatError:
        assume(False)
    fields = [directive.field for directive in written.directives]
    assert oracle.parse_line(grammar, written.line) is not None, (written.format, written.line)
    found = oracle.parse_line(grammar, written.line) or {}
    assert [found[field] for field in fields] == written.values
    columns = make_reader(Reader("access", written.format), fields, {})
    parsed = columns.parse(written.line + b"\n", "f", 0, forms=as_raw(range(len(fields))))
    assert [column.items[0] for column in parsed.columns] == written.values
    assert cuts(written, written.line.removeprefix(written.literals[0])) == [written.values]
