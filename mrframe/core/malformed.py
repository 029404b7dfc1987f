"""How many malformed lines a job bears: the limit `--max-bad`, judged once, when all maps are done."""

from __future__ import annotations

from mrframe.core.spec import Failure
from mrframe.errors import UsageError


def parse_limit(text: str) -> int | float:
    """`"100"` is a number of lines (int), `"10%"` a share (0.1); UsageError for anything else."""
    try:
        if text.endswith("%"):
            share = float(text[:-1]) / 100
            if 0 <= share <= 1:
                return share
        elif (number := int(text)) >= 0:
            return number
    except ValueError:
        pass
    raise UsageError(f"max-bad {text!r} is neither a number of lines nor a share such as 10%")


def too_many(limit: float | None, malformed: int, lines: int) -> Failure | None:
    """The failure of a job with so many malformed lines, or None when the limit bears them."""
    if limit is None or malformed <= (limit if isinstance(limit, int) else limit * lines):
        return None
    said = str(limit) if isinstance(limit, int) else f"{limit * 100:g}%"
    return Failure(
        "refused",
        f"{malformed:,} of {lines:,} lines do not match the format, more than the {said} allowed; "
        "give the right --log-format, or allow more with --max-bad",
        error_slug="too-many-malformed",
    )
