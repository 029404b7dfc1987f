"""The contestants of each job: mrframe in each of its forms, and the installed peers.

A peer is never a dependency: without its module or program it does not take part, and the table says so.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOGS = ("status_counts", "top_urls", "visitors")
JOBS = {  # and the kind of their input
    "status_counts": "logs",
    "top_urls": "logs",
    "visitors": "logs",
    "word_count": "text",
    "sort": "records",
    "latency": "lines",
    "empty_tasks": "grains",
}
YARDSTICKS = {job: "pool-tuned" if job in LOGS else "pool" for job in JOBS}
FORMS = {  # of mrframe: name, (name in the job file, flags, module that it needs)
    "status_counts": {
        "record": ("status_counts.py:record", "", ""),
        "record, decides": ("status_counts.py:called", "", ""),
        "declared": ("status_counts.py:declared", "", ""),
        "batch": ("status_counts.py:batch", "", "pyarrow"),
        "record, 1 node": ("status_counts.py:record", "--engine local --nodes 1 --slots 1", ""),
    },
    "top_urls": {
        "record, own combiner": ("top_urls.py:own_combiner", "", ""),
        "record": ("top_urls.py:record", "", ""),
        "declared": ("top_urls.py:declared", "", ""),
    },
    "visitors": {
        "record": ("visitors.py:record", "", ""),
        "record, decides": ("visitors.py:called", "", ""),
        "declared": ("visitors.py:declared", "", ""),
    },
    "word_count": {
        "record": ("word_count.py:record", "", ""),
        "record, decides": ("word_count.py:called", "", ""),
        "declared": ("word_count.py:declared", "", ""),
        "declared, without extra": ("word_count.py:declared", "--fast off", ""),
        "batch": ("word_count.py:batch", "", "pyarrow"),
        "64 MiB budget": ("word_count.py:called", "--memory-bytes 67108864", ""),
    },
    "sort": {
        "ready job": ("../../jobs/sort.py", "", ""),
        "total order": ("sort.py:by_range", "", ""),
        "by hash": ("sort.py:by_hash", "", ""),
    },
    "latency": {
        "inline": ("status_counts.py:record", "--engine inline", ""),
        "local": ("status_counts.py:record", "--engine local --nodes 2", ""),
    },
    "empty_tasks": {
        "1,000 tasks": ("empty_tasks.py:nothing", "--engine local --nodes 2 --splits 1000", ""),
        "1 task, for its start": ("empty_tasks.py:nothing", "--engine local --nodes 2 --splits 1", ""),
    },
}
WORDS = (*LOGS, "word_count")
PEERS = {  # name: (program or module that it needs, script, flag, jobs)
    "plain": ("", "plain.py", "", (*WORDS, "sort", "latency")),
    "pool": ("", "pool.py", "", (*WORDS, "sort", "latency", "empty_tasks")),
    "pool-tuned": ("", "pool.py", "--tuned", LOGS),
    "awk": ("awk", "awk.sh", "", (*WORDS, "latency")),
    "gnu-sort": ("sort", "awk.sh", "", ("sort",)),
    "duckdb": ("duckdb", "duckdb_sql.py", "", (*WORDS, "sort", "latency")),
    "duckdb-csv": ("duckdb", "duckdb_sql.py", "--csv", LOGS),
    "polars": ("polars", "polars_lazy.py", "", (*WORDS, "sort", "latency")),
    "dask": ("dask.bag", "dask_bag.py", "", (*WORDS, "latency")),
    "pyspark": ("pyspark", "spark_rdd.py", "", (*WORDS, "sort", "latency")),
    "ray": ("ray", "ray_tasks.py", "", (*WORDS, "latency")),
    "mrjob": ("mrjob", "mrjob_local.py", "", (*WORDS, "latency")),
}
SLOW = {"dask", "pyspark", "ray", "mrjob"}  # at most one round, or a round would take all day


@dataclass(frozen=True)
class Contestant:
    """A name, and the command that answers a job. `{out}` stands for the folder of the answer."""

    name: str
    command: tuple[str, ...]
    env: dict[str, str]


def is_there(need: str, script: str) -> bool:
    """Whether a program (of a shell script) or a module can be found."""
    if not need:
        return True
    if script.endswith(".sh"):
        return shutil.which(need) is not None
    return importlib.util.find_spec(need.partition(".")[0]) is not None


def missing() -> list[str]:
    """The peers that cannot take part here."""
    return [name for name, (need, script, _, _) in PEERS.items() if not is_there(need, script)]


def contestants(job: str, inputs: tuple[str, ...], sizes: str = "small") -> dict[str, Contestant]:
    """All that can take part in a job, by name: the peers, then mrframe's forms."""
    found = {}
    for name, (need, script, flag, jobs) in PEERS.items():
        if job in jobs and is_there(need, script):
            asked = "status_counts" if job == "latency" else job
            how = ("sh",) if script.endswith(".sh") else (sys.executable,)
            command = (*how, str(HERE / "peers" / script), asked, "{out}", *inputs, *([flag] if flag else ()))
            found[name] = Contestant(name, command, {})
    for form, (target, flags, need) in FORMS[job].items():
        if is_there(need, ""):
            name = f"mrframe: {form}"
            found[name] = Contestant(name, _mrframe(target, flags, inputs, sizes), _with_project())
    return found


def _mrframe(target: str, flags: str, inputs: tuple[str, ...], sizes: str) -> tuple[str, ...]:
    answer = ("-q", "--format", "text", "-o", "{out}/part-0", "--summary", "{out}/.summary.json", "--no-cache")
    tiny = ("--split-bytes", "65536") if sizes == "tiny" and "--splits" not in flags else ()
    job = str(HERE / "jobs" / target)
    return (sys.executable, "-m", "mrframe", "run", job, *inputs, *answer, *flags.split(), *tiny)


def _with_project() -> dict[str, str]:
    """Run the mrframe beside this file, installed or not, compiled as an installed one always is."""
    before = os.environ.get("PYTHONPATH")
    path = str(HERE.parent) + (os.pathsep + before if before else "")
    return {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": ""}
