"""Identity, order, kinds and slots of keys agree with each other."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe.shuffle.keys import canonical, kind_of, normal, order, sort_order, sorts_natively
from mrframe.shuffle.partition import partition_of, slot_column, slot_range
from mrframe.testing.strategies import key_columns, keys

SETTINGS = settings(deadline=None, max_examples=150)


@SETTINGS
@given(st.lists(keys(), min_size=2, max_size=6))
def test_order_and_canonical_bytes_name_the_same_keys_as_equal(some):
    for a in some:
        for b in some:
            assert (order(a) == order(b)) == (canonical(a) == canonical(b))
            assert (order(a) < order(b)) + (order(b) < order(a)) + (order(a) == order(b)) == 1


@SETTINGS
@given(key_columns())
def test_a_native_kind_sorts_and_compares_as_order_does(column):
    kind = kind_of(column)
    plain = normal(column, kind)
    assert list(map(canonical, plain)) == list(map(canonical, column))
    assert kind_of(plain) == kind
    expected = sorted(range(len(column)), key=lambda i: order(column[i]))
    assert sort_order(plain, kind) == expected
    if sorts_natively(kind):
        assert [plain[i] for i in expected] == sorted(plain)
        for a in plain:
            assert [a == b for b in plain] == [canonical(a) == canonical(b) for b in plain]


@SETTINGS
@given(key_columns(min_size=1), st.sampled_from([1, 2, 256, 65_536]), st.sampled_from([0, 1, (1 << 64) - 1]))
def test_the_slot_of_a_key_does_not_depend_on_its_column(column, slots, seed):
    together = slot_column(column, kind_of(column), slots, seed)
    assert together == [slot_column([key], kind_of([key]), slots, seed)[0] for key in column]
    assert together == slot_column(column, "", slots, seed)
    assert all(0 <= slot < slots for slot in together)


@SETTINGS
@given(st.integers(1, 256), st.sampled_from([256, 65_536]))
def test_partitions_are_ranges_of_slots_that_cover_all(partitions, slots):
    ranges = [slot_range(p, slots, partitions) for p in range(partitions)]
    assert [slot for r in ranges for slot in r] == list(range(slots))
    assert all(partition_of(slot, slots, partitions) == p for p, r in enumerate(ranges) for slot in (r[0], r[-1]))
