"""Rows as columns of cells: the key's columns, then the value's. For csv, tsv, text and tables.

A tuple is a column for each item (`key1`, `key2`, `value1`…), a dict one for each name, anything else is
one column (`key`, `value`). Only the outermost tuple or dict is taken apart. Nested ones, and lists and
sets, whose lengths differ from row to row, are JSON in one cell. The columns are those of the rows seen
first. A cell that a row does not have is None. A later row with a column of its own is refused, never
cut. Not here: writing of cells.

The names that a job gives (`core/job/result_columns.py`) replace those of the key's columns, or of all columns. The
names of a dict always stay. If the job names the key's columns alone and every value is None, the value has no
column. Names of any other number are not used, since nobody knows which is whose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mrframe.core.safe_text import escaped_line
from mrframe.errors import ValueRefused
from mrframe.formats.output.value_text import cell_texts, dict_name


class Grid:
    """The columns of an answer, fixed by its first rows."""

    def __init__(self, keys: Sequence[Any], values: Sequence[Any], names: tuple[str, ...] = ()) -> None:
        self._key_names = _names(keys, "key")
        self._value_names = _names(values, "value")
        named_by_dict = dict in set(map(type, values))
        if names and not keys:
            self._key_names, self._value_names = list(names), []
        elif len(names) == len(self._key_names) and not named_by_dict and values.count(None) == len(values):
            self._value_names = []
        self.key_columns = len(self._key_names)
        self.header = self._named(names, named_by_dict=named_by_dict)
        """The columns' names. A name of a value that is also one of the key's gets a prefix, `value.key`."""

    @property
    def is_plain(self) -> bool:
        """Whether key and value are one column each, for texts and numbers."""
        return self._key_names == ["key"] and self._value_names == ["value"]

    def _named(self, names: tuple[str, ...], *, named_by_dict: bool) -> list[str]:
        key_header, value_header = self._key_names, self._value_names
        if len(names) in (len(key_header), len(key_header) + len(value_header)):
            key_header, rest = list(names[: len(key_header)]), list(names[len(key_header) :])
            value_header = rest if rest and not named_by_dict else value_header
        taken = set(key_header)
        return key_header + [f"value.{name}" if name in taken else name for name in value_header]

    def columns(self, keys: Sequence[Any], values: Sequence[Any]) -> list[Sequence[Any]]:
        """Return the columns of these rows, in the order of the header, None where a row has no such cell."""
        return _columns(keys, keys, "key", self._key_names) + _columns(keys, values, "value", self._value_names)


def parts(value: Any, name: str) -> list[tuple[str, Any]]:
    """Take a key or value apart: (column, cell) in order."""
    if type(value) is tuple:
        return [(f"{name}{i}", item) for i, item in enumerate(value, 1)]
    if type(value) is dict:
        return [(dict_name(part), item) for part, item in value.items()]
    return [(name, value)]


def _names(column: Sequence[Any], name: str) -> list[str]:
    """Return the names that the values of a column need, in order of appearance. None needs none."""
    names: dict[str, None] = {}
    for value in column:
        if value is not None:
            names.update((part, None) for part, _ in parts(value, name))
    return list(names) or [name]


def _columns(keys: Sequence[Any], column: Sequence[Any], name: str, names: list[str]) -> list[Sequence[Any]]:
    types = set(map(type, column))
    if not names and types <= {type(None)}:
        return []
    if names == [name] and types.isdisjoint({tuple, dict}):
        return [column]
    flat = [f"{name}{i}" for i in range(1, len(names) + 1)]
    if types == {tuple} and names == flat and set(map(len, column)) == {len(names)}:
        return list(zip(*column, strict=True))
    table: list[list[Any]] = [[None] * len(column) for _ in names]
    position = {part: i for i, part in enumerate(names)}
    for row, value in enumerate(column):
        cells = [] if value is None else parts(value, name)
        if not {part for part, _ in cells} <= position.keys() or len(dict(cells)) < len(cells):
            raise _refusal(keys[row], cells, names)
        for part, item in cells:
            table[position[part]][row] = item
    return list(table)


def _refusal(key: Any, cells: list[tuple[str, Any]], names: list[str]) -> ValueRefused:
    has = ", ".join(part for part, _ in cells)
    return ValueRefused(
        f"the row with the key {escaped_line(cell_texts([key])[0])} has the columns {has}, but the rows before it "
        f"have {', '.join(names)}; use --format jsonl, or let the job yield rows of one shape"
    )
