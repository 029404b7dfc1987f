"""The blocks of a split from which keys are sampled."""

from __future__ import annotations

from mrframe.core.model.spec import Split
from mrframe.formats.inputs import open_input
from mrframe.task.map import key_sample


def test_blocks_of_the_sample_are_whole_lines_and_all_of_a_short_split(tmp_path, monkeypatch):
    log = tmp_path / "log.txt"
    log.write_text("".join(f"{number * 7919 % 10**6:06} {'x' * 50}\n" for number in range(4000)))
    data = log.read_bytes()
    split = Split("file", "log", str(log), 0, len(data), (0, 0))
    assert list(key_sample.sample_blocks(split)) != []
    monkeypatch.setattr(key_sample, "POINT_BYTES", 100)
    found = list(key_sample.sample_blocks(split))
    assert len(found) == key_sample.POINTS
    for offset, block in found:
        assert data[offset : offset + len(block)] == block
        assert block.endswith(b"\n")
        assert offset == 0 or data[offset - 1 : offset] == b"\n"
    monkeypatch.setattr(key_sample, "POINT_BYTES", len(data))
    assert list(key_sample.sample_blocks(split)) == [(0, data)]


def test_a_long_line_is_neither_sampled_nor_held_nor_searched_at_each_point(tmp_path, monkeypatch):
    small = b"".join(b"%06d small\n" % number for number in range(2000))
    data = small + b"x" * (key_sample.LINE_BYTES_MAX * 8) + b"\n" + small
    log = tmp_path / "log.txt"
    log.write_bytes(data)
    read = []
    real = open_input.OpenInput.read_at
    monkeypatch.setattr(
        open_input.OpenInput, "read_at", lambda self, at, count: (read.append(count), real(self, at, count))[1]
    )
    found = list(key_sample.sample_blocks(Split("file", "log", str(log), 0, len(data), (0, 0))))
    assert found
    assert b"x" not in b"".join(block for _, block in found)
    assert max(read) <= open_input.BLOCK_BYTES
    assert sum(read) < 3 * len(data)  # its end is searched from the first place, and it is hashed


def test_the_sample_of_a_log_with_stack_traces_is_of_whole_records(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("".join(f"2026-05-17 {number:06}\n" + "\tat a.B.c\n" * 2500 for number in range(203)))
    data = log.read_bytes()
    found = list(key_sample.sample_blocks(Split("file", "log", str(log), 0, len(data), (0, 0), record_start="2026-")))
    assert len(found) == key_sample.POINTS
    for offset, block in found:
        assert block.startswith(b"2026-")
        assert data[offset + len(block) :][:5] in (b"2026-", b"")
