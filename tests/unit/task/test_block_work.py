"""What a block executor makes of its orders: a block is stored once, verified, repaired, or refused."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from mrframe.core.model.block_messages import JudgeOrder, StoreOrder
from mrframe.store.blocks import BlockStore
from mrframe.task.block_work import do_block

NAME = "a" * 64


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def store(folder):
    return BlockStore(str(folder))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_block_is_stored_once_judged_and_put_right(store, folder, tmp_path):
    log = tmp_path / "access.log"
    log.write_bytes(b"skipped\n" + b"a line\n" * 1000 + b"more\n")
    name = sha256(b"a line\n" * 1000).hexdigest()
    order = StoreOrder(name, 7000, str(folder), str(log), 8, is_block=False)
    assert (done := do_block(0, order)).kind == ""
    assert done.new
    assert not do_block(0, order).new
    path = Path(store.file(name))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert do_block(0, JudgeOrder(name, str(folder))).kind == "damaged"
    copy = tmp_path / "other"
    BlockStore(str(copy))
    from_damaged = StoreOrder(name, 7000, str(copy), str(path), 0, is_block=True)
    assert do_block(0, from_damaged).kind == "gone"
    assert files(copy) == []
    assert do_block(0, order).new
    assert path.read_bytes() == whole
    assert do_block(0, JudgeOrder(name, str(folder))).kind == ""
    assert do_block(0, from_damaged).new
    assert files(copy) == [name]


@pytest.mark.parametrize(("length", "source"), [(7, "access.log"), (8, "access.log"), (7, "none")])
def test_a_file_with_other_content_than_offered_is_refused(folder, tmp_path, length, source):
    (tmp_path / "access.log").write_bytes(b"a line\n")
    done = do_block(0, StoreOrder(NAME, length, str(folder), str(tmp_path / source), 0, is_block=False))
    assert done.kind == "changed"
    assert str(tmp_path) in done.reason
    assert files(folder) == []
