"""Measure and cut text in the cells of a terminal: a CJK character takes two, a combining accent none.

A cell count is the sum over code points, as terminals without grapheme clusters have it (xterm, tmux, the console).
Where a terminal joins a sequence of emoji to one, the text is shorter than counted, never longer. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate

from mrframe.core.fast_dataclass import dataclass

ELLIPSIS = "…"
ASCII_ELLIPSIS = "~"


@dataclass(frozen=True, slots=True)
class Terminal:
    """The terminal on which a person sees a text: its cells a line, and whether it shows no more than ASCII."""

    width: int
    ascii_only: bool = False

    @property
    def mark(self) -> str:
        """The mark of one cell where a text was cut."""
        return ASCII_ELLIPSIS if self.ascii_only else ELLIPSIS


def display_width(text: str) -> int:
    """Return the number of cells that a text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def widest(texts: Iterable[str]) -> int:
    """Return the number of cells that the widest of the texts takes, 0 for none."""
    return max(map(display_width, texts), default=0)


def cut_end(text: str, width: int, mark: str = ELLIPSIS) -> str:
    """Return the text if it fits into so many cells, else its beginning and a mark of one cell."""
    if len(text) <= width and display_width(text) <= width:
        return text
    return text[: _fitting(text, width - 1)] + mark


def cut_middle(text: str, width: int, mark: str = ELLIPSIS) -> str:
    """Return the text if it fits, else its beginning, a mark of one cell, and its end, which tells it from others."""
    if len(text) <= width and display_width(text) <= width:
        return text
    end_width = (width - 1) // 3
    backwards = text[: -4 * width - 1 : -1]  # no more than may fit, with marks on each
    end = _fitting(backwards, end_width)
    while end and not _cells(text[-end]):  # an accent must not lose its letter
        end -= 1
    return text[: _fitting(text, width - 1 - end_width)] + mark + (text[-end:] if end else "")


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return the text filled with spaces to so many cells, on its left if it is to stand `right`."""
    space = " " * (width - display_width(text))
    return space + text if right else text + space


def _fitting(text: str, width: int) -> int:
    """Return the number of characters that fit into so many cells."""
    if text[: width + 1].isascii():
        return max(0, width)
    count = 0
    for at in accumulate(map(_cells, text)):
        if at > width:
            break
        count += 1
    return count


@lru_cache(4096)
def _cells(character: str) -> int:
    from unicodedata import category, east_asian_width

    if character in "\u200b\u200c\u200d\u2060\ufeff" or category(character) in ("Mn", "Me"):
        return 0
    if "\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7ff":  # within a Hangul syllable
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
