"""Merges the states of a ready reducer, so that each key of the sorted blocks has one state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from mrframe.shuffle.fold import Fold
from mrframe.shuffle.group import runs_of_equal, same_key
from mrframe.shuffle.run_file.pair_blocks import Block
from mrframe.task.isolation.hook_guard import is_refusal, named_refusal
from mrframe.task.report.failures import GroupFailed

STATES_AT_ONCE = 64  # states of one key merged at a time. Few, since those of `distinct` are long


def merged_states(fold: Fold, blocks: Iterator[Block]) -> Iterator[tuple[list[Any], list[Any]]]:
    """Yield columns of (keys, one state each) from sorted blocks in which a key may have several states."""
    held: list[Any] = []
    held_kind, held_key = "", None  # the last key of a block may continue in the next
    for kind, keys, states in blocks:
        if not keys:
            continue
        starts = runs_of_equal(kind, keys)
        out_keys: list[Any] = []
        out_states: list[Any] = []
        first = 0
        if held:
            if same_key(held_kind, held_key, kind, keys[0]):
                held.extend(states[: starts[1]])
                first = 1
                if len(starts) == 2:  # the whole block is of that one key
                    if len(held) > STATES_AT_ONCE:
                        held = of_each(fold, fold.merge, [held_key], [held])
                    continue
            out_keys.append(held_key)
            out_states.extend(of_each(fold, fold.merge, [held_key], [held]))
        if len(starts) == len(keys) + 1:  # every key occurs once
            out_keys.extend(keys[first:-1])
            out_states.extend(states[first:-1])
        else:
            inner = starts[first:-1]
            out_keys.extend([keys[at] for at in inner[:-1]])
            try:
                out_states.extend([states[a] if b - a == 1 else fold.merge(states[a:b]) for a, b in pairwise(inner)])
            except BaseException:  # again, to name the key
                of_each(fold, fold.merge, [keys[at] for at in inner], [states[a:b] for a, b in pairwise(inner)])
                raise
        held_kind, held_key, held = kind, keys[starts[-2]], states[starts[-2] :]
        if out_keys:
            yield out_keys, out_states
    if held:
        yield [held_key], of_each(fold, fold.merge, [held_key], [held])


def of_each(fold: Fold, function: Callable[[Any], Any], keys: list[Any], of_each: list[Any]) -> list[Any]:
    """Apply a method of the fold to the item of each key. Raises GroupFailed, with the key, if one is refused."""
    results: list[Any] = []
    try:
        results.extend(map(function, of_each))  # keeps the results before the one that raises
    except BaseException as error:
        if not is_refusal(error):
            raise
        raise GroupFailed(keys[len(results)], "reduce") from named_refusal(error, fold)
    return results
