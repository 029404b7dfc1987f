"""The k-th call that changes a standing master's journal fails: what was accepted ends once, and nothing is ruined.

The seam (`seam/`) makes it fail in the master, in SQLite's own C, once or from then on until there is space again.
One cluster serves all: a supervisor that starts masters again and again.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
from standing import LOG, ROOT, StandingCluster, answer
from test_submissions import until

SEAM = Path(__file__).parent / "seam"
sys.path.append(str(SEAM))
import sqlite_seam  # noqa: E402  (it lies with the other seams)

pytestmark = pytest.mark.skipif(
    sqlite_seam.system() is None, reason="SQLite is part of this Python and not reachable"
)
SAID = re.compile(
    r"journal\.db cannot be (written|opened): (database or disk is full|disk I/O error|unable to open database file|"
    r"No space left on device|Input/output error).*[\d,]+ bytes free at"
)
WORDS = ("status_codes", LOG, "--split-bytes", 50_000, "--partitions", 2)


class Faulty(StandingCluster):
    """A cluster whose journal fails when it is told to."""

    def __init__(self, folder):
        super().__init__(folder)
        self.control = folder / "control"
        self.environment["PYTHONPATH"] = f"{SEAM}{os.pathsep}{ROOT}"
        self.environment["SEAM_JOURNAL"] = f"{self.control} {self.home / 'journal'}"
        self.accepted, self.refused = [], 0

    def do(self, *words, code=0):
        return self.run(*words, "--dir", self.home, code=code)

    def arm(self, kth, number, how):
        calls = Path(f"{self.control}.calls")
        calls.write_bytes(b"")
        self.control.write_text(f"{kth} {number} {how}")
        return calls

    def disarm(self):
        self.control.unlink()

    def master(self):
        return [pid for pid, name in self.processes().items() if name == "mrframe master"]

    def submit_or_not(self):
        """The id, or None when the command has said that the disk refuses."""
        try:
            return self.do("submit", *WORDS).stdout.decode().strip()
        except AssertionError as refused:
            self.refused += 1
            assert SAID.search(str(refused)), refused
            assert str(self.home) in str(refused)
            return None

    def fails_at(self, kth, number, how, *, begins):
        """One submission while a call fails; with `begins` the calls of a master that begins, first of all."""
        before = self.states()
        if begins:
            killed = self.master()
            calls = self.arm(kth, number, how)
            self.kill("mrframe master")
            until(lambda: not set(killed) & set(self.master()))
        else:
            calls = self.arm(kth, number, how)
        job = self.submit_or_not()
        if job is not None and how == "once":
            self.do("wait", job, "--timeout-s", 50)
        self.disarm()
        made = calls.stat().st_size
        after = self.states()
        if job is not None:
            self.do("wait", job, "--timeout-s", 50)
            assert self.do("result", job, "-q").stdout == self.expected
            self.accepted.append(job)
            after = self.states()
        assert {name: state for name, state in after.items() if name in before} == before
        new = after.keys() - before.keys()
        assert new == {job} if job is not None else len(new) <= 1
        assert set(after.values()) <= {"done", "running"}  # what was not accepted may have come, and run
        assert not Path(f"{self.control}.again").exists()
        return made

    def states(self):
        return {one["id"]: one["state"] for one in json.loads(self.do("jobs", "--json").stdout)["submissions"]}


@pytest.fixture
def place(tmp_path):
    place = Faulty(tmp_path)
    place.expected = answer(place, *WORDS)
    place.cluster("start", "--nodes", 1, "--slots", 1)
    yield place
    place.kill_all()


def goes_on(place):
    """After a stop and a start everything is as it was, and more is accepted."""
    states = place.states()
    assert set(place.accepted) <= states.keys()
    place.cluster("stop")
    place.cluster("start", "--nodes", 1, "--slots", 1)
    assert place.states() == states
    for job in place.accepted[-3:]:
        assert place.do("result", job, "-q").stdout == place.expected
    place.do("wait", place.submit(*WORDS), "--timeout-s", 50)
    place.cluster("stop")
    assert place.processes() == {}


def test_an_accepted_submission_ends_once_whichever_call_fails(place):
    for kth, number, how, begins in (
        (4, "EIO", "once", False),
        (3, "ENOSPC", "on", False),
        (5, "ENOSPC", "once", True),
    ):
        place.fails_at(kth, number, how, begins=begins)
    assert place.refused >= 1
    assert len(place.accepted) >= 2
    goes_on(place)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("begins", [False, True])
def test_every_disk_call_fails_once_and_permanently(place, begins):
    """Each of the first 200, as far as a submission has so many; both errors, in turn."""
    calls = place.fails_at(10**9, "EIO", "once", begins=begins)
    assert calls > 20
    last = min(calls, 200)
    for kth in range(1, last + 1):
        for how, number in zip(("once", "on"), ("ENOSPC", "EIO") if kth % 2 else ("EIO", "ENOSPC"), strict=True):
            place.fails_at(kth, number, how, begins=begins)
    print(f"{calls} calls, {last} of them failed; {len(place.accepted)} accepted, {place.refused} refused")
    goes_on(place)
