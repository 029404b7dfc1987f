"""Lines are read by a regular expression with named groups."""

from __future__ import annotations

import pytest

from mrframe.errors import FormatError
from mrframe.formats.factory import explain, make_reader
from mrframe.formats.registry import logs, reader_named

FORM = r"(?P<time>\S+ \S+) (?P<level>[A-Z]+)(?: took (?P<ms__int>\S+) of (?P<share__float>\S+))?(?: (?P<rest>.*))?"


def test_groups_are_fields_with_types_and_times() -> None:
    names = ("level", "ms", "share", "rest", "day", "minute", "line")
    block = (
        b"2015-05-17 10:05:03 INFO took 7 of 0.5 caf\xe9\n2015-05-17 10:05:03 WARN\nodd\n\n2015-05-17 x I took a of b"
    )
    parsed = make_reader(logs.regex(FORM), names, {}).parse(block, "f", 0)
    assert parsed.values[:4] == [["INFO", "WARN", "I"], [7, None, None], [0.5, None, None], ["caf\udce9", None, None]]
    assert parsed.values[4:6] == [["2015-05-17"] * 2 + [None], ["2015-05-17T10:05"] * 2 + [None]]
    assert parsed.bad_fields == {"ms": 1, "share": 1, "day": 1, "minute": 1}
    assert [one.reason for one in parsed.malformed] == ["the expression does not match", "empty line"]


def test_log_format_takes_an_expression() -> None:
    assert reader_named(f"regex:{FORM}") == logs.regex(FORM)
    assert explain(b"x", logs.regex("(?P<a>.)")) == {"a": "x", "line": "x"}


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("(", "cannot be read"),
        ("a", "no named group"),
        ("(?P<a>x)(?P<a__int>y)", "another one gives the field a, too"),
        ("(?P<line__int>x)", "every reader has a field line"),
        ("(?P<time__float>x)", "group time__float .* needs another name"),
    ],
)
def test_an_expression_that_gives_no_fields_is_refused(form: str, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        explain(b"x", logs.regex(form))
