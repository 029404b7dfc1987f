"""Text for people in messages: log lines as samples, rows as aligned columns.

Pure. Sizes and counts as text are in `api/units.py`. What a terminal obeys is escaped where it is written, in
`streams.py`, and here as far as widths depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mrframe.cli.show.streams import Line, Painted
from mrframe.core.display_width import ELLIPSIS, Terminal, cut_end, display_width, padded, widest
from mrframe.core.safe_text import escaped_line
from mrframe.core.table_fit import GAP, Measured, fitted

SAMPLE_CHARACTERS_MAX = 120  # of a log line shown to a person
DOT = " · "
_NUMBER = re.compile(r"-|[\d,.]+( ?[kMGT]?i?B| s| ms)?")


def sample(text: str, limit: int = SAMPLE_CHARACTERS_MAX) -> str:
    """A log line for a message: on one line, escaped, cut after `limit` characters with a mark."""
    line = escaped_line(text.rstrip("\r\n"))
    return line if len(line) <= limit else line[: limit - 1] + ELLIPSIS


def columns_text(rows: Sequence[Sequence[str]], indent: str = "", terminal: Terminal | None = None) -> list[str]:
    """Rows of cells, escaped, as lines with aligned columns. The last column is left ragged.

    For a terminal, long text is cut so that each row fits a line.
    """
    if not rows:
        return []
    rows = [[escaped_line(cell) for cell in row] for row in rows]
    columns = [[row[i] for row in rows if i < len(row)] for i in range(max(map(len, rows)))]
    measured = [Measured(0, widest(cells), all(map(_NUMBER.fullmatch, cells))) for cells in columns]
    widths = fitted(measured, terminal.width - display_width(indent) if terminal else None)
    mark = terminal.mark if terminal else ELLIPSIS
    return [
        indent + GAP.join([padded(cut_end(cell, w, mark), w) for cell, w in zip(row, widths, strict=False)]).rstrip()
        for row in rows
    ]


def wrapped(pieces: Sequence[str | Painted], width: int | None, indent: str = "  ") -> list[Line]:
    """Pieces with dots between them, as lines of at most so many cells, None for one line. A piece stays whole."""
    lines: list[list[str | Painted]] = []
    cells = 0
    for piece in pieces:
        own = display_width(piece if isinstance(piece, str) else piece.text)
        if lines and (width is None or cells + len(DOT) + own <= width):
            lines[-1] += [DOT, piece]
            cells += len(DOT) + own
        else:
            lines.append([indent, piece] if lines else [piece])
            cells = own + (len(indent) if len(lines) > 1 else 0)
    return list(lines)
