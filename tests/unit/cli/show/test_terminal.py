"""Text for a terminal: made safe, cut to length, and aligned."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mrframe.cli.show import terminal


@given(st.text())
def test_a_sample_is_one_safe_line_of_bounded_length(text):
    shown = terminal.sample(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    assert len(shown) <= terminal.SAMPLE_CHARACTERS_MAX


def test_columns_are_aligned_by_what_is_shown():
    assert terminal.columns_text([["a\x1b\n", "b"], ["c", "d"]]) == ["a\\x1b\\n  b", "c        d"]
