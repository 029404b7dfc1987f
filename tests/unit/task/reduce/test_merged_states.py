"""Merging states of equal keys that may lie in many blocks, compared with adding them up in a dict."""

from hypothesis import given
from hypothesis import strategies as st

from mrframe import total
from mrframe.shuffle.reducers import as_fold
from mrframe.task.reduce.merged_states import STATES_AT_ONCE, merged_states

FOLD = as_fold(total)


def merged(columns):
    """All (key, state) rows of sorted columns of (keys, states)."""
    blocks = (("s", keys, states) for keys, states in columns)
    return [row for keys, states in merged_states(FOLD, blocks) for row in zip(keys, states, strict=True)]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6), st.integers(1, 5))
def test_every_state_is_merged_however_many_blocks_a_key_fills(repeats, block_rows):
    rows = [(f"key {number}", 1) for number, times in enumerate(repeats) for _ in range(times)]
    blocks = [rows[at : at + block_rows] for at in range(0, len(rows), block_rows)]
    columns = [([key for key, _ in block], [state for _, state in block]) for block in blocks]
    assert merged(columns) == [(f"key {number}", times) for number, times in enumerate(repeats)]


def test_a_key_that_fills_more_blocks_than_states_are_held_loses_none():
    blocks = 3 * STATES_AT_ONCE
    assert merged([(["a"], [number]) for number in range(blocks)]) == [("a", sum(range(blocks)))]
