"""The widths of columns in a terminal: numbers stay whole, and text gives way, the widest first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.core.table_fit import Measured, fitted


def text(cells, header=4):
    return Measured(header, cells, is_number=False)


def number(cells, header=4):
    return Measured(header, cells, is_number=True)


@pytest.mark.parametrize(
    ("columns", "width", "widths"),
    [
        ([text(100), number(5)], None, [100, 5]),
        ([text(100), number(5)], 107, [100, 5]),
        ([text(100), number(5)], 80, [73, 5]),
        ([text(100), text(100), number(5)], 80, [36, 35, 5]),
        ([text(100), text(10), number(5)], 80, [61, 10, 5]),
        ([text(16), number(3, header=8), number(1, header=6), number(6, header=5)], 40, [16, 6, 6, 6]),
        ([text(16), number(3, header=8), number(1, header=6), number(6, header=5)], 38, [16, 5, 5, 6]),
        ([text(30), number(12), number(12)], 40, [12, 12, 12]),
        ([text(30), number(20), number(20)], 40, [6, 20, 20]),
        ([], 40, []),
    ],
)
def test_widths_in_a_terminal(columns, width, widths):
    assert fitted(columns, width) == widths


measured = st.builds(Measured, st.integers(0, 60), st.integers(0, 60), st.booleans())


@given(st.lists(measured, min_size=1, max_size=8), st.integers(10, 200))
def test_numbers_stay_whole_and_the_rest_fits_if_it_can(columns, width):
    widths = fitted(columns, width)
    assert all(got <= one.whole for one, got in zip(columns, widths, strict=True))
    assert all(got >= one.cells for one, got in zip(columns, widths, strict=True) if one.is_number)
    least = sum(one.least(6, cuts_headers=True) for one in columns) + 2 * (len(columns) - 1)
    assert sum(widths) + 2 * (len(widths) - 1) <= max(width, least)
    whole = sum(one.whole for one in columns) + 2 * (len(columns) - 1)
    assert (widths == [one.whole for one in columns]) == (whole <= width or whole == least)
