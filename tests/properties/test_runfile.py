"""A run file gives back the pairs that were added, by slot and key, whatever is extracted from it."""

import io
from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe.shuffle.keys import canonical, kind_of, order
from mrframe.shuffle.partition import slot_column
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter, extract
from mrframe.testing.strategies import key_columns

SETTINGS = settings(deadline=None, max_examples=80)


def pairs_of(reader: RunReader, slot: int) -> list[list[tuple[bytes, object]]]:
    return [
        [(canonical(key), value) for _, keys, values in stream for key, value in zip(keys, values, strict=True)]
        for stream in reader.streams(slot)
    ]


def write(runs, slots, seed=0) -> bytes:
    file = io.BytesIO()
    writer = RunWriter(file, slots=slots, seed=seed)
    for number, keys in enumerate(runs):
        writer.add_run(keys, [(number, i) for i in range(len(keys))])
    totals = writer.close()
    assert totals.bytes == len(file.getvalue())
    assert totals.records == sum(map(len, runs)) == sum(records for records, _ in totals.by_slot.values())
    assert totals.runs == sum(map(bool, runs))
    return file.getvalue()


@SETTINGS
@given(st.lists(key_columns(), max_size=4), st.sampled_from([1, 4, 256]), st.integers(0, 3))
def test_a_run_is_its_pairs_by_slot_then_key_then_position(runs, slots, seed):
    data = write(runs, slots, seed)
    assert data == write(runs, slots, seed)
    reader = RunReader(io.BytesIO(data), "test", unpickle=False)
    expected: dict[int, list[list[tuple[bytes, object]]]] = {}
    for number, keys in enumerate(runs):
        rows = zip(slot_column(keys, kind_of(keys), slots, seed), keys, range(len(keys)), strict=True)
        for slot, group in groupby(sorted(rows, key=lambda r: (r[0], order(r[1]))), key=lambda r: r[0]):
            expected.setdefault(slot, []).append([(canonical(key), (number, i)) for _, key, i in group])
    assert {slot: pairs_of(reader, slot) for slot in reader.slots_present()} == expected
    for slot in expected:
        for stream in reader.streams(slot):
            assert all(kind == kind_of(keys) for kind, keys, _ in stream)


@SETTINGS
@given(st.lists(key_columns(), max_size=3), st.integers(0, 16), st.integers(0, 16))
def test_an_extract_is_a_run_file_with_just_those_slots(runs, start, length):
    data = write(runs, 16)
    wanted = range(start, min(start + length, 16))
    part = b"".join(extract(io.BytesIO(data), "test", wanted))
    whole, cut = (RunReader(io.BytesIO(some), "test", unpickle=False) for some in (data, part))
    assert cut.slots_present() == whole.slots_present(wanted)
    assert (cut.slots, cut.seed, cut.runs) == (whole.slots, whole.seed, whole.runs)
    for slot in cut.slots_present():
        assert pairs_of(cut, slot) == pairs_of(whole, slot)
    assert b"".join(extract(io.BytesIO(part), "test", range(16))) == part
