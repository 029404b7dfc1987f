"""Cells of a terminal: how many a text takes, and what is left of it when it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.core.display_width import cut_end, cut_middle, display_width, padded


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("", 0),
        ("abc", 3),
        ("caf\u00e9", 4),
        ("cafe\u0301", 4),
        ("\u65e5\u672c", 4),
        ("\uff21", 2),
        ("\uff71", 1),
        ("\U0001f600", 2),
        ("\u2764\ufe0f", 1),
        ("a\u200bb", 2),
        ("\u1112\u1161\u11ab", 2),
        ("\ud55c", 2),
        ("\u0e01\u0e34", 1),
        ("\U0001f1e9\U0001f1ea", 2),
    ],
)
def test_cells_of_a_text(text, cells):
    assert display_width(text) == cells


@pytest.mark.parametrize(
    ("text", "width", "end", "middle"),
    [
        ("/products/37", 12, "/products/37", "/products/37"),
        ("/products/37", 8, "/produc\u2026", "/prod\u202637"),
        ("/products/37", 2, "/\u2026", "/\u2026"),
        ("/products/37", 1, "\u2026", "\u2026"),
        ("\u65e5\u672c\u8a9e\u65e5\u672c", 7, "\u65e5\u672c\u8a9e\u2026", "\u65e5\u672c\u2026\u672c"),
        ("\u65e5\u672c\u8a9e\u65e5\u672c", 6, "\u65e5\u672c\u2026", "\u65e5\u672c\u2026"),
        ("abcdefgo\u0301", 7, "abcdef\u2026", "abcd\u2026go\u0301"),
        ("abcdefg\u0301o", 5, "abcd\u2026", "abc\u2026o"),
    ],
)
def test_a_cut_text_has_a_mark_and_fits(text, width, end, middle):
    assert cut_end(text, width) == end
    assert cut_middle(text, width) == middle


letters = st.text(st.sampled_from("ab\u00e9\u0301\u65e5\U0001f600\u200d"), max_size=30)


@given(letters, st.integers(1, 40), st.sampled_from([cut_end, cut_middle]))
def test_whatever_is_cut_fits_and_what_fits_is_not_cut(text, width, cut):
    shown = cut(text, width)
    assert display_width(shown) <= width
    assert (shown == text) == (display_width(text) <= width)
    assert display_width(padded(shown, width)) == display_width(padded(shown, width, right=True)) == width
