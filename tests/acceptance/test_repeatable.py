"""A map whose output is lost and that gives other values the next time ends the run; what may differ does not.

As in test_rot.py, the map of the last line waits until the test has damaged what another one has sealed.
"""

from __future__ import annotations

import os

import pytest
from chaos import Run
from test_rot import SPLITS, WORDS, sealed

JOB = f"""
import time
from mrframe import Job, count, text, total

class Own:
    def __init__(self, words):
        self.words = frozenset(words)

def values(word):
    return {{values}}
{WORDS}
def by_word(line):
    for word in words(line):
        yield word, values(word)

def number(key, values):
    yield key, sum(1 for _ in values)

job = Job(read=text, map=by_word, reduce=number)
"""


def damaged(folder, values: str) -> Run:
    """The end of a run whose map yields these values, and of which one sealed run file was damaged."""
    (folder / "words.log").write_text("".join(f"w{n % 40} w{n % 7}\n" for n in range(1200)) + "wait\n")
    for name in ("started", "go_on"):
        os.mkfifo(folder / name)
    source = JOB.format(values=values, started=str(folder / "started"), go_on=str(folder / "go_on"))
    (folder / "words.py").write_text(source)
    args = ("--engine", "local", "--nodes", "2", "--splits", str(SPLITS), "--partitions", "1", "--no-cache")
    run = Run(folder / "run", folder / "words.py", folder / "words.log", *args)
    (folder / "started").read_text()  # the last map is at work
    while len(sealed(run.tmp)) < SPLITS - 1:
        assert run.runs_for(0.005), run.err
    with open(sealed(run.tmp)[0], "r+b") as file:
        file.seek(100)
        byte = file.read(1)[0]
        file.seek(100)
        file.write(bytes((byte ^ 1,)))
    (folder / "go_on").write_text("x")
    return run.to_its_end()


@pytest.mark.parametrize("values", ["time.time_ns()", "(word, time.time())"], ids=["an int", "in a tuple"])
def test_other_values_for_the_same_keys_are_noticed(tmp_path, values):
    run = damaged(tmp_path, values)
    assert (run.code, run.out) == (1, b""), run.err
    assert "was run again after its output was lost, and gave another result" in run.err
    assert run.left() == []


@pytest.mark.parametrize("values", ["word", "Own([word, 1, 2])"], ids=["text", "pickled sets"])
def test_a_repeatable_map_gives_its_answer_when_repeated(tmp_path, values):
    run = damaged(tmp_path, values)
    assert run.code == 0, run.err
    assert run.out.count(b"\n") == 41
