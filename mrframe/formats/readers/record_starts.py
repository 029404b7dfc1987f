"""Where records of several lines begin: the rule by which files are cut between records and not within them.

A record begins at a line whose beginning matches a pattern, and ends before the next one. A line with bytes before
its text (NUL bytes, a byte order mark: `readers/base.py`) ends the record before it too, since another writer wrote
it. Only the first `START_BYTES_MAX` bytes of a line are looked at, so that a cut depends on a few bytes behind it
alone. Not here: records within a block (`readers/records.py`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from mrframe.errors import FormatError
from mrframe.formats.readers.base import BOM

START_BYTES_MAX = 512
"""Bytes of a line that tell whether it begins a record."""
RECORD_BYTES_MAX = 16 << 20
"""A record longer than this is malformed. The search for the next record is given up after so many bytes, and the
cut moved to the next line."""


class RecordStarts:
    """Finds lines that begin records. `pattern` is matched at the beginning of a line, without its end."""

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = re.compile(pattern.encode("utf-8", "surrogateescape"))
        except re.error as error:
            raise FormatError(
                f"the pattern {pattern!r} for the start of a record is no regular expression: {error}"
            ) from None

    def begins(self, data: bytes, at: int) -> bool:
        """Return whether the line at `at` begins a record, or ends one by the bytes before its text."""
        return data[at : at + 1] == b"\0" or data.startswith(BOM, at) or self.starts(data, at)

    def starts(self, data: bytes, at: int) -> bool:
        """Return whether text at `at` is the start of a record."""
        end = data.find(b"\n", at, at + START_BYTES_MAX)
        line = data[at : at + START_BYTES_MAX] if end < 0 else data[at:end].removesuffix(b"\r")
        return self._pattern.match(line) is not None

    def next_cut(self, data: bytes, base: int, search: int, limit: int, *, is_end: bool) -> tuple[int, int]:
        """Find the first place behind a newline at or behind `search` that begins a record: (place, 0).

        All places are counted from the one that `data` has at `base`. Behind `limit` any line is one. If the place is
        not certain from `data`, (0, where to go on searching). `is_end`: nothing follows `data`.
        """
        at = search - base
        while (newline := data.find(b"\n", at)) >= 0:
            after = newline + 1
            if not is_end and len(data) - after < START_BYTES_MAX and data.find(b"\n", after) < 0:
                return 0, base + newline
            if after == len(data) or base + after > limit or self.begins(data, after):
                return base + after, 0
            at = after
        return 0, base + len(data)

    def last_cut(self, data: bytes) -> int:
        """Return the last place in `data` behind a newline that certainly begins a record, 0 if there is none."""
        newline = data.rfind(b"\n")
        while newline >= 0:
            after = newline + 1
            known = len(data) - after >= START_BYTES_MAX or data.find(b"\n", after) >= 0
            if known and self.begins(data, after):
                return after
            newline = data.rfind(b"\n", 0, newline)
        return 0


@lru_cache(maxsize=64)
def record_starts(pattern: str) -> RecordStarts | None:
    """Return the rule of a pattern, None for "": every line is a record. Raises FormatError if it is no pattern."""
    return RecordStarts(pattern) if pattern else None
