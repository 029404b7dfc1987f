"""Fuzzing of the readers: nothing fails, broken readers are found, and every mutation can be repeated."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from mrframe.formats.inputs import compression
from mrframe.formats.readers import json_lines, line_cutter, text
from mrframe.formats.readers.base import plain_lines
from mrframe.testing import fuzz as fuzzing
from mrframe.testing.fuzz import Fuzz, fuzz, main

SAMPLES = Path(__file__).parents[3] / "sample_logs"
LOGS = [
    b"".join((SAMPLES / name).read_bytes().splitlines(keepends=True)[:200]) for name in ("access.log", "app.jsonl")
]


def test_mutations_of_the_samples_are_read_as_the_parser_of_one_line_says():
    player, failed = fuzz(7, 0, 600, LOGS)
    assert not failed
    assert player.records > 1500 and player.malformed > 500 and player.refused > 20


@pytest.mark.parametrize(
    ("module", "name", "broken"),
    [
        (text, "plain_lines", lambda block: plain_lines(block.replace(b"\x0b", b"\n"))),
        (text, "line_offsets", lambda block: [0] * block.count(b"\n")),
        (json_lines, "read_object", lambda line: {} if line else "empty"),
        (line_cutter, "part", lambda capture, value: (b"", False)),
        (compression._Stream, "end", lambda self: None),
    ],
)
def test_a_reader_that_is_broken_is_found(module, name, broken, monkeypatch):
    monkeypatch.setattr(module, name, broken)
    _, failed = fuzz(7, 0, 600, LOGS)
    assert failed


def test_a_mutation_is_reproducible_by_its_number(monkeypatch):
    monkeypatch.setattr(text, "plain_lines", lambda block: plain_lines(block.replace(b"\x0b", b"\n")))
    number, why = fuzz(7, 0, 600, LOGS)[1][0]
    assert fuzz(7, number, 1, LOGS)[1] == [(number, why)]


def test_a_hanging_input_is_found(monkeypatch):
    monkeypatch.setattr(fuzzing, "HANG_S", 0.05)
    monkeypatch.setattr(Fuzz, "play", lambda self, number: signal.pause())
    before = signal.getsignal(signal.SIGALRM)
    assert [number for number, _ in fuzz(7, 3, 2, LOGS)[1]] == [3, 4]
    assert signal.getsignal(signal.SIGALRM) is before


def test_the_command_says_what_it_did(capsys, monkeypatch):
    assert main(["--mutations", "20", "--seed", "3", str(SAMPLES / "app.jsonl")]) == 0
    assert capsys.readouterr().out.startswith("20 mutations of seed 3 in ")
    monkeypatch.setattr(Fuzz, "play", lambda self, number: 1 / 0)
    assert main(["--mutations", "1"]) == 1
    assert "mutation 0 of seed 0 failed: ZeroDivisionError" in capsys.readouterr().out
