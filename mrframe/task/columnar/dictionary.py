"""Dictionary-encodes Arrow columns: an int code for each row, and the distinct values as Python objects.

Arrow finds the distinct values, so Python handles each of them once. Not here: folding by the codes
(`arrow_groupby.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mrframe.task.columnar.arrow import is_any, need_arrow, values_of, whole

Codes = tuple[Any, list[Any]]

_ENCODED = (
    "string large_string binary large_binary fixed_size_binary boolean integer float32 float64 null date32 timestamp"
)

_SAMPLE = 1_000  # rows examined to decide whether encoding pays


def codes_of(column: Any) -> Codes | None:
    """Return (index of each row's value, distinct values in order of arrival), or None for unsupported types.

    Distinct means distinct as keys: 0.0 and -0.0 are one value, as are two forms of a text with stand-ins.
    """
    found = _codes_of(whole(column))
    if found is None:
        return None
    codes, values = found
    if len(set(values)) == len(values):  # all values but None have one type
        return found
    index_of: dict[Any, int] = {}
    merged = [index_of.setdefault(value, len(index_of)) for value in values]
    return np.array(merged)[codes], list(index_of)


def repeats(column: Any) -> bool:
    """Return whether values repeat among the first rows of the column, so that encoding pays."""
    first = whole(column.slice(0, _SAMPLE))
    if first is None or is_any(first.type, "struct"):
        return first is not None
    if is_any(first.type, "dictionary"):
        first = first.indices
    return not is_any(first.type, _ENCODED) or 10 * len(first.unique()) < 9 * len(first)


def _codes_of(array: Any) -> Codes | None:
    if array is None:
        return None
    if is_any(array.type, "dictionary"):
        return _of_dictionary(array)
    if is_any(array.type, "struct"):
        return _of_struct(array)
    if not is_any(array.type, _ENCODED):
        return None
    encoded = array.dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int64), values_of(encoded.dictionary)


def unique_of(numbers: Any) -> Any:
    """Return the distinct items of an int64 array, in order of arrival."""
    return need_arrow().array(numbers).unique().to_numpy()


def _of_dictionary(array: Any) -> Codes | None:
    pa = need_arrow()
    nowhere = len(array.dictionary)
    codes, used = _compact(array.indices.cast(pa.int64()).fill_null(nowhere).to_numpy())
    if not is_any(array.dictionary.type, _ENCODED):
        return None
    return codes, values_of(
        array.dictionary.take(pa.array([None if at == nowhere else at for at in used], pa.int64()))
    )


def _of_struct(array: Any) -> Codes | None:
    if array.null_count or not array.type.num_fields:
        return None
    codes = np.zeros(len(array), np.int64)
    rows: list[tuple[Any, ...]] = [()]
    for item in array.flatten():
        found = _codes_of(item)
        if found is None:
            return None
        items = found[1]
        codes, used = _compact(codes * len(items) + found[0])
        rows = [(*rows[pair // len(items)], items[pair % len(items)]) for pair in used]
    return codes, rows


def _compact(codes: Any) -> tuple[Any, Iterable[int]]:
    """Renumber codes from 0 in order of arrival. Returns (new codes, the old code of each new one)."""
    encoded = need_arrow().array(codes).dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()
