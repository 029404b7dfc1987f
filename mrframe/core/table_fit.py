"""The widths at which the columns of a table fit a terminal. Pure.

Text gives way before numbers: first down to `TEXT_WIDTH`, then the headers of numbers that are wider than their
numbers, then text down to `TEXT_WIDTH_MIN`. The widest column gives way first. Numbers are never cut: a table of more
numbers than a terminal is wide leaves it to the terminal to wrap its lines.
"""

from __future__ import annotations

from collections.abc import Sequence

from mrframe.core.fast_dataclass import dataclass

GAP = "  "
TEXT_WIDTH = 16
TEXT_WIDTH_MIN = 6
HEADER_WIDTH_MIN = 4


@dataclass(frozen=True, slots=True)
class Measured:
    """What a column takes: its header, the widest of its cells, and whether these are numbers."""

    header: int
    cells: int
    is_number: bool

    @property
    def whole(self) -> int:
        """The width at which nothing is cut."""
        return max(self.header, self.cells)

    def least(self, text: int, *, cuts_headers: bool) -> int:
        """The width that it keeps at least, if text keeps as much as `text`."""
        if not self.is_number:
            return min(self.whole, text)
        return max(self.cells, min(self.header, HEADER_WIDTH_MIN)) if cuts_headers else self.whole


def fitted(columns: Sequence[Measured], width: int | None) -> list[int]:
    """Return the widths of the columns in a terminal of so many cells, None for any number of them."""
    whole = [column.whole for column in columns]
    if width is None:
        return whole
    room = width - len(GAP) * (len(columns) - 1)
    least: list[int] = whole
    for text, cuts_headers in ((TEXT_WIDTH, False), (TEXT_WIDTH, True), (TEXT_WIDTH_MIN, True)):
        least = [column.least(text, cuts_headers=cuts_headers) for column in columns]
        if sum(least) <= room:
            return _shrunk(whole, least, room)
    return least


def _shrunk(whole: list[int], least: list[int], room: int) -> list[int]:
    """Return widths between the two that fill the room: those of the widest columns shrink to one size."""
    low, high = 0, room + 1  # columns of `low` fit
    if sum(whole) <= room:
        return whole
    while high - low > 1:
        middle = (low + high) // 2
        fits = sum(_limited(whole, least, middle)) <= room
        low, high = (middle, high) if fits else (low, middle)
    widths = _limited(whole, least, low)
    for index, width in enumerate(widths):  # what remains is less than a cell for each of them
        if sum(widths) < room and least[index] <= width < whole[index] and width == low:
            widths[index] += 1
    return widths


def _limited(whole: list[int], least: list[int], limit: int) -> list[int]:
    return [max(low, min(high, limit)) for high, low in zip(whole, least, strict=True)]
