"""Sizes and times as people read them."""

from __future__ import annotations

import pytest

from mrframe.api import units


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (2_400_000, "2.4 MB"), (123_456_789, "123 MB"), (5e12, "5.0 TB")]
)
def test_a_size_is_shown_with_its_unit(count, text):
    assert units.bytes_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.307, "0.31 s"), (42.4, "42 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_a_time_is_shown_with_its_unit(seconds, text):
    assert units.seconds_text(seconds) == text
