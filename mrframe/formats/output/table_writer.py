"""The writer of tables for people: a header and aligned columns, numbers to the right, everything escaped.

None is `-`, empty text is `""`, and the text `-` is `"-"`. Widths are those of the first rows. On a terminal, which
has a width, the table fits it: long text loses its middle, and numbers stay whole. There the numbers of values have
their thousands grouped, and floats about four digits. Numbers in keys stay as they are, since they name something
(a status, a port, a year). Anywhere else all is whole and exact.

Not here: the columns (`table_columns.py`), and the widths that fit (`core/table_fit.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import floor, isfinite, log10
from typing import Any

from mrframe.core.display_width import cut_end, cut_middle, padded, widest
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.safe_text import escaped_line
from mrframe.core.table_fit import GAP, Measured, fitted
from mrframe.formats.output.block_writer import WriterOptions
from mrframe.formats.output.table_columns import Grid
from mrframe.formats.output.value_text import as_utf8, cell_texts, to_bytes

DIGITS = 4
DECIMALS_MAX = 6
EXPONENT_FROM = 1e15  # a longer float is shown with an exponent
_NUMBERS = frozenset({int, float, Decimal, type(None)})
_SPELLED = {"": '""', "-": '"-"'}


@dataclass(frozen=True, slots=True)
class _Column:
    """How a column is shown. `decimals`: of its floats, None for exact numbers. `is_cut`: text may be cut."""

    width: int
    is_number: bool
    decimals: int | None
    is_cut: bool


class TableWriter:
    """`table`. See `BlockWriter`."""

    def __init__(self, options: WriterOptions) -> None:
        self._options = options
        self._terminal = options.terminal
        self._mark = options.terminal.mark if options.terminal else ""
        self._grid: Grid | None = None
        self._columns: list[_Column] = []

    def block(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        """See `BlockWriter`."""
        if self._grid is not None:
            columns = self._grid.columns(keys, values)
            texts = [self._texts(column, how.decimals) for column, how in zip(columns, self._columns, strict=True)]
            return self._lines(texts)
        grid = self._grid = Grid(keys, values, self._options.columns)
        columns = grid.columns(keys, values)
        exact = self._terminal is None
        decimals = [
            None if exact or index < grid.key_columns else _decimals(column) for index, column in enumerate(columns)
        ]
        texts = [self._texts(column, of) for column, of in zip(columns, decimals, strict=True)]
        header = [self._shown(name) for name in grid.header]
        self._measure(header, columns, texts, decimals)
        shown = [
            padded(cut_end(name, how.width, self._mark), how.width, right=how.is_number)
            for name, how in zip(header, self._columns, strict=True)
        ]
        return self._encoded([shown]) + self._lines(texts)

    def _measure(
        self,
        header: list[str],
        columns: list[Sequence[Any]],
        texts: list[list[str]],
        decimals: list[int | None],
    ) -> None:
        measured = [
            Measured(widest([name]), widest(cells), set(map(type, column)) <= _NUMBERS)
            for name, column, cells in zip(header, columns, texts, strict=True)
        ]
        widths = fitted(measured, self._terminal.width if self._terminal else None)
        is_cut = self._terminal is not None
        self._columns = [
            _Column(width, one.is_number, of, is_cut and not one.is_number)
            for width, one, of in zip(widths, measured, decimals, strict=True)
        ]

    def _texts(self, column: Sequence[Any], decimals: int | None) -> list[str]:
        texts = cell_texts(column, self._options.text)
        return [
            "-" if value is None else self._cell(value, text, decimals)
            for value, text in zip(column, texts, strict=True)
        ]

    def _cell(self, value: Any, text: str, decimals: int | None) -> str:
        if decimals is not None and type(value) in _NUMBERS:
            return _for_people(value, text, decimals)
        return self._shown(_SPELLED.get(text, text))

    def _shown(self, text: str) -> str:
        shown = escaped_line(as_utf8(text, self._options.text))
        ascii_only = self._terminal is not None and self._terminal.ascii_only
        return shown.encode("ascii", "backslashreplace").decode() if ascii_only else shown

    def _lines(self, texts: list[list[str]]) -> bytes:
        columns = [
            [self._fit(text, how) for text in column] for column, how in zip(texts, self._columns, strict=True)
        ]
        return self._encoded(zip(*columns, strict=True))

    def _fit(self, text: str, how: _Column) -> str:
        text = cut_middle(text, how.width, self._mark) if how.is_cut else text
        return padded(text, how.width, right=how.is_number)

    def _encoded(self, rows: Any) -> bytes:
        return to_bytes("".join([GAP.join(row).rstrip(" ") + "\n" for row in rows]), self._options.text)


def _decimals(column: Sequence[Any]) -> int:
    """Return the decimals that floats of a column are shown with, so that the largest has about four digits."""
    floats = [abs(value) for value in column if type(value) is float and isfinite(value)]
    if all(value.is_integer() for value in floats):
        return 0
    return min(DECIMALS_MAX, max(0, DIGITS - 1 - floor(log10(max(floats)))))


def _for_people(value: Any, text: str, decimals: int) -> str:
    if type(value) is not float:
        return f"{value:,}"
    if not isfinite(value):
        return text
    if abs(value) >= EXPONENT_FROM:
        return f"{value:.{DIGITS}g}"
    if value and abs(value) < 10**-decimals:  # it would be shown as 0
        return f"{value:.2g}"
    return f"{value:,.{decimals}f}"
