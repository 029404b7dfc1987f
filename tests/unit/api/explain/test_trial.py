"""The first difference between two results."""

from __future__ import annotations

from mrframe.api.explain.trial import first_difference


def test_the_first_difference_of_two_results_is_shown():
    assert first_difference((b"a", b"b"), (b"a", b"c")) == (b"b", b"c")
    assert first_difference((b"a",), (b"a", b"c")) == (None, b"c")
    assert first_difference((b"a",), (b"a",)) == (None, None)
