"""The hash is fixed for ever: these numbers are in files."""

from datetime import UTC, datetime

import pytest

from mrframe.shuffle.keys import kind_of
from mrframe.shuffle.partition import slot_column, slots_for

KEYS = [None, True, 7, 1 << 70, 1.5, b"abc", "abc", "\udcff", ("abc", 7), datetime(2024, 1, 1, tzinfo=UTC)]
KNOWN = [30728, 54459, 34989, 24503, 49676, 31246, 37547, 28098, 15540, 21420]
KNOWN_SEEDED = [62308, 18991]  # of "abc" and "abd"


def test_known_keys_have_their_known_slots():
    assert [slot_column([key], kind_of([key]), 65_536)[0] for key in KEYS] == KNOWN
    assert slot_column(KEYS, "", 256) == [slot >> 8 for slot in KNOWN]
    assert slot_column(["abc", "abd"], "s", 65_536, seed=1) == KNOWN_SEEDED


def test_slots_are_256_or_65536_by_the_number_of_partitions():
    assert [slots_for(n) for n in (1, 256, 257, 65_536)] == [256, 256, 65_536, 65_536]


@pytest.mark.parametrize("partitions", [0, 65_537])
def test_a_number_of_partitions_out_of_range_is_refused(partitions):
    with pytest.raises(ValueError, match="partitions"):
        slots_for(partitions)


@pytest.mark.parametrize("slots", [0, 3, 131_072])
def test_a_number_of_slots_that_is_not_a_power_of_two_in_range_is_refused(slots):
    with pytest.raises(ValueError, match="power of two"):
        slot_column(["a"], "s", slots)


def test_a_separator_within_a_key_does_not_move_it():
    keys = ["a", "a\0b", "b"]
    assert slot_column(keys, "s", 65_536) == [slot_column([key], "s", 65_536)[0] for key in keys]


def test_slots_are_spread():
    slots = slot_column([f"/page/{i}" for i in range(25_600)], "s", 256)
    counts = [slots.count(slot) for slot in range(256)]
    assert min(counts) > 50
    assert max(counts) < 160
