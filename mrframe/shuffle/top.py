"""The ready step `top(n)`: the n rows with the largest value, or item of the value, best first, ties by key.

Each map task of the step keeps its own n best, and the one reduce task the n best of theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mrframe.core.job.job import Top
from mrframe.core.safe_text import safe_repr
from mrframe.errors import KeyRefused, UserCodeError
from mrframe.shuffle.keys import kind_of, sort_keys, sort_order

BUFFER_ROWS = 65_536  # rows held beyond the n best before they are cut to n again

Row = tuple[Any, Any]


class NoMeasure(UserCodeError):
    """The value of the key `of_key` has no item `by`."""

    def __init__(self, message: str, of_key: Any) -> None:
        super().__init__(message)
        self.of_key = of_key


def best_rows(rows: Iterable[Row], top: Top) -> list[Row]:
    """The n best rows in their rank.

    Raises NoMeasure where `by` fits no value, UserCodeError for values that cannot be ranked.
    """
    best: list[Row] = []
    for row in rows:
        best.append(row)
        if len(best) >= top.n + BUFFER_ROWS:
            best = _ranked(best, top)
    return _ranked(best, top)


def _ranked(rows: list[Row], top: Top) -> list[Row]:
    keys = [key for key, _ in rows]
    measures = [_measure(key, value, top) for key, value in rows]
    try:
        sortable = sort_keys(measures, kind_of(measures))
    except KeyRefused as refused:
        raise UserCodeError(f"{_text(top)} ranks what a key can be: {refused.key} cannot be ranked") from None
    indexes = sort_order(keys, kind_of(keys))
    indexes.sort(key=sortable.__getitem__, reverse=True)  # keeps the order of equals, so ties stay by key
    return [rows[i] for i in indexes[: top.n]]


def _measure(key: Any, value: Any, top: Top) -> Any:
    if top.by is None:
        return _as_tuple(value)
    try:
        measure = value[top.by]
    except (TypeError, KeyError, IndexError):
        pass
    else:
        return _as_tuple(measure)
    raise NoMeasure(f"{_text(top)}: the value {safe_repr(value)} has no item {top.by!r}", key)


def _as_tuple(value: Any) -> Any:
    """Rank a list as the tuple of its items, which is also how Python's `<` compares two lists."""
    return tuple(map(_as_tuple, value)) if type(value) in {list, tuple} else value


def _text(top: Top) -> str:
    return f"top({top.n})" if top.by is None else f"top({top.n}, by={top.by!r})"
