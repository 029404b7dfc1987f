"""Executors, nodes and masters that are stopped (SIGSTOP) for a part of a lease or for several, and go on.

A lease is half a second here, so that a pause of five of them is no minute. Who wakes up does not know that it was
away: what it still says and writes counts only where nobody else was given its work meanwhile.
"""

import json
import os
import random
import signal
import time
from pathlib import Path

import chaos
import pytest
from chaos import SAMPLES, Run
from test_kills import Trial

SEAM = Path(__file__).parent / "seam"
JOB = """
import time
from mrframe import Job, increment, logs, total

def by_status(status, path, size):
    increment("mapped")
    time.sleep(0.0003)
    yield (status, path[:9]), size or 0

def by_number(key, value):
    increment("stepped")
    yield key[0], value

job = Job(read=logs.access, map=by_status, reduce=total).then(Job(map=by_number, reduce=total))
"""
LEASE_S = 0.5
LIMITS = {
    "SchedulerLimits": {"lease_s": LEASE_S, "resend_s": 0.3},
    "NodeLimits": {"beat_s": 0.05, "unheard_s": 0.4, "repeat_s": 0.1, "repeat_s_max": 0.5},
}
LOCAL = ("--engine", "local", "--nodes", "2", "--slots", "1")
VICTIMS = ("exec", "node", "master")


class Paused(Trial):
    """Runs of one job, of whose processes some are stopped for a while."""

    def __init__(self, folder):
        self.folder, self.runs = folder, 0
        (folder / "job.py").write_text(JOB)
        self.expected = self.said(self.start("--engine", "inline").to_its_end())
        assert self.expected[2]["counters"]["mapped"] > 500

    def start(self, *words, **seam):
        self.runs += 1
        figures = self.folder / f"figures-{self.runs}"
        figures.mkdir()
        run = Run(
            self.folder / f"run-{self.runs}",
            self.folder / "job.py",
            *(SAMPLES / "access.log", SAMPLES / "access.log.2.gz"),
            *words,
            *("--split-bytes", 12_000, "--partitions", 3),
            *("--summary", figures / "summary", "--rejects", figures / "rejects", "-q"),
            PYTHONPATH=f"{SEAM}{os.pathsep}{chaos.ROOT}",
            SEAM_LIMITS=json.dumps(LIMITS),
            **seam,
        )
        run.figures = figures
        return run

    def disturbed(self, victims, chance, more=()):
        """A run in which these are stopped, one after the other, for 0.1 to 5 leases each; how often one was."""
        run, pauses = self.start(*LOCAL, *more), 0
        while not run.pids("exec"):
            assert run.runs_for(0.005), run.err
        for victim in victims:
            pauses += run.runs_for(chance.uniform(0, 0.2)) and pause(run, victim, chance)
        run.to_its_end()
        assert self.said(run) == self.expected
        assert run.left() == []
        return pauses


def pause(run, victim, chance):
    """Stop one process whose title begins so, then let it go on; whether there was one."""
    pids = run.pids(victim)
    if not pids:
        return False
    pid, pause_s = chance.choice(pids), LEASE_S * chance.choice([0.1, 0.5, 1, 2, 3, 5])
    try:
        handle = os.pidfd_open(pid)
        signal.pidfd_send_signal(handle, signal.SIGSTOP)
        run.runs_for(pause_s)
        signal.pidfd_send_signal(handle, signal.SIGCONT)
    except ProcessLookupError:
        return False
    os.close(handle)
    return True


@pytest.fixture(scope="module")
def paused(tmp_path_factory):
    return Paused(tmp_path_factory.mktemp("pauses"))


def pauses(paused, number, shuffle):
    """Runs that are disturbed, until there were so many pauses."""
    chance, done, start_s = random.Random(f"{number} {shuffle}"), 0, time.monotonic()
    while done < number:
        done += paused.disturbed(chance.sample(VICTIMS, len(VICTIMS)), chance, ("--shuffle", shuffle))
    print(f"{done} pauses in {time.monotonic() - start_s:.0f} s")


def test_pausing_a_process_does_not_change_the_answer(paused):
    pauses(paused, 3, "auto")
    pauses(paused, 2, "zmq")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("shuffle", ["auto", "zmq"])
def test_two_hundred_pauses_do_not_change_the_answer(paused, shuffle):
    pauses(paused, 100, shuffle)
