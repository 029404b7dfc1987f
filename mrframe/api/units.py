"""Sizes, counts, spans of time and near names as people read them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mrframe.errors import did_you_mean


def bytes_text(count: float) -> str:
    """A number of bytes in decimal units, as disks and networks count: `2.4 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def number_text(count: int) -> str:
    """A count with thousands marked: `10,000`."""
    return f"{count:,}"


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun in the right number: `1 row`, `2 rows`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def seconds_text(seconds: float) -> str:
    """A span of time: `0.31 s`, `42 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def nearest(name: str, known: Iterable[str]) -> str:
    """`. Did you mean 'nodes'?` when something known is similar to the name, else all that is known."""
    names = list(known)
    return did_you_mean(name, names) or f"; known are {', '.join(names)}"
