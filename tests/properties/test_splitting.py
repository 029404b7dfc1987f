"""Splits, decoded blocks and spooled blocks are one and the same cutting of the same bytes, at record starts."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mrframe.errors import ExtraMissing, InputError
from mrframe.formats.inputs import line_blocks
from mrframe.formats.inputs.compression import HEAD_BYTES, compression_of, decode_file
from mrframe.formats.inputs.files import expand
from mrframe.formats.inputs.line_blocks import pieces, write_blocks
from mrframe.formats.inputs.splits import plan_splits, read_blocks, read_split
from mrframe.formats.inputs.stdin import spool
from mrframe.formats.readers.base import head_bytes

FIXTURES_MAY_STAY = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def is_plain(data: bytes) -> bool:
    """Return whether the data is not a compressed file (hypothesis tries magic bytes that it finds in the source)."""
    try:
        return not compression_of(data[:HEAD_BYTES], "x")
    except (ExtraMissing, InputError):
        return False


contents = (
    st.lists(
        st.one_of(
            st.sampled_from([b"", b"\r", b"a", b"x" * 300, b"\x00\x0b\x0c\x85", b"\xe2\x80\xa8"]),
            st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")),
        ),
        max_size=25,
    )
    .flatmap(lambda lines: st.sampled_from([b"\n".join(lines), b"\n".join(lines) + b"\n"]))
    .filter(is_plain)
)
sizes = st.one_of(st.integers(1, 9), st.integers(10, 400), st.just(1 << 20))


def expected_pieces(data: bytes, size: int) -> list[bytes]:
    """The rule, stated the slow way: a piece is all lines with their first byte between two multiples."""
    grouped: dict[int, list[bytes]] = {}
    at = 0
    for line in io.BytesIO(data):
        grouped.setdefault(at // size, []).append(line)
        at += len(line)
    return [b"".join(lines) for lines in grouped.values()]


def read_at(data: bytes):
    return lambda offset, count: data[offset : offset + count]


@FIXTURES_MAY_STAY
@given(contents, sizes, st.integers(1, 70))
@example(b"a\nb\nc", 2, 64)
@example(b"\n\n\n", 1, 64)
def test_pieces_follow_the_rule_whatever_is_read_at_a_time(data, size, step):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "STEP_BYTES", step)
        cut = list(pieces(read_at(data), len(data), size))
    assert [data[offset : offset + length] for offset, length in cut] == expected_pieces(data, size)
    assert [offset for offset, _ in cut] == [sum(n for _, n in cut[:i]) for i in range(len(cut))]


@FIXTURES_MAY_STAY
@given(contents, contents, sizes)
def test_an_appended_source_keeps_all_splits_but_its_last(data, more, size):
    before = list(pieces(read_at(data), len(data), size))
    after = list(pieces(read_at(data + more), len(data + more), size))
    kept = before[:-1]
    assert after[: len(kept)] == kept


@FIXTURES_MAY_STAY
@given(contents, sizes, st.integers(1, 200))
def test_a_stream_is_cut_as_a_file_is_whatever_its_chunks(data, size, chunk):
    files: list[io.BytesIO] = []

    class Kept(io.BytesIO):
        def close(self):
            self.kept = self.getvalue()
            super().close()

    def open_block(index):
        assert index == len(files)
        files.append(Kept())
        return files[-1]

    chunks = (data[i : i + chunk] for i in range(0, len(data), chunk))
    written = list(write_blocks(chunks, size, open_block))
    assert [(b.offset, b.length) for b in written] == list(pieces(read_at(data), len(data), size))
    assert b"".join(f.kept for f in files) == data
    assert [b.lines_before for b in written] == [data[: b.offset].count(b"\n") for b in written]
    assert [b.index for b in written] == list(range(len(files)))


@FIXTURES_MAY_STAY
@given(st.lists(contents, min_size=1, max_size=3), sizes, st.sampled_from([None, 1, 2, 7, 10**6]), st.integers(1, 99))
def test_splits_of_files_partition_them_and_blocks_are_whole_lines(tmp_path, files, size, splits, block_bytes):
    paths = []
    for i, data in enumerate(files):
        paths.append(str(tmp_path / f"{i}.log"))
        with open(paths[-1], "wb") as file:
            file.write(data)
    planned = plan_splits(expand(paths), split_bytes=size, splits=splits, first_index=5)
    assert [s.order for s in planned] == sorted(s.order for s in planned)
    for i, data in enumerate(files):
        own = [s for s in planned if s.order[0] == 5 + i]
        assert b"".join(data[s.offset : s.offset + s.length] for s in own) == data
        assert all(s.length and s.first == (s.offset == 0) and s.path == os.path.abspath(paths[i]) for s in own)
        for split in own:
            assert split.offset == 0 or data[split.offset - 1 : split.offset] == b"\n"
            at = split.order[1]
            for offset, block in read_split(split, block_bytes=block_bytes):
                assert offset == at and block == data[at : at + len(block)]
                whole = block.endswith(b"\n") or offset + len(block) == len(data)
                assert whole or head_bytes(block) == len(block)
                assert len(block) <= max(block_bytes, 2 * max(map(len, io.BytesIO(block))))
                at += len(block)
            assert at == split.offset + split.length


@FIXTURES_MAY_STAY
@given(contents, sizes, st.sampled_from([gzip.compress, bz2.compress, lzma.compress]), st.integers(1, 3))
def test_compressed_or_piped_data_has_the_same_pieces(tmp_path_factory, data, size, compress, members):
    where = tmp_path_factory.mktemp("decode")
    third = len(data) // members + 1
    packed = b"".join(compress(data[i : i + third]) for i in range(0, max(1, len(data)), third))
    (where / "x.gz").write_bytes(packed)
    expected = list(pieces(read_at(data), len(data), size))

    decoded = list(decode_file(str(where / "x.gz"), "x.gz", size, lambda i: (where / f"block-{i:05d}").open("xb")))
    assert [(b.offset, b.length) for b in decoded] == expected
    assert b"".join((where / f"block-{b.index:05d}").read_bytes() for b in decoded) == data

    for number, stream in enumerate((io.BytesIO(packed), io.BytesIO(data))):
        (where / str(number)).mkdir()
        spooled = list(spool(stream, str(where / str(number)), block_bytes=size, index=3))
        assert [(s.order, s.length) for s in spooled] == [((3, offset), length) for offset, length in expected]
        read = [(offset, block) for s in spooled for offset, block in read_split(s, block_bytes=50)]
        assert b"".join(block for _, block in read) == data
        assert [offset for offset, _ in read] == [sum(len(b) for _, b in read[:i]) for i in range(len(read))]


@FIXTURES_MAY_STAY
@given(contents.filter(bool), st.integers(1, 64))
def test_blocks_of_a_whole_file_are_the_file(tmp_path, data, block_bytes):
    (tmp_path / "f").write_bytes(data)
    read = list(read_blocks(str(tmp_path / "f"), 0, len(data), block_bytes=block_bytes))
    assert b"".join(block for _, block in read) == data
