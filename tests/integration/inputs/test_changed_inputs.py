"""Files that change between the planning of a job and the reading of their last byte: planned bytes or an error."""

from __future__ import annotations

import bz2
import gzip
import os
import shutil

import pytest

import mrframe
from mrframe import Job, RunOptions, collect, count, text
from mrframe.engines.plan import job_inputs
from mrframe.errors import InputChanged, InputError
from mrframe.formats.inputs import splits

LINES = 400
PACKS = {"plain": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}


def content(letter: str, lines: int = LINES) -> bytes:
    """Lines of one width, so that all files of them have lines at the same places."""
    return b"".join(b"%s%06d\n" % (letter.encode(), number) for number in range(lines))


def replaced(path, new):
    with open(path + ".new", "xb") as file:
        file.write(new)
    os.replace(path + ".new", path)


def rewritten(path, new):
    with open(path, "r+b") as file:
        file.write(new)
        file.truncate()
    os.utime(path, ns=(0, os.stat(path).st_mtime_ns + 1))  # a clock may stand still for a few ms


def longer(path, new):
    """What copytruncate and a busy writer leave."""
    rewritten(path, new + new)


def shorter(path, _new):
    os.truncate(path, os.path.getsize(path) // 2)


def removed(path, _new):
    os.unlink(path)


def appended(path, new):
    with open(path, "ab") as file:
        file.write(new)
    os.utime(path, ns=(0, os.stat(path).st_mtime_ns + 1))


def touched_otherwise(path, _new):
    os.chmod(path, 0o600)
    os.link(path, path + ".link")


CHANGES = {
    replaced: "is another file than the one that the job was planned from",
    rewritten: "was rewritten in place while the job ran",
    longer: "was rewritten in place while the job ran",
    shorter: "was truncated from|became shorter",
    removed: "is gone",
}


def changing(change, path, new, **more):
    """A job whose map changes the file when it is given its first record."""

    def first_letter(line):
        if not os.path.exists(path + ".changed"):
            with open(path + ".changed", "xb"):
                change(path, new)
        yield line[:1], 1

    return Job(read=text, map=first_letter, **{"reduce": count, **more})


def answer(job, paths, **options):
    with mrframe.run(job, paths, RunOptions(**{"engine": "inline", "split_bytes": 500, **options})) as result:
        return dict(result)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("more", [{}, {"reduce": collect, "key_order": "total"}], ids=["usual", "total"])
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path, change, more):
    path = str(tmp_path / "log")
    (tmp_path / "log").write_bytes(content("a"))
    job = changing(change, path, content("b"), **more)
    with pytest.raises(InputChanged, match=CHANGES[change]) as caught:
        answer(job, [path], partitions=2)
    assert path in str(caught.value)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("pack", PACKS)
def test_a_file_that_changes_before_it_is_read_is_an_error(tmp_path, change, pack):
    path = str(tmp_path / "log")
    (tmp_path / "log").write_bytes(PACKS[pack](content("a")))
    (tmp_path / "first").write_bytes(content("z", 1))
    with pytest.raises(InputChanged, match=CHANGES[change]):
        answer(changing(change, path, PACKS[pack](content("b"))), [str(tmp_path / "first"), path])


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("change", [appended, touched_otherwise])
@pytest.mark.parametrize("order", ["hash", "total"])
def test_only_the_planned_bytes_of_a_growing_file_are_read(tmp_path, pack, change, order):
    path = str(tmp_path / "log")
    (tmp_path / "log").write_bytes(PACKS[pack](content("a")))
    (tmp_path / "first").write_bytes(content("z", 1))
    job = changing(change, path, PACKS[pack](content("b")), key_order=order)
    assert answer(job, [str(tmp_path / "first"), path], partitions=2) == {"a": LINES, "z": 1}


def test_a_cluster_finds_a_replaced_file(tmp_path):
    path = str(tmp_path / "log")
    (tmp_path / "log").write_bytes(content("a"))
    with pytest.raises(InputChanged, match="is another file"):
        answer(changing(replaced, path, content("b")), [path], engine="local", nodes=1, slots=1)


def test_a_source_of_a_join_that_is_replaced_is_found(tmp_path):
    paths = {name: str(tmp_path / name) for name in ("left", "right")}
    for path in paths.values():
        with open(path, "xb") as file:
            file.write(content("a"))

    def left(line):
        if not os.path.exists(paths["right"] + ".changed"):
            with open(paths["right"] + ".changed", "xb"):
                replaced(paths["right"], content("b"))
        yield line[:1], 1

    def right(line):
        yield line[:1], 2

    def both(key, left, right):
        yield key, len(left) + sum(right)

    job = Job(read={"left": text, "right": text}, map={"left": left, "right": right}, reduce=both)
    with pytest.raises(InputChanged, match="right is another file"):
        answer(job, paths)


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("change", [removed, replaced])
def test_a_log_that_is_rotated_away_while_the_job_is_planned_is_named(tmp_path, monkeypatch, pack, change):
    path = str(tmp_path / "log")
    (tmp_path / "log").write_bytes(PACKS[pack](content("a")))
    real = job_inputs.expand

    def then_rotated(*args):
        files = real(*args)
        change(path, PACKS[pack](content("b")))
        return files

    monkeypatch.setattr(job_inputs, "expand", then_rotated)
    with pytest.raises(InputChanged, match=f"{path} is (gone|another file).*(rotated|rotation|run the job again)"):
        answer(Job(read=text, key="line", reduce=count), [path])


def test_lines_of_a_failure_are_not_counted_in_another_file(tmp_path):
    """The number of the line is counted when the code has failed, in a file that may be another one by then."""
    path = str(tmp_path / "log")
    (tmp_path / "log").write_bytes(content("a"))

    def fails(line):
        if line == "a000300":
            replaced(path, content("b").replace(b"\n", b"n\n", 50))
            raise ValueError(line)
        yield line, 1

    with pytest.raises(mrframe.errors.UserCodeError) as caught:
        answer(Job(read=text, map=fails, reduce=count), [path])
    assert caught.value.offset == 300 * 8
    assert caught.value.line in (None, 301)


def test_a_copy_of_the_same_bytes_is_another_file(tmp_path):
    """Nothing but the bytes themselves would tell, and to compare all of them costs as much as to read them."""
    path = str(tmp_path / "log")
    (tmp_path / "log").write_bytes(content("a"))
    with pytest.raises(InputChanged, match="is another file"):
        answer(changing(replaced, path, content("a")), [path])


def test_links_that_point_upwards_count_no_record_twice_and_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("logs")
    with open("logs/a.log", "xb") as file:
        file.write(content("a", 50))
    os.symlink(".", "logs/current")
    os.symlink("..", "logs/up")
    assert answer(Job(read=text, map=lambda line: [(line[:1], 1)], reduce=count), ["**/*.log"]) == {"a": 50}


def test_a_hole_of_many_megabytes_takes_no_memory_and_makes_no_line_too_long(tmp_path, monkeypatch):
    """What copytruncate leaves: the writer goes on where it was, and all before it reads as NUL bytes."""
    monkeypatch.setattr(splits, "LINE_BYTES_MAX", 1 << 20)
    path = str(tmp_path / "log")
    with open(path, "xb") as file:
        file.seek(64 << 20)
        file.write(content("a"))
    options = RunOptions(engine="inline", split_bytes=1 << 20)
    with mrframe.run(Job(read=text, map=lambda line: [(line[:1], 1)], reduce=count), [path], options) as result:
        assert dict(result) == {"a": LINES}
        assert result.summary.malformed == 0
        assert result.summary.ledger["nul_bytes"] == 64 << 20
        assert result.summary.lines == LINES


def test_the_format_is_detected_from_the_text_after_a_hole(tmp_path):
    line = b'192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12\n'
    path = str(tmp_path / "log")
    with open(path, "xb") as file:
        file.seek(5 << 20)
        file.write(line * 3)
    packed = str(tmp_path / "log.gz")
    with open(path, "rb") as plain, gzip.open(packed, "xb") as file:
        shutil.copyfileobj(plain, file)
    job = Job(read=mrframe.logs.access, key="host", reduce=count)
    for name in (path, packed):
        with mrframe.run(job, [name], RunOptions(engine="inline")) as result:
            assert dict(result) == {"192.0.2.7": 3}
            assert result.summary.log_format == "common"


def test_an_archive_within_compression_is_refused_before_a_line_is_read(tmp_path):
    import io
    import tarfile

    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        member = tarfile.TarInfo("a.log")
        member.size = len(content("a"))
        tar.addfile(member, io.BytesIO(content("a")))
    for name, pack in PACKS.items():
        (tmp_path / name).write_bytes(pack(plain.getvalue()))
        with pytest.raises(InputError, match=rf"{name} is a tar archive.*tar -xOf .*{name} \| mrframe run JOB -"):
            answer(Job(read=text, key="line", reduce=count), [str(tmp_path / name)])
