"""Words packed into numbers: NumPy and Python agree on them, to the byte."""

from __future__ import annotations

import io
import os
import random
import tempfile
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import Job, RunOptions, count, text, total, words
from mrframe.shuffle.buffers import FoldBuffer
from mrframe.shuffle.partition import slot_column
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter
from mrframe.task.columnar import arrow, packed_buffer
from mrframe.task.map import map_output
from mrframe.task.map import path as map_path

np = pytest.importorskip("numpy")
from mrframe.task.columnar import packed_keys  # noqa: E402  (needs NumPy)

SETTINGS = settings(max_examples=40, deadline=None)

odd = st.sampled_from(
    [
        b"a",
        b"ab",
        b"12345678",
        b"123456789",
        b"\xff",
        "é".encode(),
        "😀".encode(),
        b"\x01",
        b"~" * 8,
        b"a\0b",
        b"\xed\xa0\x80",
    ]
)
blanks = st.sampled_from([b" ", b"\n", b"\r\n", b"\t \v\f", b"  ", b"\r"])
blocks = st.lists(odd | blanks | st.binary(max_size=9), max_size=30).map(b"".join)
short = st.text(st.characters(min_codepoint=1, max_codepoint=127), min_size=1, max_size=8)
counts = st.integers(-(2**40), 2**40) | st.integers(-130, 130)


def unpacked(array) -> list[str]:
    return [int(item).to_bytes(8, "big").rstrip(b"\0").decode("ascii") for item in array]


def as_packed(keys: list[str]):
    return np.array([int.from_bytes(key.encode().ljust(8, b"\0"), "big") for key in keys], np.uint64)


@SETTINGS
@given(st.lists(short, min_size=1), st.sampled_from([1, 2, 256, 65_536]))
def test_slots_are_those_of_the_hash(keys, slots):
    got = packed_keys.slots_of(as_packed(keys), slots.bit_length() - 1)
    assert (got.tolist() if slots > 1 else [0] * len(keys)) == slot_column(keys, "s", slots)


@SETTINGS
@given(st.dictionaries(short, counts, min_size=1), st.sampled_from([1, 256]))
def test_a_run_of_packed_keys_is_read_as_any_run_is(pairs, slots):
    keys = sorted(pairs)
    files = io.BytesIO(), io.BytesIO()
    fast, plain = (RunWriter(file, slots=slots) for file in files)
    fast.add_encoded(
        packed_keys.encoded(as_packed(keys), np.array([pairs[key] for key in keys]), slots.bit_length() - 1)
    )
    plain.add_run(keys, [pairs[key] for key in keys])
    assert fast.close() == plain.close()
    assert files[0].getvalue() == files[1].getvalue()


@SETTINGS
@given(st.lists(st.tuples(st.sampled_from("abcd"), counts | st.just(2**61)), min_size=1))
def test_sums_are_exact_or_left_to_python(pairs):
    sums: Counter[str] = Counter()
    for key, value in pairs:
        sums[key] += value
    got = packed_keys.summed(as_packed([key for key, _ in pairs]), np.array([value for _, value in pairs]))
    if got is None:
        assert max(abs(value) for _, value in pairs) * len(pairs) >= 1 << 62
    else:
        assert dict(zip(unpacked(got[0]), got[1].tolist(), strict=True)) == dict(sums)


def batched(table):
    pa = pytest.importorskip("pyarrow")
    found = [word for line in table.column("line").to_pylist() for word in line.split()]
    return pa.table({"key": pa.array(found, pa.string()), "value": pa.array(list(map(len, found)), pa.int64())})


keys_of_all_kinds = st.sampled_from(["", "a", "a\0", "a\0b", "b", "é", "\udcff", "12345678", "123456789", "\x7f"])
a_value = [1, 1, 2, -3, 0, 2**31, -(2**31), 2**62, 2**70, True, None, 1.5]
some_pairs = st.lists(
    st.tuples(
        st.lists(keys_of_all_kinds, min_size=1), st.lists(st.sampled_from(a_value), min_size=1, max_size=3)
    ).map(lambda both: (both[0], [both[1][i % len(both[1])] for i in range(len(both[0]))])),
    min_size=1,
    max_size=6,
)


def read_back(buffer, fold) -> dict:
    """Return the sums of a buffer, read back from the runs that it writes."""
    file = io.BytesIO()
    writer = RunWriter(file, slots=256)
    buffer.write_runs(writer)
    if isinstance(buffer, packed_buffer.PackedSums):
        assert buffer.size_bytes() == packed_buffer.PackedSums(FoldBuffer(fold)).size_bytes()
    writer.close()
    reader = RunReader(file, "run", unpickle=False)
    states: dict = {}
    for slot in reader.slots_present():
        for stream in reader.streams(slot):
            for _, keys, values in stream:
                assert keys == sorted(keys)
                for key, value in zip(keys, values, strict=True):
                    states.setdefault(key, []).append(value)
    return {key: repr(fold.finish(fold.merge(some))) for key, some in states.items()}


@SETTINGS
@given(some_pairs, st.sampled_from([total, count]), st.sampled_from([1, 3, 1000]), st.booleans())
def test_a_packed_fold_sums_as_a_dict_does(columns, fold, pending, ready):
    plain, fast = FoldBuffer(fold), packed_buffer.PackedSums(FoldBuffer(fold))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_buffer, "MANY_KEYS", 0 if ready else 4)
        patch.setattr(packed_buffer, "PENDING_WORDS_MAX", pending)
        for keys, values in columns:
            plain.add(keys, values)
            fast.add_block((keys, values), len(keys))
        assert read_back(fast, fold) == read_back(plain, fold)
        assert not read_back(fast, fold)


@SETTINGS
@given(some_pairs, st.sampled_from([total, count]), st.sampled_from([4, 8]), st.integers(0, 2), st.booleans())
def test_a_packed_fold_takes_a_table_as_its_pairs(columns, fold, item_bytes, cut, nulls):
    pa = pytest.importorskip("pyarrow")
    plain, fast = FoldBuffer(fold), packed_buffer.PackedSums(FoldBuffer(fold))
    for keys, values in columns:
        texts = [None if nulls and key == "b" else key.replace("\udcff", "ÿ") for key in keys]
        ints = [value if type(value) is int and value < 2**63 else value and 7 for value in values]
        column = pa.chunked_array([pa.array(texts, pa.string() if item_bytes == 4 else pa.large_string())])
        table = pa.table({"key": column, "value": pa.array(ints)}).slice(cut)
        pairs = arrow.pairs_of(table)
        plain.add(*pairs)
        if not fast.add_table(table):
            fast.add_block(pairs, len(pairs[0]))
    assert read_back(fast, fold) == read_back(plain, fold)


def test_a_table_of_short_keys_and_ints_is_taken_whole():
    pa = pytest.importorskip("pyarrow")
    keys = [str(number) for number in range(map_output.TABLE_ROWS_MIN)]
    buffer = packed_buffer.PackedSums(FoldBuffer(total))
    assert buffer.add_table(pa.table({"key": keys, "value": pa.array([2] * len(keys), pa.int32())}))
    assert not buffer.add_table(pa.table({"key": keys}))
    assert not buffer.add_table(pa.table({"key": keys, "value": [0.5] * len(keys)}))
    assert read_back(buffer, total) == dict.fromkeys(keys, "2")


def test_text_of_a_part_of_an_array_is_that_part():
    pa = pytest.importorskip("pyarrow")
    column = pa.chunked_array([pa.array(["one", "two", "", "three", "very long", "é", "four"])[1:6]])
    found, good = packed_keys.pack_offsets(*arrow.text_of(column))
    assert good.tolist() == [True, False, True, False, False]
    assert unpacked(found[good]) == ["two", "three"]


def test_text_with_nulls_is_left_to_python_whatever_lies_below_them():
    pa = pytest.importorskip("pyarrow")
    _, offsets, data = pa.array(["one", "two"]).buffers()
    array = pa.StringArray.from_buffers(2, offsets, data, pa.py_buffer(b"\x01"))
    assert array.to_pylist() == ["one", None]
    assert arrow.text_of(pa.chunked_array([array])) is None


def test_sums_beyond_64_bits_are_several_runs():
    table = packed_buffer.PackedTable()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_buffer, "PENDING_WORDS_MAX", 1)
        for _ in range(9):
            table.add(as_packed(["a"]), np.array([2**60]))
    file = io.BytesIO()
    writer = RunWriter(file, slots=1)
    table.write_runs(writer)
    writer.close()
    (values,) = [[v for s in RunReader(file, "run", unpickle=False).streams(0) for _, _, vs in s for v in vs]]
    assert sum(values) == 9 * 2**60


def by_length(line: str):
    for word in line.split():
        yield word, len(word)


JOBS = {
    "words": Job(read=words, key="word", reduce=count),
    "total": Job(read=text, map=by_length, reduce=total),
    "lines": Job(read=text, key="line", reduce=count),
    "large": Job(read=text, map=lambda line: [(line[:1], 2**62)], reduce=total),
    "mixed": Job(read=text, map=lambda line: [(line or None, 1), (1, 1.5)], reduce=total),
    "floats": Job(read=text, map=lambda line: [(w, 1.5 if w > "b" else 1) for w in line.split()], reduce=total),
    "odd": Job(read=text, map=lambda line: [("", 1), ("a\0", 1), ("a", 1), (line, 1)], reduce=count),
    "batch": Job(read=text, map_batch=batched, fields=("line",), reduce=total),
    "batch count": Job(read=text, map_batch=batched, fields=("line",), reduce=count),
    "then": Job(read=words, key="word", reduce=count).then(mrframe.top(3)),
}


@pytest.mark.parametrize("name", JOBS)
@settings(max_examples=12, deadline=None)
@given(blocks, st.integers(1, 60), st.integers(1, 4), st.sampled_from([0, 2000, 256 << 20]), st.data())
def test_answer_and_ledger_are_the_same_with_and_without(name, content, split_bytes, partitions, memory, data):
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(map_path, "WORTH_BYTES", 0)
        patch.setattr(packed_buffer, "MANY_KEYS", 0)
        patch.setattr(map_output, "TABLE_ROWS_MIN", 1)
        patch.setattr(packed_buffer, "_are_short", lambda keys: bool(list(keys)))
        patch.setattr(packed_buffer, "PENDING_WORDS_MAX", data.draw(st.sampled_from([2, 1000])))
        path = os.path.join(folder, "in.txt")
        with open(path, "wb") as file:
            file.write(b"a\n" + content)  # so that it does not look compressed
        found = []
        for fast in ("auto", "off"):
            options = RunOptions(
                engine="inline", split_bytes=split_bytes, partitions=partitions, memory_bytes=memory, fast=fast
            )
            with mrframe.run(JOBS[name], [path], options) as result:
                ledger = result.summary.to_plain()
                found.append((list(result), [ledger[one] for one in ("records", "lines", "rows", "bytes_in")]))
    assert found[0] == found[1]


def test_both_engines_agree_on_an_input_that_is_worth_it(tmp_path):
    dice = random.Random(7)
    some = [" ".join("".join(dice.choices("abcdefgh", k=dice.randint(1, 9))) for _ in range(40)) for _ in range(5000)]
    path = tmp_path / "words.txt"
    path.write_text("".join(line + "\n" for line in some) * 8)
    assert os.path.getsize(path) > 2 * map_path.WORTH_BYTES
    answers = []
    for engine, fast in (("inline", "off"), ("local", "auto")):
        options = RunOptions(engine=engine, fast=fast, splits=2, partitions=1, memory_bytes=32 << 20)
        with mrframe.run(JOBS["words"], [str(path)], options) as result:
            answers.append(dict(result))
    assert answers[0] == answers[1]
