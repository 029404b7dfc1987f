"""Exact sums: the same result for any grouping and order of the additions.

How it works. Numbers are kept as a *state* until the end. A sum of ints is an int. A sum of floats is a canonical
expansion: the list of correctly rounded remainders of the exact sum (after Shewchuk, "Adaptive Precision
Floating-Point Arithmetic", 1997). Each part is the `math.fsum` of what the parts before it left over, so it depends
only on the exact sum. A sum of Decimals is a Decimal added without rounding. Only `finish` rounds, once.

Infinity and NaN are values, of Decimals as of floats. Infinities of both signs, and NaN with anything, make NaN: a
quiet one without payload or sign, which would depend on the order. Only the decimal contexts in this file matter,
since the user's own context is that of one process.

States: int | Decimal | ("f", int part, (float, …), special), where special is 0.0 or the inf or nan that occurred.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal, DecimalException, Inexact, Rounded
from typing import TYPE_CHECKING, Any

from mrframe.core.safe_text import safe_repr

if TYPE_CHECKING:
    from fractions import Fraction

State = Any
DIGITS_MAX = 999_999  # of an exact sum of Decimals
MEAN_DIGITS = 28  # of a mean of Decimals
_EXACT = Context(DIGITS_MAX, ROUND_HALF_EVEN, MIN_EMIN, MAX_EMAX, 1, 0, [], [Inexact, Rounded])
_MEAN = Context(MEAN_DIGITS, ROUND_HALF_EVEN, MIN_EMIN, MAX_EMAX, 1, 0, [], [])
_NAN = Decimal("NaN")
_NUMBERS = {int, bool}
_PLAIN_INT = {int}


def add(values: Sequence[Any]) -> State:
    """Return the state of the sum of numbers. Skips None.

    Raises TypeError, which names a value that is not a number.
    """
    kinds = set(map(type, values))
    if kinds == _PLAIN_INT:
        return sum(values)
    kinds.discard(type(None))
    if kinds <= _NUMBERS:
        return sum(int(v) for v in values if v is not None)
    if kinds <= {int, bool, float}:
        return _floats([v for v in values if v is not None])
    if kinds <= {int, bool, Decimal}:
        return _decimals(v for v in values if v is not None)
    wrong = (
        next(v for v in values if type(v) not in (int, bool, float, Decimal, type(None)))
        if (kinds - {int, bool, float, Decimal})
        else None
    )
    if wrong is None:
        raise TypeError("floats and Decimals cannot be added exactly to each other; yield one of the two")
    raise TypeError(f"{safe_repr(wrong)} is a {type(wrong).__name__}, not a number")


def merge(states: Sequence[State]) -> State:
    """Return the state of the sum of several states."""
    kinds = set(map(type, states))
    if kinds == _PLAIN_INT:
        return sum(states)
    if tuple not in kinds:
        return add(states)
    if Decimal in kinds:
        raise TypeError("floats and Decimals cannot be added exactly to each other; yield one of the two")
    whole, parts, special = 0, [], 0.0
    for state in states:
        if type(state) is tuple:
            whole += state[1]
            parts.extend(state[2])
            special += state[3]
        else:
            whole += state
    return ("f", whole, _expansion(parts), _unsigned(special))


def finish(state: State) -> int | float | Decimal:
    """Return the sum: an int of ints, a correctly rounded float if there was a float, a Decimal of Decimals."""
    if type(state) is not tuple:
        return state  # type: ignore[no-any-return]
    _, whole, parts, special = state
    if special != 0:
        return special  # type: ignore[no-any-return]
    if not whole:
        return _fsum(parts)
    return _rounded(whole + _fractions(parts))


def mean(state: State, count: int) -> float | Decimal:
    """Return the sum divided by a positive count, rounded once. Raises TypeError if it is larger than any float."""
    if isinstance(state, Decimal):
        return _MEAN.divide(state, count)
    if type(state) is not tuple:
        try:
            return state / count  # type: ignore[no-any-return]
        except OverflowError:
            raise TypeError(
                f"the mean of {count:,} ints has more than {sys.float_info.max_10_exp:,} digits, which no float can "
                "hold; yield Decimals"
            ) from None
    _, whole, parts, special = state
    if special != 0:
        return special  # type: ignore[no-any-return]
    return _rounded((whole + _fractions(parts)) / count)


def _floats(values: list[Any]) -> State:
    whole = sum(int(v) for v in values if type(v) is not float)
    floats = [v for v in values if type(v) is float]
    finite = [v for v in floats if math.isfinite(v)]
    special = 0.0
    if len(finite) != len(floats):
        for v in floats:
            special += 0.0 if math.isfinite(v) else v
    return ("f", whole, _expansion(finite), _unsigned(special))


def _unsigned(special: float) -> float:
    """Return NaN without a sign: a processor gives its own a sign that depends on the order of the operands."""
    return math.nan if math.isnan(special) else special


def _expansion(values: Sequence[float]) -> tuple[float, ...]:
    """Return the canonical expansion of the exact sum: largest part first, each the rounded rest."""
    rest: list[float] = list(values)
    parts: list[float] = []
    try:
        while part := math.fsum(rest):
            parts.append(part)
            rest.append(-part)
    except OverflowError:
        return _huge(values)
    return tuple(parts)


def _huge(values: Sequence[float]) -> tuple[float, ...]:
    """Return the same where the sum overflows on the way. Raises OverflowError if the result exceeds a float."""
    rest = _fractions(values)
    parts: list[float] = []
    while rest:
        part = _rounded(rest)
        if math.isinf(part):
            part = math.copysign(1.7976931348623157e308, part)  # kept in pieces: later terms may bring it back
        parts.append(part)
        rest -= _fractions([part])
    return tuple(parts)


def _fsum(parts: Iterable[float]) -> float:
    try:
        return math.fsum(parts)
    except OverflowError:
        return _rounded(_fractions(parts))


def _fractions(parts: Iterable[float]) -> Fraction:
    """Return the exact sum of some floats."""
    from fractions import Fraction  # takes 2 ms, and sums of ints do without

    return sum(map(Fraction, parts), Fraction(0))


def _rounded(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _decimals(values: Iterable[Any]) -> Decimal:
    total, special = Decimal(0), None
    for value in values:
        one = Decimal(value)
        if not one.is_finite():
            same = one.is_infinite() and (special is None or (special.is_infinite() and special == one))
            special = one if same else _NAN
            continue
        try:
            total = _EXACT.add(total, one)
        except DecimalException:
            raise TypeError(
                f"the exact sum of these Decimals has more than {DIGITS_MAX:,} digits (one of them is about "
                f"1E{one.adjusted():+}); round them to a common exponent (Decimal.quantize)"
            ) from None
    return total if special is None else special
