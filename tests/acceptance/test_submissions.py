"""The real commands that look at, end and remove submissions of a standing cluster: `jobs`, `cancel`, `rm`.

One cluster serves all tests of this file; each uses submissions of its own.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
from standing import LOG, ROOT, StandingCluster, answer

from mrframe.cluster.client.cluster_dir import LOG_BYTES_MAX, ClusterDir
from mrframe.shuffle.run_file.run_writer import RunReader

END_S = 20.0
HANGS = """
import os, signal
from mrframe import Job, count, text

def job(marks: str = ""):
    def hang(line):
        open(f"{marks}/{os.getpid()}", "w").close()
        signal.pause()
        yield line, 1
    return Job(read=text, map=hang, reduce=count)
"""


class Cluster(StandingCluster):
    """A place whose commands name it, and that can be looked into."""

    def do(self, *words, code=0):
        return self.run(*words, "--dir", self.home, code=code)

    def jobs(self):
        return {one["id"]: one for one in json.loads(self.do("jobs", "--json").stdout)["submissions"]}

    def hanging(self, folder):
        """A submission whose code hangs in all slots; and what gives the numbers of its executors so far."""
        (folder / "marks").mkdir(parents=True)
        (folder / "hangs.py").write_text(HANGS)
        job = self.submit(folder / "hangs.py", LOG, "--marks", folder / "marks", "--split-bytes", 20_000)

        def marks():
            return {int(name) for name in os.listdir(folder / "marks")}

        until(lambda: len(marks()) == 2)
        return job, marks

    def on_nodes(self, job):
        return list((self.home / "nodes").glob(f"*/{job}"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    place = Cluster(tmp_path_factory.mktemp("submissions"))
    place.cluster("start", "--nodes", 2, "--slots", 1)
    yield place
    place.cluster("stop")
    left = place.processes()
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert left == {}


def until(holds):
    """Wait for this, and give what it gave."""
    deadline_s = time.monotonic() + END_S
    while not (found := holds()):
        assert time.monotonic() < deadline_s, "it did not come about"
        os.sched_yield()
    return found


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_cancel_stops_a_running_submission(cluster, tmp_path):
    job, marks = cluster.hanging(tmp_path / "job")
    shown = cluster.jobs()[job]
    assert (shown["name"], shown["state"], shown["stage"], shown["error"]) == ("hangs", "running", "map", None)
    refused = cluster.do("rm", job, code=2).stderr.decode()
    assert f"mrframe wait {job}" in refused
    assert f"mrframe cancel {job}" in refused
    assert not any(map(is_gone, marks()))
    assert f"{job} is cancelled" in cluster.do("cancel", job).stderr.decode()
    until(lambda: all(map(is_gone, marks())))
    assert cluster.do("result", job, code=1).stdout == b""
    assert "had ended before: it is cancelled" in cluster.do("cancel", job).stderr.decode()


def test_a_cancelled_submission_stays_cancelled_after_the_master_dies(cluster, tmp_path):
    job, marks = cluster.hanging(tmp_path / "job")
    cluster.kill("mrframe master")
    assert f"{job} is cancelled" in cluster.do("cancel", job).stderr.decode()
    until(lambda: all(map(is_gone, marks())))
    begun = marks()
    cluster.kill("mrframe master")
    ended = cluster.do("wait", job, "--json", code=1)
    assert json.loads(ended.stdout)["error"]["slug"] == "cancelled"
    assert f"{job} was cancelled" in ended.stderr.decode()
    assert cluster.jobs()[job]["state"] == "cancelled"
    assert marks() == begun  # the next master has started nothing of it


@pytest.mark.parametrize(("job", "header"), [("top_urls", b"path,hits,bytes"), ("status_codes", b"status,requests")])
def test_a_result_that_is_fetched_later_has_the_names_of_its_columns(cluster, job, header):
    submitted = cluster.submit(job, LOG)
    cluster.do("wait", submitted)
    assert cluster.do("result", submitted, "--format", "csv", "-q").stdout.splitlines()[0] == header
    cluster.do("rm", submitted)


def test_rm_removes_a_finished_submission_and_its_id_is_not_reused(cluster):
    job = cluster.submit("status_codes", LOG, "--split-bytes", 20_000)
    cluster.do("wait", job)
    assert "had ended before: it is done" in cluster.do("cancel", "@").stderr.decode()
    assert cluster.do("result", job).stdout == answer(cluster, "status_codes", LOG)
    assert cluster.on_nodes(job)
    shown = cluster.do("jobs").stdout.decode().splitlines()
    assert shown[0].split() == ["id", "name", "inputs", "state", "submitted", "ended", "took", "outcome"]
    assert any(line.split()[:4] == [job, "status_codes", "access.log", "done"] for line in shown)
    (cluster.home / "submissions" / job / "record").unlink()  # as a removal that was killed leaves it
    assert cluster.jobs()[job]["name"] is None
    cluster.do("rm", job)
    until(lambda: not cluster.on_nodes(job))
    cluster.kill("mrframe master")
    assert job not in cluster.jobs()
    assert "is removed" in cluster.do("rm", job).stderr.decode()
    assert "mrframe jobs" in cluster.do("wait", job, code=2).stderr.decode()
    assert os.listdir(cluster.home / "submissions" / job) == []
    following = cluster.submit("status_codes", LOG)
    assert int(following.removeprefix("job-")) == int(job.removeprefix("job-")) + 1
    cluster.do("wait", following)


def test_a_random_seed_is_drawn_once_and_belongs_to_the_submission(cluster, tmp_path):
    words = ("visitors", LOG, "--split-bytes", 20_000, "--partitions", 3)
    job = cluster.submit(*words, "--hash-seed", "random")
    cluster.kill("mrframe master")
    cluster.do("wait", job)
    seeds, parts = [], []
    for name in ("one", "two"):
        cluster.do("result", job, "-o", tmp_path / name, "--format", "jsonl", "--summary", tmp_path / f"{name}.json")
        seeds.append(json.loads((tmp_path / f"{name}.json").read_text())["hash_seed"])
        parts.append((tmp_path / name).read_bytes())
    assert seeds[0] == seeds[1] > 0
    again = tmp_path / "again"
    again.mkdir()
    cluster.run("run", *words, "--hash-seed", seeds[0], "--engine", "inline", "-q", "-o", again)
    assert json.loads((again / "_manifest.json").read_text())["hash_seed"] == seeds[0]
    assert parts == [answer(cluster, *words)] * 2 == [(again / "part-00000.jsonl").read_bytes()] * 2


def test_a_job_in_total_order_is_submitted_as_any_other(cluster, tmp_path):
    lines = [f"{number * 7919 % 100_003:06} {'x' * 40}\n" for number in range(20_000)]
    (tmp_path / "plain.txt").write_text("".join(lines[:14_000]))
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress("".join(lines[14_000:]).encode()))
    inputs = tmp_path / "plain.txt", tmp_path / "packed.txt.gz"
    more = ("--split-bytes", 200_000, "--partitions", 4)
    before = set(cluster.jobs())
    job = cluster.submit("sort", *inputs, *more)
    cluster.do("wait", job)
    for name in ("submitted", "run"):
        (tmp_path / name).mkdir()
    cluster.do("result", job, "--summary", tmp_path / "summary", "-o", tmp_path / "submitted" / "rows.txt")
    cluster.run("run", "sort", *inputs, *more, "--engine", "inline", "-q", "-o", tmp_path / "run" / "rows.txt")
    tables = [(tmp_path / name / "rows.txt").read_bytes() for name in ("submitted", "run")]
    assert tables[0] == tables[1] == "".join(sorted(lines)).encode()
    assert json.loads((tmp_path / "summary").read_text())["partitions"] == 4
    rows = rows_by_part(cluster, job)
    assert len(rows) == 4
    assert max(rows) < 2 * len(lines) / 4  # the cuts are of a sample
    assert set(cluster.jobs()) - before == {job}
    assert cluster.on_nodes(f"job-{int(job.removeprefix('job-')) - 1}") == []  # the sample


def test_stored_blocks_are_sampled_in_place(cluster, tmp_path):
    lines = [f"{number * 7919 % 100_003:06} {'x' * 40}\n" for number in range(20_000)]
    (tmp_path / "plain.txt").write_text("".join(lines))
    cluster.do("fs", "put", "lines", tmp_path / "plain.txt", "--block-size", 300_000)
    (tmp_path / "plain.txt").unlink()
    job = cluster.submit("sort", "mrfs:lines", "--partitions", 3)
    cluster.do("wait", job)
    cluster.do("result", job, "-o", tmp_path / "rows.txt")
    assert (tmp_path / "rows.txt").read_text() == "".join(sorted(lines))
    assert max(rows_by_part(cluster, job)) < 2 * len(lines) / 3


def rows_by_part(cluster, job):
    rows = []
    for part in [path for folder in cluster.on_nodes(job) for path in folder.rglob("part.mrf")]:
        with part.open("rb") as file:
            rows.append(RunReader(file, "part", unpickle=False).records)
    return rows


def test_an_interrupted_sample_leaves_no_process(cluster, tmp_path):
    (tmp_path / "marks").mkdir()
    (tmp_path / "hangs.py").write_text(HANGS.replace("reduce=count", "reduce=count, key_order='total'"))
    words = ("submit", tmp_path / "hangs.py", LOG, "--marks", tmp_path / "marks", "--partitions", "2")
    before = set(cluster.jobs())
    asked = subprocess.Popen(
        [sys.executable, "-m", "mrframe", *map(str, words), "--dir", str(cluster.home)],
        env=cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: os.listdir(tmp_path / "marks"))
    asked.send_signal(signal.SIGINT)
    assert asked.communicate(timeout=60)[0] == b""
    assert asked.returncode == 130
    until(lambda: all(is_gone(int(name)) for name in os.listdir(tmp_path / "marks")))
    assert set(cluster.jobs()) == before


FLOODS = """
import os
from mrframe import Job, count, text

def flood(offset):
    os.write(2, b"x" * 30_000)  # past the limits of what is printed, as a C library may
    yield "lines", 1

job = Job(read=text, map=flood, reduce=count)
"""


def test_the_log_of_a_cluster_is_bounded(cluster, tmp_path):
    (tmp_path / "floods.py").write_text(FLOODS)
    home, flood = cluster.home, 30_000 * LOG.read_bytes().count(b"\n")
    assert flood > 2 * LOG_BYTES_MAX
    job = cluster.submit(tmp_path / "floods.py", LOG)
    cluster.do("wait", job)
    assert json.loads(cluster.do("result", job).stdout)["value"] * 30_000 == flood
    until(lambda: (home / "log.1").exists() and (home / "log").stat().st_size <= LOG_BYTES_MAX)
    assert (home / "log.1").stat().st_size <= LOG_BYTES_MAX


def test_jobs_says_how_each_submission_ended(cluster, tmp_path):
    (tmp_path / "fails.py").write_text(HANGS.replace("signal.pause()", "1 / 0"))
    (tmp_path / "marks").mkdir()
    before_s = time.time()
    done = cluster.submit("status_codes", LOG, LOG)
    failed = cluster.submit(tmp_path / "fails.py", LOG, "--marks", tmp_path / "marks")
    said = cluster.do("wait", done, failed, code=1).stderr.decode()
    rows = len(answer(cluster, "status_codes", LOG).splitlines())
    assert f"{done} is done, {rows} rows, " in said
    assert f"  replay  mrframe replay {failed}" in said
    assert f"  replay  mrframe replay {failed}" in cluster.do("result", failed, code=1).stderr.decode()
    shown = cluster.jobs()
    assert (shown[done]["inputs"], shown[done]["rows"], shown[done]["error"]) == ([str(LOG)] * 2, rows, None)
    assert (shown[failed]["state"], shown[failed]["rows"]) == ("failed", None)
    assert shown[failed]["error"] == {"slug": "user-code", "message": "ZeroDivisionError: division by zero"}
    for one in (shown[done], shown[failed]):
        begun, ended = (datetime.fromisoformat(one[name]).timestamp() for name in ("submitted", "ended"))
        assert int(before_s) <= begun <= ended <= time.time()
        assert 0 <= one["seconds"] <= ended - begun + 1
    cluster.kill("mrframe master")
    again = cluster.jobs()
    assert (again[done], again[failed]) == (shown[done], shown[failed])
    lines = cluster.do("jobs").stdout.decode().splitlines()
    assert any(line.startswith(f"{done} ") and line.endswith(f" s  {rows} rows") for line in lines)
    assert any(line.endswith("user-code: ZeroDivisionError: division by zero") for line in lines)


def test_several_submissions_are_named_at_once_and_the_exit_code_is_the_worst(cluster, tmp_path):
    done = cluster.submit("status_codes", LOG)
    hanging, _ = cluster.hanging(tmp_path / "job")
    ended = cluster.do("wait", done, "job-99999", hanging, "--timeout-s", 2, "--json", code=5)
    objects = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [one["id"] for one in objects] == [done, "job-99999", hanging]
    assert objects[0]["state"] == "done"
    assert [one["error"]["slug"] for one in objects[1:]] == ["usage", "timeout"]
    ended = cluster.do("cancel", done, hanging, "--json")
    objects = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(one["id"], one["state"], one["now"]) for one in objects] == [
        (done, "done", False),
        (hanging, "cancelled", True),
    ]
    running, _ = cluster.hanging(tmp_path / "other")
    assert cluster.do("rm", running, done, code=2).stderr.decode().endswith(f"{done} is removed\n")
    cluster.do("rm", "--all")
    assert cluster.jobs().keys() == {running}
    cluster.do("rm", code=2)
    cluster.do("cancel", running)


@pytest.mark.parametrize("word", ["cancel", "rm"])
def test_an_unknown_submission_is_refused_by_name(cluster, word):
    refused = cluster.do(word, "job-99", code=2).stderr.decode()
    assert "no submission job-99" in refused
    assert "mrframe jobs" in refused


def test_rm_keeps_a_submission_that_is_being_submitted_and_removes_an_abandoned_one(cluster):
    submitting = ClusterDir(str(cluster.home))
    job = submitting.add_submission(b"{}", b"package")  # as `mrframe submit` does before it submits
    assert "has not accepted" in cluster.do("rm", job, code=2).stderr.decode()
    assert sorted(os.listdir(cluster.home / "submissions" / job)) == ["package", "pending", "record"]
    submitting.abandon(job)
    cluster.do("rm", job)
    assert os.listdir(cluster.home / "submissions" / job) == []


def test_an_id_is_not_given_again_when_the_records_are_deleted(cluster):
    """Else a job would get the result of another one."""
    jobs = [cluster.submit("status_codes", LOG) for _ in range(2)]
    for job in jobs:
        cluster.do("wait", job)
    cluster.do("rm", jobs[1])
    shutil.rmtree(cluster.home / "submissions")
    job = cluster.submit("word_count", LOG)
    assert int(job.removeprefix("job-")) == int(jobs[1].removeprefix("job-")) + 1
    cluster.do("wait", job)
    assert cluster.do("result", job).stdout == answer(cluster, "word_count", LOG)


def test_a_submission_that_fails_leaves_nothing(cluster):
    """Its master is suspended, so that it does not answer. Sooner or later it takes what was sent to it."""
    before, last = set(cluster.jobs()), ClusterDir(str(cluster.home)).last()
    (master,) = [pid for pid, title in cluster.processes().items() if title == "mrframe master"]
    os.kill(master, signal.SIGSTOP)
    try:
        code = f"""
import mrframe
with mrframe.connect({str(cluster.home)!r}, reply_s=1.0) as client:
    client.submit("status_codes", [{str(LOG)!r}])
"""
        failed = subprocess.run(
            [sys.executable, "-c", code], env=cluster.environment, capture_output=True, timeout=60, check=False
        )
        assert b"did not answer within 1 s" in failed.stderr
        assert ClusterDir(str(cluster.home)).last() == last
    finally:
        os.kill(master, signal.SIGCONT)
    job = cluster.submit("status_codes", LOG)
    cluster.do("wait", job)
    assert set(cluster.jobs()) == {*before, job}
    assert ClusterDir(str(cluster.home)).last()[1] == job
    assert not list((cluster.home / "submissions").glob("*/pending"))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
def test_a_signal_during_a_submission_in_total_order_leaves_nothing(cluster, number):
    """It arrives while the keys are sampled, since all slots are taken."""
    hanging, _ = cluster.hanging(cluster.home.parent / f"{number:d}")
    before = set(cluster.jobs())
    words = [sys.executable, "-m", "mrframe", "submit", "sort", str(LOG), "--dir", str(cluster.home)]
    words += ["--partitions", "2"]
    with subprocess.Popen(words, env=cluster.environment, cwd=ROOT, stderr=subprocess.PIPE) as process:
        until(lambda: set(cluster.jobs()) - before)
        process.send_signal(number)
        process.wait(30)
    assert process.returncode in (-number, 128 + number)
    cluster.do("cancel", hanging)
    job = cluster.submit("status_codes", LOG)  # where the signal could not be handled, the next one removes it
    assert set(cluster.jobs()) == {*before, job}
    assert not list((cluster.home / "submissions").glob("*/pending"))
    assert ClusterDir(str(cluster.home)).last()[1] == job
