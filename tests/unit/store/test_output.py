"""All-or-nothing output: whatever fails, and whenever, the target is as it was and nothing lies beside it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys

import pytest

from mrframe.errors import OutputError
from mrframe.store import disk, publish
from mrframe.store.output import check_inputs_stay, check_target, is_folder_target, whole_file, whole_folder


def fill(folder, parts=(b"one\n", b"two\ntwo\n")):
    for data in parts:
        folder.add_part("jsonl", lambda sink, data=data: sink.write(data) // 4)


def tree(path):
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def nth_call_fails(monkeypatch, name, n, error=errno.EIO):
    real, calls = getattr(os, name), []

    def failing(*args, **kwargs):
        calls.append(args)
        if len(calls) == n:
            raise OSError(error, os.strerror(error))
        return real(*args, **kwargs)

    monkeypatch.setattr(os, name, failing)
    return calls


# ---- a file ---------------------------------------------------------------------------------------


def test_a_file_appears_at_the_end_and_not_before(tmp_path):
    target = tmp_path / "out.jsonl"
    old = os.umask(0o027)
    try:
        with whole_file(str(target)) as sink:
            assert sink.write(b"a\n" * 10) == 20
            assert not target.exists()
    finally:
        os.umask(old)
    assert target.read_bytes() == b"a\n" * 10 and sink.bytes_written == 20
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["out.jsonl"]


def test_an_existing_file_is_refused_before_and_after_the_work(tmp_path):
    target = tmp_path / "out"
    target.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"exists already; .*--overwrite"), whole_file(str(target)):
        pytest.fail("the block must not run")
    target.unlink()
    with pytest.raises(OutputError, match="exists already"), whole_file(str(target)) as sink:
        sink.write(b"new")
        target.write_bytes(b"came meanwhile")
    assert tree(tmp_path) == {"out": b"came meanwhile"}


def test_overwrite_keeps_the_mode_and_follows_a_link(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    real.chmod(0o600)
    link.symlink_to(real)
    with whole_file(str(link), overwrite=True) as sink:
        sink.write(b"new")
        assert real.read_bytes() == b"old"
    assert link.is_symlink() and real.read_bytes() == b"new" and stat.S_IMODE(real.stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]


@pytest.mark.parametrize(
    ("overwrite", "call"), [(False, "fsync"), (False, "link"), (True, "fsync"), (True, "fchmod"), (True, "replace")]
)
def test_a_failure_at_any_step_leaves_the_file_as_it_was(tmp_path, monkeypatch, overwrite, call):
    target = tmp_path / "out"
    if overwrite:
        target.write_bytes(b"old")
    nth_call_fails(monkeypatch, call, 1)
    refused = pytest.raises(OutputError, match=f"{target} cannot be written: Input/output error")
    with refused, whole_file(str(target), overwrite=overwrite) as sink:
        sink.write(b"new")
    assert tree(tmp_path) == ({"out": b"old"} if overwrite else {})


def test_a_move_that_the_disk_does_not_confirm_is_reported(tmp_path, monkeypatch):
    nth_call_fails(monkeypatch, "fsync", 2)
    with pytest.raises(OutputError, match="is in place and complete, but"), whole_file(str(tmp_path / "out")) as sink:
        sink.write(b"new")
    assert tree(tmp_path) == {"out": b"new"}


def test_an_error_of_the_rows_passes_unchanged(tmp_path):
    with pytest.raises(OSError, match="scratch went away"), whole_file(str(tmp_path / "out")) as sink:
        sink.write(b"new")
        raise OSError(errno.EIO, "scratch went away")
    with pytest.raises(KeyboardInterrupt), whole_file(str(tmp_path / "out")) as sink:
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_a_full_disk_names_the_target_and_the_free_bytes():
    refused = pytest.raises(
        OutputError, match=r"/dev/full cannot be written: No space left .*bytes free at /dev.*free"
    )
    with refused, whole_file("/dev/full") as sink:
        sink.write(b"x")


def test_a_file_system_without_links_still_refuses_what_exists(tmp_path, monkeypatch):
    nth_call_fails(monkeypatch, "link", 1, errno.EPERM)
    with whole_file(str(tmp_path / "out")) as sink:
        sink.write(b"new")
    assert tree(tmp_path) == {"out": b"new"}
    nth_call_fails(monkeypatch, "link", 1, errno.EPERM)
    with pytest.raises(OutputError, match="exists already"), whole_file(str(tmp_path / "two")) as sink:
        (tmp_path / "two").write_bytes(b"came meanwhile")
    assert tree(tmp_path) == {"out": b"new", "two": b"came meanwhile"}


def test_a_pipe_is_written_as_it_is():
    read, write = os.pipe()
    with whole_file(f"/dev/fd/{write}") as sink:
        sink.write(b"row\n")
    assert os.read(read, 10) == b"row\n"
    os.close(read)
    os.close(write)


def test_impossible_targets_are_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"no/out cannot be made: the folder .*/no does not exist; make it first"):
        check_target(str(tmp_path / "no/out"), overwrite=True)
    with pytest.raises(OutputError, match="names a folder, but it is a file"):
        check_target(str(tmp_path / "file") + "/", overwrite=True)
    with pytest.raises(OutputError, match="is a folder; name a file"), whole_file(str(tmp_path / "new") + "/"):
        pytest.fail("the block must not run")


def test_a_killed_writer_leaves_what_the_next_run_clears_and_a_live_one_is_left_alone(tmp_path):
    code = (
        "import sys; from mrframe.store.output import *\n"
        "with whole_file(sys.argv[1]) as sink:\n"
        "    sink.write(b'half'); print('.', flush=True); sys.stdin.read()"
    )
    target = tmp_path / "out"
    command = [sys.executable, "-c", code, str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        writer.stdout.read(2)
        assert list(tree(tmp_path).values()) == [b"half"]
        check_target(str(target), overwrite=False)
        assert list(tree(tmp_path).values()) == [b"half"]
        writer.kill()
    check_target(str(target), overwrite=False)
    assert tree(tmp_path) == {}


# ---- a folder -------------------------------------------------------------------------------------


def test_a_folder_holds_parts_and_a_manifest_that_states_them(tmp_path):
    target = tmp_path / "out"
    with whole_folder(str(target) + "/", {"job": "top_urls"}) as folder:
        fill(folder)
        assert not target.exists()
    manifest = json.loads((target / "_manifest.json").read_bytes())
    assert manifest == {
        "mrframe_output": 1,
        "job": "top_urls",
        "rows": 3,
        "parts": [
            {"name": "part-00000.jsonl", "rows": 1, "bytes": 4, "sha256": hashlib.sha256(b"one\n").hexdigest()},
            {"name": "part-00001.jsonl", "rows": 2, "bytes": 8, "sha256": hashlib.sha256(b"two\ntwo\n").hexdigest()},
        ],
    }
    assert (target / "part-00001.jsonl").read_bytes() == b"two\ntwo\n"
    assert os.listdir(tmp_path) == ["out"] and is_folder_target(str(target))


LAST_FSYNC = 5  # two parts, the manifest, the folder; then the folder's own place, when it has moved


@pytest.mark.parametrize("call", ["fsync", "rename"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_failure_at_any_step_leaves_the_folder_as_it_was(tmp_path, monkeypatch, call, n, overwrite):
    target = tmp_path / "out"
    if overwrite:
        with whole_folder(str(target), {}) as folder:
            fill(folder, [b"old\n"])
    before = tree(tmp_path)
    calls = nth_call_fails(monkeypatch, call, n)
    try:
        with whole_folder(str(target), {}, overwrite=overwrite) as folder:
            fill(folder)
    except OutputError as error:
        assert "Input/output error" in str(error) and len(calls) >= n
        moved = "is in place and complete" in str(error)
        assert moved is (call == "fsync" and n == LAST_FSYNC)
    else:
        assert len(calls) < n
        moved = True
    if moved:
        assert sorted(tree(tmp_path)) == ["out/_manifest.json", "out/part-00000.jsonl", "out/part-00001.jsonl"]
        assert (target / "part-00001.jsonl").read_bytes() == b"two\ntwo\n"
    else:
        assert tree(tmp_path) == before
    assert os.listdir(tmp_path) == (["out"] if moved or overwrite else [])


def test_an_error_of_the_rows_leaves_no_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), whole_folder(str(tmp_path / "out"), {}) as folder:
        fill(folder)
        folder.add_part("csv", lambda sink: 1 // 0)
    assert os.listdir(tmp_path) == []


def test_an_empty_folder_is_filled_and_a_full_one_refused(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    with whole_folder(str(target), {}) as folder:
        fill(folder)
    with pytest.raises(OutputError, match="exists already"), whole_folder(str(target), {}):
        pytest.fail("the block must not run")
    with pytest.raises(OutputError, match="exists already"), whole_folder(str(tmp_path / "b"), {}) as folder:
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "x").write_bytes(b"came meanwhile")
    assert sorted(os.listdir(tmp_path)) == ["b", "out"]


@pytest.mark.parametrize(
    "manifest", [None, b"", b"[]", b'{"parts": [{"name": "notes.txt"}]}', b'{"mrframe_output": 1}']
)
def test_overwrite_never_deletes_what_mrframe_did_not_write(tmp_path, manifest):
    target = tmp_path / "out"
    target.mkdir()
    (target / "notes.txt").write_bytes(b"mine")
    if manifest is not None:
        (target / "_manifest.json").write_bytes(manifest)
    before = tree(tmp_path)
    with pytest.raises(OutputError, match="holds files that mrframe did not write"):
        check_target(str(target), overwrite=True)
    assert tree(tmp_path) == before


def test_a_note_beside_the_parts_is_not_deleted(tmp_path):
    target = tmp_path / "out"
    with whole_folder(str(target), {}) as folder:
        fill(folder)
    (target / "notes.txt").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"\(notes.txt\)"), whole_folder(str(target), {}, overwrite=True):
        pytest.fail("the block must not run")


@pytest.mark.parametrize("moved", [False, True])
def test_a_run_killed_while_it_replaced_a_folder_is_undone_or_completed(tmp_path, moved):
    target = tmp_path / "out"
    with whole_folder(str(target), {}) as folder:
        fill(folder, [b"old\n"])
    before = tree(tmp_path)
    os.rename(target, tmp_path / f".out.mrframe-old-{disk.token()}")  # ... killed here, or after the next move
    if moved:
        with whole_folder(str(tmp_path / "new"), {}) as folder:
            fill(folder, [b"new\n"])
        os.rename(tmp_path / "new", target)
    with pytest.raises(OutputError, match="exists already"):
        check_target(str(target), overwrite=False)
    assert os.listdir(tmp_path) == ["out"]
    assert (tree(tmp_path) == before) is not moved


def test_a_folder_being_replaced_is_not_brought_back_by_another_run(tmp_path):
    target = tmp_path / "out"
    with whole_folder(str(target), {}) as folder:
        fill(folder, [b"old\n"])
    with publish._moved_aside(str(target)):
        publish.recover_leftovers(str(target))
        assert not target.exists()
        target.mkdir()
    assert os.listdir(tmp_path) == ["out"] and os.listdir(target) == []


def test_a_sweep_between_making_and_locking_costs_only_another_name(tmp_path, monkeypatch):
    real, swept = os.mkdir, []

    def then_swept(path, *args):
        real(path, *args)
        if not swept:
            swept.append(path)
            publish.recover_leftovers(str(tmp_path / "out"))
            assert not os.path.exists(path)

    monkeypatch.setattr(os, "mkdir", then_swept)
    with whole_folder(str(tmp_path / "out"), {}) as folder:
        fill(folder)
    assert swept and os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("length", [220, 229, 230, 254, 255])
def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path, length):
    target, folder = tmp_path / ("f" * length), tmp_path / ("d" * length)
    for data in (b"one", b"two"):
        check_target(str(target), overwrite=data == b"two")
        with whole_file(str(target), overwrite=data == b"two") as sink:
            sink.write(data)
        with whole_folder(str(folder), {}, overwrite=data == b"two") as parts:
            fill(parts, [data])
    assert sorted(os.listdir(tmp_path)) == [folder.name, target.name]
    assert target.read_bytes() == b"two"
    assert (folder / "part-00000.jsonl").read_bytes() == b"two"


def test_leftovers_of_a_killed_run_are_swept_for_their_own_long_name_alone(tmp_path):
    names = ["x" * 254 + "a", "x" * 254 + "b"]
    for name in names:
        path, fd = publish.new_staged(str(tmp_path / name), publish.make_file)
        os.close(fd)  # killed here
    check_target(str(tmp_path / names[0]), overwrite=False)
    assert os.listdir(tmp_path) == [os.path.basename(path)]


def test_a_name_that_is_too_long_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(OutputError, match="File name too long; choose a shorter name"):
        check_target(str(tmp_path / ("f" * 256)), overwrite=False)
    assert os.listdir(tmp_path) == []


def test_a_link_that_another_user_put_into_a_shared_folder_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "mine").write_bytes(b"mine")
    shared = tmp_path / "shared"
    shared.mkdir()
    link = shared / "link"
    link.symlink_to(tmp_path / "mine")
    shared.chmod(0o1777)
    check_target(str(link), overwrite=True)  # this user's own
    real = os.lstat

    def of_another(path, **how):
        found = real(path, **how)
        if str(path) != str(link):
            return found
        return os.stat_result([*found[:4], found.st_uid + 1, *found[5:10]])

    monkeypatch.setattr(os, "lstat", of_another)
    with pytest.raises(OutputError, match="a link that another user made"):
        check_target(str(link), overwrite=True)
    shared.chmod(0o755)  # a folder of this user alone
    check_target(str(link), overwrite=True)


@pytest.mark.parametrize("kind", ["name", "symbolic link", "hard link", "folder of links"])
def test_an_input_under_another_name_is_not_replaced(tmp_path, kind):
    log, out = tmp_path / "access.log", tmp_path / "out"
    log.write_bytes(b"line\n")
    if kind == "symbolic link":
        out.symlink_to(log)
    elif kind == "hard link":
        os.link(log, out)
    elif kind == "folder of links":
        out.mkdir()
        os.link(log, out / "part-00000.jsonl")
    target = str(log if kind == "name" else out)
    with pytest.raises(OutputError, match=f"{target} would replace the input {log}"):
        check_inputs_stay([str(tmp_path / "new"), target], [str(tmp_path / "other"), str(log)])
    check_inputs_stay([target], [str(tmp_path / "other"), "-", "mrfs:x"])
