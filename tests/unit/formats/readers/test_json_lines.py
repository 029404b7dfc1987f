"""JSON lines: paths, what is missing, what is malformed."""

from __future__ import annotations

import pytest

from mrframe.core.job.job import JSON_LINES
from mrframe.formats.factory import explain, make_reader

LINE = b'{"status": 200, "request": {"headers": {"User-Agent": ["curl/7.74.0"]}, "uri": null}, "a.b": 1, "line": 7}'


def test_paths_walk_through_objects_and_lists() -> None:
    paths = {"agent": "request.headers.User-Agent.0", "uri": "request.uri", "ab": "a.b", "number": "line"}
    fields = ("agent", "uri", "ab", "number", "line", "offset", "file", "nothing")
    parsed = make_reader(JSON_LINES, fields, paths).parse(b"\n" + LINE + b"\r\n", "f", 10)
    assert parsed.values == [["curl/7.74.0"], [None], [1], [7], [LINE.decode()], [11], ["f"], [None]]
    assert parsed.bad_fields == {"missing.nothing": 1}
    assert (parsed.parsed_bytes, parsed.malformed_bytes, parsed.delimiter_bytes) == (len(LINE), 0, 3)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "empty line"),
        (b"[1]", "not an object but list"),
        (b'{"a": 1', "at character"),
        (b'{"a": 1} {"a": 2}', "more than one value: expected the end of the line at character 9"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
    ],
)
def test_a_line_that_is_not_one_object_is_malformed(line: bytes, reason: str) -> None:
    parsed = make_reader(JSON_LINES, ("a",), {}).parse(LINE + b"\n" + line + b"\n", "f", 0)
    assert [(m.line, m.offset) for m in parsed.malformed] == [(1, len(LINE) + 1)]
    assert reason in parsed.malformed[0].reason
    found = explain(line, JSON_LINES)
    assert isinstance(found, tuple) and reason in found[1]


def test_bytes_that_are_not_utf8_survive() -> None:
    parsed = make_reader(JSON_LINES, ("a",), {}).parse(b'{"a": "caf\xe9"}', "f", 0)
    assert parsed.values == [["caf\udce9"]]


def test_a_record_is_located_by_its_number() -> None:
    reader = make_reader(JSON_LINES, ("a",), {})
    assert reader.locate(b"rubbish\n" + LINE + b"\n", 0) == (8, LINE)
    with pytest.raises(IndexError, match="1 records"):
        reader.locate(LINE, 1)
