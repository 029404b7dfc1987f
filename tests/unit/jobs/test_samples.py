"""The samples in the repository are what their generator writes, and what it says about them holds."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[3] / "sample_logs"
NAMES = ("access.log", "access.log.1", "access.log.2.gz", "app.jsonl", "harbour.txt", "kitchen.txt", "mountain.txt")
ANSWERS = json.loads((SAMPLES / "known_answers.json").read_text())


def plain_bytes(path: Path) -> bytes:
    """A file's bytes, decompressed: how well zlib squeezes is the one thing that may differ between machines."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The samples, made again by another process with another hash seed."""
    folder = tmp_path_factory.mktemp("samples")
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    subprocess.run([sys.executable, SAMPLES / "make_samples.py", folder], check=True, env=environment)
    return folder


@pytest.mark.parametrize("name", [*NAMES, "known_answers.json"])
def test_made_again_they_are_the_same(made, name):
    assert hashlib.sha256(plain_bytes(made / name)).digest() == hashlib.sha256(plain_bytes(SAMPLES / name)).digest()


def test_nothing_else_lies_in_the_folder(made):
    kept = {path.name for path in SAMPLES.iterdir() if path.is_file()} - {"make_samples.py"}
    assert kept == {path.name for path in made.iterdir()}


def test_the_compressed_file_bears_no_time_and_no_name():
    assert (SAMPLES / "access.log.2.gz").read_bytes()[:10] == b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"


@pytest.mark.parametrize("name", NAMES)
def test_the_lines_are_as_many_as_was_said(name):
    data = plain_bytes(SAMPLES / name)
    assert data.endswith(b"\n")
    assert data.count(b"\n") == ANSWERS["lines"][name]


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("access")])
def test_a_plain_loop_agrees_on_the_malformed_lines_and_the_status_codes(name):
    """Judged by splitting at quotes, which is enough for lines that were made this way."""
    bad = []
    for number, line in enumerate(plain_bytes(SAMPLES / name).split(b"\n")[:-1], 1):
        parts = line.replace(rb"\"", b"'").split(b'"')
        if len(parts) != 7 or not parts[2].split()[0].isdigit():
            bad.append(number)
    assert bad == ANSWERS["malformed"][name]


def test_the_answers_to_different_questions_agree():
    jobs = ANSWERS["jobs"]
    requests = sum(value for _, value in jobs["status_codes"])
    assert requests == sum(value["requests"] for _, value in jobs["error_rate"])
    assert sum(v["errors"] for _, v in jobs["error_rate"]) == sum(v for k, v in jobs["status_codes"] if k >= 500)
    lines = sum(count for name, count in ANSWERS["lines"].items() if name.startswith("access"))
    malformed = sum(len(bad) for name, bad in ANSWERS["malformed"].items() if name.startswith("access"))
    assert requests == lines - malformed
    assert sum(value for _, value in jobs["not_found"]) == dict(map(tuple, jobs["status_codes"]))[404]
