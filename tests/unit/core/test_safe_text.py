"""Text that is safe to show: nothing in it that a terminal obeys, and objects whose own methods may fail."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.core.safe_text import escaped, escaped_json, escaped_line, safe_repr, safe_str

OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text):
    assert not OBEYED.search(escaped_line(text))
    assert set(OBEYED.findall(escaped(text))) <= {"\n", "\t"}


@given(st.text())
def test_escaping_twice_changes_nothing(text):
    assert escaped(escaped(text)) == escaped(text)
    assert escaped_line(escaped_line(text)) == escaped_line(text)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_keeps_its_value(value):
    for ascii_only in (True, False):
        text = escaped_json(json.dumps(value, ensure_ascii=ascii_only))
        assert json.loads(text) == value
        assert not OBEYED.search(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2J", "a\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eabc", "\\u202eabc"),
        ("a\r\n\tb", "a\\r\\n\\tb"),
        (b"a\xffb".decode("utf-8", "surrogateescape"), "a\\xffb"),
        ("caf\u00e9 \u4e2d \U0001f600 \\", "caf\u00e9 \u4e2d \U0001f600 \\"),
    ],
)
def test_each_is_spelled(text, shown):
    assert escaped_line(text) == shown


class Raises:
    def __repr__(self):
        raise ValueError("no")

    __str__ = __repr__


class Long(str):
    __slots__ = ()

    def __str__(self):
        return "x" * 100_000


def test_objects_that_cannot_be_shown_are_named():
    assert safe_repr(Raises()) == "<Raises: its __repr__ raised ValueError>"
    assert safe_str(Raises()) == "<Raises: its __str__ raised ValueError>"
    assert len(safe_str(Long())) < 10_000
