"""Folding by key: which keys a table keeps apart."""

import pytest

from mrframe import collect, count
from mrframe.shuffle.buffers import STATE_ITEMS_MAX, FoldBuffer
from mrframe.shuffle.reducers import as_fold

EQUAL_IN_PYTHON = [
    (1, True, 1.0),
    ((1,), (True,), (1.0,)),
    (((1,),), ((True,),), ((1.0,),)),
    (("a", (0, (1,))), ("a", (False, (True,))), ("a", (0, (1.0,)))),
]


@pytest.mark.parametrize("keys", EQUAL_IN_PYTHON, ids=repr)
@pytest.mark.parametrize("at_once", [True, False])
def test_keys_that_only_python_calls_equal_stay_apart(keys, at_once):
    buffer = FoldBuffer(as_fold(count))
    for some in [list(keys)] if at_once else [[key] for key in keys]:
        buffer.add(some, [None] * len(some))
    found, states = buffer.drain()
    assert list(map(repr, found)) == list(map(repr, keys))
    assert states == [1] * len(keys)


@pytest.mark.parametrize(
    "items", [STATE_ITEMS_MAX - 1, STATE_ITEMS_MAX, STATE_ITEMS_MAX + 1, 2 * STATE_ITEMS_MAX + 1]
)
def test_a_long_state_is_cut_into_pieces_that_hold_all_of_it(items):
    buffer = FoldBuffer(as_fold(collect))
    buffer.add(["few"] + ["many"] * items, list(range(items + 1)))
    keys, states = buffer.drain()
    assert set(keys) == {"few", "many"}
    assert max(map(len, states)) <= STATE_ITEMS_MAX
    together = [item for key, state in zip(keys, states, strict=True) if key == "many" for item in state]
    assert together == list(range(1, items + 1))
