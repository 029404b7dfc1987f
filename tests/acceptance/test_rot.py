"""Bits that flip in sealed map output while a real cluster works: found, made again, and no other answer.

The map of the last line waits until the test has damaged what the other maps have sealed.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from chaos import Run

# The words of a line; at the word "wait" the map tells the test, and waits for it.
WORDS = """
def words(line):
    for word in line.split():
        if word == "wait":
            with open({started!r}, "w") as told:
                told.write("x")
            with open({go_on!r}) as waiting:
                waiting.read()
        yield word
"""
JOB = f"""
from mrframe import Job, count, text
{WORDS}
def by_word(line):
    for word in words(line):
        yield word, 1

job = Job(read=text, map=by_word, reduce=count)
"""
SPLITS = 6


@pytest.fixture
def world(tmp_path):
    """A folder with a log, a job that waits, and the answer."""
    chance = random.Random(3)
    lines = [" ".join(f"w{chance.randrange(500)}" for _ in range(8)) for _ in range(1200)]
    (tmp_path / "words.log").write_text("\n".join([*lines, "wait"]) + "\n")
    for name in ("started", "go_on"):
        os.mkfifo(tmp_path / name)
    source = JOB.format(started=str(tmp_path / "started"), go_on=str(tmp_path / "go_on"))
    (tmp_path / "words.py").write_text(source)
    (tmp_path / "plain.py").write_text(source.replace('word == "wait"', "False"))
    inline = Run(tmp_path / "inline", tmp_path / "plain.py", tmp_path / "words.log", "--engine", "inline")
    return tmp_path, inline.to_its_end().out


def sealed(tmp: Path) -> list[Path]:
    """The run files of map attempts that are sealed."""
    found = []
    for listed in tmp.glob("mrframe-*/**/job-1/sealed"):
        found += [listed.parent / name / "map.mrf" for name in listed.read_text().split()]
    return [path for path in found if path.exists()]


def one_run(world, number: int, shuffle: str) -> None:
    folder, answer = world
    chance = random.Random(number)
    args = ("--engine", "local", "--nodes", "2", "--splits", str(SPLITS), "--partitions", "3", "--shuffle", shuffle)
    run = Run(folder / f"run-{shuffle}-{number}", folder / "words.py", folder / "words.log", *args)
    (folder / "started").read_text()  # the last map is at work
    while len(sealed(run.tmp)) < SPLITS - 1:
        assert run.runs_for(0.005), run.err
    place = chance.choice(sealed(run.tmp))
    data = bytearray(place.read_bytes())
    bit = chance.randrange(len(data) * 8)
    data[bit // 8] ^= 1 << bit % 8
    with open(place, "r+b") as file:
        file.write(data)
    (folder / "go_on").write_text("x")
    run.to_its_end()
    assert (run.code, run.out) == (0, answer), f"number {number}, bit {bit} of {place}: {run.err}"


@pytest.mark.parametrize("shuffle", ["auto", "zmq"])
def test_map_output_with_flipped_bits_is_made_again(world, shuffle):
    for number in range(2):
        one_run(world, number, shuffle)


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", ["auto", "zmq"])
def test_flipped_bits_in_two_hundred_runs_do_not_change_the_answer(world, shuffle):
    for number in range(100, 200):
        one_run(world, number, shuffle)
