"""Fields that are cut out of the end of a line: the text of a `tail` slot, which has no fixed form.

A tail takes any text, so no line is malformed by it. Its parts are found when a value is converted, by one pattern.
A part that is not there is None. Not here: the oracle, which finds them in another way (`testing/tail_oracle.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

Parts = dict[str, bytes | None]


class Tail(NamedTuple):
    """The fields of a tail, the first of which is the message, and the function that finds them."""

    fields: tuple[str, ...]
    parts: Callable[[bytes], Parts]


_LOGGER_LAST = re.compile(rb"(.*) \(([^()\s]+)\)", re.DOTALL)


def _logger_last(raw: bytes) -> Parts:
    """Return the parts of `message (logger)`: the layout of Kafka."""
    found = _LOGGER_LAST.fullmatch(raw)
    return {"message": found[1], "logger": found[2]} if found else {"message": raw, "logger": None}


TAILS: dict[str, Tail] = {"logger_last": Tail(("message", "logger"), _logger_last)}
