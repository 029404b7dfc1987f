"""From raw columns (bytes, None for absent values) to values, a column at a time.

A converter takes a column and gives (values, number of bad ones). Bytes are bad if they match the grammar but are no
value, such as the 31st of February, and become None. `-` becomes None and is not bad. So does empty text where a slot
is `maybe_empty`. Elsewhere (in quotes) it is "". Repeated values are cached in a table that is emptied when it is
full. Text is UTF-8 with surrogateescape.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from mrframe.formats.grammar.grammar import ValueSlot
from mrframe.formats.grammar.times import time_of, truncated

MEMO_ENTRIES_MAX = 1 << 16
_NOTHING = (None, b"-", b"")
RawColumn = Sequence[bytes | None]


class Converter(Protocol):
    """Converts the columns of one field."""

    def __call__(self, column: RawColumn) -> tuple[list[Any], int]:
        """The values, and how many were bad."""
        ...


class Remembered:
    """Converts with a function from bytes to a value (None: bad), once for each distinct text."""

    def __init__(self, function: Callable[[bytes], Any], *, empty: bool = False) -> None:
        self._function = function
        self._nothing: dict[bytes | None, Any] = {None: None, b"-": None} | ({b"": None} if empty else {})
        self._memo = dict(self._nothing)
        self._bad: set[bytes | None] = set()

    def __call__(self, column: RawColumn) -> tuple[list[Any], int]:
        """The values, and how many were bad."""
        memo = self._memo
        try:
            values = [memo[raw] for raw in column]
        except KeyError:
            self._learn(column)
            memo = self._memo
            values = [memo[raw] for raw in column]
        return values, sum(raw in self._bad for raw in column) if self._bad else 0

    def _learn(self, column: RawColumn) -> None:
        """Add the column's texts to the memo, after emptying it if it is full."""
        if len(self._memo) >= MEMO_ENTRIES_MAX:
            self._memo = dict(self._nothing)
            self._bad = set()
        memo, function = self._memo, self._function
        for raw in column:
            if raw not in memo and raw is not None:
                memo[raw] = value = function(raw)
                if value is None:
                    self._bad.add(raw)


class InOrder(Remembered):
    """The same for values in order, such as hours, of which a column often holds only one."""

    def __call__(self, column: RawColumn) -> tuple[list[Any], int]:
        """The values, and how many were bad."""
        if column and column[0] == column[-1] and column.count(column[0]) == len(column):
            (value,), bad = super().__call__(column[:1])
            return [value] * len(column), bad * len(column)
        return super().__call__(column)


class Text:
    """Decodes the whole column at once, since no value contains a newline."""

    def __init__(self, *, dash: bool = True, empty: bool = False) -> None:
        self._dash = dash
        self._empty = empty

    def __call__(self, column: RawColumn) -> tuple[list[Any], int]:
        """Return the texts, None for absent values, for `-` unless dash is False, and for "" if empty is True."""
        if not column:
            return [], 0
        dash = self._dash
        try:
            joined = b"\n".join(column)  # type: ignore[arg-type]
            dash = dash and b"-" in joined  # an address has none, and this is quicker than to look at each
            values: list[Any] = decode(joined).split("\n")
        except TypeError:  # a None among them
            values = [raw if raw is None else decode(raw) for raw in column]
        if dash and b"-" in column:
            values = [None if value == "-" else value for value in values]
        if self._empty and b"" in column:
            values = [value or None for value in values]
        return values, 0


class Query:
    """Decodes queries, None if there is none. `-` is a query like any other."""

    def __call__(self, column: RawColumn) -> tuple[list[Any], int]:
        """The texts, or None."""
        return [raw if raw is None else decode(raw) for raw in column], 0


class Number:
    """Converts digits to int or float, the whole column at once if JSON reads it the same."""

    def __init__(self, kind: type[int | float]) -> None:
        self._kind = kind

    def __call__(self, column: RawColumn) -> tuple[list[Any], int]:
        """The numbers, with None for `-` and for nothing."""
        try:
            text = b"[" + b",".join(column) + b"]"  # type: ignore[arg-type]
            if text != b"[]" or not column:  # which is also one that is nothing
                return json.loads(text.replace(b"-", b"null"), parse_int=self._kind), 0
        except (ValueError, TypeError):  # 007, more digits than an int may have, a None, nothing
            pass
        values = [None if raw in _NOTHING else _number(self._kind, raw) for raw in column]
        present = sum(raw not in _NOTHING for raw in column)
        return values, present - sum(value is not None for value in values)


def _number(kind: type[int | float], raw: bytes) -> int | float | None:
    try:
        return kind(raw)
    except ValueError:
        return None


def decode(raw: bytes) -> str:
    """UTF-8 with surrogateescape: every byte survives."""
    return raw.decode("utf-8", "surrogateescape")


def converter_for(slot: ValueSlot, role: str) -> Converter:
    """The converter of one field."""
    if role in ("day", "hour", "minute"):
        return InOrder(lambda raw: truncated(slot.kind, slot.detail, role, raw))
    if role == "time":
        return Remembered(lambda raw: time_of(slot.kind, slot.detail, raw))
    if slot.kind == "status" or role == "port":
        return Remembered(lambda raw: _number(int, raw), empty=slot.maybe_empty)
    if slot.kind == "int":
        return Number(int)
    if slot.kind == "float":
        return Number(float)
    if role in ("method", "protocol", "vhost"):
        return Remembered(decode)
    if role == "query":
        return Query()
    return Text(empty=slot.maybe_empty)
