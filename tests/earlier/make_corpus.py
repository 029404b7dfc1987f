"""Write the corpus of this folder with the code of an earlier revision: `python make_corpus.py TREE`.

TREE is a checkout of that revision, such as `git worktree add ../earlier 899285e` makes. The corpus is all that a
user may still have when a newer mrframe is installed, and `tests/acceptance/test_earlier_state.py` opens it with the
present code.

    state.tar.gz        a folder as that revision left it
      inputs/, jobs/    what was read and run
      state/            $XDG_STATE_HOME: a cluster that was stopped, with submissions in all states, and kept runs
      cache/            saved results
      packages/         jobs as they travel to executors: of a file, and by value without any byte code of Python
      said/             what the commands of that revision print about all this
      made.json         where it was made, the ids of the submissions, the keys that were asked for
    facts.json          one fact of each class, as the journal has it
    answers/            the answers of the ready jobs and of a join over `sample_logs/`

Written once, by 899285e, the last revision before modules moved into folders. That was done on Python 3.11, but
nothing in it is bound to a version of Python. It is not to be written again because the present code cannot read it:
whoever breaks it breaks the clusters and runs that people have.

Two things are done to keep paths of this machine out of it. The folder is made at `PLACE`, whose name is so long that
a test can put its own folder there, padded with slashes, without changing a length. Commands find their modules by a
finder of their own instead of by `sys.path`, which packages carry with them. It comes first, before that of an
editable installation, which would find the present code.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLACE = os.path.join(tempfile.gettempdir(), "mrframe-earlier-").ljust(200, "x")
KEPT = ("inputs", "jobs", "state", "cache", "packages", "said", "made.json")
READY = {  # inputs and options of each ready job, in the folder of the samples
    "bytes_by_day": ["access.log", "access.log.1", "access.log.2.gz"],
    "error_rate": ["access.log", "access.log.1", "access.log.2.gz"],
    "grep": ["harbour.txt", "mountain.txt", "--pattern", "ferry(?!.*snow)"],
    "inverted_index": ["harbour.txt", "kitchen.txt", "mountain.txt"],
    "latency": ["app.jsonl"],
    "not_found": ["access.log", "access.log.1", "access.log.2.gz"],
    "referrers": ["access.log", "access.log.1", "access.log.2.gz"],
    "sort": ["harbour.txt", "kitchen.txt", "mountain.txt"],
    "status_codes": ["access.log", "access.log.1", "access.log.2.gz"],
    "top_urls": ["access.log", "access.log.1", "access.log.2.gz", "--limit", "50"],
    "visitors": ["access.log", "access.log.1", "access.log.2.gz", "--per", "hour"],
    "word_count": ["harbour.txt", "kitchen.txt", "mountain.txt"],
}
JOIN_INPUTS = ["accesses=access.log*", "calls=app.jsonl"]
JOIN = '''"""Requests of the web server and calls of the services, by hour."""

from mrframe import Job, json_lines, logs


def call(time, service):
    yield time[:13], service


def join(hour, accesses, calls):
    yield hour, (len(accesses), sorted({*calls}))


job = Job(
    read={"accesses": logs.combined, "calls": json_lines},
    key={"accesses": "hour"},
    value={"accesses": "status"},
    map={"calls": call},
    reduce=join,
)
'''
FAILS = '''"""Fails on a record, and with `group` on a key."""

from mrframe import Job, logs


def job(group: bool = False):
    def by_status(status, size):
        yield status, 1000 // (1 if group else status - 404)

    def shares(status, values):
        yield status, sum(values) // (status - 404)

    return Job(read=logs.combined, map=by_status, reduce=shares)
'''
HANGS = '''"""The hosts of each status. Where EARLIER_HANGS is set it is begun and hangs."""

import os
import signal

from mrframe import Job, distinct, logs


def by_status(status, host):
    if "EARLIER_HANGS" in os.environ:
        signal.pause()
    yield status, host


job = Job(read=logs.combined, map=by_status, reduce=distinct)
'''
PATHS = '''"""The bytes of each path, of which the ten largest, or the mean."""

from mrframe import Job, logs, mean, top, total

job = Job(read=logs.combined, key="path", value="size", reduce=total).then(top(10))
means = Job(read=logs.combined, key="path", value="size", reduce=mean)
'''
RUNNER = """
import sys
from importlib.machinery import PathFinder
tree, *words = sys.argv[1:]
folders = [tree, *filter(None, sys.path)]
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, path or folders, target)
sys.meta_path.insert(0, Finder)
sys.path[:] = []
sys.argv = ["mrframe", *words]
"""
COMMAND = """
from mrframe.cli.main import run_as_command
run_as_command()
"""
PACKAGES = """
from mrframe import Job, collect, count, distinct, each, largest, logs, mean, smallest, top, total
from mrframe.core.job import Reader
from mrframe.task.jobfile import find
from mrframe.task.package import TaskSettings, pack

combined = Reader("access", "combined")
packages = {}
for name, job in (("paths", "jobs/paths.py"), ("means", "jobs/paths.py:means")):
    file = find(job)
    packages[name] = pack(file.make({}), TaskSettings(combined), file, {})
for reduce in (collect, count, distinct, each, largest, mean, smallest, total):
    value = {} if reduce is count else {"value": "size"}
    job = Job(read=logs.combined, key="status", reduce=reduce, **value)
    packages[f"by_value_{reduce.name}"] = pack(job, TaskSettings(combined), None, {})
several = Job(read=logs.combined, key=("status", "method"), value="size", reduce={"bytes": total, "largest": largest})
packages["by_value_several"] = pack(several, TaskSettings(combined), None, {})
ranked = Job(read=logs.combined, key="host", reduce=count).then(top(5))
packages["by_value_ranked"] = pack(ranked, TaskSettings(combined), None, {})
for name, package in packages.items():
    with open(f"packages/{name}", "xb") as file:
        file.write(package)
"""
RUN_PACKAGES = """
import glob
from mrframe import RunOptions, run
from mrframe.task.package import unpack
for path in sorted(glob.glob("packages/*")):
    job = unpack(open(path, "rb").read())
    with run(job.steps[0], ["inputs/access.log"], RunOptions(engine="inline")) as result:
        print(path, list(result.rows()))
"""
FACTS = """
import dataclasses, itertools, json, typing
from mrframe.core.facts import Fact
from mrframe.core.quick import field_types
from mrframe.wire.codec import Vocabulary

number = itertools.count(1)

def value(hint):
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return hint(**{field.name: value(hints[field.name]) for field in dataclasses.fields(hint)})
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return args[next(number) % len(args)]
    if origin is tuple:
        return tuple(map(value, args[:1] if args[1:] == (...,) else args))
    if origin in (list, dict):
        return [value(args[0])] if origin is list else {value(args[0]): value(args[1])}
    if args:
        return value(next(arg for arg in args if arg is not type(None)))
    n = next(number)
    return {str: f"text {n}", int: n, float: n / 8, bool: n % 2 == 0, bytes: b"bytes %d" % n}[hint]

facts = typing.get_args(Fact)
words = Vocabulary(*facts)
print(json.dumps({fact.__name__: words.encode(value(fact)).hex() for fact in facts}, indent=0))
"""


class Earlier:
    """Commands of the earlier revision, in `PLACE`. What they print is kept in `said/` under a name."""

    def __init__(self, tree: str) -> None:
        self._tree = tree
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MRFRAME", "PYTHON"))},
            "XDG_STATE_HOME": f"{PLACE}/state",
            "XDG_CONFIG_HOME": f"{PLACE}/config",
            "XDG_CACHE_HOME": f"{PLACE}/unused",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TZ": "UTC",
        }

    def python(self, script: str, *words: str, folder: str = PLACE, code: int = 0) -> bytes:
        command = [sys.executable, "-c", RUNNER + script, self._tree, *words]
        done = subprocess.run(command, cwd=folder, env=self.environment, capture_output=True, check=False)
        assert done.returncode == code, (words, done.stdout.decode(), done.stderr.decode())
        return done.stdout

    def run(self, *words: str, name: str = "", code: int = 0) -> bytes:
        said = self.python(COMMAND, *words, code=code)
        if name:
            Path(PLACE, "said", name).write_bytes(said)
        return said

    def wait_for_attempts(self) -> None:
        """Wait until every node of the cluster has an attempt."""
        deadline = time.monotonic() + 30
        while not all(node["attempts"] for node in json.loads(self.run("cluster", "status", "--json"))["nodes"]):
            assert time.monotonic() < deadline, "no attempt begins on one of the nodes"

    def submit(self, *words: str, wait: int | None = 0) -> str:
        job = self.run("submit", *words).decode().strip()
        if wait is not None:
            self.run("wait", job, "--timeout-s", "60", code=wait)
        return job


def write_place(tree: str) -> None:
    """The folder with its inputs and jobs, and nothing else yet."""
    shutil.rmtree(PLACE, ignore_errors=True)
    for name in ("inputs", "jobs", "packages", "said"):
        Path(PLACE, name).mkdir(parents=True)
    samples = HERE.parents[1] / "sample_logs"
    lines = (samples / "access.log").read_bytes().splitlines(keepends=True)
    Path(PLACE, "inputs", "access.log").write_bytes(b"".join(lines[:250]))
    Path(PLACE, "inputs", "later.log.gz").write_bytes(gzip.compress(b"".join(lines[250:330]), mtime=0))
    Path(PLACE, "inputs", "harbour.txt").write_bytes((samples / "harbour.txt").read_bytes())
    calls = (samples / "app.jsonl").read_bytes().splitlines(keepends=True)
    Path(PLACE, "inputs", "app.jsonl").write_bytes(b"".join(calls[-100:]))
    for name, source in (("join", JOIN), ("fails", FAILS), ("hangs", HANGS), ("paths", PATHS)):
        Path(PLACE, "jobs", f"{name}.py").write_text(source)
    for name in ("sort", "status_codes", "visitors"):
        shutil.copy(os.path.join(tree, "jobs", f"{name}.py"), os.path.join(PLACE, "jobs"))


def write_runs(earlier: Earlier) -> dict[str, object]:
    """Runs that are kept, and saved results: one that is done, a question, and three that failed."""
    usual = ("--engine", "inline", "-q")
    saved = (*usual, "--cache", "on", "--cache-dir", "cache", "--split-bytes", "8KiB")
    rows = earlier.run("run", "jobs/paths.py:means", "inputs/access.log", *saved, name="run-1").splitlines()
    key = json.loads(rows[len(rows) // 2])["key"]
    earlier.run("why", "run-1", key, name="why-run-1")
    earlier.run("count", "status", "inputs/access.log", "inputs/later.log.gz", *usual, name="run-2")
    earlier.run("why", "run-2", "404", name="why-run-2")
    earlier.run("run", "jobs/fails.py", "inputs/access.log", *usual, code=1)
    earlier.run("run", "jobs/fails.py", "inputs/access.log", "--group", *usual, code=1)
    earlier.run("run", "jobs/fails.py", "inputs/access.log", "--max-failed", "100", *usual, name="run-5")
    for run in ("run-3", "run-4", "run-5"):
        earlier.run("replay", run, "--list", "--json", name=f"replay-{run}")
        earlier.run("replay", run, code=1)
    return {"why": {"run-1": key, "run-2": "404"}}


def write_cluster(earlier: Earlier) -> dict[str, object]:
    """A cluster with datasets and submissions in every state, stopped while one runs and one waits for slots."""
    earlier.environment["EARLIER_HANGS"] = "1"
    earlier.run("cluster", "start", "--nodes", "2", "--slots", "1")
    earlier.run("fs", "put", "access", "inputs/access.log", "--block-size", "16KiB")
    earlier.run("fs", "put", "access", "inputs/access.log", "inputs/later.log.gz", "--block-size", "16KiB")
    earlier.run("fs", "put", "calls", "inputs/app.jsonl", "--replicas", "1")
    jobs = {
        "stored": earlier.submit("jobs/paths.py", "mrfs:access@1"),
        "file": earlier.submit("jobs/paths.py:means", "inputs/access.log", "--split-bytes", "16KiB"),
        "sort": earlier.submit("jobs/sort.py", "inputs/harbour.txt", "--partitions", "2"),
        "join": earlier.submit("jobs/join.py", "accesses=mrfs:access", "calls=mrfs:calls"),
        "options": earlier.submit("jobs/visitors.py", "mrfs:access", "--per", "hour"),
    }
    for name, job in jobs.items():
        earlier.run("result", job, "-q", name=f"result-{name}")
    key = json.loads(Path(PLACE, "said", "result-stored").read_bytes().splitlines()[3])["key"]
    earlier.run("why", jobs["stored"], key, name="why-stored")
    jobs["failed"] = earlier.submit("jobs/fails.py", "mrfs:access", wait=1)
    earlier.run("replay", jobs["failed"], "--list", "--json", name="replay-failed")
    earlier.run("rm", earlier.submit("jobs/status_codes.py", "mrfs:access"))
    jobs["running"] = earlier.submit("jobs/hangs.py", "mrfs:access", wait=None)
    jobs["waiting"] = earlier.submit("jobs/status_codes.py", "mrfs:access@1", wait=None)
    jobs["cancelled"] = earlier.submit("jobs/status_codes.py", "mrfs:access", wait=None)
    earlier.run("cancel", jobs["cancelled"])
    earlier.wait_for_attempts()
    earlier.run("jobs", "--json", name="jobs")
    earlier.run("fs", "ls", "--json", name="fs-ls")
    earlier.run("cluster", "stop")
    del earlier.environment["EARLIER_HANGS"]
    earlier.environment["XDG_STATE_HOME"] = f"{PLACE}/unused"  # no run is kept from here on
    usual = ("--engine", "inline", "-q")
    earlier.run("run", "jobs/hangs.py", "inputs/access.log", "inputs/later.log.gz", *usual, name="result-running")
    earlier.run("run", "jobs/status_codes.py", "inputs/access.log", *usual, name="result-waiting")
    return {"jobs": jobs, "why_stored": key}


def write_answers(earlier: Earlier) -> None:
    """The answers over the samples, as `jsonl`."""
    samples = str(HERE.parents[1] / "sample_logs")
    (HERE / "answers").mkdir(exist_ok=True)
    for name, words in READY.items():
        said = earlier.python(COMMAND, "run", name, *words, "-q", folder=samples)
        (HERE / "answers" / f"{name}.jsonl").write_bytes(said)
    said = earlier.python(COMMAND, "run", f"{PLACE}/jobs/join.py", *JOIN_INPUTS, "-q", folder=samples)
    (HERE / "answers" / "join.jsonl").write_bytes(said)


def archive() -> None:
    """All of `PLACE` in one file, with nothing of this machine in it."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in KEPT:
            tar.add(Path(PLACE, name), name, filter=plain)
    (HERE / "state.tar.gz").write_bytes(gzip.compress(data.getvalue(), 9, mtime=0))


def main() -> None:
    """Write it all with the revision that is checked out in the folder given."""
    tree = os.path.abspath(sys.argv[1])
    earlier = Earlier(tree)
    write_place(tree)
    made = {"place": PLACE, **write_runs(earlier), **write_cluster(earlier)}
    (HERE / "facts.json").write_bytes(earlier.python(FACTS))
    earlier.python(PACKAGES)
    Path(PLACE, "said", "packages").write_bytes(earlier.python(RUN_PACKAGES))
    Path(PLACE, "made.json").write_text(json.dumps(made, indent=2))
    write_answers(earlier)
    archive()
    shutil.rmtree(PLACE)


if __name__ == "__main__":
    main()
