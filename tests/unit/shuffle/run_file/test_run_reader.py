"""Whatever happens to the bytes of a run file is CorruptData with its name: never other pairs, never a crash."""

import io
import struct
import zlib

import msgpack
import pytest

from mrframe.errors import CorruptData
from mrframe.shuffle.columns import encode
from mrframe.shuffle.run_file.pair_blocks import BLOCK_RECORDS_MAX, HEAD, Compressor, pack_block, unpack_block
from mrframe.shuffle.run_file.run_layout import HEADER_BYTES, Section, ending, header
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter, extract


def sample() -> bytes:
    """Two runs, three slots, compressed and stored blocks, reduce output."""
    file = io.BytesIO()
    writer = RunWriter(file, slots=4)
    writer.add_run(["b", "a", "c" * 600, ("t", 1)], [1, None, b"x" * 900, {"k": (1,)}])
    writer.add_run(["a", "b"], [1.5, 2.5])
    writer.add_sorted(3, [([1], [2])], in_order=True)
    writer.close()
    return file.getvalue()


def read_all(data: bytes) -> list:
    reader = RunReader(io.BytesIO(data), "part-7", unpickle=False)
    return [list(stream) for slot in reader.slots_present() for stream in reader.streams(slot)]


def test_every_flipped_bit_is_found():
    data = bytearray(sample())
    assert read_all(bytes(data))
    for at in range(len(data)):
        for bit in range(8):
            data[at] ^= 1 << bit
            with pytest.raises(CorruptData, match=r"run file part-7 is damaged at byte [0-9]+: "):
                read_all(bytes(data))
            data[at] ^= 1 << bit


def test_every_truncation_is_found():
    data = sample()
    for length in range(len(data)):
        with pytest.raises(CorruptData, match="part-7"):
            read_all(data[:length])
        with pytest.raises(CorruptData, match="part-7"):
            list(extract(io.BytesIO(data[:length]), "part-7", range(4)))


@pytest.mark.parametrize("more", [b"\0", b"x" * 100, sample()], ids=["a zero", "text", "another run file"])
def test_bytes_behind_the_end_are_found(more):
    with pytest.raises(CorruptData, match="part-7"):
        read_all(sample() + more)


def test_swapped_bytes_within_the_file_are_found():
    data = sample()
    for at in range(HEADER_BYTES, len(data) - 1):
        if data[at] != data[at + 1]:
            swapped = data[:at] + data[at + 1 : at + 2] + data[at : at + 1] + data[at + 2 :]
            with pytest.raises(CorruptData):
                read_all(swapped)


def test_a_damaged_block_in_an_extract_is_found_by_its_reader():
    data = bytearray(sample())
    data[HEADER_BYTES + 30] ^= 1
    copy = b"".join(extract(io.BytesIO(bytes(data)), "part-7", range(4)))
    with pytest.raises(CorruptData):
        read_all(copy)


def test_a_file_that_shrinks_while_it_is_read_is_corrupt():
    file = io.BytesIO(sample())
    reader = RunReader(file, "part-7", unpickle=False)
    streams = [stream for slot in reader.slots_present() for stream in reader.streams(slot)]
    file.truncate(HEADER_BYTES + 5)
    for stream in streams:
        with pytest.raises(CorruptData, match="too early"):
            list(stream)


def stored(raw: bytes, *, raw_bytes=None, key_bytes=0, records=1, flags=0) -> tuple[bytes, bytes]:
    """A block with a right checksum over whatever is claimed."""
    head = HEAD.pack(0, len(raw), len(raw) if raw_bytes is None else raw_bytes, key_bytes, records, flags, 0)
    return zlib.crc32(raw, zlib.crc32(head[4:])).to_bytes(4, "little") + head[4:], raw


TOO_MANY = b"n" + bytes(BLOCK_RECORDS_MAX + 1)
KEYS, VALUES = encode([1, 2]), encode(["a", "b"])
DEFLATED = zlib.compress(KEYS + VALUES, 1, wbits=-15)


@pytest.mark.parametrize(
    "block",
    [
        stored(KEYS + VALUES, key_bytes=len(KEYS), records=3),
        stored(KEYS + VALUES, key_bytes=len(KEYS), records=0),
        stored(2 * TOO_MANY, key_bytes=len(TOO_MANY), records=BLOCK_RECORDS_MAX + 1),
        stored(KEYS + VALUES, key_bytes=500, records=2),
        stored(KEYS + VALUES, key_bytes=len(KEYS), records=2, flags=2),
        stored(KEYS + VALUES, key_bytes=len(KEYS), records=2, raw_bytes=100),
        stored(KEYS + encode(["a"]), key_bytes=len(KEYS), records=2),
        stored(encode([1j, 2]) + VALUES, key_bytes=len(encode([1j, 2])), records=2),
        stored(DEFLATED, key_bytes=len(KEYS), records=2, flags=1, raw_bytes=len(KEYS + VALUES) - 1),
        stored(DEFLATED, key_bytes=len(KEYS), records=2, flags=1, raw_bytes=len(KEYS + VALUES) + 1),
        stored(DEFLATED + b"x", key_bytes=len(KEYS), records=2, flags=1, raw_bytes=len(KEYS + VALUES)),
        stored(DEFLATED[:-1], key_bytes=len(KEYS), records=2, flags=1, raw_bytes=len(KEYS + VALUES)),
        stored(b"\xff" * 20, key_bytes=len(KEYS), records=2, flags=1, raw_bytes=len(KEYS + VALUES)),
    ],
)  # fmt: skip
def test_a_block_that_contradicts_itself_is_corrupt(block):
    with pytest.raises(CorruptData):
        unpack_block(*block, unpickle=True)


def test_a_block_is_not_inflated_beyond_its_stated_length(monkeypatch):
    bomb = zlib.compress(bytes(50_000_000), 9, wbits=-15)
    asked = []

    class Watched:
        def __init__(self, inflater):
            self._inflater = inflater

        def decompress(self, data, limit):
            asked.append(limit)
            return self._inflater.decompress(data, limit)

        def __getattr__(self, name):
            return getattr(self._inflater, name)

    made = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", lambda wbits: Watched(made(wbits)))
    with pytest.raises(CorruptData):
        unpack_block(*stored(bomb, key_bytes=10, records=1, flags=1, raw_bytes=1000), unpickle=False)
    assert asked == [1001]


def with_footer(footer: bytes, *, body: bytes = b"") -> bytes:
    place = struct.pack("<QI", HEADER_BYTES + len(body), len(footer))
    crc = zlib.crc32(place, zlib.crc32(footer))
    return header(4, 0) + body + footer + place + struct.pack("<I", crc) + b"\nrun-end"


BLOCK = pack_block("i", 2, (KEYS, VALUES), Compressor())[0]
GOOD = Section(0, 1, 0, 0, HEADER_BYTES, len(BLOCK), 2, 1)


def with_sections(*sections, runs=1, body=BLOCK) -> bytes:
    return header(4, 0) + body + ending(HEADER_BYTES + len(body), runs, list(sections))


@pytest.mark.parametrize(
    "data",
    [
        with_footer(b""),
        with_footer(b"\xc1"),
        with_footer(msgpack.packb(7)),
        with_footer(msgpack.packb([1])),
        with_footer(msgpack.packb([1, 2])),
        with_footer(msgpack.packb([-1, []])),
        with_footer(msgpack.packb([1.0, []])),
        with_footer(msgpack.packb([1, [[1, 2]]])),
        with_footer(msgpack.packb([1, [["a"] * 8]])),
        with_footer(b"\x92\x01\xdd\xff\xff\xff\xff"),
        with_footer(msgpack.packb([0, []]), body=b"stray"),
        with_sections(GOOD._replace(run=1)),
        with_sections(GOOD._replace(slot=4)),
        with_sections(GOOD._replace(order=2)),
        with_sections(GOOD._replace(offset=0)),
        with_sections(GOOD._replace(length=len(BLOCK) - 1)),
        with_sections(GOOD._replace(length=1 << 60)),
        with_sections(GOOD._replace(records=3)),
        with_sections(GOOD._replace(blocks=2)),
        with_sections(GOOD._replace(blocks=0)),
        with_sections(GOOD, GOOD),
        with_sections(GOOD._replace(length=len(BLOCK) + 3), body=BLOCK + b"abc"),
        with_sections(GOOD._replace(length=len(BLOCK) + 3, blocks=2), body=BLOCK + b"abc"),
        with_sections(GOOD._replace(length=10), body=BLOCK[:10]),
    ],
)
def test_a_footer_that_does_not_fit_the_file_is_corrupt(data):
    with pytest.raises(CorruptData, match="part-7"):
        read_all(data)


PAGE = msgpack.packb([GOOD])
LISTED = [1, 1, HEADER_BYTES, len(PAGE), zlib.crc32(PAGE)]


def with_pages(pages: bytes, *rows: list) -> bytes:
    """A file with these pages behind its one block, and a footer that lists these rows."""
    footer = msgpack.packb([1, rows])
    place = struct.pack("<QI", HEADER_BYTES + len(BLOCK) + len(pages), len(footer))
    crc = zlib.crc32(place, zlib.crc32(footer))
    return header(4, 0) + BLOCK + pages + footer + place + struct.pack("<I", crc) + b"\nrun-end"


def listed(data: bytes) -> list:
    return [1, 1, HEADER_BYTES, len(data), zlib.crc32(data)]


@pytest.mark.parametrize(
    "data",
    [
        with_pages(PAGE, [1, 1, HEADER_BYTES, len(PAGE), zlib.crc32(PAGE) ^ 1]),
        with_pages(PAGE, [2, 3, *LISTED[2:]]),
        with_pages(PAGE, [1, 4, *LISTED[2:]]),
        with_pages(PAGE, [2, 1, *LISTED[2:]]),
        with_pages(PAGE, [1, 1, HEADER_BYTES + 1, *LISTED[3:]]),
        with_pages(PAGE, [*LISTED[:3], len(PAGE) + 1, LISTED[4]]),
        with_pages(PAGE, [*LISTED[:3], 1 << 60, LISTED[4]]),
        with_pages(PAGE, LISTED, LISTED),
        with_pages(PAGE, LISTED[:4]),
        with_pages(b"x" + PAGE, LISTED),
        with_pages(b""),
        *(with_pages(page, listed(page)) for page in (b"\xc1", b"\x07", b"\x90", b"\x91\x91\x01", PAGE + PAGE)),
    ],
)  # fmt: skip
def test_pages_that_do_not_fit_the_file_are_corrupt(data):
    with pytest.raises(CorruptData, match="part-7"):
        read_all(data)


def test_the_pieces_of_these_tests_make_a_good_file():
    assert read_all(with_sections(GOOD)) == [[("i", [1, 2], ["a", "b"])]]
    assert with_pages(PAGE, LISTED) == with_sections(GOOD)
    assert read_all(with_footer(msgpack.packb([0, []]))) == []


@pytest.mark.parametrize(("at", "value"), [(12, 2), (14, 2), (15, 1), (16, 3), (18, 2)])
def test_a_file_of_another_version_is_refused_with_a_right_checksum_too(at, value):
    data = bytearray(with_sections(GOOD))
    data[at] = value
    data[28:32] = zlib.crc32(bytes(data[:28])).to_bytes(4, "little")
    with pytest.raises(CorruptData, match=r"version|slots"):
        read_all(bytes(data))
