"""Ranges of keys in place of a hash: where the cuts lie, which slot a key gets, and what frequent keys do to it."""

import io
import random

import pytest

from mrframe.errors import ValueRefused
from mrframe.shuffle.keys import kind_of, normal, order
from mrframe.shuffle.partition import partition_of, slots_for
from mrframe.shuffle.range_partition import CUT_CHARS, Ranges, choose_cuts, ranges_each, short
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter


def partitions_of(keys, cuts, partitions):
    """The number of the sorted keys in each partition; every key in exactly one, slots and keys both ascending."""
    keys = sorted(keys, key=order)
    kind = kind_of(keys)
    pieces = list(Ranges(cuts, partitions).pieces(normal(keys, kind), kind))
    assert [start for _, start, _ in pieces] == [0, *(end for _, _, end in pieces[:-1])]
    assert pieces[-1][2] == len(keys)
    assert [slot for slot, _, _ in pieces] == sorted({slot for slot, _, _ in pieces})
    counts = [0] * partitions
    for slot, start, end in pieces:
        counts[partition_of(slot, slots_for(partitions), partitions)] += end - start
    return counts


@pytest.mark.parametrize("partitions", [2, 3, 7, 100, 256, 300, 1000])
def test_every_partition_gets_its_share(partitions):
    chance = random.Random(1)
    keys = [chance.random() for _ in range(20_000)]
    cuts = choose_cuts([(key, 1) for key in keys], partitions)
    assert len(cuts) == partitions * ranges_each(partitions) - 1
    counts = partitions_of(keys, cuts, partitions)
    assert sum(counts) == len(keys)
    assert max(counts) <= 1.5 * len(keys) / partitions + 20


def test_cuts_follow_the_weights_of_the_sample():
    cuts = choose_cuts([("a", 1), ("b", 1), ("c", 98)], 2)
    assert cuts.count("c") >= len(cuts) - 1


def test_a_frequent_key_stays_whole_and_leaves_the_others_to_the_others():
    keys = ["hot"] * 9000 + [f"{i:04}" for i in range(500)] + [f"z{i:04}" for i in range(500)]
    counts = partitions_of(keys, choose_cuts([(key, 1) for key in keys], 4), 4)
    assert sorted(counts)[-1] >= 9000
    assert sum(1 for count in counts if count) >= 2


def test_ranges_of_fewer_keys_than_partitions_and_of_none():
    assert sum(partitions_of([1, 2, 3], choose_cuts([(1, 1), (2, 1), (3, 1)], 50), 50)) == 3
    assert (
        len([count for count in partitions_of([1, 2, 3], choose_cuts([(1, 5), (2, 5), (3, 5)], 50), 50) if count])
        == 3
    )
    assert choose_cuts([], 4) == []
    assert partitions_of([3, 1, 2], [], 4) == [3, 0, 0, 0]
    assert list(Ranges(choose_cuts([(1, 1)], 4), 4).pieces([], "")) == []


@pytest.mark.parametrize("cuts", [[1] * 7, ["a", "m", "x"], [None, 1, "x", ("a", 1)]])
def test_cuts_of_any_types_cut_keys_of_all(cuts):
    keys = [None, True, 1, 1.0, 2**70, b"x", "x", (), ("a", 1), ("a", None)]
    assert sum(partitions_of(keys, cuts, 4)) == len(keys)


@pytest.mark.parametrize("key", [10, 20, 30])
def test_a_key_lies_in_one_range_whatever_other_keys_are_with_it(key):
    ranges = Ranges([10, 20, 30], 4)
    alone = list(ranges.pieces([key], "i"))
    mixed = normal([key, "text"], "")
    assert next(ranges.pieces(mixed, kind_of([key, "text"])))[0] == alone[0][0]


def test_a_key_that_equals_a_cut_begins_the_range_behind_it():
    slots = {key: slot for key in (9, 10) for slot, _, _ in Ranges([10] * 7, 1).pieces([key], "i")}
    assert slots[9] < slots[10]


def test_cuts_are_short():
    long = "x" * 1000
    assert short(long) == "x" * CUT_CHARS
    assert short((long.encode(), 3, (long,))) == (b"x" * CUT_CHARS, 3, ("x" * CUT_CHARS,))
    assert order(short(long)) <= order(long)


def test_a_file_of_ranges_is_in_order_from_slot_to_slot():
    chance = random.Random(2)
    keys = [chance.randrange(1000) for _ in range(5000)]
    file = io.BytesIO()
    writer = RunWriter(file, slots=256, ranges=Ranges(choose_cuts([(key, 1) for key in keys], 5), 5))
    writer.add_run(list(keys), list(range(5000)))
    writer.close()
    reader = RunReader(file, "test", unpickle=False)
    rows = [
        row
        for slot in reader.slots_present()
        for stream in reader.streams(slot)
        for _, ks, vs in stream
        for row in zip(ks, vs, strict=True)
    ]
    assert rows == sorted(zip(keys, range(5000), strict=True))


@pytest.mark.parametrize(("value", "name"), [({1}, "set"), (float("nan"), "NaN"), ([1], "list")])
def test_values_without_an_order_are_refused_before_anything_is_written(value, name):
    file = io.BytesIO()
    writer = RunWriter(file, slots=1, by_value=True)
    writer.add_run(["k"], [1])
    size = file.tell()
    with pytest.raises(ValueRefused, match=f"sort_values=True.*{name}"):
        writer.add_run(["k"], [value])
    assert file.tell() == size
    assert writer.close().records == 1


def test_values_are_sorted():
    file = io.BytesIO()
    writer = RunWriter(file, slots=1, by_value=True)
    writer.add_run(["k", "a", "k", "k", "k"], ["x", 1, None, 2.0, 1])
    writer.close()
    reader = RunReader(file, "test", unpickle=False)
    assert reader.by_value
    ((block,),) = [list(stream) for stream in reader.streams(0)]
    assert block == ("s", ["a", "k", "k", "k", "k"], [1, None, 1, 2.0, "x"])


def test_some_blocks_of_a_slot_are_spread_over_it():
    file = io.BytesIO()
    writer = RunWriter(file, slots=1)
    writer.add_sorted(0, [([i] * 4096, [0] * 4096) for i in range(100)])
    writer.close()
    reader = RunReader(file, "test", unpickle=False)
    firsts = [keys[0] for _, keys, _ in reader.some_blocks(0, 5)]
    assert (firsts[0], firsts[-1], len(firsts)) == (0, 99, 5)
    assert firsts == sorted(firsts)
    assert len(reader.some_blocks(0, 1000)) >= 100
    assert reader.some_blocks(1 - 1, 1)[0][1][0] == 0
