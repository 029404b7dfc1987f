"""Quantiles: `quantile(q)` and `median`, exact, and `approx_quantile(q)`, of values in bins.

The definition is that of NumPy's default and of `PERCENTILE_CONT` in SQL: with n values in order, numbered from 0,
the quantile is at (n - 1) * q, on the line between the two values beside it. Values are taken as floats.

`approx_quantile` counts values in bins: each power of two is cut into equal parts, as many as the error asks
for. The bins are fixed, so their counts are the same for any splits and any order, which is true of neither
t-digest nor KLL. The form is HdrHistogram's (G. Tene), and the error that of DDSketch (Masson, Rim and Lee,
"DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019). It uses no
logarithm, whose last bit differs from one C library to another.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Any

from mrframe.core.safe_text import safe_repr
from mrframe.errors import JobError
from mrframe.shuffle.measures.counted import Counted, CountingFold

_NUMBERS = {int, bool, float, Decimal, type(None)}
_OCTAVES = 1 << 12  # more than there are powers of two among floats, so that a bin above 0 has a positive number
_INFINITE = 1 << 60  # the bin of infinity
ERROR_MIN = 1e-6


def numbers_of(values: Sequence[Any], wanted_by: str) -> Sequence[Any]:
    """Return the values without None. Raises TypeError for a value that is no number, or NaN."""
    kinds = set(map(type, values))
    if not kinds <= _NUMBERS:
        wrong = next(value for value in values if type(value) not in _NUMBERS)
        raise TypeError(f"{safe_repr(wrong)} is a {type(wrong).__name__}, not a number, which {wanted_by} needs")
    if type(None) in kinds:
        values = [value for value in values if value is not None]
    if (float in kinds or Decimal in kinds) and True in map(math.isnan, values):
        raise TypeError(f"NaN has no place in the order of numbers, which {wanted_by} needs; leave it out in the map")
    return values


def as_float(value: Any) -> float:
    """Return a number as a float, 0.0 for -0.0. Raises TypeError for one that no float can hold."""
    try:
        return float(value) + 0.0
    except OverflowError:
        raise TypeError(f"{safe_repr(value)} is larger than any float; yield a smaller number") from None


class Quantile(CountingFold):
    """The exact quantile, or None without values. Every value of a key is counted, on disk where they are many."""

    def __init__(self, q: float, name: str = "") -> None:
        self.q = q
        self.name = name or f"p{100 * q:.10g}"

    def __repr__(self) -> str:
        return f"quantile({self.q!r})"

    def tokens(self, values: Sequence[Any]) -> Sequence[Any]:
        """As the base class says: the numbers, of whatever type, since equal ones are one."""
        return numbers_of(values, repr(self))

    def outgoing(self, counts: dict[Any, int]) -> list[Any]:
        """As the base class says: as floats."""
        return list(map(as_float, counts))

    def result(self, counted: Counted) -> Any:
        """As the base class says."""
        if not counted.total:
            return None
        position = (counted.total - 1) * self.q
        rank = math.floor(position)
        low, high = self._values(counted, rank)
        return self._between(low, high, position - rank)

    def _values(self, counted: Counted, rank: int) -> Sequence[float]:
        """Return the values of this rank and of the next, the same one twice at the end."""
        found: list[float] = []
        before = 0
        for values, counts in counted.blocks():
            ends = list(accumulate(counts, initial=before))[1:]
            while len(found) < 2 and rank + len(found) < ends[-1]:
                found.append(values[bisect_right(ends, rank + len(found))])
            before = ends[-1]
        return [*found, found[0]][:2]

    @staticmethod
    def _between(low: float, high: float, part: float) -> float:
        """Return the point on the line between two values, from the nearer of the two, as NumPy does."""
        if low == high or not part:
            return low
        step = high - low
        return high - step * (1 - part) if part >= 0.5 else low + step * part


class Median(Quantile):
    """The middle value, or half the sum of the two in the middle, rounded once, or None without values."""

    def __init__(self) -> None:
        super().__init__(0.5, "median")

    def __repr__(self) -> str:
        return self.name

    @staticmethod
    def _between(low: float, high: float, part: float) -> float:
        return (low + high) / 2 if part else low


class ApproxQuantile(Quantile):
    """The quantile of values in bins, or None without values.

    The values at the two ranks are each known to within `error` of themselves, so that of positive values the result
    is within `error` of the exact one. A key holds at most 2 / error numbers for each factor of ten between its
    smallest and its largest value.
    """

    def __init__(self, q: float, error: float) -> None:
        super().__init__(q, f"approx_p{100 * q:.10g}")
        self.error = error
        self._parts = math.ceil(1 / (2 * error))  # of a power of two

    def __repr__(self) -> str:
        return f"approx_quantile({self.q!r}, {self.error!r})"

    def tokens(self, values: Sequence[Any]) -> Sequence[Any]:
        """As the base class says: the numbers of bins."""
        return list(map(self._bin, map(as_float, numbers_of(values, repr(self)))))

    def outgoing(self, counts: dict[Any, int]) -> list[Any]:
        """As the base class says."""
        return list(counts)

    def _bin(self, value: float) -> int:
        """Return the number of the bin of a value: 0 of 0, and the same with a minus below it."""
        if not value:
            return 0
        if math.isinf(value):
            return _INFINITE if value > 0 else -_INFINITE
        part, power = math.frexp(abs(value))
        bin_number = (power + _OCTAVES) * self._parts + int((2 * part - 1) * self._parts)
        return bin_number if value > 0 else -bin_number

    def _middle(self, bin_number: int) -> float:
        """Return the middle of a bin."""
        if not bin_number:
            return 0.0
        if abs(bin_number) == _INFINITE:
            return math.copysign(math.inf, bin_number)
        power, part = divmod(abs(bin_number), self._parts)
        middle = math.ldexp(1 + (part + 0.5) / self._parts, power - _OCTAVES - 1)
        return math.copysign(middle, bin_number)

    def _values(self, counted: Counted, rank: int) -> Sequence[float]:
        return [self._middle(int(bin_number)) for bin_number in super()._values(counted, rank)]


def quantile(q: float) -> Quantile:
    """Return the ready reducer of the exact quantile `q`, from 0 to 1: `quantile(0.95)`.

    Raises JobError for any other q.
    """
    return Quantile(_checked(q, "quantile"))


def approx_quantile(q: float, error: float = 0.01) -> ApproxQuantile:
    """Return the ready reducer of the quantile `q` of values that are known to within `error` of themselves.

    Raises JobError for a q that is not from 0 to 1, and an error that is not from 0.000001 to 0.5.
    """
    if not isinstance(error, (int, float)) or not ERROR_MIN <= error <= 0.5:
        raise JobError(f"approx_quantile(error={error!r}): the relative error is a number from {ERROR_MIN} to 0.5")
    return ApproxQuantile(_checked(q, "approx_quantile"), float(error))


def _checked(q: Any, of: str) -> float:
    if isinstance(q, bool) or not isinstance(q, (int, float)) or not 0 <= q <= 1:
        raise JobError(f"{of}({q!r}): a quantile is a number from 0 to 1, such as 0.95 for the 95th percentile")
    return float(q)


median = Median()
