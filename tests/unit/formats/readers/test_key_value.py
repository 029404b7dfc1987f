"""LTSV and logfmt: the values of a line by name, as a parser written by hand finds them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mrframe.core.model.reader import Reader
from mrframe.formats.detect import detect
from mrframe.formats.factory import explain, make_reader
from mrframe.formats.readers.key_value import read_logfmt, read_ltsv
from mrframe.formats.registry import logfmt, ltsv

LTSV = b"time:[17/May/2015:10:05:03 +0200]\thost:192.0.2.7\tstatus:200\trt:0.5\treq:GET /a:b HTTP/1.1\tua:-\tid:007"
LOGFMT = b't=2024-03-10T14:13:16.595933567Z level=info msg="a \\"b\\" =c" status=200 rt=0.5 id=007 empty= q="" flag'


def columns(reader: Reader, line: bytes, *names: str):
    parsed = make_reader(reader, names, {}).parse(line, "f", 0)
    return [column[0] for column in parsed.values], parsed.bad_fields


def test_ltsv() -> None:
    names = ("host", "status", "rt", "req", "ua", "id", "day", "hour", "minute", "nosuch")
    values = [
        "192.0.2.7",
        200,
        0.5,
        "GET /a:b HTTP/1.1",
        None,
        "007",
        "2015-05-17",
        "2015-05-17T10",
        "2015-05-17T10:05",
    ]
    assert columns(ltsv, LTSV, *names) == ([*values, None], {"missing.nosuch": 1})
    assert detect(LTSV, "f").reader == ltsv


def test_logfmt() -> None:
    names = ("level", "msg", "status", "rt", "id", "empty", "q", "flag", "hour")
    values = ["info", 'a "b" =c', 200, 0.5, "007", "", "", True, "2024-03-10T14"]
    assert columns(logfmt, LOGFMT, *names) == (values, {})
    assert detect(LOGFMT.removesuffix(b" flag"), "f").reader == logfmt


@pytest.mark.parametrize("line", [b"", b"a", b"a:1\tb", b"a:1\t", b"\ta:1", b":1", b"a b:1"])
def test_a_part_without_a_label_makes_a_line_of_ltsv_malformed(line: bytes) -> None:
    assert isinstance(explain(line, ltsv), tuple)


@pytest.mark.parametrize("line", [b"just text", b'a="b', b'a="b"c', b"=1", b'a=b"c"', b'"a"=1', b"  "])
def test_what_is_no_pair_makes_a_line_of_logfmt_malformed(line: bytes) -> None:
    assert isinstance(explain(line, logfmt), tuple)
    with pytest.raises(Exception, match="no known log format"):
        detect(line or b"x", "f")


def by_hand(text: str):
    """Parse a line of logfmt one character after another, None if it is malformed."""
    found, at, pairs = {}, 0, 0
    while True:
        while at < len(text) and text[at] in " \t\r\x0b\x0c":
            at += 1
        if at == len(text):
            return found if pairs else None
        start = at
        while at < len(text) and text[at] not in ' \t\r\x0b\x0c="':
            at += 1
        name, value = text[start:at], True
        if not name:
            return None
        if text[at : at + 1] == "=":
            pairs, at, value = pairs + 1, at + 1, ""
            if text[at : at + 1] == '"':
                at += 1
                while text[at : at + 1] != '"':
                    if at >= len(text):
                        return None
                    if text[at] == "\\":
                        at += 1
                        value += {"n": "\n", "t": "\t", "r": "\r"}.get(text[at : at + 1], text[at : at + 1])
                    else:
                        value += text[at]
                    at += 1
                at += 1
            else:
                while at < len(text) and text[at] not in ' \t\r\x0b\x0c"':
                    value, at = value + text[at], at + 1
        if at < len(text) and text[at] not in " \t\r\x0b\x0c":
            return None
        found[name] = value


@given(
    st.lists(st.sampled_from(["a", "b=", "=", '"', "\\", " ", "\t", "x y", '="', "1", "\udcff", '\\"', "é"])).map(
        "".join
    )
)
@example('a="\\')
def test_logfmt_is_read_as_by_a_parser_written_by_hand(text: str) -> None:
    found = read_logfmt(text.encode("utf-8", "surrogateescape"))
    assert (found if isinstance(found, dict) else None) == by_hand(text)


@given(st.lists(st.sampled_from(["a:", "b:1", ":", "\t", "x", "-", "\t-", " ", "\udcff"])).map("".join))
def test_ltsv_is_read_as_by_a_parser_written_by_hand(text: str) -> None:
    pairs = [part.split(":", 1) for part in text.split("\t")]
    good = all(len(pair) == 2 and pair[0] and set(pair[0]) <= set("abx-") for pair in pairs)
    found = read_ltsv(text.encode("utf-8", "surrogateescape"))
    assert (found if isinstance(found, dict) else None) == (
        {name: None if value == "-" else value for name, value in pairs} if good else None
    )
