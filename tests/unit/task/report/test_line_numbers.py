"""The number of a line is worked out when something has failed, from whatever there still is."""

from __future__ import annotations

import gzip

import pytest

from mrframe.core.model.spec import MapOrder, Split
from mrframe.formats.inputs.compression import OUTPUT_BYTES
from mrframe.task.isolated_attempt import location_of
from mrframe.task.isolation.progress_page import Position
from mrframe.task.report.line_numbers import lines_before

TEXT = b"".join(b"%d\n" % number for number in range(400_000))  # more than two chunks of the decoder


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(TEXT, 1))
    return path


def block(packed, offset, path="block-00001"):
    return Split("held", "a.gz", str(path), 0, 12, (0, offset), packed=str(packed))


@pytest.mark.parametrize("number", [0, 1, 200_000, 399_999])
def test_lines_before_a_decoded_block_are_those_of_the_compressed_file(packed, number):
    assert len(TEXT) > 2 * OUTPUT_BYTES
    assert lines_before(block(packed, TEXT.index(b"\n%d\n" % number) + 1 if number else 0)) == number


def test_lines_before_a_block_are_unknown_when_its_file_is_gone_or_another_one(packed):
    packed.write_bytes(gzip.compress(b"1\n2\n"))
    assert lines_before(block(packed, 1000)) == -1
    packed.write_bytes(b"plain\n")
    assert lines_before(block(packed, 1000)) == -1
    packed.unlink()
    assert lines_before(block(packed, 1000)) == -1


def test_a_record_of_a_careful_attempt_is_placed_by_them(packed, tmp_path):
    at = TEXT.index(b"\n200000\n") + 1
    (tmp_path / "block-00001").write_bytes(TEXT[at : at + 21])
    order = MapOrder("job-1/m0001.1.1", 0, block(packed, at, tmp_path / "block-00001"), 1, str(tmp_path))
    position = Position(at + 7, 14, 1, 0, 0, spent=False, key="")

    def located(data, record):
        return 7, data[7:13]

    place = location_of(order, position, located)
    assert (place.line, place.offset, place.record) == (200_003, at + 14, b"200002")
    packed.unlink()
    assert location_of(order, position, located).line == -1
