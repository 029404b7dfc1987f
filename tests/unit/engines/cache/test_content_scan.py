"""The look at changed inputs before a run: what it finds, what it leaves to the tasks, and that its threads end."""

from __future__ import annotations

import gzip
import threading

import pytest

from mrframe.engines.cache import content_scan
from mrframe.engines.cache.content_scan import scan
from mrframe.formats.inputs.digest import new_digest
from mrframe.formats.inputs.files import expand
from mrframe.formats.inputs.line_blocks import pieces
from mrframe.formats.inputs.splits import plan_splits

BLOCK_BYTES = 100
LINES = b"".join(b"line %d of some\n" % n for n in range(60))


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def cuts(data: bytes = LINES) -> list[tuple[int, int]]:
    return list(pieces(lambda at, count: data[at : at + count], len(data), BLOCK_BYTES))


def contents(data: bytes = LINES) -> list[str]:
    return [digest(data[at : at + length]) for at, length in cuts(data)]


def digest(data: bytes) -> str:
    made = new_digest()
    made.update(data)
    return made.hexdigest()


def splits_of(folder, **files: bytes):
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return plan_splits(expand([str(folder / name) for name in files]), split_bytes=BLOCK_BYTES)


def looked(splits, known, *, threads: int = 3):
    return scan(splits, lambda split: split.content in known, block_bytes=BLOCK_BYTES, threads=threads)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_known_content_is_found_in_plain_and_compressed_files_alike(tmp_path, threads):
    splits = splits_of(tmp_path, plain=LINES, packed=gzip.compress(LINES))
    found = looked(splits, contents(), threads=threads)
    plain = [split for split in found if split.order[0] == 0]
    packed = [split for split in found if split.order[0] == 1]
    assert [split.kind for split in plain] == ["file"] * len(cuts())
    assert [split.kind for split in packed] == ["saved"] * len(cuts())
    for some in plain, packed:
        assert [split.content for split in some] == contents()
        assert [(split.order[1], split.length) for split in some] == cuts()


def test_a_split_of_unknown_content_is_left_as_it_is(tmp_path):
    splits = splits_of(tmp_path, plain=LINES)
    found = looked(splits, contents()[:-1])
    assert [split.content for split in found] == [*contents()[:-1], ""]
    assert looked(splits, []) == splits


@pytest.mark.parametrize("missing", [0, len(cuts()) // 2, -1])
def test_a_compressed_file_of_which_one_block_is_not_known_stays_one_file(tmp_path, missing):
    splits = splits_of(tmp_path, packed=gzip.compress(LINES))
    assert looked(splits, set(contents()) - {contents()[missing]}) == splits


def test_the_first_piece_that_is_not_known_ends_the_look_at_its_input(tmp_path):
    checked = []

    def is_saved(split) -> bool:
        checked.append(split.order)
        return split.order[0] == 1

    splits = splits_of(tmp_path, new=LINES, old=LINES)
    found = scan(splits, is_saved, block_bytes=BLOCK_BYTES, threads=1)
    assert [order for order in checked if order[0] == 0] == [(0, 0)]
    assert all(split.content for split in found if split.order[0] == 1)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-20], lambda data: data[:40] + bytes([data[40] ^ 8]) + data[41:], lambda data: b""]
)
def test_damaged_and_missing_files_are_left_to_the_task_that_reads_them(tmp_path, damage):
    splits = splits_of(tmp_path, packed=gzip.compress(LINES), plain=LINES)
    path = tmp_path / "packed"
    path.write_bytes(damage(path.read_bytes()))
    (tmp_path / "plain").unlink()
    assert scan(splits, lambda split: True, block_bytes=BLOCK_BYTES, threads=2) == splits


def test_an_empty_compressed_file_stays_what_it_is(tmp_path):
    splits = splits_of(tmp_path, packed=gzip.compress(b""))
    assert looked(splits, contents()) == splits


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["plain", "packed"])
def test_an_error_of_a_thread_is_raised_here(tmp_path, threads, name):
    data = LINES * 2000
    splits = splits_of(tmp_path, **{name: gzip.compress(data) if name == "packed" else data})

    def is_saved(split) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        scan(splits, is_saved, block_bytes=BLOCK_BYTES, threads=threads)


def test_an_error_of_a_thread_beside_this_one_is_raised_here(tmp_path):
    here = threading.current_thread()
    other_began = threading.Event()

    def is_saved(split) -> bool:
        if threading.current_thread() is not here:
            other_began.set()
            raise ZeroDivisionError
        return True

    class Judge(content_scan._Scan):
        def has_result(self, split) -> bool:  # without its lock, so that this thread can wait for the other
            if threading.current_thread() is here:
                assert other_began.wait(10)
            return is_saved(split)

    work = splits_of(tmp_path, plain=LINES)
    with pytest.raises(ZeroDivisionError):
        Judge(work, is_saved, BLOCK_BYTES).run(2)


def test_a_look_takes_no_longer_than_it_may(tmp_path, monkeypatch):
    monkeypatch.setattr(content_scan, "SCAN_S_MAX", 0.0)
    splits = splits_of(tmp_path, plain=LINES, packed=gzip.compress(LINES))
    assert looked(splits, contents()) == splits
