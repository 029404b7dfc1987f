"""Runs of texts that the kernel sorted have the bytes that the plain path gives them."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.formats.readers.base import LinesOf
from mrframe.kernel import compiled
from mrframe.shuffle.buffers import PairBuffer
from mrframe.shuffle.range_partition import Ranges
from mrframe.shuffle.run_file.run_writer import RunWriter
from mrframe.shuffle.text_buffer import LineBuffer, TextPairBuffer

pytestmark = pytest.mark.skipif(compiled() is None, reason="no kernel is installed")

LINES = st.one_of(
    st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"")),
    st.sampled_from([b"", b"same start of a line", b"\xff", b"\xe2\x82", b"\xed\xb2\x80", b"\0", "é".encode() * 9]),
    st.integers().map(lambda n: b"%d" % n),
)
BLOCKS = st.lists(st.lists(LINES, min_size=1, max_size=20), min_size=1, max_size=3)
LONG = [b"x" * 200_000, "é".encode() * 200_000, b"x" * 300_000, b"\0" * 70_000]
SLOTS = st.sampled_from([1, 256, 65_536])
CUTS = st.one_of(st.just([]), st.lists(LINES, min_size=15, max_size=15))


def decoded(lines):
    return [line.decode("utf-8", "surrogateescape") for line in lines]


def run_of(buffer, **how):
    file = io.BytesIO()
    writer = RunWriter(file, **how)
    buffer.write_runs(writer)
    totals = writer.close()
    return file.getvalue(), totals


def pairs(buffer, blocks):
    for lines in blocks:
        buffer.add(decoded(lines), [None] * len(lines))
    return buffer


def lines_in(blocks):
    buffer = LineBuffer()
    for lines in blocks:
        buffer.add_block([LinesOf(b"".join(line + b"\n" for line in lines), len(lines))], len(lines))
    return buffer


@given(BLOCKS, SLOTS)
def test_runs_by_hash_have_the_same_bytes(blocks, slots):
    plain = run_of(pairs(PairBuffer(), blocks), slots=slots)
    assert run_of(lines_in(blocks), slots=slots) == plain
    assert run_of(pairs(TextPairBuffer(), blocks), slots=slots) == plain


@pytest.mark.parametrize("slots", [1, 256])
@pytest.mark.parametrize("seed", range(3))
def test_runs_of_long_lines_are_cut_into_the_same_blocks(seed, slots):
    source = random.Random(seed)
    lines = [source.choice(LONG) if source.random() < 0.01 else b"%x" % source.getrandbits(800) for _ in range(900)]
    blocks = [lines]
    plain = run_of(pairs(PairBuffer(), blocks), slots=slots)
    assert run_of(lines_in(blocks), slots=slots) == plain
    assert run_of(pairs(TextPairBuffer(), blocks), slots=slots) == plain


@given(BLOCKS, CUTS)
def test_runs_by_ranges_have_the_same_bytes(blocks, cuts):
    ranges = Ranges(sorted(decoded(cuts)), 2)
    plain = run_of(pairs(PairBuffer(), blocks), slots=256, ranges=ranges)
    assert run_of(lines_in(blocks), slots=256, ranges=ranges) == plain
    assert run_of(pairs(TextPairBuffer(), blocks), slots=256, ranges=ranges) == plain


@pytest.mark.parametrize("cuts", [[None] * 15, [1] * 8 + ["b"] * 7, ["b"] * 7 + [("b",)] * 8])
def test_cuts_of_other_types_part_texts_as_the_plain_path_does(cuts):
    ranges, blocks = Ranges(cuts, 2), [[b"c", b"a", b"b"]]
    plain = run_of(pairs(PairBuffer(), blocks), slots=256, ranges=ranges)
    assert run_of(lines_in(blocks), slots=256, ranges=ranges) == plain


@given(BLOCKS, st.sampled_from([("key", 1), (1, None), (b"key", None), ("a\0b", 2.0)]))
def test_other_pairs_among_texts_are_kept_in_their_order(blocks, other):
    buffers = [pairs(TextPairBuffer(), blocks), pairs(PairBuffer(), blocks)]
    for buffer in buffers:
        buffer.add([other[0]], [other[1]])
        pairs(buffer, blocks)
    assert run_of(buffers[0], slots=256) == run_of(buffers[1], slots=256)
    assert buffers[0].size_bytes() == 0


def test_the_size_counts_what_sorting_needs():
    blocks = [[b"a line of text"] * 10_000]
    size = len(blocks[0]) * len(blocks[0][0])
    for buffer in (lines_in(blocks), pairs(TextPairBuffer(), blocks)):
        assert 2 * size < buffer.size_bytes() < 10 * size
        run_of(buffer, slots=1)
        assert buffer.size_bytes() == 0


def test_pairs_that_are_drained_are_values_again():
    assert pairs(TextPairBuffer(), [[b"b"], [b"a", b"\xff"]]).drain() == (["b", "a", "\udcff"], [None] * 3)
