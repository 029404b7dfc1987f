"""Bits that flip in sealed output of a real cluster: found, made again, and no other answer.

While a job runs, the map of the last line waits until the test has damaged what the other maps have sealed.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from chaos import Run
from standing import LOG

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


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def parts(standing, job: str) -> list[Path]:
    """Return the output of the last step of a submission."""
    return sorted(standing.home.glob(f"nodes/*/{job}/r*/part.mrf"))


def flip_parts(standing, job: str) -> None:
    for path in parts(standing, job):
        flip(path)


def delete_parts(standing, job: str) -> None:
    for path in parts(standing, job):
        path.unlink()


def empty_parts(standing, job: str) -> None:
    for path in parts(standing, job):
        os.truncate(path, 0)


def flip_all(standing, job: str) -> None:
    for path in standing.home.glob(f"nodes/*/{job}/*/*.mrf"):
        flip(path)


def delete_all(standing, job: str) -> None:
    for path in standing.home.glob(f"nodes/*/{job}/*/"):
        shutil.rmtree(path)


@pytest.mark.parametrize("ways", [(flip_parts, delete_parts)])
def test_the_output_of_a_submission_that_rots_after_its_end_is_produced_again(standing, ways):
    check_produced_again(standing, ways, "auto")


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", ["auto", "zmq"])
def test_every_kind_of_rot_is_repaired(standing, shuffle):
    check_produced_again(standing, (flip_parts, delete_parts, empty_parts, flip_all, delete_all), shuffle)


def check_produced_again(standing, ways, shuffle: str) -> None:
    """In each way once while the cluster runs, and once before it is started again."""
    start = ("start", "--nodes", 2, "--slots", 1, "--shuffle", shuffle)
    standing.cluster(*start)
    job = standing.submit("status_codes", LOG, "--split-bytes", 50_000)
    standing.run("wait", job, "--dir", standing.home)
    wanted = standing.run("result", job, "--dir", standing.home).stdout
    for ruin in ways:
        for restart in (False, True):
            assert parts(standing, job)
            ruin(standing, job)
            if restart:
                standing.cluster("stop")
                standing.cluster(*start)
            assert standing.run("result", job, "--dir", standing.home).stdout == wanted
            standing.run("wait", job, "--dir", standing.home)
    standing.cluster("stop")
    left = standing.home.glob(f"nodes/*/{job}/r*")
    assert len(list(left)) == 1, "what was damaged is deleted"
