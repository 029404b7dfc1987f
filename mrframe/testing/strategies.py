"""Hypothesis strategies for keys and values that a job may yield, the awkward cases first.

Not imported by anything that runs a job: it needs hypothesis, on which mrframe does not depend.
"""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

_ZONES = st.one_of(
    st.none(),
    st.just(UTC),
    st.builds(timezone, st.integers(-720, 840).map(lambda minutes: timedelta(minutes=minutes))),
)
_TEXT = st.text(st.characters(exclude_categories=()), max_size=6)  # lone surrogates too
_ATOMS: dict[str, st.SearchStrategy[Any]] = {
    "n": st.none(),
    "o": st.booleans(),
    "i": st.one_of(st.integers(-3, 3), st.integers(), st.sampled_from([1 << 63, -(1 << 63), (1 << 64) + 1])),
    "f": st.one_of(st.sampled_from([0.0, -0.0, 1.0, 2.0]), st.floats(allow_nan=False)),
    "b": st.one_of(st.binary(max_size=6), st.sampled_from([b"", b"\0", b"\xff"])),
    "s": st.one_of(st.sampled_from(["", "\0", "a", "\udcff", "\ud83d\ude00", "\U0001f600", "\uffff"]), _TEXT),
    "d": st.dates(),
    "m": st.datetimes(timezones=_ZONES),
}


def keys() -> st.SearchStrategy[Any]:
    """Any legal key. Small numbers and equal numbers of different types are common."""
    return st.recursive(
        st.one_of(*_ATOMS.values()), lambda inner: st.tuples() | st.tuples(inner, inner), max_leaves=4
    )


def key_columns(*, min_size: int = 0, max_size: int = 30) -> st.SearchStrategy[list[Any]]:
    """Columns of keys with repeats: of one type, of tuples of one shape, or mixed."""
    shapes = [*_ATOMS.values(), st.tuples(_ATOMS["s"], _ATOMS["i"]), st.tuples(_ATOMS["f"], _ATOMS["n"]), keys()]
    return st.sampled_from(shapes).flatmap(
        lambda one: st.lists(one, min_size=1, max_size=8).flatmap(
            lambda pool: st.lists(st.sampled_from(pool), min_size=min_size, max_size=max_size)
        )
    )


def values() -> st.SearchStrategy[Any]:
    """Any plain value, nested a few levels."""
    decimals = st.one_of(
        st.decimals(allow_nan=False), st.sampled_from([Decimal("1.50"), Decimal("-0"), Decimal("1E+9")])
    )
    scalars = st.one_of(*_ATOMS.values(), decimals)
    hashable = st.recursive(scalars, lambda inner: st.tuples(inner) | st.frozensets(inner, max_size=3), max_leaves=4)
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(hashable, inner, max_size=3),
            st.sets(hashable, max_size=3),
            st.frozensets(hashable, max_size=3),
        ),
        max_leaves=8,
    )
