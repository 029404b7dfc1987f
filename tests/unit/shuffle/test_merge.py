"""The merge streams: one block of each stream at a time, a hot key block by block, files only beyond fan_in."""

import io
import weakref

import pytest

from mrframe.errors import CorruptData
from mrframe.shuffle import merge as merging
from mrframe.shuffle.keys import kind_of


def merge(streams, **settings):
    """Block by block, as what is too large to be sorted in one piece."""
    return merging.merge(streams, at_once_bytes=0, **settings)


def no_file():
    raise AssertionError("no file is needed here")


def block(keys, values):
    return kind_of(keys), keys, values


def flat(blocks):
    return [(key, value) for _, keys, values in blocks for key, value in zip(keys, values, strict=True)]


def test_no_stream_gives_nothing_and_one_stream_gives_its_blocks():
    assert list(merge([], make_file=no_file)) == []
    assert list(merge([iter([])], make_file=no_file)) == []
    only = [block(["a"], [1]), block([], []), block(["b"], [2])]
    assert list(merge([iter(only)], make_file=no_file)) == [only[0], only[2]]


def test_a_key_continues_in_the_next_block_of_an_earlier_stream():
    first = [block([1, 2], ["a1", "a2"]), block([2], ["a3"]), block([2, 3], ["a4", "a5"])]
    second = [block([2, 2], ["b1", "b2"]), block([2, 4], ["b3", "b4"])]
    third = [block([0, 2], ["c1", "c2"]), block([2], ["c3"])]
    merged = flat(merge([iter(first), iter(second), iter(third)], make_file=no_file))
    assert " ".join(value for _, value in merged) == "c1 a1 a2 a3 a4 b1 b2 b3 c2 c3 a5 b4"


def test_a_hot_key_is_streamed_and_never_collected():
    class Value:
        pass

    alive = weakref.WeakSet()

    def hot(blocks):
        for _ in range(blocks):
            values = [Value() for _ in range(10)]
            alive.update(values)
            yield block(["hot"] * 10, values)

    most = seen = 0
    for _, keys, values in merge([hot(200) for _ in range(3)], make_file=no_file):
        seen += len(keys)
        del keys, values
        most = max(most, len(alive))
    assert seen == 6_000
    assert most <= 10 * (3 + 2)


def test_keys_of_another_kind_in_a_later_block_are_merged_in_order():
    streams = [
        [block([1, 5], ["a", "b"]), block([None, None][:0], []), block(["x", "y"], ["c", "d"])],
        [block([None, 1.0], ["e", "f"]), block([5.0], ["g"]), block(["x"], ["h"]), block([()], ["i"])],
    ]
    merged = flat(merge([iter(stream) for stream in streams], make_file=no_file))
    assert [value for _, value in merged] == ["e", "a", "f", "b", "g", "c", "h", "d", "i"]
    assert repr([key for key, _ in merged]) == "[None, 1, 1.0, 5, 5.0, 'x', 'x', 'y', ()]"


def test_none_keys_of_many_streams_keep_the_order_of_the_streams():
    streams = [iter([block([None] * 3, [i] * 3)] * 2) for i in range(3)]
    assert [value for _, value in flat(merge(streams, make_file=no_file))] == [0] * 6 + [1] * 6 + [2] * 6


@pytest.mark.parametrize(
    ("count", "fan_in", "files"), [(4, 4, 0), (5, 4, 1), (7, 4, 1), (8, 4, 2), (16, 4, 4), (17, 4, 5), (9, 2, 7)]
)
def test_files_are_made_no_more_than_needed_and_closed(count, fan_in, files):
    made = []

    def make_file():
        made.append(io.BytesIO())
        return made[-1]

    streams = [iter([block([1, 2], [(i, 0), (i, 1)]), block([2], [(i, 2)])]) for i in range(count)]
    merged = flat(merge(streams, fan_in=fan_in, make_file=make_file))
    assert merged == [(1, (i, 0)) for i in range(count)] + [(2, (i, j)) for i in range(count) for j in (1, 2)]
    assert len(made) == files
    assert all(file.closed for file in made)


def test_files_are_closed_when_the_merge_is_left_or_fails():
    made = []

    def make_file():
        made.append(io.BytesIO())
        return made[-1]

    def failing():
        yield block([1], [1])
        raise CorruptData("damaged")

    merged = merge([iter([block([i], [i])]) for i in range(5)], fan_in=2, make_file=make_file)
    next(merged)
    merged.close()
    with pytest.raises(CorruptData):
        list(merge([failing(), failing(), failing()], fan_in=2, make_file=make_file))
    assert len(made) > 1
    assert all(file.closed for file in made)


def test_values_that_need_a_pickle_pass_through_files():
    streams = [iter([block(["k"], [complex(i)])]) for i in range(3)]
    assert flat(merge(streams, fan_in=2, make_file=io.BytesIO)) == [("k", 0j), ("k", 1 + 0j), ("k", 2 + 0j)]


def test_fan_in_is_at_least_two():
    with pytest.raises(ValueError, match="fan_in=1"):
        next(merge([], fan_in=1, make_file=no_file))


def test_small_streams_are_sorted_in_one_piece_and_large_ones_merged():
    def streams():
        return [iter([block([1, 3], ["a", "b"]), block([3, 7], ["c", "d"])]), iter([block([3, 9], ["e", "f"])])]

    (only,) = merging.merge(streams(), make_file=no_file)
    assert only == ("i", [1, 3, 3, 3, 7, 9], ["a", "b", "c", "e", "d", "f"])
    for limit in range(1, 2000, 50):
        assert flat(merging.merge(streams(), at_once_bytes=limit, make_file=no_file)) == flat([only])


def test_a_hot_key_beyond_the_limit_is_not_collected():
    def hot():
        for number in range(500):
            yield block(["hot"] * 100, [f"{number:0100}"] * 100)

    blocks = merging.merge([hot(), hot()], at_once_bytes=100_000, make_file=no_file)
    assert max(len(keys) for _, keys, _ in blocks) <= 200


@pytest.mark.parametrize("limit", [pytest.param(0, id="merged"), pytest.param(1 << 20, id="sorted in one piece")])
def test_merge_by_value_sorts_the_values_of_a_key(limit):
    streams = [
        iter([block(["k"] * 3, [1, 2.0, "x"]), block(["l"], [(3,)])]),
        iter([block(["k"], [None]), block(["k", "k", "l"], [2, "a", (1, "z")])]),
    ]
    merged = flat(merging.merge(streams, at_once_bytes=limit, make_file=no_file, by_value=True))
    assert merged == [("k", v) for v in (None, 1, 2, 2.0, "a", "x")] + [("l", (1, "z")), ("l", (3,))]
