"""Merging encoded output: the same rows, and the same bytes of an answer, as merging and writing decoded values."""

from __future__ import annotations

import io
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.errors import CorruptData
from mrframe.formats.output.writing import write_blocks, write_rows
from mrframe.kernel import compiled
from mrframe.shuffle import encoded_merge
from mrframe.shuffle.columns import encode
from mrframe.shuffle.encoded_merge import merge_encoded
from mrframe.shuffle.keys import kind_of, order
from mrframe.shuffle.merge import merge
from mrframe.shuffle.run_file.run_reader import EncodedBlock

needs_kernel = pytest.mark.skipif(compiled() is None, reason="no kernel is installed")

KEYS = st.one_of(
    st.text("ab", max_size=3),
    st.text(max_size=12),
    st.sampled_from(
        ["seven77", "eight888", "eight889", 'a "b"', "tab\t", "a,b", "\\", "line\n", "\udce9", "\ud7ff", "a\0"]
    ),
)
INTS = st.one_of(st.integers(-3, 300), st.sampled_from([-(1 << 63), (1 << 63) - 1, 128, -129]))
Rows = list[tuple[Any, Any]]


def rows_of(keys: Any, values: Any) -> Any:
    return st.lists(st.tuples(keys, values), max_size=30).map(
        lambda rows: sorted(rows, key=lambda row: order(row[0]))
    )


def runs(odd: bool) -> Any:
    """Return runs of texts with ints, or with None, and with `odd` some of other columns among them."""
    kinds = [rows_of(KEYS, INTS), rows_of(KEYS, st.none())]
    if odd:
        kinds += [rows_of(KEYS, st.one_of(INTS, st.just(1 << 70))), rows_of(st.one_of(st.none(), KEYS), INTS)]
    return st.lists(st.one_of(kinds), min_size=1, max_size=5)


def blocks_of(rows: Rows, size: int) -> list[tuple[list[Any], list[Any]]]:
    some = [rows[at : at + size] for at in range(0, len(rows), size)]
    return [([key for key, _ in one], [value for _, value in one]) for one in some]


def encoded(rows: Rows, size: int = 7) -> Iterator[EncodedBlock]:
    for keys, values in blocks_of(rows, size):
        yield len(keys), memoryview(encode(keys)), memoryview(encode(values))


def merged_rows(all_rows: list[Rows]) -> Rows:
    streams = [iter([(kind_of(keys), keys, values) for keys, values in blocks_of(rows, 7)]) for rows in all_rows]
    return [
        row for _, keys, values in merge(streams, make_file=TemporaryFile) for row in zip(keys, values, strict=True)
    ]


@given(all_rows=runs(odd=True))
def test_the_rows_are_those_of_a_merge_of_values(all_rows: list[Rows]) -> None:
    pieces = merge_encoded([encoded(rows) for rows in all_rows], lambda: None, TemporaryFile)
    rows = [row for piece in pieces for row in zip(*piece, strict=True)]
    assert repr(rows) == repr(merged_rows(all_rows))


@needs_kernel
@pytest.mark.parametrize("form", ["jsonl", "text", "csv", "csv-safe", "tsv", "table"])
@given(all_rows=runs(odd=True), text=st.sampled_from(["escape", "replace", "bytes"]), first=st.integers(1, 20))
def test_an_answer_has_the_bytes_of_its_values(form: str, all_rows: list[Rows], text: Any, first: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mrframe.formats.output.writing.FIRST_ROWS", first)
        patch.setattr(encoded_merge, "ROWS_AFTER_SPECIAL", 2)
        wanted, found = io.BytesIO(), io.BytesIO()
        write_rows(iter(merged_rows(all_rows)), wanted, form, text=text)
        write_blocks(
            lambda spelling: merge_encoded([encoded(rows) for rows in all_rows], spelling, TemporaryFile),
            found,
            form,
            text=text,
        )
    assert found.getvalue() == wanted.getvalue()


@needs_kernel
@pytest.mark.parametrize("form", ["jsonl", "text", "csv", "tsv"])
def test_plain_rows_are_written_without_values(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    all_rows: list[Rows] = [[(f"{i:04}", i) for i in range(at, 3000, 3)] for at in range(3)]
    pieces = []

    def noted(spelling: Any) -> Iterator[Any]:
        for piece in merge_encoded([encoded(rows, 400) for rows in all_rows], spelling, TemporaryFile):
            pieces.append(type(piece))
            yield piece

    write_blocks(noted, io.BytesIO(), form)
    assert pieces.count(bytes) > 3
    assert pieces.count(tuple) <= 1


@needs_kernel
@pytest.mark.parametrize(
    ("keys", "values", "records"),
    [
        (b"sa\0b", b"i\1\1\2\3", 3),  # too few keys
        (b"sa\0b\0c\0d", b"i\1\1\2\3", 3),  # too many
        (b"sa\0b\0c", b"i\1\1\2", 3),  # too few values
        (b"sa\0b\0c", b"i\3\1\2\3\1\2\3\1\2\3", 3),  # no such width
        (b"sa\0b\0c", b"n\0\0", 3),
        (b"sa\0b", b"i\4", 1 << 62),  # the bytes of so many ints have more than 64 bits
        (b"", b"i\1\1", 1),
        (b"sa", b"", 1),
    ],
)
def test_columns_that_contradict_themselves_are_refused(keys: bytes, values: bytes, records: int) -> None:
    good = encode(["a", "zz"]), encode([1, 2]), 2, 1, 0
    assert compiled().merge((good, (keys, values, records, 1, 0)), 100, None) is None
    with pytest.raises(CorruptData):
        block = records, memoryview(keys), memoryview(values)
        list(merge_encoded([iter([block])], lambda: None, TemporaryFile))


@needs_kernel
def test_wrong_arguments_of_a_merge_raise() -> None:
    merge = compiled().merge
    good = encode(["a", "aa"]), encode([1, 2]), 2, 1, 0
    for wrong in [((), 1, None), ((good,), 0, None), (((bytearray(b"sa"), b"n\0", 1, 1, 0),), 1, None)]:
        with pytest.raises(ValueError, match=r"merge|change"):
            merge(*wrong)
    with pytest.raises(TypeError):
        merge((good,), 1, (b"", b"", b""))
    assert merge(((*good[:3], 1, 5),), 1, None) is None
    assert merge(((*good[:3], 1 << 40, 0),), 1, None) is None
