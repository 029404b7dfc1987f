"""Group-by over Arrow tables: folds a table of pairs by a ready reducer without a Python object per row.

Not here: packed keys (`packed_buffer.py`), which are tried first, and Arrow itself (`arrow.py`).

How it works. Arrow numbers the distinct keys of the table (`dictionary.py`). NumPy then computes one state per key,
identical to the state that the reducer makes of the same values in Python, and the buffer merges it with its own. So
Python handles each distinct key of a table once. Tables that cannot be folded this way with the same bytes fall back
to Python, pair by pair: those for `collect`, which keeps every value anyway, and the cases named below.

Rules.
- Sums are exact. `np.bincount` adds in floats of 53 bits, and a table has at most 2**20 rows, so a sum of 32-bit ints
  always fits.
- Wider ints are added as two halves of 32 bits, so a sum may have any size.
- Floats are cut into pieces of 32 bits on one common scale. The expansion of a sum depends on the sum alone
  (`shuffle.exact_sum`), so the result is the same as in Python. Columns with infinities or NaN, with very large or
  very small numbers, or with too wide a range for a few pieces fall back.
- Minimum and maximum compare numbers directly. Other values are ranked first, each distinct one once. Since 0.0 and
  -0.0 are equal and the first one wins, a column with -0.0 falls back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from mrframe.shuffle import exact_sum
from mrframe.shuffle.fold import Fold
from mrframe.shuffle.keys import kind_of, sort_order
from mrframe.shuffle.reducers import Count, Distinct, Largest, Mean, Measures, Smallest, Total
from mrframe.task.columnar.arrow import MAYBE_STAND_IN, are_carried, is_any, need_arrow, text_of, whole
from mrframe.task.columnar.dictionary import codes_of, repeats, unique_of
from mrframe.task.columnar.packed_keys import WIDTH, first_bytes, windows_of

_PIECE_BITS = 32
_PIECES_MAX = 6
_SCALE_MAX = 900  # exponent of two up to which no step overflows or loses bits
_TEXT = "string large_string binary large_binary"
_RANKED = f"{_TEXT} date32 timestamp"
_PREFIXES = 4  # of 8 bytes each, compared to narrow down text before Python sees it

States = Sequence[Any]


def states_of(fold: Fold, table: Any) -> tuple[list[Any], States] | None:
    """Return (distinct keys in order of arrival, their states), or None if the table must be folded in Python.

    Raises the errors of `Fold.start` for values that the reducer refuses.
    """
    key = table.column("key")
    values = whole(table.column("value")) if "value" in table.column_names else need_arrow().nulls(len(table))
    if values is None or not repeats(key) or not _suit(fold, values):
        return None
    found = codes_of(key)
    if found is None:
        return None
    codes, keys = found
    states = _folded(fold, codes, len(keys), _Values(values))
    return None if states is None else (keys, states)


def _suit(fold: Fold, values: Any) -> bool:
    """Return whether the fold is supported and worth it. For `distinct`, Python must see each distinct text."""
    kinds = set(map(type, fold.parts.values() if type(fold) is Measures else (fold,)))
    return kinds <= set(_STATES) and (Distinct not in kinds or not is_any(values.type, _TEXT) or repeats(values))


def _folded(fold: Fold, codes: Any, groups: int, values: _Values) -> States | None:
    if type(fold) is not Measures:
        return _STATES[type(fold)](fold, codes, groups, values)
    columns = [_folded(part, codes, groups, values) for part in fold.parts.values()]
    there = [column for column in columns if column is not None]
    return list(zip(*there, strict=True)) if len(there) == len(columns) else None


class _Values:
    """The column of values in the forms that folds need. Forms that several folds share are computed once."""

    def __init__(self, given: Any) -> None:
        self._given = given
        self._column = given
        if is_any(given.type, "dictionary"):
            self._column = given.dictionary_decode()  # the dictionary may hold nulls, too
        self._sums: Any = False
        self._codes: Any = False

    @property
    def absent(self) -> bool:
        """True if all values are None."""
        return bool(self._column.null_count == len(self._column))

    def valid(self) -> Any:
        """Return a NumPy mask of the rows that have a value, or None if all have one."""
        column = self._column
        return column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else None

    def numbers(self) -> Any:
        """Return the values as int64, uint64 or float64, with 0 for None. Returns None if they are not numbers."""
        column = self._column
        if not is_any(column.type, "integer boolean float32 float64"):
            return None
        if column.null_count:
            column = column.fill_null(False if self.are_bools() else 0)
        array = column.to_numpy(zero_copy_only=False)
        if array.dtype == np.uint64:
            return array
        return array.astype(np.float64 if is_any(column.type, "floating") else np.int64)

    def are_bools(self) -> bool:
        """Return whether the values are bools."""
        return is_any(self._column.type, "boolean")

    def are_carried(self) -> bool:
        """Return whether no value of this type could be refused."""
        return are_carried(self._column)

    def are_ranked(self) -> bool:
        """Return whether the values can be compared by the ranks of the distinct ones."""
        return is_any(self._column.type, _RANKED)

    def there(self) -> Any:
        """Return the values without nulls."""
        return self._column.drop_null()

    def codes(self) -> Any:
        """Return the result of `codes_of`: (index of each row's value, distinct values), or None."""
        if self._codes is False:
            self._codes = codes_of(self._given)
        return self._codes

    def sums(self, codes: Any, groups: int) -> Any:
        """Return the state of each group's sum, or None if it must be computed in Python."""
        if self._sums is False:
            self._sums = self._summed(codes, groups)
        return self._sums

    def _summed(self, codes: Any, groups: int) -> States | None:
        if self.absent:
            return [0] * groups
        numbers = self.numbers()
        if numbers is None:
            return None
        if numbers.dtype != np.float64:
            return _int_sums(codes, groups, numbers)
        return _float_sums(codes, groups, numbers, self.counts(codes, groups))

    def counts(self, codes: Any, groups: int) -> list[int]:
        """Return the number of values other than None in each group."""
        if self.absent:
            return [0] * groups
        valid = self.valid()
        counts: list[int] = np.bincount(codes if valid is None else codes[valid], minlength=groups).tolist()
        return counts


def _int_sums(codes: Any, groups: int, numbers: Any) -> list[int]:
    largest = max(int(numbers.max()), -int(numbers.min()))
    if largest * len(numbers) < 1 << 53:
        return list(map(int, _sums(codes, groups, numbers)))
    high = _sums(codes, groups, numbers >> numbers.dtype.type(32))
    low = _sums(codes, groups, numbers & numbers.dtype.type(0xFFFFFFFF))
    return [(int(a) << 32) + int(b) for a, b in zip(high, low, strict=True)]


def _float_sums(codes: Any, groups: int, numbers: Any, counts: list[int]) -> States | None:
    """Sum by pieces (see the rules above). Each piece is an int of at most 32 bits, in units of 2**scale."""
    sizes = np.abs(numbers[numbers != 0])
    terms: list[list[float]] = []
    if len(sizes):
        largest = float(sizes.max())
        if not largest < 2.0**_SCALE_MAX:  # NaN, too
            return None
        scale = math.frexp(largest)[1]
        bottom = math.frexp(float(sizes.min()))[1] - 53
        if bottom < -_SCALE_MAX or scale - bottom > _PIECES_MAX * _PIECE_BITS:
            return None
        rest = numbers
        while scale > bottom:
            scale -= _PIECE_BITS
            unit = 2.0**scale
            pieces = np.trunc(rest / unit)
            rest = rest - pieces * unit
            terms.append([total * unit for total in _sums(codes, groups, pieces)])
    rows = zip(*terms, strict=True) if terms else [(0.0,)] * groups
    return [exact_sum.add(row) if count else 0 for row, count in zip(rows, counts, strict=True)]


def _sums(codes: Any, groups: int, ints: Any) -> list[float]:
    """Return the sums of ints by group, as floats. Exact up to 53 bits."""
    sums: list[float] = np.bincount(codes, weights=ints, minlength=groups).tolist()
    return sums


def _count(_fold: Fold, codes: Any, groups: int, values: _Values) -> States | None:
    if not values.are_carried() and values.codes() is None:  # `codes` raises for refused values
        return None
    return np.bincount(codes, minlength=groups).tolist()  # type: ignore[no-any-return]


def _total(_fold: Fold, codes: Any, groups: int, values: _Values) -> States | None:
    sums: States | None = values.sums(codes, groups)
    return sums


def _mean(_fold: Fold, codes: Any, groups: int, values: _Values) -> States | None:
    sums = values.sums(codes, groups)
    return None if sums is None else list(zip(sums, values.counts(codes, groups), strict=True))


def _extreme(fold: Fold, codes: Any, groups: int, values: _Values) -> States | None:
    if values.absent:
        return [None] * groups
    numbers, valid = values.numbers(), values.valid()
    if valid is not None:
        codes = codes[valid]
    if numbers is None:
        return _extreme_of_others(fold, codes, groups, values)
    if valid is not None:
        numbers = numbers[valid]
    if numbers.dtype == np.float64 and (np.isnan(numbers).any() or np.signbit(numbers[numbers == 0]).any()):
        return None
    picked = _picked(fold, codes, groups, numbers).tolist()
    return _where_any(codes, groups, map(bool, picked) if values.are_bools() else picked)


def _picked(fold: Fold, codes: Any, groups: int, numbers: Any) -> Any:
    """Return the extreme number of each group, or 0 for an empty group."""
    picked = np.zeros(groups, numbers.dtype)
    picked[codes] = numbers
    (np.maximum if type(fold) is Largest else np.minimum).at(picked, codes, numbers)
    return picked


def _where_any(codes: Any, groups: int, states: Iterable[Any]) -> States:
    """Return the states, with None for groups without values."""
    counts = np.bincount(codes, minlength=groups).tolist()
    return [state if count else None for state, count in zip(states, counts, strict=True)]


def _extreme_of_others(fold: Fold, codes: Any, groups: int, values: _Values) -> States | None:
    if not values.are_ranked():
        return None
    column = values.there()
    rows = _candidates(fold, codes, groups, column)
    if rows is not None:
        codes, column = codes[rows], column.take(need_arrow().array(rows))
    found = codes_of(column)
    if found is None:
        return None
    ranks, ranked = _ranks(found[1])
    picked = _picked(fold, codes, groups, ranks[found[0]]).tolist()
    return _where_any(codes, groups, map(ranked.__getitem__, picked))


def _candidates(fold: Fold, codes: Any, groups: int, column: Any) -> Any:
    """Return the rows of a text column whose first bytes are the extreme of their group, or None if any row may be.

    UTF-8 bytes sort like the text unless it has stand-ins. Text that has ended is padded with zeros.
    """
    found = text_of(column)
    if found is None:
        return None
    offsets, item_bytes, data = found
    at = np.frombuffer(offsets, f"<i{item_bytes}").astype(np.int64)
    text = bytes(memoryview(data)[int(at[0]) : int(at[-1])])
    if MAYBE_STAND_IN in text:
        return None
    windows = windows_of(text + bytes(WIDTH))
    starts, ends = at[:-1] - at[0], at[1:] - at[0]
    rows = np.arange(len(starts))
    for _ in range(_PREFIXES):
        heads = first_bytes(windows, starts, ends - starts)
        kept = heads == _picked(fold, codes, groups, heads)[codes]
        rows, codes, starts, ends = rows[kept], codes[kept], starts[kept], ends[kept]
        if len(rows) <= 2 * groups:
            break
        starts = np.minimum(starts + WIDTH, ends)
    return rows


def _ranks(different: list[Any]) -> tuple[Any, list[Any]]:
    """Return (rank of each value, the values sorted)."""
    in_order = sort_order(different, kind_of(different))
    ranks = np.empty(len(different), np.int64)
    ranks[in_order] = np.arange(len(different))
    return ranks, [different[at] for at in in_order]


def _distinct(fold: Fold, codes: Any, groups: int, values: _Values) -> States | None:
    if values.absent:
        return [{} for _ in range(groups)]
    found = values.codes()
    if found is None:
        return None
    value_codes, different = found
    pairs = unique_of(codes * len(different) + value_codes)
    groups_of_pairs, members_of_pairs = np.divmod(pairs, len(different))
    order = np.argsort(groups_of_pairs, kind="stable")
    members = list(map(different.__getitem__, members_of_pairs[order].tolist()))
    ends = np.cumsum(np.bincount(groups_of_pairs, minlength=groups)).tolist()
    return [fold.start(members[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


_STATES: dict[type, Callable[[Fold, Any, int, _Values], States | None]] = {
    Count: _count,
    Total: _total,
    Mean: _mean,
    Smallest: _extreme,
    Largest: _extreme,
    Distinct: _distinct,
}
