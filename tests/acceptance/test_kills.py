"""kill -9 of executors, nodes, master and keeper at random moments of real runs.

The run gives byte for byte what the inline engine gives: the answer, the malformed lines, the counters. Nothing is
left. A moment is a number of attempts that are sealed, or a time; `make chaos` takes many of them.
"""

import json
import os
import random
import signal
import statistics

import chaos
import pytest
from chaos import SAMPLES, Run

ACCESS = sorted(SAMPLES.glob("access.log*"))
ORDER = '''
"""The number and the order of the values of each key, as a digest; counted in map and in reduce."""
import hashlib
from mrframe import Job, increment, logs


def by_status(status, path, file, offset):
    increment("mapped")
    yield (status, path[:6]), (file, offset)


def digest(key, values):
    seen, number = hashlib.sha256(), 0
    for value in values:
        seen.update(repr(value).encode())
        number += 1
    increment("reduced", number)
    yield key, (number, seen.hexdigest())


def by_number(key, value):
    yield value[0] % 7, (key, value[1])


job = Job(read=logs.access, map=by_status, reduce=digest)
twice = job.then(Job(map=by_number, reduce=digest))
total = Job(read=logs.access, map=by_status, reduce=digest, key_order="total")
'''
# name of a job: the words that name it, its inputs, the length of its splits
JOBS = {
    "order": ("order.py", ACCESS, 25_000),
    "twice": ("order.py:twice", ACCESS, 25_000),
    "top_urls": ("top_urls", ACCESS, 25_000),
    "total": ("order.py:total", ACCESS, 25_000),
    "gz": ("order.py", ACCESS[-1:], 20_000),
    "words": ("word_count", sorted(SAMPLES.glob("*.txt")), 600),
}
INLINE = ["--engine", "inline"]
LOCAL = ["--engine", "local", "--nodes", "2"]
SAME = ["job", "log_format", "steps", "partitions", "records", "lines", "malformed", "bytes_in", "tasks", "rows"]
RECOVERY_S = 5.0
SAME += ["bad_fields", "counters", "samples"]


class Trial:
    """One job: how it is run, what the inline engine says, and how many attempts it takes at least."""

    def __init__(self, folder, name, *more):
        self.folder, self.more = folder, more
        (folder / "order.py").write_text(ORDER)
        word, self.inputs, self.split_bytes = JOBS[name]
        self.word = folder / word if word.startswith("order.py") else word
        self.runs = 0
        oracle = self.start(*INLINE).to_its_end()
        self.expected = self.said(oracle)
        usual = self.start(*LOCAL, *more)
        seen = _sealed_until_its_end(usual)
        assert self.said(usual) == self.expected
        self.life_s = usual.took_s
        self.tasks = self.expected[2]["tasks"]
        assert self.tasks > 10
        assert seen > self.tasks // 2, "moments are counted in sealed attempts, and none can be seen"

    def start(self, *words):
        self.runs += 1
        place, figures = self.folder / f"run-{self.runs}", self.folder / f"figures-{self.runs}"
        figures.mkdir()
        cut = ["--split-bytes", self.split_bytes, "--partitions", 3]
        told = ["--summary", figures / "summary", "--rejects", figures / "rejects"]
        run = Run(place, self.word, *self.inputs, *words, *cut, *told, "-q")
        run.figures = figures
        return run

    @staticmethod
    def said(run):
        """(answer, malformed lines, figures) of a run that went well, as they must be the same for each."""
        assert (run.code, run.err) == (0, "")
        figures = json.loads((run.figures / "summary").read_text())
        return run.out, (run.figures / "rejects").read_bytes(), {name: figures[name] for name in SAME}

    def struck(self, victims, rng):
        """A run of which processes were killed while it worked: one of each of these titles, at once."""
        while True:
            run = self.start(*LOCAL, *self.more)
            if self._reach(run, rng) and _kill(run, victims, rng):
                return run.to_its_end()
            run.to_its_end()
            assert run.left() == []

    def _reach(self, run, rng):
        """Wait for a random moment; whether it came while the run worked."""
        if rng.random() < 0.3:
            return run.runs_for(rng.uniform(0, self.life_s))
        wanted = rng.randrange(self.tasks)
        while run.runs_for(chaos.LOOK_S):
            if run.sealed() >= wanted:
                return True
        return False


def _sealed_until_its_end(run):
    most = 0
    while run.runs_for(chaos.LOOK_S):
        most = max(most, run.sealed())
    return most


def _kill(run, victims, rng):
    """kill -9 of one living process for each title; whether there was one, and it was there to be killed."""
    chosen = []
    for title in victims:
        while not (pids := sorted(set(run.pids(title)) - set(chosen))):
            if not run.runs_for(chaos.LOOK_S):
                return False
        chosen.append(rng.choice(pids))
    run.note_sockets()
    try:
        for pid in chosen:
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """Trials by (name of the job, more words), each made once."""
    made = {}

    def of(name, *more):
        if (name, more) not in made:
            made[name, more] = Trial(tmp_path_factory.mktemp(name), name, *more)
        return made[name, more]

    return of


def survive(trial, victims, seed, times):
    rng = random.Random(f"{seed} {victims}")
    runs = [trial.struck(victims, rng) for _ in range(times)]
    for run in runs:
        assert trial.said(run) == trial.expected
        assert run.left() == []
    extra_s = sorted(run.took_s - trial.life_s for run in runs)
    p95_s = extra_s[int(0.95 * (times - 1))]
    assert p95_s <= RECOVERY_S
    print(
        f"{trial.word} {trial.more}: {times} x kill {'+'.join(victims)}: usual {trial.life_s:.2f} s, later by "
        f"{statistics.median(extra_s):.2f} s (p95 {p95_s:.2f} s)"
    )


@pytest.mark.parametrize("victim", ["exec", "node", "master", "keeper"])
def test_the_answer_survives_a_kill(trial, victim):
    """Of a job of two steps, over plain and compressed input."""
    survive(trial("twice"), (victim,), 1, 3)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("victims", [("exec",), ("node",), ("master",), ("keeper",)], ids="+".join)
@pytest.mark.parametrize("more", [(), ("--shuffle", "zmq")], ids=["auto", "zmq"])
def test_the_answer_survives_fifty_kills(trial, victims, more):
    survive(trial("order", *more), victims, 2, 50)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["twice", "top_urls", "gz", "words", "total"])
@pytest.mark.parametrize("more", [(), ("--shuffle", "zmq")], ids=["auto", "zmq"])
@pytest.mark.parametrize("victims", [("exec",), ("node",), ("master",), ("keeper",)], ids="+".join)
def test_the_answer_survives_kills_in_every_kind_of_job(trial, name, more, victims):
    survive(trial(name, *more), victims, 3, 10)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "victims",
    [
        ("exec", "exec"),
        ("exec", "node"),
        ("node", "node"),
        ("warm",),
        ("warm", "node"),
        ("master", "node"),
        ("master", "keeper"),
    ],
    ids="+".join,
)
@pytest.mark.parametrize("more", [(), ("--shuffle", "zmq")], ids=["auto", "zmq"])
def test_the_answer_survives_kills_of_two_at_once(trial, victims, more):
    survive(trial("twice", *more), victims, 4, 10)
