"""The numbers of malformed lines and failing records that a job tolerates, checked once, when all maps are done.

The limits are `--max-bad` (lines that do not match the format) and `--max-failed` (records on which user code fails).
A task stops by itself when it alone exceeds a limit that is a number.
"""

from __future__ import annotations

from mrframe.core.model.spec import Failure


def parse_limit(text: str) -> int | float:
    """`"100"` is a number of lines or records (int), `"10%"` a share (0.1). `RunOptions` has checked the text."""
    return float(text.removesuffix("%")) / 100 if text.endswith("%") else int(text)


def tolerates(limit: float | None, failed: int) -> bool:
    """Return whether one task may leave out `failed` records. A share is checked only over all tasks together."""
    if limit is None or isinstance(limit, int):
        return failed <= (limit or 0)
    return limit > 0


def too_many_failed(limit: float | None, failed: int, records: int) -> Failure | None:
    """Return the failure of a job that left out `failed` records beside `records` good ones, or None."""
    allowed = _exceeded(limit, failed, records + failed)
    return (
        None
        if allowed is None
        else Failure(
            "refused",
            f"the job's code failed on {failed:,} of {records + failed:,} records, more than the {allowed} that "
            "--max-failed allows",
            error_slug="too-many-failed",
        )
    )


def too_many(limit: float | None, malformed: int, lines: int) -> Failure | None:
    """Return the failure of a job with `malformed` malformed ones among `lines` lines, or None."""
    allowed = _exceeded(limit, malformed, lines)
    return (
        None
        if allowed is None
        else Failure(
            "refused",
            f"{malformed:,} of {lines:,} lines do not match the format, more than the {allowed} that "
            "--max-bad allows",
            error_slug="too-many-malformed",
        )
    )


def _exceeded(limit: float | None, number: int, of: int) -> str | None:
    """Return the limit as text (`100`, `10%`) if `number` of `of` exceeds it, else None."""
    if limit is None or number <= (limit if isinstance(limit, int) else limit * of):
        return None
    return str(limit) if isinstance(limit, int) else f"{limit * 100:g}%"
