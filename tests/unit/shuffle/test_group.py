"""Groups: types tell keys apart, unread values are passed over, a large group is a stream."""

import weakref

import pytest

from mrframe.shuffle.group import group, runs_of_equal
from mrframe.shuffle.keys import kind_of


def block(keys, values):
    return kind_of(keys), keys, values


@pytest.mark.parametrize(
    ("keys", "starts"),
    [
        ([], [0]),
        (["a"], [0, 1]),
        (["a", "b", "c"], [0, 1, 2, 3]),
        (["a", "a", "b", "b", "b"], [0, 2, 5]),
        ([None, None], [0, 2]),
        ([True, 1, 1, 1.0], [0, 1, 3, 4]),
        ([(1, None), (1, None), (2, None)], [0, 2, 3]),
    ],
)
def test_runs_of_equal_keys_are_found(keys, starts):
    assert runs_of_equal(kind_of(keys), keys) == starts


def test_keys_of_different_types_in_neighbouring_blocks_are_kept_apart():
    blocks = [block([True], [1]), block([1, 1], [2, 3]), block([1.0], [4]), block([1.0, "a"], [5, 6])]
    assert [(repr(key), list(values)) for key, values in group(iter(blocks))] == [
        ("True", [1]),
        ("1", [2, 3]),
        ("1.0", [4, 5]),
        ("'a'", [6]),
    ]


def test_a_group_over_many_blocks_ends_within_one():
    blocks = [
        block(["a", "b"], [1, 2]),
        block([], []),
        block(["b"], [3]),
        block(["b", "b", "c"], [4, 5, 6]),
        block(["c"], [7]),
    ]
    assert [(key, list(values)) for key, values in group(iter(blocks))] == [
        ("a", [1]),
        ("b", [2, 3, 4, 5]),
        ("c", [6, 7]),
    ]


def test_unread_values_are_skipped():
    def blocks():
        yield block(["a", "a", "b", "b"], [1, 2, 3, 4])
        yield block(["b", "b"], [5, 6])
        yield block(["b", "c"], [7, 8])

    assert [key for key, _ in group(blocks())] == ["a", "b", "c"]
    assert [(key, next(values)) for key, values in group(blocks())] == [("a", 1), ("b", 3), ("c", 8)]
    kept = [values for _, values in group(blocks())]
    assert list(kept[1]) == []


def test_no_blocks_are_no_groups():
    assert list(group(iter([]))) == []
    assert list(group(iter([block([], [])]))) == []


def test_a_large_group_is_never_held():
    class Value:
        pass

    alive = weakref.WeakSet()

    def blocks():
        for _ in range(300):
            values = [Value() for _ in range(10)]
            alive.update(values)
            yield block(["hot"] * 10, values)

    most = seen = 0
    for _, values in group(blocks()):
        for value in values:
            seen += 1
            del value
            most = max(most, len(alive))
    assert seen == 3_000
    assert most <= 30
