"""`RowSpelling`: how the form of an answer writes a row of a text and an int, as bytes around both.

With it, rows are written without Python values in between (`shuffle/encoded_merge.py`). Not here: the forms
(`formats/output/writers.py`).
"""

from __future__ import annotations

from typing import NamedTuple

SURROGATES = b"\xed"
"""The first byte of a surrogate, which is how bytes that are not UTF-8 travel. What it becomes is for the form."""


class RowSpelling(NamedTuple):
    """The bytes before, between and behind key and value.

    A key with one of the `special` bytes is not written so. `takes_none` says that without a value the row is the key
    and what comes before and behind.
    """

    before: bytes
    between: bytes
    after: bytes
    special: bytes
    takes_none: bool = False
