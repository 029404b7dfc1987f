"""Splits and their blocks: fields, estimates, and files that change while they are read."""

from __future__ import annotations

import errno
import gzip
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import pytest

from mrframe.core.model.spec import MIB, Split
from mrframe.errors import InputChanged, InputError
from mrframe.formats.inputs.files import InputFile, expand
from mrframe.formats.inputs.splits import (
    LongLine,
    default_partitions,
    default_split_bytes,
    estimated_bytes,
    plan_splits,
    read_blocks,
    read_split,
)


def write(path, data):
    path.write_bytes(data)
    return str(path)


def test_splits_say_all_that_a_task_needs(tmp_path):
    plain = write(tmp_path / "a.log", b"one\ntwo\nthree\n")
    packed = write(tmp_path / "b.gz", gzip.compress(b"four\n"))
    empty = write(tmp_path / "c.log", b"")
    files = expand([plain, empty, "-", packed])
    planned = plan_splits(files, split_bytes=5, first_index=2, input_name="hits")
    states = [split.state for split in planned]
    assert [replace(split, state=()) for split in planned] == [
        Split("file", plain, plain, 0, 8, (2, 0), lines_before=0, input_name="hits"),
        Split("file", plain, plain, 8, 6, (2, 8), input_name="hits"),
        Split("gzip", packed, packed, 0, os.path.getsize(packed), (5, 0), input_name="hits"),
    ]
    assert [s.first for s in planned] == [True, False, True]
    assert [state[:4] for state in states] == [file.state[:4] for file in (files[0], files[0], files[3])]
    ends = (b"one\ntwo\n", b"one\ntwo\nthree\n", Path(packed).read_bytes())
    assert [state[4] for state in states] == [crc32(data) for data in ends]


def test_a_number_of_splits_cuts_the_whole_input(tmp_path):
    files = expand([write(tmp_path / str(i), b"0123456\n" * 100) for i in range(2)])
    assert [s.length for s in plan_splits(files, splits=4)] == [400, 400, 400, 400]
    assert [s.length for s in plan_splits(files, splits=1)] == [800, 800]
    assert len(plan_splits(files, splits=10**9)) == 200
    assert plan_splits(expand([write(tmp_path / "e", b"")]), splits=3) == []


def test_partitions_follow_from_the_bytes_alone():
    assert [default_partitions(n) for n in (0, 1, 64 * MIB, 64 * MIB + 1, 10**18)] == [1, 1, 1, 2, 256]
    files = [InputFile("/a", "a", 10), InputFile("/b", "b", 10, "gzip"), InputFile("-", "-", 0, is_stdin=True)]
    assert estimated_bytes(files) == 10 + 80


def test_blocks_are_cut_at_lines_and_a_long_line_is_a_block_of_its_own(tmp_path):
    path = write(tmp_path / "a", b"aa\nbb\n" + b"x" * 50 + b"\ncc\ndd")
    assert list(read_blocks(path, 0, 62, block_bytes=8)) == [
        (0, b"aa\nbb\n"),
        (6, b"x" * 50 + b"\n"),
        (57, b"cc\ndd"),
    ]
    assert list(read_blocks(path, 6, 51, block_bytes=8)) == [(6, b"x" * 50 + b"\n")]
    assert list(read_blocks(path, 6, 0)) == []


def test_a_line_over_the_limit_is_refused_with_its_place(tmp_path):
    path = write(tmp_path / "a", b"ok\n" + b"x" * 100 + b"\n")
    assert len(list(read_blocks(path, 0, 104, block_bytes=8, line_bytes_max=101))) == 2
    with pytest.raises(InputError, match=r"app\.log has a line of more than 64 bytes at byte 3;"):
        list(read_blocks(path, 0, 104, block_bytes=8, line_bytes_max=64, name="app.log"))


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 7, 8, 9, 64, 1 << 20])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"", b"\r"])
def test_a_line_over_the_limit_is_told_and_passed_over(tmp_path, block_bytes, end):
    long = b"x" * 9
    data = b"ok\n" + long + b"\r\n" + b"12345678\n" + b"123456789\n" + long + b"y" + end
    path = write(tmp_path / "a", b"before\n" + data)
    told = []
    read = read_blocks(path, 7, len(data), block_bytes=block_bytes, line_bytes_max=9, on_long=told.append)
    assert b"".join(block for _, block in read) == b"ok\n12345678\n"
    assert told == [
        LongLine(10, 11, 2, long, sha256(long).hexdigest()),
        LongLine(30, 10, 1, b"123456789", sha256(b"123456789").hexdigest()),
        LongLine(40, 10 + len(end), len(end), long + b"y", sha256(long + b"y").hexdigest()),
    ]


def test_a_decoded_block_is_placed_within_its_source(tmp_path):
    path = write(tmp_path / "block-00001", b"x\ny\n")
    split = Split("held", "a.gz", path, 0, 4, (0, 1000), lines_before=7)
    assert list(read_split(split, block_bytes=2)) == [(1000, b"x\n"), (1002, b"y\n")]


def test_bytes_behind_what_was_planned_are_not_read(tmp_path):
    (split,) = plan_splits(expand([write(tmp_path / "a", b"one\ntwo")]))
    with open(tmp_path / "a", "ab") as file:
        file.write(b"+appended\n")
    assert list(read_split(split)) == [(0, b"one\ntwo")]


def test_a_file_that_changes_while_it_is_read_is_an_error_never_fewer_lines(tmp_path):
    path = write(tmp_path / "a.log", b"one\ntwo\nthree\n")
    files = expand([path])
    first, second = plan_splits(files, split_bytes=8)
    blocks = read_split(first, block_bytes=4)
    assert next(blocks) == (0, b"one\n")
    os.truncate(path, 6)
    with pytest.raises(InputChanged, match=r"a\.log became shorter while the job ran \(it ends before byte 8, "):
        next(blocks)
    with pytest.raises(InputChanged, match="became shorter"):
        list(read_split(second))
    write(tmp_path / "a.log", b"now other lines of another length\n")
    with pytest.raises(InputChanged, match=r"was rewritten while the job ran \(no line begins at byte 8 any more"):
        list(read_split(second))
    os.unlink(path)
    with pytest.raises(InputChanged, match="is gone since the job was planned; run the job again"):
        list(read_split(first))
    with pytest.raises(InputChanged, match="is gone"):
        plan_splits(files)


def test_a_disk_fault_names_path_and_byte(tmp_path, monkeypatch):
    path = write(tmp_path / "a.log", b"one\n")

    def broken(fd, count, offset):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(OSError, match=r"Input/output error at byte 0: '.*a\.log'"):
        list(read_blocks(path, 0, 4))


def test_short_reads_of_the_system_are_completed(tmp_path, monkeypatch):
    path, real = write(tmp_path / "a", b"one\ntwo\n" * 10), os.pread
    monkeypatch.setattr(os, "pread", lambda fd, count, offset: real(fd, min(count, 3), offset))
    assert b"".join(b for _, b in read_blocks(path, 0, 80, block_bytes=30)) == b"one\ntwo\n" * 10


def test_the_length_of_a_split_follows_from_the_size_of_the_input():
    lengths = [default_split_bytes(total << 20) for total in (1, 64, 100, 256, 512, 1024, 1 << 20)]
    assert lengths == [n << 20 for n in (16, 16, 16, 16, 32, 64, 64)]
    assert default_split_bytes(0) == 16 << 20
