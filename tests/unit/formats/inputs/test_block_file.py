"""The file of a stored block: what was written is read, at any place, and nothing that was damaged ever is."""

from __future__ import annotations

import io
import random
import sys
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe.errors import CorruptData, ExtraMissing
from mrframe.formats.inputs import block_file
from mrframe.formats.inputs.block_file import FRAME_BYTES, BlockFile, best_codec, write_block

LINES = b"127.0.0.1 - - GET /index.html 200 1234\n" * 40
NOISE = random.Random(1).randbytes(2_000)
CODECS = ("zlib", "lz4")


def written(path, chunks, codec="zlib"):
    with open(path, "wb") as file:
        return write_block(file, chunks, codec)


CONTENT = st.lists(
    st.one_of(st.binary(max_size=200), st.sampled_from([LINES, NOISE, b"", b"\0" * (FRAME_BYTES + 1)])), max_size=5
)


@settings(max_examples=40, deadline=None)
@given(CONTENT, st.sampled_from(CODECS), st.lists(st.tuples(st.integers(0, 600_000), st.integers(0, 300_000))))
def test_any_part_of_what_was_written_is_read(tmp_path_factory, chunks, codec, parts):
    path = str(tmp_path_factory.mktemp("any") / "block")
    content = b"".join(chunks)
    facts = written(path, chunks, codec)
    assert (facts.name, facts.length) == (sha256(content).hexdigest(), len(content))
    with BlockFile(path) as block:
        assert (block.name, block.length) == (facts.name, facts.length)
        for offset, count in parts:
            assert block.read_at(offset, count) == content[offset : offset + count]
        assert b"".join(block.chunks()) == content
        block.check(facts.name)
        with pytest.raises(CorruptData, match="not that of its name"):
            block.check("0" * 64)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("content", [LINES[:160], NOISE[:24], b""], ids=["compressed", "plain", "empty"])
def test_every_flipped_bit_truncation_and_addition_is_found_and_the_file_named(tmp_path, content, codec):
    path = tmp_path / "block"
    name = written(path, [content], codec).name
    whole = path.read_bytes()
    ruined = [whole[:cut] for cut in range(len(whole))] + [whole + b"\0", b"\0" + whole]
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        ruined.append(bytes(flipped))
    for data in ruined:
        path.write_bytes(data)
        with pytest.raises(CorruptData) as caught, BlockFile(str(path)) as block:
            block.check(name)
        assert caught.value.file == str(path)
    path.write_bytes(whole)
    with BlockFile(str(path)) as block:
        block.check(name)


def test_no_byte_of_a_damaged_frame_is_given_and_the_others_are(tmp_path):
    path = tmp_path / "block"
    content = random.Random(2).randbytes(3 * FRAME_BYTES)
    written(path, [content])
    data = bytearray(path.read_bytes())
    data[FRAME_BYTES + 7] ^= 1
    path.write_bytes(data)
    with BlockFile(str(path)) as block:
        assert block.read_at(0, FRAME_BYTES) == content[:FRAME_BYTES]
        for offset in (FRAME_BYTES, FRAME_BYTES - 1, 2 * FRAME_BYTES - 1):
            with pytest.raises(CorruptData, match="frame at byte"):
                block.read_at(offset, 2)
        assert block.read_at(2 * FRAME_BYTES, 10) == content[2 * FRAME_BYTES :][:10]


def test_a_frame_that_would_grow_without_end_is_stopped_at_its_length(tmp_path, monkeypatch):
    path = tmp_path / "block"
    with monkeypatch.context() as context:
        context.setattr(block_file, "FRAME_BYTES", 64 << 20)
        written(path, [b"\0" * (64 << 20)])
    data = path.read_bytes()
    end = block_file._TAIL_BYTES
    codec, _, count, digest = block_file._END.unpack(data[-end:][: block_file._END.size])
    index = data[-end - block_file._FRAME.size : -end]
    forged = index + block_file._END.pack(codec, 100, count, digest)
    crc = block_file._CRC.pack(block_file.zlib.crc32(forged))
    path.write_bytes(data[: -end - len(index)] + forged + crc + block_file._MAGIC)
    with BlockFile(str(path)) as block, pytest.raises(CorruptData, match="101 bytes of content, not 100"):
        block.read_at(0, 100)


def test_a_block_that_is_gone_or_a_link_is_no_block(tmp_path):
    with pytest.raises(CorruptData, match="No such file"):
        BlockFile(str(tmp_path / "none"))
    written(tmp_path / "block", [LINES])
    (tmp_path / "link").symlink_to(tmp_path / "block")
    with pytest.raises(CorruptData):
        BlockFile(str(tmp_path / "link"))


def test_lz4_without_the_extra_is_an_error_that_names_it(tmp_path, monkeypatch):
    written(tmp_path / "block", [LINES], "lz4")
    assert best_codec() == "lz4"
    monkeypatch.setitem(sys.modules, "lz4.block", None)
    assert best_codec() == "zlib"
    with pytest.raises(ExtraMissing, match=r"mrframe\[fast\]"):
        BlockFile(str(tmp_path / "block"))


@pytest.mark.parametrize("codec", CODECS)
def test_logs_are_compressed_and_noise_is_not(codec):
    assert write_block(io.BytesIO(), [LINES], codec).file_bytes < len(LINES) / 5
    assert write_block(io.BytesIO(), [NOISE], codec).file_bytes < len(NOISE) + 100
