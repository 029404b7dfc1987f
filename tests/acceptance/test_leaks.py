"""A thousand small jobs on a standing cluster, of three in ten something is killed: nothing piles up.

Each job is a session of its own. Of some a client goes before their end, of some the code kills its executor, of some
its node. Afterwards the processes are as many as before, and have as many files and sockets open.
"""

import os
import random
import time

import pytest
from standing import StandingCluster

from mrframe import RunOptions
from mrframe.api import connect

JOB = """
import os, signal
from mrframe import Job, count, text

def of(pid):
    return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])

def job(victim: str = "", mark: str = ""):
    def first():
        try:
            open(mark, "x").close()
        except FileExistsError:
            return False
        return True

    def by_word(line):
        if victim and first():
            os.kill(os.getpid() if victim == "exec" else of(os.getppid()), signal.SIGKILL)
            signal.pause()
        for word in line.split():
            yield word, 1
    return Job(read=text, map=by_word, reduce=count)
"""
WARM = 40


class Many:
    """Jobs of a standing cluster, one after the other."""

    def __init__(self, folder, place):
        self.folder, self.place = folder, place
        (folder / "job.py").write_text(JOB)
        (folder / "log").write_text("a b a\nb c\n" * 20)
        self.number = 0

    def one(self, victim):
        """Submit a job, of which this dies; wait for its end, unless the client leaves."""
        self.number += 1
        options = {"victim": "" if victim == "client" else victim, "mark": str(self.folder / f"mark-{self.number}")}
        run_options = RunOptions(split_bytes=100, partitions=1)
        with connect(str(self.place.home)) as client:
            job, log = str(self.folder / "job.py"), str(self.folder / "log")
            submission = client.submit(job, [log], run_options, job_options=options)
            if victim != "client":
                submission.wait(timeout_s=20)

    def open_now(self):
        """{title of a process: files and sockets that it has open}, and those of this process."""
        found = {"here": len(os.listdir("/proc/self/fd"))}
        for pid, title in self.place.processes().items():
            kind = "executor" if title.startswith("mrframe exec") else title
            found[kind] = found.get(kind, 0) + len(os.listdir(f"/proc/{pid}/fd"))
        found["temporary"] = len(list(self.folder.glob("mrframe-*")))
        return found


def many(folder, number, *, killed):
    place = StandingCluster(folder)
    place.cluster("start", "--nodes", 2, "--slots", 1)
    try:
        jobs = Many(folder, place)
        chance = random.Random(number)
        for _ in range(WARM):
            jobs.one("")
        before = jobs.open_now()
        kinds = ["exec"] * (killed // 2) + ["client"] * (killed // 3) + [""] * (number - killed)
        kinds += ["mrframe node"] * (number - len(kinds))
        chance.shuffle(kinds)
        for kind in kinds:
            jobs.one(kind)
        for _ in range(2):
            jobs.one("")
        deadline_s = time.monotonic() + 20
        while (after := jobs.open_now()) != before and time.monotonic() < deadline_s:
            jobs.one("")
        assert after == before
    finally:
        place.cluster("stop")
    assert place.processes() == {}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_jobs_leak_nothing_in_a_standing_cluster(tmp_path):
    many(tmp_path, 1000, killed=300)
