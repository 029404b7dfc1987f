"""The sort of the kernel: the order of Python, for texts that differ early, late, in length alone, or not at all."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.kernel import compiled
from mrframe.shuffle.columns import decode, encode

kernel = compiled()
pytestmark = pytest.mark.skipif(kernel is None, reason="no kernel is installed")

PIECES = st.sampled_from(["", "a", "b", "\0", "\0" * 8, "same start ", "é", "\udc80", "\U0001f600", "x" * 40])
TEXTS = st.lists(st.lists(PIECES, max_size=6).map("".join), max_size=120)


def texts_of(texts):
    return kernel.texts_of_column(encode(texts))


def in_order(*columns):
    """Return the texts of columns as the kernel sorts them."""
    sections, _ = kernel.sort_texts([(column, 0, len(column)) for column in columns], 0, 512)
    return [text for _, _, blocks in sections for _, keys, _ in blocks for text in decode(keys, unpickle=False)]


@given(TEXTS)
def test_texts_come_in_the_order_of_python(texts):
    if texts:
        assert in_order(texts_of(texts)) == sorted(texts)


@given(st.integers(0, 1 << 32), st.sampled_from([1, 2, 8, 40]), st.sampled_from(["ab", "a\0", "abcdefgh"]))
def test_many_texts_come_in_the_order_of_python(seed, length, letters):
    source = random.Random(seed)
    texts = ["".join(source.choices(letters, k=source.randrange(length + 1))) for _ in range(600)]
    assert in_order(texts_of(texts[:200]), texts_of(texts[200:])) == sorted(texts)


def test_texts_that_differ_one_after_the_other_are_sorted_without_deep_recursion():
    texts = ["a" * length for length in range(3000)]
    random.Random(1).shuffle(texts)
    assert in_order(texts_of(texts)) == sorted(texts)


def test_equal_long_texts_are_sorted_in_time():
    texts = ["a" * 100_000] * 200
    assert in_order(texts_of(texts)) == texts


@given(TEXTS.map(sorted), PIECES, st.booleans())
def test_a_bound_is_found_as_bisect_finds_it(texts, bound, after):
    if texts:
        index = texts_of(texts).end(0, bound.encode("utf-8", "surrogatepass"), after)
        assert index == sum(text <= bound if after else text < bound for text in texts)


@pytest.mark.parametrize(
    "column",
    [b"", b"x", b"S", b"s\xff", b"SB", b"SB\x02\0\0\0i\x01", b"SB\x03\0\0\0i\x01\x02a", b"SB\x03\0\0\0i\x01\xff"],
)
def test_a_damaged_column_is_no_column_of_text(column):
    found = kernel.texts_of_column(column)
    assert found is None or len(found) == 0


def test_wrong_arguments_are_refused():
    texts = texts_of(["a", "b"])
    for ranges in ([(texts, 0, 3)], [(texts, 2, 1)], [(texts, -1, 1)]):
        with pytest.raises(IndexError):
            kernel.sort_texts(ranges, 0, 512)
    with pytest.raises(IndexError):
        texts.end(3, b"", False)
    with pytest.raises(ValueError, match="bits"):
        kernel.sort_texts([(texts, 0, 2)], 17, 512)
    with pytest.raises(ValueError, match="meanwhile"):
        kernel.texts_of_column(bytearray(b"sa"))
