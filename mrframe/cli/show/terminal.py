"""Text from logs made fit for a terminal or a file: escapes, colours, aligned columns.

Pure but for the questions to a stream (is it a terminal, may it be coloured). It writes nothing. Sizes and counts as
text are in `api/units.py`.
"""

from __future__ import annotations

import os
import re
from typing import IO, Any

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SAMPLE_CHARACTERS_MAX = 120  # of a log line shown to a person
_COLOURS = {"red": "31", "yellow": "33", "green": "32", "bold": "1", "dim": "2"}


def is_terminal(stream: IO[Any] | None) -> bool:
    """Return whether a person sees this stream as it is written."""
    return stream is not None and not stream.closed and stream.isatty()


def may_colour(stream: IO[Any] | None) -> bool:
    """Return whether colours are wanted: on a terminal that is not dumb, without NO_COLOR (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)


def painted(text: str, colour: str, *, on: bool) -> str:
    """The text in a colour ("red", "yellow", "green", "bold", "dim"), or as it is when `on` is false."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if on else text


def escaped(text: str) -> str:
    """Text from a log without anything a terminal would obey: control and direction characters as escapes.

    Bytes that are not UTF-8 (they travel as lone surrogates) are shown as `\\xNN`, as they are in the log.
    """
    return _CONTROL.sub(_escape_one, text)


def _escape_one(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code == 0x0D:
        return "\\r"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def sample(text: str, limit: int = SAMPLE_CHARACTERS_MAX) -> str:
    """A log line for a message: on one line, escaped, cut after `limit` characters with a mark."""
    line = escaped(text.rstrip("\r\n")).replace("\n", "\\n").replace("\t", "\\t")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def columns_text(rows: list[list[str]], indent: str = "") -> list[str]:
    """Rows of cells as lines with aligned columns, two spaces apart. The last column is left ragged."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    return [indent + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=False)).rstrip() for row in rows]
