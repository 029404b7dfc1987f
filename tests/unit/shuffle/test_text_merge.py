"""Merging encoded blocks gives what merging their values gives, whatever the blocks hold and however little fits."""

from __future__ import annotations

import io
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.errors import CorruptData
from mrframe.kernel import compiled
from mrframe.shuffle.merge import FAN_IN, merge
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter
from mrframe.shuffle.run_file.text_ranges import TextRanges
from mrframe.shuffle.text_merge import as_blocks, merge_texts

TEXTS = st.lists(st.sampled_from(["", "a", "b", "a\0", "same start 1", "same start 2", "\udc80", "é"]), max_size=30)
RUNS = st.lists(TEXTS, max_size=6)
OTHERS = st.sampled_from([[], [("a", 1)], [(1, None)], [("b", None), (None, None)]])


def file_of(*runs):
    """Return the reader of a file with a run of each list of pairs, one pair in a block at most every third time."""
    file = io.BytesIO()
    writer = RunWriter(file, slots=1)
    for pairs in runs:
        ordered = sorted(pairs, key=lambda pair: (pair[0] is not None, type(pair[0]) is str, pair[0]))
        cut = len(ordered) // 3
        blocks = [some for some in (ordered[:cut], ordered[cut:]) if some]
        writer.add_sorted(0, ([[key for key, _ in some], [value for _, value in some]] for some in blocks))
    writer.close()
    return RunReader(file, "a run", unpickle=False)


def rows(blocks):
    return [row for _, keys, values in blocks for row in zip(keys, values, strict=True)]


def both(reader, at_once_bytes):
    how = {"make_file": tempfile.TemporaryFile, "at_once_bytes": at_once_bytes}
    return rows(as_blocks(merge_texts(reader.placed_streams(0), **how))), rows(merge(reader.streams(0), **how))


@given(RUNS, OTHERS, st.sampled_from([0, 600, 1 << 20]))
def test_the_rows_are_those_of_the_plain_merge(runs, others, at_once_bytes):
    found, wanted = both(file_of(*([(text, None) for text in run] for run in runs), others), at_once_bytes)
    assert found == wanted


def test_more_streams_than_are_merged_at_once_are_merged_too():
    found, wanted = both(file_of(*([(str(n % 7), None)] for n in range(FAN_IN + 5))), 0)
    assert found == wanted
    assert len(found) == FAN_IN + 5


@pytest.mark.skipif(compiled() is None, reason="no kernel is installed")
@pytest.mark.parametrize("at_once_bytes", [0, 1 << 20])
def test_texts_are_left_to_the_kernel(at_once_bytes):
    streams = file_of([("a", None), ("c", None)], [("b", None)]).placed_streams(0)
    merged = list(merge_texts(streams, make_file=tempfile.TemporaryFile, at_once_bytes=at_once_bytes))
    assert {type(block) for block in merged} == {TextRanges}
    assert sum(block.records for block in merged) == 3


def test_a_block_whose_columns_contradict_it_is_named():
    file = io.BytesIO()
    writer = RunWriter(file, slots=1)
    writer.add_encoded([(0, "s", [(2, b"sa", b"n\0\0")])])
    writer.close()
    streams = RunReader(file, "a run", unpickle=False).placed_streams(0)
    with pytest.raises(CorruptData, match=r"a run is damaged at byte .* 1 keys and 2 values where 2 are stated"):
        rows(as_blocks(merge_texts(streams, make_file=tempfile.TemporaryFile)))
