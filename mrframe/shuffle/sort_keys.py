"""Sort keys of pairs: the pair's key, or with `sort_values` its key and then its value.

Not here: the order itself (`keys.py`). A sort key, or rank, may be compared only with ranks of the same `PairKind`,
or, where kinds differ, with ranks that were all made by `order`.
"""

from __future__ import annotations

from typing import Any

from mrframe.errors import KeyRefused, ValueRefused
from mrframe.shuffle.keys import kind_of, normal, order, sort_keys, sorts_natively

PairKind = tuple[str, str | None]  # kinds of keys and of values (None where values do not count)


def pair_kind(kind: str, values: list[Any], *, by_value: bool) -> PairKind:
    """Return the kinds that count. Raises ValueRefused for values without an order."""
    if not by_value:
        return kind, None
    try:
        return kind, kind_of(values)
    except KeyRefused as error:
        raise ValueRefused(
            f"sort_values=True orders values as keys are ordered, and a value has no such order: {error}"
        ) from error


def is_native(kinds: PairKind) -> bool:
    """Return whether ranks of these kinds are the keys, or pairs, themselves."""
    return sorts_natively(kinds[0]) and (kinds[1] is None or sorts_natively(kinds[1]))


def ranks(kinds: PairKind, keys: list[Any], values: list[Any], *, by_order: bool = False) -> list[Any]:
    """Return the ranks to sort and compare in place of the pairs. The keys are in their normal form."""
    of_keys = list(map(order, keys)) if by_order else sort_keys(keys, kinds[0])
    if kinds[1] is None:
        return of_keys
    of_values = list(map(order, values)) if by_order else sort_keys(normal(values, kinds[1]), kinds[1])
    return list(zip(of_keys, of_values, strict=True))


def sorted_pairs(
    kinds: PairKind, keys: list[Any], values: list[Any], ranks: list[Any]
) -> tuple[list[Any], list[Any]]:
    """Return the pairs sorted by their ranks, stably."""
    if ranks is keys and values.count(None) == len(values):
        return sorted(keys), values  # half the time: nothing has to be carried along
    if kinds[0] == "n" and kinds[1] is None:
        return keys, values
    indexes = sorted(range(len(keys)), key=ranks.__getitem__)
    return [keys[i] for i in indexes], [values[i] for i in indexes]
