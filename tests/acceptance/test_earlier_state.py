"""What an earlier revision left is opened by the present code: `tests/earlier/make_corpus.py` says what it is.

When a test fails here, the code is wrong and not the corpus: a class whose name or fields are written was changed
(the codec of `wire` writes both), a module that pickles name was moved, or a file has another form than it had.
People have such files.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import subprocess
import sys
import tarfile
import typing
from pathlib import Path

import pytest
from click.testing import CliRunner
from standing import StandingCluster

import mrframe
from mrframe.cli.main import group
from mrframe.core.model.facts import Fact
from mrframe.task.code.package import unpack
from mrframe.wire.codec import Vocabulary

ROOT = Path(__file__).parents[2]
EARLIER = ROOT / "tests" / "earlier"
_spec = importlib.util.spec_from_file_location("make_corpus", EARLIER / "make_corpus.py")
make_corpus = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_corpus)


def unpack_corpus(folder: Path) -> None:
    """The corpus in this folder, with the modes it had and with paths that lead there."""
    with tarfile.open(EARLIER / "state.tar.gz") as tar:
        there = json.load(tar.extractfile("made.json"))["place"]
        here = str(folder).ljust(len(there), "/")
        assert len(here) == len(there), "this folder's name is too long"
        for member in tar:
            path = folder / member.name
            if member.isdir():
                path.mkdir()
            else:
                data = tar.extractfile(member).read()
                if path.name not in ("journal.db", "journal.db-wal"):  # their pages have checksums
                    data = data.replace(there.encode(), here.encode())
                path.write_bytes(data)
            path.chmod(member.mode)


class Earlier(StandingCluster):
    """The folder that the earlier revision left, and the present commands in it."""

    def __init__(self, folder):
        super().__init__(folder)
        unpack_corpus(folder)
        self.folder = folder
        self.home = folder / "state" / "mrframe" / "cluster"
        self.made = json.loads((folder / "made.json").read_bytes())
        self.environment["XDG_CACHE_HOME"] = str(folder / "other")

    def run(self, *words, code=0, folder=None):
        done = subprocess.run(
            [sys.executable, "-m", "mrframe", *map(str, words)],
            env=self.environment,
            cwd=folder or self.folder,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr.decode()
        return done

    def said(self, name):
        """What the earlier revision printed."""
        return (self.folder / "said" / name).read_bytes()

    def input(self, name):
        data = (self.folder / "inputs" / name).read_bytes()
        return gzip.decompress(data) if name.endswith(".gz") else data


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    return Earlier(tmp_path_factory.mktemp("earlier"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The earlier cluster, started by the present code."""
    place = Earlier(tmp_path_factory.mktemp("earlier"))
    try:
        place.run("cluster", "start", "--nodes", 2, "--slots", 1)
        yield place
        place.run("cluster", "stop")
        assert place.processes() == {}
    finally:
        place.kill_all()


# ---- the cluster ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stored", "file", "sort", "join", "options"])
def test_the_result_of_a_submission_that_was_done(cluster, name):
    assert cluster.run("result", cluster.made["jobs"][name], "-q").stdout == cluster.said(f"result-{name}")


@pytest.mark.parametrize("name", ["running", "waiting"])
def test_a_submission_that_was_not_done_goes_on(cluster, name):
    job = cluster.made["jobs"][name]
    cluster.run("wait", job, "--timeout-s", 50)
    assert cluster.run("result", job, "-q").stdout == cluster.said(f"result-{name}")


def test_submissions_are_listed_as_they_were(cluster):
    """Each is compared in whatever the earlier revision said of it."""
    jobs = cluster.made["jobs"]
    then = {one["id"]: one for one in json.loads(cluster.said("jobs"))["submissions"]}
    now = {one["id"]: one for one in json.loads(cluster.run("jobs", "--json").stdout)["submissions"]}
    assert then.keys() == {*jobs.values()} <= now.keys()
    assert [then[jobs[name]]["state"] for name in ("running", "waiting", "failed")] == [
        "running",
        "running",
        "failed",
    ]
    for name, job in jobs.items():
        known = then[job].keys() - {"submitted"}
        if name in ("running", "waiting"):
            known = {"id", "name"}
        assert {part: now[job][part] for part in known} == {part: then[job][part] for part in known}


def test_the_lines_behind_a_key_of_a_submission(cluster):
    found = cluster.run("why", cluster.made["jobs"]["stored"], cluster.made["why_stored"])
    assert found.stdout == cluster.said("why-stored")


def test_the_failure_of_a_submission_is_run_again(cluster):
    job = cluster.made["jobs"]["failed"]
    assert cluster.run("replay", job, "--list", "--json").stdout == cluster.said("replay-failed")
    assert b"it fails again" in cluster.run("replay", job, code=1).stderr


def test_datasets_are_whole(cluster):
    assert cluster.run("fs", "cat", "access@1").stdout == cluster.input("access.log")
    assert cluster.run("fs", "cat", "access").stdout == cluster.input("access.log") + cluster.input("later.log.gz")
    assert cluster.run("fs", "cat", "calls").stdout == cluster.input("app.jsonl")
    assert cluster.run("fs", "ls", "--json").stdout == cluster.said("fs-ls")
    cluster.run("fs", "fsck")


def test_a_new_submission_reads_an_earlier_dataset(cluster):
    job = cluster.run("submit", "jobs/status_codes.py", "mrfs:access@1").stdout.decode().strip()
    assert int(job.removeprefix("job-")) > max(int(one.removeprefix("job-")) for one in cluster.made["jobs"].values())
    cluster.run("wait", job, "--timeout-s", 50)
    assert cluster.run("result", job, "-q").stdout == cluster.said("result-waiting")
    cluster.run("rm", job)


FACTS = json.loads((EARLIER / "facts.json").read_bytes())
GROWN = ("JobFinished", "SplitsAdded", "BlockRecorded", "AttemptCommitted")
"""Since then a split has got its reader, a failure that of its record, a report the records of each format."""


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_of_each_class_is_read_from_a_journal(name):
    """The journal of the corpus has some of them only. One that has got a field since is written with its default."""
    words = Vocabulary(*typing.get_args(Fact))
    data = bytes.fromhex(FACTS[name])
    fact = words.decode(data)
    assert type(fact).__name__ == name
    again = words.encode(fact)
    assert words.decode(again) == fact
    assert again == data or name in GROWN


# ---- kept runs, saved results, packages -------------------------------------------------------------


@pytest.mark.parametrize("run", ["run-1", "run-2"])
def test_the_lines_behind_a_key_of_a_kept_run(earlier, run):
    assert earlier.run("why", run, earlier.made["why"][run]).stdout == earlier.said(f"why-{run}")


def test_saved_results_tell_where_a_key_of_a_kept_run_is_not(tmp_path):
    """All splits but the first have the key by now; since saved results say that they had not, none is read."""
    place = Earlier(tmp_path)
    key, first = place.made["why"]["run-1"], place.input("access.log")[: 12 << 10]
    line = next(line for line in first.splitlines(keepends=True) if f" {key} ".encode() in line)
    with open(tmp_path / "inputs" / "access.log", "r+b") as file:
        file.seek(len(first) - len(first.splitlines(keepends=True)[-1]))
        file.write(line * 100)
    assert place.run("why", "run-1", key).stdout == place.said("why-run-1")


@pytest.mark.parametrize("run", ["run-3", "run-4", "run-5"])
def test_the_failures_of_a_kept_run_are_run_again(earlier, run):
    assert earlier.run("replay", run, "--list", "--json").stdout == earlier.said(f"replay-{run}")
    said = earlier.run("replay", run, code=1).stderr
    assert b"ZeroDivisionError" in said
    assert b"it fails again" in said


def test_a_run_beside_earlier_saved_results_and_kept_runs(tmp_path):
    place = Earlier(tmp_path)
    saved = ("--engine", "inline", "--cache", "on", "--cache-dir", "cache", "--split-bytes", "8KiB")
    for _ in range(2):
        done = place.run("run", "jobs/paths.py:means", "inputs/access.log", *saved)
        assert done.stdout == place.said("run-1")
    assert (tmp_path / "state" / "mrframe" / "runs" / "run-6").is_dir()
    place.run("cache", "ls", "--cache-dir", "cache")
    place.run("cache", "gc", "--cache-dir", "cache")


PACKAGES = ["means", "paths"] + [
    f"by_value_{name}"
    for name in "collect count distinct each largest mean ranked several smallest total".split()  # noqa: SIM905
]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_opened_and_its_job_run(earlier, name):
    rows = dict(line.split(" ", 1) for line in earlier.said("packages").decode().splitlines())
    assert rows.keys() == {f"packages/{one}" for one in PACKAGES}
    job = unpack((earlier.folder / "packages" / name).read_bytes())
    try:
        log = str(earlier.folder / "inputs" / "access.log")
        with mrframe.run(job.steps[0], [log], mrframe.RunOptions(engine="inline")) as result:
            assert str(list(result.rows())) == rows[f"packages/{name}"]
    finally:
        job.close()


# ---- answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*make_corpus.READY, "join"])
def test_the_answer_of_a_ready_job_and_a_join_is_the_same_to_the_byte(earlier, monkeypatch, name):
    words = make_corpus.READY.get(name, make_corpus.JOIN_INPUTS)
    job = name if name in make_corpus.READY else earlier.folder / "jobs" / "join.py"
    monkeypatch.chdir(ROOT / "sample_logs")
    done = CliRunner().invoke(group, ["run", str(job), *map(str, words), "-q"])
    assert done.exit_code == 0, done.output
    assert done.stdout_bytes == (EARLIER / "answers" / f"{name}.jsonl").read_bytes()
