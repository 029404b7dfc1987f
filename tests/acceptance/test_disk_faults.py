"""The k-th call that changes the disk fails: the answer is the same, or an error says where and how much is free.

`seam/sitecustomize.py` makes it fail, in the processes of one kind, once or from then on. Whatever comes of it,
the output is whole or not there, and nothing is left.
"""

import os
import random
import re
from pathlib import Path

import chaos
import pytest
from chaos import SAMPLES, Run

SEAM = Path(__file__).parent / "seam"
JOB = """
from mrframe import Job, increment, logs, total

def by_path(path, status, size):
    increment("mapped")
    yield (path, status), size or 0

def by_status(key, value):
    yield key[1], value

job = Job(read=logs.access, map=by_path, reduce=total).then(Job(map=by_status, reduce=total))
"""
LOCAL = ("--engine", "local", "--nodes", "2", "--slots", "1")
PLACES = {  # how it is run, whose calls fail; and more words
    "inline": (("--engine", "inline"), "client", ()),
    "saved": (("--engine", "inline"), "client", ("--cache", "on")),
    "executor": (LOCAL, "exec", ()),
    "node": (LOCAL, "node", ()),
    "node-zmq": (LOCAL, "node", ("--shuffle", "zmq")),
    "client": (LOCAL, "client", ("--shuffle", "zmq")),
    "master": (LOCAL, "master", ()),
}
NEVER = 10**9


class Trial:
    """Runs of one job over a plain and a compressed log, with calls that fail."""

    def __init__(self, folder):
        self.folder = folder
        self.runs = 0
        (folder / "job.py").write_text(JOB)
        lines = (SAMPLES / "access.log").read_bytes().splitlines(keepends=True)
        (folder / "a.log").write_bytes(b"".join([*lines[:300], b"no line of a log\n"]))
        self.expected = self.outputs(self.run("inline"))
        assert all(self.expected)

    def run(self, place, kth=NEVER, errno="ENOSPC", how="once"):
        """A run that has ended; `calls` is how many of its calls might have failed."""
        words, victim, more = PLACES[place]
        self.runs += 1
        run_folder, out = self.folder / f"run-{self.runs}", self.folder / f"out-{self.runs}"
        counter = self.folder / f"calls-{self.runs}"
        out.mkdir()
        told = ["-q", "-o", out / "answer.jsonl", "--rejects", out / "rejects"]
        cut = ["--split-bytes", 15_000, "--partitions", 2, "--memory-bytes", 20_000]
        inputs = [self.folder / "a.log", SAMPLES / "access.log.2.gz"]
        run = Run(
            run_folder,
            self.folder / "job.py",
            *inputs,
            *words,
            *cut,
            *told,
            *more,
            PYTHONPATH=f"{SEAM}{os.pathsep}{chaos.ROOT}",
            XDG_CACHE_HOME=str(out / "cache"),
            SEAM_DISK=f"{victim} {kth} {errno} {how} {counter} {run_folder} {out}",
        )
        run.to_its_end()
        run.output, run.calls = out, counter.stat().st_size
        return run

    @staticmethod
    def outputs(run):
        return [path.read_bytes() for name in ("answer.jsonl", "rejects") if (path := run.output / name).exists()]

    def check(self, run, what):
        """It went well, or failed with a message; what it has written is whole, and nothing else is there."""
        assert run.left() == [], what
        written = self.outputs(run)
        assert set(os.listdir(run.output)) <= {"answer.jsonl", "rejects", "cache"}, what
        if run.code == 0:
            assert (written, run.err) == (self.expected, ""), what
            return
        assert written in ([], self.expected[1:]), what
        assert run.err.startswith("error: "), (what, run.err)
        assert run.err.count("\n") == 1, (what, run.err)
        assert re.search(r"(No space left on device|Input/output error).*[\d,]+ bytes (are )?free", run.err), what
        assert str(self.folder) in run.err, (what, run.err)

    def fails_at(self, place, kth, errno, how):
        run = self.run(place, kth, errno, how)
        self.check(run, (place, kth, errno, how, run.code, run.err))
        return run


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return Trial(tmp_path_factory.mktemp("disk"))


@pytest.mark.parametrize(
    ("place", "kth", "errno", "how", "code"),
    [
        ("inline", 3, "ENOSPC", "on", 2),
        ("inline", 20, "EIO", "once", 1),
        ("executor", 20, "ENOSPC", "once", 0),
        ("executor", 20, "EIO", "on", 1),
        ("node-zmq", 12, "ENOSPC", "on", 1),
        ("client", 7, "ENOSPC", "once", 2),
        ("master", 5, "EIO", "once", 0),
        ("master", 5, "ENOSPC", "on", 4),
    ],
)
def test_the_answer_is_right_or_an_error_says_where(trial, place, kth, errno, how, code):
    """A fault that passes is got over by another attempt; one that stays fails the job."""
    assert trial.fails_at(place, kth, errno, how).code == code


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("place", PLACES)
def test_every_disk_call_fails_once_and_permanently(trial, place):
    """Each of the first 200, as far as there are so many; both errors, in turn."""
    usual = trial.run(place)
    assert usual.calls > 10
    ends = {0: 0, 1: 0, 2: 0, 4: 0}
    for kth in range(1, min(usual.calls, 200) + 1):
        for how, errno in zip(("once", "on"), random.Random(kth).sample(("ENOSPC", "EIO"), 2), strict=True):
            ends[trial.fails_at(place, kth, errno, how).code] += 1
    print(f"{place}: {usual.calls} calls; exit codes {ends}")
