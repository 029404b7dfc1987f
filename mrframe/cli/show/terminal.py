"""Text for people in messages: log lines as samples, rows as aligned columns.

Pure. Sizes and counts as text are in `api/units.py`. What a terminal obeys is escaped where it is written, in
`streams.py`, and here as far as widths depend on it.
"""

from __future__ import annotations

from mrframe.core.safe_text import escaped_line

SAMPLE_CHARACTERS_MAX = 120  # of a log line shown to a person


def sample(text: str, limit: int = SAMPLE_CHARACTERS_MAX) -> str:
    """A log line for a message: on one line, escaped, cut after `limit` characters with a mark."""
    line = escaped_line(text.rstrip("\r\n"))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def columns_text(rows: list[list[str]], indent: str = "") -> list[str]:
    """Rows of cells, escaped, as lines with aligned columns, two spaces apart. The last column is left ragged."""
    if not rows:
        return []
    rows = [[escaped_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    return [indent + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=False)).rstrip() for row in rows]
