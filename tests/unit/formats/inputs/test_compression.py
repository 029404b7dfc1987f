"""Compressed streams: all members, no more than bounded memory, and every kind of damage told with its place."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tracemalloc
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from mrframe.errors import ExtraMissing, InputChanged, InputError
from mrframe.formats.inputs import compression
from mrframe.formats.inputs.compression import compression_of, decode_file, decompress
from mrframe.formats.inputs.stdin import spool

TEXT = b"".join(b"%d some line of a log\n" % i for i in range(5000))
PACKS = [("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)]
packs = pytest.mark.parametrize(("compression", "pack"), PACKS)
LIBRARIES = ["zlib", *(["isal.isal_zlib"] if find_spec("isal") else [])]


@pytest.fixture(params=LIBRARIES, autouse=True)
def gzip_library(request, monkeypatch):
    """Every test with the standard library and, where it is installed, with the one of the extra."""
    library = import_module(request.param)
    monkeypatch.setattr(compression, "gzip_library", lambda: library)


def decoded(data, compression, chunk=1 << 20):
    return b"".join(decompress((data[i : i + chunk] for i in range(0, len(data), chunk)), compression, "a.gz"))


@packs
@pytest.mark.parametrize("chunk", [1, 7, 4096, 1 << 20])
def test_all_members_and_padding_are_read_whatever_the_chunks(compression, pack, chunk):
    packed = pack(TEXT[:40]) + pack(b"") + pack(TEXT[40:2000]) + b"\x00" * 64
    assert decoded(packed, compression, chunk) == TEXT[:2000]
    assert decoded(packed + pack(b"more\n"), compression, chunk) == TEXT[:2000] + b"more\n"


@packs
def test_every_truncation_is_an_error(compression, pack):
    packed = pack(TEXT)
    for end in [1, 2, 5, 11, *random.Random(1).sample(range(12, len(packed)), 20), len(packed) - 1]:
        with pytest.raises(InputError, match=f"a.gz is truncated: it ends at compressed byte {end:,},"):
            decoded(packed[:end], compression)


@packs
@pytest.mark.parametrize("tail", [b"X", b"garbage behind the member\n", b"\x00\x00\x00\x00X" * 9])
def test_anything_but_zeros_behind_the_last_member_is_an_error(compression, pack, tail):
    with pytest.raises(InputError, match=r"a\.gz (is (damaged|truncated)|has bytes that are not)"):
        decoded(pack(TEXT) + tail, compression)


@packs
def test_damage_is_told_with_its_place_and_what_came_before(compression, pack):
    packed = bytearray(pack(TEXT))
    packed[len(packed) - 6] ^= 0x55  # in the checksums at the end
    words = rf"damaged between compressed bytes [0-9,]+ and {len(packed):,} \(.*\); [0-9,]+ bytes could be decoded"
    with pytest.raises(InputError, match=words + r" before\. Get a whole copy, or decode what there is with \w+ -dc"):
        decoded(bytes(packed), compression)


@packs
@pytest.mark.parametrize("members", [1, 6])
def test_a_bomb_is_refused_by_name_after_bounded_pieces(compression, pack, members):
    bomb = pack(b"\x00" * ((24 << 20) // members)) * members
    tracemalloc.start()
    total = largest = 0
    try:
        with pytest.raises(
            InputError, match=r"evil\.gz is refused: .*over 200 times as many.* evil\.gz \| mrframe run"
        ):
            for piece in decompress([bomb], compression, "evil.gz"):
                total, largest = total + len(piece), max(largest, len(piece))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total <= 17 << 20
    assert largest == 1 << 20
    assert peak < 14 << 20


def test_a_log_that_compresses_well_is_none():
    lines = b"".join(b"%d GET /health 200\n" % number for number in range(1_000_000))
    assert len(lines) > 16 << 20
    assert decoded(gzip.compress(lines, 1), "gzip") == lines


def test_a_small_file_of_one_line_again_and_again_is_none():
    assert decoded(gzip.compress(b"x" * (8 << 20)), "gzip") == b"x" * (8 << 20)


def test_xz_that_wants_too_much_memory_is_refused():
    greedy = lzma.compress(b"x\n", filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 200 << 20}])
    with pytest.raises(InputError, match=r"damaged .*[Mm]emory"):
        decoded(greedy, "xz")
    assert decoded(lzma.compress(b"x\n", preset=9), "xz") == b"x\n"


def test_many_tiny_members_take_no_time_of_their_own():
    members = 30_000
    assert decoded(gzip.compress(b"x\n") * members, "gzip") == b"x\n" * members


def test_an_empty_stream_is_empty():
    assert decoded(b"", "gzip") == b""


# ---- to blocks ------------------------------------------------------------------------------------


def test_blocks_before_the_damage_are_handed_on_and_then_it_is_told(tmp_path):
    noise = random.Random(1).randbytes(3 << 20).hex().encode()
    text = b"\n".join(noise[i : i + 60] for i in range(0, len(noise), 60))
    (tmp_path / "a.gz").write_bytes(gzip.compress(text, 1)[:-2000])
    stream = decode_file(str(tmp_path / "a.gz"), "my.gz", 1 << 20, lambda i: (tmp_path / f"block-{i:05d}").open("xb"))
    blocks = [next(stream) for _ in range(5)]
    with pytest.raises(InputError, match=r"my\.gz is truncated"):
        blocks += list(stream)
    handed_on = b"".join((tmp_path / f"block-{b.index:05d}").read_bytes() for b in blocks)
    assert text.startswith(handed_on) and len(handed_on) >= 5 << 20


def test_a_file_that_is_gone_or_not_compressed_any_more_has_changed(tmp_path):
    with pytest.raises(InputChanged, match=r"a\.gz is gone"):
        list(decode_file(str(tmp_path / "a"), "a.gz", 10, lambda i: io.BytesIO()))
    (tmp_path / "a").write_bytes(b"plain\n")
    with pytest.raises(InputChanged, match=r"a\.gz is not compressed any more"):
        list(decode_file(str(tmp_path / "a"), "a.gz", 10, lambda i: io.BytesIO()))


def test_a_write_that_fails_ends_the_decoding_with_the_disks_error(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(TEXT))
    with pytest.raises(OSError, match="No space left"):
        list(decode_file(str(tmp_path / "a.gz"), "a.gz", 1 << 20, lambda i: Path("/dev/full").open("wb")))  # noqa: SIM115


# ---- standard input -------------------------------------------------------------------------------


class Trickle(io.RawIOBase):
    """A pipe that gives one byte at a time."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def read(self, count=-1):
        return self._data.read(1)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_a_pipe_that_trickles_is_told_apart_all_the_same(tmp_path, pack):
    splits = list(spool(Trickle(pack(TEXT[:3000])), str(tmp_path), block_bytes=1000, index=4, input_name="hits"))
    assert [(s.kind, s.source, s.offset, s.order, s.first) for s in splits] == [
        ("file", "-", 0, (4, splits[i].order[1]), i == 0) for i in range(3)
    ]
    assert b"".join(Path(s.path).read_bytes() for s in splits) == TEXT[:3000]
    assert splits[1].lines_before == TEXT[: splits[1].order[1]].count(b"\n") and splits[1].input_name == "hits"


def test_an_empty_pipe_gives_no_split(tmp_path):
    assert list(spool(io.BytesIO(b""), str(tmp_path))) == []
    assert list(spool(io.BytesIO(gzip.compress(b"")), str(tmp_path))) == []
    assert list(tmp_path.iterdir()) == []


def test_a_short_pipe_is_not_taken_for_compressed(tmp_path):
    (split,) = spool(io.BytesIO(b"a"), str(tmp_path))
    assert split.length == 1


def test_a_pipe_of_unknown_compression_is_refused(tmp_path):
    with pytest.raises(ExtraMissing, match="zstd"):
        list(spool(io.BytesIO(b"\x28\xb5\x2f\xfd...."), str(tmp_path)))
    with pytest.raises(InputError, match="standard input is truncated"):
        list(spool(io.BytesIO(gzip.compress(TEXT)[:-1]), str(tmp_path)))


def test_compression_is_not_seen_in_lines_that_only_begin_alike():
    assert [compression_of(head, "x") for head in (b"BZh9 said", b"", b"\x1f", b"PK")] == ["", "", "", ""]
