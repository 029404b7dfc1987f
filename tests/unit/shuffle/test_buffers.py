"""Buffers: which keys a table keeps apart, how long states are cut, and how much memory a buffer says it holds."""

import gc
import random
import tracemalloc

import pytest

from mrframe.shuffle import buffers
from mrframe.shuffle.buffers import STATE_ITEMS_MAX, CombineBuffer, FoldBuffer, PairBuffer
from mrframe.shuffle.reducers import as_fold, collect, count, distinct, mean, total

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


# ---- size: by it a task decides when to spill ----------------------------------------------------------

PAIRS = 24_000
AT_ONCE = 3_000
some = random.Random(7)


def words(number):
    return [f"w{some.getrandbits(40):x}" for _ in range(number)]


def ints(number):
    return [some.getrandbits(40) for _ in range(number)]


def few(number):
    return [f"k{some.randrange(20)}" for _ in range(number)]


def mostly_one(number):
    return [f"s{i}" for i in range(number // 10)] + ["hot"] * (number - number // 10)


def add(key, values):
    return [sum(values)]


CASES = {
    "count of words": (lambda: FoldBuffer(count), words, ints),
    "count of tuples": (lambda: FoldBuffer(count), lambda n: list(zip(words(n), ints(n), strict=True)), ints),
    "count of mixed keys": (lambda: FoldBuffer(count), lambda n: [True, *ints(n - 1)], ints),
    "total of ints": (lambda: FoldBuffer(total), words, ints),
    "total of floats": (lambda: FoldBuffer(total), words, lambda n: [some.random() for _ in range(n)]),
    "mean": (lambda: FoldBuffer(mean), words, ints),
    "distinct of few keys": (lambda: FoldBuffer(distinct), few, words),
    "distinct of many keys": (lambda: FoldBuffer(distinct), words, words),
    "distinct of one hot key among many": (lambda: FoldBuffer(distinct), mostly_one, words),
    "collect": (lambda: FoldBuffer(collect), few, lambda n: list(zip(words(n), ints(n), strict=True))),
    "measures": (lambda: FoldBuffer(as_fold({"n": count, "d": distinct})), few, words),
    "combiner, many keys": (lambda: CombineBuffer(add), words, ints),
    "pairs of ints": (PairBuffer, ints, ints),
    "pairs of nested lists": (PairBuffer, words, lambda n: [[i, [w, w + "x"]] for i, w in enumerate(words(n))]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_estimate_is_near_what_is_held(case):
    make, keys, values = CASES[case]
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        buffer = make()
        for _ in range(PAIRS // AT_ONCE):
            buffer.add(keys(AT_ONCE), values(AT_ONCE))
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.85 * held < buffer.size_bytes() < 2 * held


THIRTEEN = [*map(str, range(12)), "0"]


@pytest.mark.parametrize(
    ("fold", "expected"),
    [
        pytest.param(distinct, {"a": 12, "b": 1, "c": 0}, id="distinct"),
        pytest.param(collect, {"a": THIRTEEN, "b": ["x"], "c": [None]}, id="collect"),
    ],
)
def test_long_states_are_cut_and_merge_to_the_same(monkeypatch, fold, expected):
    monkeypatch.setattr(buffers, "STATE_ITEMS_MAX", 5)
    buffer = FoldBuffer(fold)
    buffer.add([*["a"] * 13, "b", "c"], [*THIRTEEN, "x", None])
    keys, states = buffer.drain()
    assert max(map(len, states)) <= 5
    merged = {key: fold.merge([s for k, s in zip(keys, states, strict=True) if k == key]) for key in keys}
    assert {key: fold.finish(state) for key, state in merged.items()} == expected
    assert keys == sorted(keys)
