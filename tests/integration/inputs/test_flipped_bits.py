"""One flipped bit in what mrframe wrote for itself: decoded blocks of compressed and of standard input."""

from __future__ import annotations

import gzip
import io
from random import Random

import pytest

from mrframe.core.model.spec import Split
from mrframe.errors import CorruptData
from mrframe.formats.inputs.compression import decode_file
from mrframe.formats.inputs.splits import read_split
from mrframe.formats.inputs.stdin import spool

LINES = b"".join(b"%d,%d\n" % (n, n * n) for n in range(400))


def flipped(path, random):
    data = bytearray(path.read_bytes())
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)


def read(splits):
    return b"".join(block for split in splits for _, block in read_split(split))


@pytest.mark.parametrize("flips", [50, pytest.param(2000, marks=pytest.mark.slow)])
def test_every_flipped_bit_of_a_decoded_block_is_found_before_a_line_is_read(tmp_path, flips):
    packed = tmp_path / "log.gz"
    packed.write_bytes(gzip.compress(LINES))
    random = Random(1)
    for _ in range(flips):
        blocks = decode_file(str(packed), "log.gz", 1000, lambda n: (tmp_path / f"block-{n}").open("wb"))
        splits = [
            Split("held", "log.gz", str(tmp_path / f"block-{b.index}"), 0, b.length, (0, b.offset), crc32=b.crc32)
            for b in blocks
        ]
        assert read(splits) == LINES
        chosen = random.choice(splits)
        flipped(tmp_path / f"block-{splits.index(chosen)}", random)
        with pytest.raises(CorruptData, match=r"bytes of log\.gz from byte .* is not what was written"):
            next(read_split(chosen))


def test_a_flipped_bit_in_the_copy_of_a_pipe_is_found(tmp_path):
    splits = list(spool(io.BytesIO(LINES), str(tmp_path), block_bytes=1000))
    assert read(splits) == LINES
    flipped(tmp_path / "stdin-00001", Random(1))
    with pytest.raises(CorruptData, match="stdin-00001"):
        read(splits)
