"""Run files: sections, blocks, order, extraction, and what a writer refuses."""

import io
import os
import zlib
from datetime import date
from itertools import zip_longest
from random import Random

import pytest

from mrframe.errors import CannotTravel, CorruptData, KeyRefused
from mrframe.shuffle.partition import slot_column, slot_range, slots_for
from mrframe.shuffle.run_file import run_writer
from mrframe.shuffle.run_file.pair_blocks import BLOCK_BYTES, BLOCK_RECORDS_MAX, Compressor
from mrframe.shuffle.run_file.run_layout import AS_GIVEN, read_layout
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter, extract


def written(*runs, slots=1, **options):
    file = io.BytesIO()
    writer = RunWriter(file, slots=slots)
    for keys, values in runs:
        writer.add_run(keys, values, **options)
    writer.close()
    return file


def read(file, *, unpickle=False):
    reader = RunReader(file, "test", unpickle=unpickle)
    return {slot: [list(stream) for stream in reader.streams(slot)] for slot in reader.slots_present()}


def test_equal_keys_keep_their_positions_and_runs_their_numbers():
    file = written((["b", "a", "b", "a"], [1, 2, 3, 4]), ([], []), (["a"], [5]))
    assert read(file) == {0: [[("s", ["a", "a", "b", "b"], [2, 4, 1, 3])], [("s", ["a"], [5])]]}
    reader = RunReader(file, "test", unpickle=False)
    assert (reader.slots, reader.seed, reader.runs, reader.records) == (1, 0, 2, 5)


def test_a_file_without_pairs_has_no_slots():
    file = io.BytesIO()
    writer = RunWriter(file, slots=256, seed=9)
    writer.add_sorted(3, [])
    writer.add_sorted(3, [([], [])])
    totals = writer.close()
    assert (totals.records, totals.runs, totals.by_slot) == (0, 0, {})
    reader = RunReader(file, "test", unpickle=False)
    assert (reader.slots_present(), reader.streams(3), reader.seed) == ([], [], 9)


def test_the_partitioner_chooses_the_slot():
    file = io.BytesIO()
    writer = RunWriter(file, slots=256)
    writer.add_run(["c", "a", "b"], [1, 2, 3], slot_of=[255, 0, 255])
    totals = writer.close()
    assert {slot: records for slot, (records, _) in totals.by_slot.items()} == {0: 1, 255: 2}
    assert read(file) == {0: [[("s", ["a"], [2])]], 255: [[("s", ["b", "c"], [3, 1])]]}
    assert RunReader(file, "test", unpickle=False).slots_present(range(1, 256)) == [255]


def test_mixed_keys_have_their_kind_block_by_block():
    assert read(written(([1.0, "a", 1, True, None], [1, 2, 3, 4, 5]))) == {
        0: [[("", [None, True, 1, 1.0, "a"], [5, 4, 3, 1, 2])]]
    }
    assert read(written(([None, None], [1, 2]))) == {0: [[("n", [None, None], [1, 2])]]}
    halves = written((["a"] * BLOCK_RECORDS_MAX * 2 + [1] * BLOCK_RECORDS_MAX, [0] * 3 * BLOCK_RECORDS_MAX))
    kinds = [kind for kind, _, _ in read(halves)[0][0]]
    assert (kinds[0], kinds[-1], set(kinds) - {"i", "s", ""}) == ("i", "s", set())


def test_blocks_are_cut_by_pairs_and_by_bytes():
    many = read(written((list(range(50_000)), [1] * 50_000)))[0][0]
    assert [key for _, keys, _ in many for key in keys] == list(range(50_000))
    assert max(len(keys) for _, keys, _ in many) == BLOCK_RECORDS_MAX
    large = [os.urandom(BLOCK_BYTES // 4) for _ in range(40)]
    blocks = read(written((list(range(40)), large)))[0][0]
    assert [value for _, _, values in blocks for value in values] == large
    assert max(len(keys) for _, keys, _ in blocks[1:]) <= 8
    mixed = [b"x", b"y" * 20_000_000, *large[:4], b"z"]
    blocks = read(written((list(range(7)), mixed)))[0][0]
    assert [value for _, _, values in blocks for value in values] == mixed
    assert [len(keys) for _, keys, values in blocks if mixed[1] in values] in ([1], [2])


@pytest.mark.parametrize(
    "large", ["x" * (40 * BLOCK_BYTES), ("a", ["x" * (40 * BLOCK_BYTES)])], ids=["text", "nested"]
)
@pytest.mark.parametrize("at", [0, 700, 1399])
def test_a_large_pair_is_encoded_twice_at_most_and_has_a_block_of_its_own(monkeypatch, large, at):
    """In blocks with the pairs before it, it would be encoded again for each of them: time with its square."""
    encoded = []
    real = run_writer.encode_pairs

    def counted(kind, keys, values):
        columns = real(kind, keys, values)
        encoded.append(sum(map(len, columns)))
        return columns

    monkeypatch.setattr(run_writer, "encode_pairs", counted)
    keys, values = list(range(1400)), ["y" * 100] * 1400
    values[at] = large
    blocks = read(written((keys, values)))[0][0]
    assert [value for _, _, some in blocks for value in some] == values
    assert [some for _, _, some in blocks if large in some] == [[large]]
    size = 40 * BLOCK_BYTES + 1400 * 110
    assert sum(encoded) < 2.5 * size


def test_a_kind_too_long_for_its_byte_is_left_out():
    key = tuple(range(300))
    assert read(written(([key], [1]))) == {0: [[("", [key], [1])]]}


def test_blocks_are_compressed_where_it_pays():
    text = [f"/page/{i % 10}/of/the/site" for i in range(20_000)]
    noise = [os.urandom(100) for _ in range(5_000)]
    assert len(written((text, text)).getvalue()) < 200_000
    assert len(written((noise, noise)).getvalue()) < 1.03 * 2 * 100 * 5_000
    assert len(read(written((noise, noise)))[0][0]) > 1


def test_add_sorted_streams_blocks():
    seen = []

    def blocks():
        for i in range(5):
            seen.append(file.tell())
            yield [f"{i}{j:05}" for j in range(3_000)], list(range(3_000))

    file = io.BytesIO()
    writer = RunWriter(file, slots=4)
    writer.add_sorted(2, blocks())
    writer.add_sorted(2, [(["z"], [date(2024, 1, 1)])])
    assert writer.close().runs == 2
    assert sorted(set(seen)) == seen  # each block was written before the next was asked for
    first, second = read(file)[2]
    assert sum(len(keys) for _, keys, _ in first) == 15_000
    assert second == [("s", ["z"], [date(2024, 1, 1)])]


NOT_SORTED = {
    "within a block": [(["b", "a"], [1, 2])],
    "from block to block": [(["b"], [1]), (["a"], [2])],
    "from kind to kind": [([1.0], [1]), ([1], [2])],
    "mixed kinds": [([2, "a", 1], [1, 2, 3])],
}


@pytest.mark.parametrize("blocks", NOT_SORTED.values(), ids=NOT_SORTED.keys())
def test_add_sorted_refuses_unsorted_pairs(blocks):
    writer = RunWriter(io.BytesIO(), slots=1)
    with pytest.raises(ValueError, match="sorted"):
        writer.add_sorted(0, blocks)
    with pytest.raises(ValueError, match="unfinished"):
        writer.close()


def test_add_sorted_keeps_the_given_order():
    file = io.BytesIO()
    writer = RunWriter(file, slots=1)
    writer.add_sorted(0, [(["b", "a"], [9, 8]), ([1, "a"], [7, 6])], in_order=True)
    writer.close()
    assert read(file) == {0: [[("s", ["b", "a"], [9, 8]), ("", [1, "a"], [7, 6])]]}
    assert read_layout(file, "test").sections(file, "test", 0)[0].order == AS_GIVEN


MISFITS = {
    "a value short": lambda writer: writer.add_run([1], []),
    "a slot short": lambda writer: writer.add_run([1], [1], slot_of=[]),
    "slot beyond the last": lambda writer: writer.add_run([1], [1], slot_of=[2]),
    "negative slot": lambda writer: writer.add_run([1], [1], slot_of=[-1]),
    "sorted slot beyond the last": lambda writer: writer.add_sorted(2, []),
    "three slots": lambda _: RunWriter(io.BytesIO(), slots=3),
}


@pytest.mark.parametrize("call", MISFITS.values(), ids=MISFITS.keys())
def test_arguments_that_do_not_fit_together_are_refused_before_anything_is_written(call):
    writer = RunWriter(io.BytesIO(), slots=2)
    with pytest.raises(ValueError, match=r"slot|pairs"):
        call(writer)
    assert writer.close().records == 0


def test_an_illegal_key_is_refused_before_anything_is_written():
    writer = RunWriter(io.BytesIO(), slots=2)
    with pytest.raises(KeyRefused):
        writer.add_run([1, [2]], [1, 2])
    assert writer.close().records == 0


def test_a_writer_that_raised_midway_is_spoilt():
    writer = RunWriter(io.BytesIO(), slots=1)
    with pytest.raises(CannotTravel):
        writer.add_run([1], [(i for i in ())])
    with pytest.raises(ValueError, match="unfinished"):
        writer.close()


def test_pickled_values_are_opened_only_where_that_is_allowed():
    file = written(([1], [1j]))
    assert read(file, unpickle=True) == {0: [[("i", [1], [1j])]]}
    with pytest.raises(CorruptData, match=r"run file test is damaged at byte 32: .*not opened"):
        read(file)


def test_streams_of_one_reader_may_be_read_in_turn():
    file = written((list(range(9_000)), [1] * 9_000), (list(range(9_000)), [2] * 9_000))
    first, second = RunReader(file, "test", unpickle=False).streams(0)
    in_turn = list(zip_longest(first, second, fillvalue=("", [], [])))
    assert len(in_turn) > 2
    for side, value in ((0, 1), (1, 2)):
        pairs = [pair for blocks in in_turn for pair in zip(blocks[side][1], blocks[side][2], strict=True)]
        assert pairs == [(i, value) for i in range(9_000)]


def test_an_extract_comes_in_chunks_and_holds_the_slots_asked_for():
    values = [os.urandom(3_000) for _ in range(2_000)]
    file = written((list(range(2_000)), values), slots=4)
    chunks = list(extract(file, "test", range(3)))
    assert max(map(len, chunks)) == 1 << 20
    whole, part = read(file), read(io.BytesIO(b"".join(chunks)))
    assert part == {slot: whole[slot] for slot in (0, 1, 2)}
    assert read(io.BytesIO(b"".join(extract(file, "test", range(0))))) == {}


def test_short_reads_of_an_unbuffered_file_are_completed():
    class Slow(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 7))

    file = written((["b", "a"], [1, 2]))
    assert read(Slow(file.getvalue())) == read(file)


def test_the_source_of_a_join_is_told_apart_also_in_an_extract():
    file = io.BytesIO()
    writer = RunWriter(file, slots=4, source=2)
    writer.add_run([1, 2, 3], ["a", "b", "c"])
    writer.close()
    for one in (file, io.BytesIO(b"".join(extract(file, "test", range(4))))):
        reader = RunReader(one, "test", unpickle=False)
        for slot in reader.slots_present():
            assert reader.streams(slot, 0) == []
            assert len(reader.streams(slot, 2)) == len(reader.streams(slot)) == 1


class CountedFile(io.BytesIO):
    """A file that counts what is read of it."""

    read_bytes = 0

    def read(self, size=-1):
        data = super().read(size)
        self.read_bytes += len(data)
        return data


def test_a_reduce_of_ten_thousand_reads_its_own_pages_only():
    slots = slots_for(10_000)
    file = CountedFile()
    writer = RunWriter(file, slots=slots)
    for _ in range(2):
        writer.add_run(list(range(6_000)), [1] * 6_000)
    writer.close()
    wanted = slot_range(4_009, slots, 10_000)
    every: dict[int, list[int]] = {}
    for key, slot in enumerate(slot_column(list(range(6_000)), "i", slots)):
        if slot in wanted:
            every.setdefault(slot, []).append(key)
    file.read_bytes = 0
    reader = RunReader(file, "test", unpickle=False)
    some = {slot: [list(s) for s in reader.streams(slot)] for slot in reader.slots_present(wanted)}
    assert some == {slot: [[("i", keys, [1] * len(keys))]] * 2 for slot, keys in every.items()}
    assert some
    assert file.read_bytes < len(file.getbuffer()) / 25
    piece = io.BytesIO(b"".join(extract(file, "test", wanted)))
    copied = RunReader(piece, "copy", unpickle=False)
    assert {slot: [list(s) for s in copied.streams(slot)] for slot in copied.slots_present()} == some


def test_slots_may_be_asked_for_in_any_order():
    file = io.BytesIO()
    writer = RunWriter(file, slots=65_536)
    for run in range(3):
        writer.add_run(list(range(2_000)), [run] * 2_000)
    writer.close()
    whole = RunReader(file, "test", unpickle=False)
    present = whole.slots_present()
    scattered = RunReader(file, "test", unpickle=False)
    for slot in [*present[::-7], *present[::5]]:
        blocks = [list(stream) for stream in scattered.streams(slot)]
        assert blocks == [list(stream) for stream in whole.streams(slot)]
        assert [block[0][2][0] for block in blocks] == [0, 1, 2]


def test_a_large_block_that_does_not_shrink_is_not_deflated_as_a_whole(monkeypatch):
    given = []
    deflate = zlib.compress

    def watched(data, *level, **options):
        given.append(len(data))
        return deflate(data, *level, **options)

    monkeypatch.setattr(zlib, "compress", watched)
    noise, text = Random(0).randbytes(300_000), b"10.0.0.1 " * 33_000
    assert Compressor().shrink(noise) is None
    assert max(given) < len(noise) / 10
    assert zlib.decompress(Compressor().shrink(text), wbits=-15) == text
    assert Compressor().shrink(noise[:50_000]) is None
    assert given[-1] == 50_000  # of a smaller one a part says too little
