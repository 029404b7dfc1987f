"""Digests of run files: the same for the same blocks in any order and form, another one when a pair is another."""

import io
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mrframe.core.model.shuffle_checksum import EMPTY_CHECKSUM, add_checksums
from mrframe.shuffle.run_file.run_writer import RunReader, RunTotals, RunWriter, extract
from mrframe.testing.strategies import key_columns, values

SETTINGS = settings(deadline=None, max_examples=80)
SLOTS = 4
RUNS = st.lists(key_columns(min_size=1, max_size=12), min_size=1, max_size=4)


def write(runs, *, compress=True) -> tuple[bytes, RunTotals]:
    file = io.BytesIO()
    writer = RunWriter(file, slots=SLOTS, compress=compress)
    for keys, some in runs:
        writer.add_run(keys, some)
    totals = writer.close()
    return file.getvalue(), totals


def numbered(runs):
    return [(keys, [(number, i) for i in range(len(keys))]) for number, keys in enumerate(runs)]


def whole(totals: RunTotals):
    checksum = EMPTY_CHECKSUM
    for slot, (pairs, _) in totals.by_slot.items():
        checksum = add_checksums(checksum, (pairs, totals.digests[slot]))
    return checksum


@SETTINGS
@given(RUNS, st.randoms(use_true_random=False))
def test_the_order_of_blocks_does_not_matter_nor_in_which_file_they_are(runs, chance: Random):
    made = numbered(runs)
    shuffled = chance.sample(made, len(made))
    at = chance.randint(0, len(made))
    parts = [write(some)[1] for some in (shuffled[:at], shuffled[at:])]
    assert add_checksums(*map(whole, parts)) == whole(write(made)[1])


@SETTINGS
@given(RUNS)
def test_the_checksum_of_pairs_is_the_same_however_they_are_read(runs):
    made = numbered(runs)
    data, totals = write(made)
    for slot in range(SLOTS):
        wanted = (totals.by_slot.get(slot, EMPTY_CHECKSUM)[0], totals.digests.get(slot, 0))
        cut = b"".join(extract(io.BytesIO(data), "cut", range(slot, slot + 1)))
        streamed, encoded, copied = (
            RunReader(io.BytesIO(some), "test", unpickle=False) for some in (data, data, cut)
        )
        for reader in (streamed, copied):
            for stream in reader.streams(slot):
                assert list(stream)
        assert list(encoded.encoded(slot)) or wanted == EMPTY_CHECKSUM
        assert streamed.taken == encoded.taken == copied.taken == wanted


@SETTINGS
@given(RUNS, st.data())
def test_a_value_that_is_another_a_pair_left_out_and_one_too_many_change_the_digest(runs, data):
    made = numbered(runs)
    number = data.draw(st.integers(0, len(made) - 1))
    keys, some = made[number]
    at = data.draw(st.integers(0, len(keys) - 1))
    before = whole(write(made)[1])[1]
    for other in (
        (keys, [*some[:at], (number, 1000), *some[at + 1 :]]),
        (keys[:at] + keys[at + 1 :], some[:at] + some[at + 1 :]),
        ([*keys, keys[at]], [*some, some[at]]),
    ):
        assert whole(write([*made[:number], other, *made[number + 1 :]])[1])[1] != before


@SETTINGS
@given(key_columns(min_size=1), st.integers(2, 6))
def test_a_run_in_place_of_another_of_as_many_pairs_changes_the_digest(keys, times):
    made = [(keys, [(number, 0)] * len(keys)) for number in range(times)]
    assert whole(write(made)[1])[1] != whole(write([made[0], made[0], *made[2:]])[1])[1]


@SETTINGS
@given(key_columns(min_size=1, max_size=8), values(), values())
def test_equal_columns_have_equal_digests_and_others_have_not(keys, one, other):
    assume((type(one), repr(one)) != (type(other), repr(other)))
    first, again, third = (whole(write([(keys, [value] * len(keys))])[1]) for value in (one, one, other))
    assert first == again != third


def test_compressed_or_not_the_digest_is_the_same_on_both_sides():
    made = [(["key"] * 3000, [f"{number:08d}" for number in range(3000)])]
    (packed, totals), (plain, others) = write(made), write(made, compress=False)
    assert len(packed) < len(plain) / 2
    assert totals.digests == others.digests
    (slot,) = totals.digests
    for data in (packed, plain):
        reader = RunReader(io.BytesIO(data), "test", unpickle=False)
        assert sum(len(keys) for stream in reader.streams(slot) for _, keys, _ in stream) == 3000
        assert reader.taken == (3000, totals.digests[slot])
