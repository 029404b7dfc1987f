"""Says whether a column of values has the same bytes and takes the same memory in every process that makes it.

Only then may digests of two attempts at one map be compared. Pickles and sets have another order in another process,
a dict may have been made from a set, and the estimated size of sets shifts the points at which a buffer spills. Keys
need no check, since none of these can be a key. Not here: the digests (`pair_blocks.py`).
"""

from __future__ import annotations

import struct
from operator import itemgetter
from typing import Any

from mrframe.shuffle.values import FIXED, types_within

_SIMPLE = frozenset(b"noifsSbBldm")  # tags of columns of one deterministic type, or of lists of one
_TUPLES = ord("t")
_LENGTH = struct.Struct("<I")


def is_deterministic(data: bytes, column: list[Any]) -> bool:
    """Return whether equal columns always have these bytes.

    Values are inspected only where their tag does not say.
    """
    return _is_deterministic(memoryview(data), column)


def _is_deterministic(view: memoryview, column: list[Any]) -> bool:
    if view[0] in _SIMPLE:
        return True
    if view[0] != _TUPLES:
        return types_within(column) <= FIXED
    at = 2
    for position in range(view[1]):
        (length,) = _LENGTH.unpack_from(view, at)
        inner = view[at + 4 : at + 4 + length]
        if inner[0] not in _SIMPLE and not _is_deterministic(inner, list(map(itemgetter(position), column))):
            return False
        at += 4 + length
    return True
