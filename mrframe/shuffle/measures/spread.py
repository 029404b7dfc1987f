"""`stddev`: the standard deviation of a sample, from exact sums.

The sums of the values and of their squares are whole numbers times a power of two, so they are exact and the same for
any order and any splits, and the result is rounded once. No float of a log is too large or too small for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from mrframe.shuffle.fold import Fold, State
from mrframe.shuffle.measures.quantiles import numbers_of

_DIGITS = Context(60, ROUND_HALF_EVEN, MIN_EMIN, MAX_EMAX, 1, 0, [], [])  # far more than a float has

Scaled = tuple[int, int]
"""(n, e) for n / 2**e, n odd or (0, 0)."""


class Stddev(Fold):
    """The standard deviation of a sample (divided by n - 1), or None for less than two values.

    A state is (number of values, sum, sum of squares, number of infinite values).
    """

    name = "stddev"

    def start(self, values: Sequence[Any]) -> State:
        """As the base class says."""
        some = numbers_of(values, self.name)
        finite = [value for value in some if type(value) is int or math.isfinite(value)]
        ratios = [(float(v) if type(v) is Decimal else v).as_integer_ratio() for v in finite]
        bits = max((d.bit_length() for _, d in ratios), default=1) - 1
        scaled = [n << bits - d.bit_length() + 1 for n, d in ratios]
        total, squares = sum(scaled), sum([n * n for n in scaled])
        return (len(some), _canonical(total, bits), _canonical(squares, 2 * bits), len(some) - len(finite))

    def merge(self, states: Sequence[State]) -> State:
        """As the base class says."""
        numbers, sums, squares, infinite = zip(*states, strict=True)
        return (sum(numbers), _added(sums), _added(squares), sum(infinite))

    def finish(self, state: State) -> Any:
        """Return the standard deviation."""
        count, (total, bits), (squares, squared_bits), infinite = state
        if count < 2:
            return None
        if infinite:
            return math.nan
        shift = max(2 * bits, squared_bits)
        above = count * (squares << shift - squared_bits) - (total * total << shift - 2 * bits)
        variance = _DIGITS.divide(Decimal(above), Decimal(count * (count - 1) << shift))
        return float(_DIGITS.sqrt(variance))


def _canonical(number: int, bits: int) -> Scaled:
    """Return number / 2**bits in its one form."""
    if not number:
        return (0, 0)
    spare = min(bits, (number & -number).bit_length() - 1)
    return (number >> spare, bits - spare)


def _added(terms: Sequence[Scaled]) -> Scaled:
    bits = max(bits for _, bits in terms)
    return _canonical(sum(number << bits - own for number, own in terms), bits)


stddev = Stddev()
