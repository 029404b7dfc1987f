"""A folder that mrframe wrote, given as input: the parts of its manifest, as they were written, or an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from mrframe.errors import CorruptData, InputError
from mrframe.formats.inputs.files import expand
from mrframe.store.output import whole_folder

PARTS = (b'{"a": 1}\n', b'{"a": 2}\n{"a": 3}\n')


@pytest.fixture
def out(tmp_path):
    """A folder with two parts, made by the code that makes every folder."""
    target = tmp_path / "out"
    with whole_folder(str(target), {"job": "j"}) as folder:
        for part in PARTS:
            folder.add_part("jsonl", lambda sink, part=part: sink.write(part) and part.count(b"\n"))
    return target


def found(folder):
    return [os.path.relpath(file.path, folder) for file in expand([str(folder)])]


def change_manifest(out, change):
    path = out / "_manifest.json"
    manifest = json.loads(path.read_bytes())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_exactly_the_parts_of_the_manifest_are_read(out):
    (out / "stray.log").write_text("not of the answer\n")
    (out / "below").mkdir()
    (out / "below" / "more.log").write_text("nor this\n")
    assert found(out) == ["part-00000.jsonl", "part-00001.jsonl"]
    assert found(out.parent) == ["out/part-00000.jsonl", "out/part-00001.jsonl"]


def test_every_flipped_bit_of_a_part_is_named_with_file_and_hash(out):
    path = out / "part-00001.jsonl"
    sha256 = json.loads((out / "_manifest.json").read_bytes())["parts"][1]["sha256"]
    for bit in range(len(PARTS[1]) * 8):
        ruined = bytearray(PARTS[1])
        ruined[bit // 8] ^= 1 << bit % 8
        path.write_bytes(ruined)
        with pytest.raises(CorruptData, match=f"{path.name} has the SHA-256 .* says {sha256}") as caught:
            expand([str(out)])
        assert caught.value.file == str(path)


@pytest.mark.parametrize("content", [PARTS[0][:-1], PARTS[0] + b"\n", b""], ids=["shorter", "longer", "empty"])
def test_a_part_of_another_length_is_named(out, content):
    (out / "part-00000.jsonl").write_bytes(content)
    with pytest.raises(CorruptData, match=rf"part-00000.jsonl has {len(content)} bytes, and .* says 9;"):
        expand([str(out)])


def test_a_part_that_is_gone_is_named(out):
    (out / "part-00000.jsonl").unlink()
    with pytest.raises(CorruptData, match=r"part-00000.jsonl is gone"):
        expand([str(out)])


def test_a_damaged_manifest_is_refused_and_one_of_somebody_else_means_nothing(out):
    path = out / "_manifest.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(CorruptData, match="no whole manifest"):
        expand([str(out)])
    path.write_bytes(b'{"files": []}')
    (out / "other.log").write_text("x\n")
    assert found(out) == ["other.log", "part-00000.jsonl", "part-00001.jsonl"]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", "", 7])
def test_a_name_never_leads_out_of_the_folder(out, name):
    change_manifest(out, lambda manifest: manifest["parts"][0].update(name=name))
    with pytest.raises(CorruptData, match="no whole manifest"):
        expand([str(out)])


def test_a_manifest_of_a_newer_version_is_refused(out):
    change_manifest(out, lambda manifest: manifest.update(mrframe_output=2))
    with pytest.raises(InputError, match="version 2"):
        expand([str(out)])


def test_the_command_refuses_a_ruined_folder_and_reads_a_whole_one(out):
    job = out.parent / "job.py"
    job.write_text(
        "from mrframe import Job, json_lines, total\n"
        "def each(a):\n    yield 'sum', a\n"
        "job = Job(read=json_lines, map=each, reduce=total)\n"
    )
    command = [sys.executable, "-m", "mrframe", "run", str(job), str(out), "--no-cache"]
    whole = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (whole.returncode, json.loads(whole.stdout)["value"]) == (0, 6), whole.stderr
    (out / "part-00001.jsonl").write_bytes(PARTS[1].replace(b"3", b"4"))
    ruined = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ruined.returncode, ruined.stdout) == (1, "")
    assert "part-00001.jsonl has the SHA-256" in " ".join(ruined.stderr.split())
