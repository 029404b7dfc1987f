"""Converters that remember what they have converted: what stays when their table starts afresh."""

import pytest

from mrframe.formats.readers import convert
from mrframe.formats.readers.convert import InOrder, Remembered


def number(raw):
    return int(raw) if raw.isdigit() else None


@pytest.mark.parametrize("kind", [Remembered, InOrder])
def test_a_full_table_starts_afresh_and_still_knows_what_is_absent_and_what_is_bad(monkeypatch, kind):
    monkeypatch.setattr(convert, "MEMO_ENTRIES_MAX", 10)
    numbers = kind(number)
    for first in range(0, 100, 10):
        column = [b"-", None, b"x", *(b"%d" % one for one in range(first, first + 10))]
        assert numbers(column) == ([None, None, None, *range(first, first + 10)], 1)
        assert numbers([None, b"-"]) == ([None, None], 0)
        assert numbers([b"x", b"x"]) == ([None, None], 2)
