"""From raw columns (bytes, None for absent values) to values, a column at a time.

A converter takes a column and gives (values, number of bad ones). Bytes are bad if they match the grammar but are no
value, such as the 31st of February, and become None. `-` becomes None and is not bad. So does empty text where a slot
is `maybe_empty`. Elsewhere (in quotes) it is "". Repeated values are cached in a table that is emptied when it is
full. Text is UTF-8 with surrogateescape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Literal, Protocol

from mrframe.formats.grammar.grammar import ValueSlot
from mrframe.formats.grammar.tails import TAILS
from mrframe.formats.grammar.times import time_of, truncated
from mrframe.formats.readers.base import RawValue, Scanned

MEMO_ENTRIES_MAX = 1 << 16
_NOTHING = (None, b"-", b"")
RawColumn = Sequence[bytes | None]


class Converter(Protocol):
    """Converts the columns of one field. `raw` says how its bytes spell a value, None if they hold more than that."""

    @property
    def raw(self) -> RawValue | None:
        """The spelling of a value."""
        ...

    def __call__(self, column: RawColumn | Scanned) -> tuple[list[Any], int]:
        """The values, and how many were bad."""
        ...


def raw_values(column: RawColumn | Scanned) -> RawColumn:
    """Return a column as one bytes for each value."""
    return column.raw() if isinstance(column, Scanned) else column


def _joined(column: RawColumn | Scanned, separator: bytes) -> bytes | None:
    """Return the values with a separator between them, or None if one is absent."""
    if isinstance(column, Scanned):
        if not column.strict and column.kept is None:
            return column.block.joined(column.index, separator)  # type: ignore[no-any-return]
        column = column.raw()
    try:
        return separator.join(column)  # type: ignore[arg-type]
    except TypeError:
        return None


class Remembered:
    """Converts with a function from bytes to a value (None: bad), once for each distinct text."""

    def __init__(
        self,
        function: Callable[[bytes], Any],
        *,
        empty: bool = False,
        kind: Literal["text", "int", "other"] = "other",
    ) -> None:
        self._function = function
        self.raw = RawValue(kind, empty_is_none=empty)
        self._nothing: dict[bytes | None, Any] = {None: None, b"-": None} | ({b"": None} if empty else {})
        self._memo = dict(self._nothing)
        self._bad: set[bytes | None] = set()

    def __call__(self, column: RawColumn | Scanned) -> tuple[list[Any], int]:
        """The values, and how many were bad."""
        column = raw_values(column)
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

    def __call__(self, column: RawColumn | Scanned) -> tuple[list[Any], int]:
        """The values, and how many were bad."""
        column = raw_values(column)
        if column and column[0] == column[-1] and column.count(column[0]) == len(column):
            (value,), bad = super().__call__(column[:1])
            return [value] * len(column), bad * len(column)
        return super().__call__(column)


class Text:
    """Decodes the whole column at once, since no value contains a newline."""

    def __init__(self, *, dash: bool = True, empty: bool = False) -> None:
        self._dash = dash
        self._empty = empty
        self.raw = RawValue("text", dash, empty)

    def __call__(self, column: RawColumn | Scanned) -> tuple[list[Any], int]:
        """Return the texts, None for absent values, for `-` unless dash is False, and for "" if empty is True."""
        if not len(column):
            return [], 0
        dash = self._dash
        joined = _joined(column, b"\n")
        if joined is None:
            values: list[Any] = [raw if raw is None else decode(raw) for raw in raw_values(column)]
        else:
            dash = dash and b"-" in joined  # an address has none, and this is quicker than to look at each
            values = decode(joined).split("\n")
        if dash and "-" in values:
            values = [None if value == "-" else value for value in values]
        if self._empty and "" in values:
            values = [value or None for value in values]
        return values, 0


class Query:
    """Decodes queries, None if there is none. `-` is a query like any other."""

    raw = RawValue("text", dash_is_none=False)

    def __call__(self, column: RawColumn | Scanned) -> tuple[list[Any], int]:
        """The texts, or None."""
        return [raw if raw is None else decode(raw) for raw in raw_values(column)], 0


class Number:
    """Converts digits to int or float, the whole column at once if JSON reads it the same."""

    def __init__(self, kind: type[int | float]) -> None:
        self._kind = kind
        self.raw = RawValue("int" if kind is int else "other", empty_is_none=True)

    def __call__(self, column: RawColumn | Scanned) -> tuple[list[Any], int]:
        """The numbers, with None for `-` and for nothing."""
        joined = _joined(column, b",")
        if joined or not len(column):  # without a byte it is also one that is nothing
            try:
                return json.loads(b"[" + (joined or b"").replace(b"-", b"null") + b"]", parse_int=self._kind), 0
            except ValueError:  # 007, more digits than an int may have, nothing
                pass
        column = raw_values(column)
        values = [None if raw in _NOTHING else _number(self._kind, raw) for raw in column]
        present = sum(raw not in _NOTHING for raw in column)
        return values, present - sum(value is not None for value in values)


_WORD = re.compile(rb'"((?:[^"\\]|\\.)*+)"(?= |$)|\[([^\]]*+)\](?= |$)|([^ ]++(?:(?:(?<=,)| :) [^ ]++)*+)', re.DOTALL)
_PLAIN_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]+)?")


class Further:
    """Converts the rest of a line: number 0 is all of it, 1 its first value, and so on.

    A value is a text in quotes or brackets, or a word, with those that a comma or a colon joins to it. It becomes an
    int or a float if it spells one plainly (no zeros in front), None if it is `-` or not there.
    """

    raw = RawValue("other")

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self, column: RawColumn | Scanned) -> tuple[list[Any], int]:
        """The values. None is bad."""
        return [None if raw is None else self._value(raw) for raw in raw_values(column)], 0

    def _value(self, raw: bytes) -> str | int | float | None:
        if not self._number:
            return decode(raw.strip(b" ")) or None
        found = next(islice(_WORD.finditer(raw), self._number - 1, None), None)
        if found is None or found[found.lastindex or 0] == b"-":
            return None
        word = found[found.lastindex or 0]
        number = _PLAIN_NUMBER.fullmatch(word)
        return decode(word) if number is None else float(word) if number[1] else int(word)


class PartOfTail:
    """Finds one field in the text of a tail. See `tails.py`."""

    raw: RawValue | None = None

    def __init__(self, detail: str, role: str) -> None:
        self._parts = TAILS[detail].parts
        self._role = role

    def __call__(self, column: RawColumn | Scanned) -> tuple[list[Any], int]:
        """The texts, or None."""
        found = [self._parts(raw or b"")[self._role] for raw in raw_values(column)]
        return [value if value is None else decode(value) for value in found], 0


def _number(kind: type[int | float], raw: bytes) -> int | float | None:
    try:
        return kind(raw)
    except ValueError:
        return None


def decode(raw: bytes) -> str:
    """UTF-8 with surrogateescape: every byte survives."""
    return raw.decode("utf-8", "surrogateescape")


def converter_for(slot: ValueSlot, role: str) -> Converter:  # noqa: PLR0911 (a table)
    """The converter of one field."""
    if slot.kind == "further" or slot.detail == "trimmed":
        return Further(slot.roles.index(role) if slot.kind == "further" else 0)
    if role in ("day", "hour", "minute"):
        return InOrder(lambda raw: truncated(slot.kind, slot.detail, role, raw))
    if role == "time":
        return Remembered(lambda raw: time_of(slot.kind, slot.detail, raw))
    if slot.kind == "tail":
        return PartOfTail(slot.detail, role)
    if slot.names == ("message",):
        return Text(dash=False)
    if slot.kind == "level":
        return Remembered(decode, kind="text")
    if slot.kind == "status" or role == "port":
        return Remembered(lambda raw: _number(int, raw), empty=slot.maybe_empty, kind="int")
    if slot.kind == "int":
        return Number(int)
    if slot.kind == "float":
        return Number(float)
    if role in ("method", "protocol", "vhost"):
        return Remembered(decode, kind="text")
    if role == "query":
        return Query()
    return Text(empty=slot.maybe_empty)
