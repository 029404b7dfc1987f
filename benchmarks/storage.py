"""What does the cluster's store cost? `python benchmarks/storage.py JOB LOG...`.

A cluster is started in a folder of its own. Measured, in interleaved rounds, medians:
- `mrframe fs put` with one replica and with two, beside copying the same files, hashing them and compressing them
  block by block with the same functions in one process,
- the job submitted over the dataset, and over the files, both without saved results: same bytes, or it ends,
- how many map tasks ran where their blocks are, with four idle nodes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256

from mrframe.formats.inputs.block_file import best_codec, write_block

MRFRAME = [sys.executable, "-m", "mrframe"]
CHUNK_BYTES = 1 << 20


class Cluster:
    """A standing cluster in a folder."""

    def __init__(self, folder: str, nodes: int) -> None:
        self.home = os.path.join(folder, f"cluster-{nodes}")
        self._run("cluster", "start", "--nodes", str(nodes), "--slots", str(max(1, (os.cpu_count() or 1) // nodes)))

    def _run(self, *words: str) -> bytes:
        done = subprocess.run([*MRFRAME, *words, "--dir", self.home], stdout=subprocess.PIPE, check=True)
        return done.stdout

    def put(self, name: str, logs: list[str], replicas: int) -> dict[str, object]:
        """Return the report of `fs put`."""
        said: dict[str, object] = json.loads(
            self._run("fs", "put", name, *logs, "--replicas", str(replicas), "--json")
        )
        return said

    def remove(self, name: str) -> None:
        """Remove a dataset, and wait until its blocks are gone."""
        self._run("fs", "rm", name, "--all")
        self._run("fs", "balance")

    def answer(self, job: str, inputs: list[str]) -> bytes:
        """The answer of a submission."""
        name = self._run("submit", job, "--cache", "off", *inputs).decode().strip()
        self._run("wait", name)
        return self._run("result", "-q", name)

    def locality(self, summary: str) -> tuple[int, int]:
        """(data-local, other) map tasks of the last submission."""
        self._run("result", "-q", "@", "--summary", summary)
        with open(summary, "rb") as file:
            said = json.load(file)
        return said["data_local"], said["other_map"]

    def stop(self) -> None:
        """End it."""
        self._run("cluster", "stop")


def by_hand(logs: list[str], folder: str) -> None:
    """Copy, hash, compress: the least that a put has to do, in one process."""
    for log in logs:
        copy = shutil.copy(log, folder)
        digest = sha256()
        with open(copy, "rb") as source, open(f"{copy}.blocks", "wb") as file:
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
            source.seek(0)
            write_block(file, iter(lambda: source.read(CHUNK_BYTES), b""), best_codec())
            os.fsync(file.fileno())
        os.unlink(copy)


def timed(what: Callable[[], object]) -> float:
    """Its seconds."""
    began_s = time.monotonic()
    what()
    return time.monotonic() - began_s


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("job")
    parser.add_argument("logs", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(folder, 2)
        try:
            _rounds(cluster, options.job, options.logs, folder, times, options.rounds)
        finally:
            cluster.stop()
        for name, seconds in times.items():
            print(f"| {name:32} | {statistics.median(seconds):7.2f} s |")
        _locality(folder, options.job, options.logs)


def _rounds(
    cluster: Cluster, job: str, logs: list[str], folder: str, times: dict[str, list[float]], rounds: int
) -> None:
    for _ in range(rounds):
        times.setdefault("copy, hash, compress by hand", []).append(timed(lambda: by_hand(logs, folder)))
        times.setdefault("put, one replica", []).append(timed(lambda: cluster.put("once", logs, 1)))
        cluster.remove("once")
        times.setdefault("put, two replicas", []).append(timed(lambda: cluster.put("logs", logs, 2)))
        times.setdefault("put again, nothing new", []).append(timed(lambda: cluster.put("logs", logs, 2)))
        answers = []
        for name, inputs in (("job over files", logs), ("job over the dataset", ["mrfs:logs"])):
            began_s = time.monotonic()
            answers.append(cluster.answer(job, inputs))
            times.setdefault(name, []).append(time.monotonic() - began_s)
        if answers[0] != answers[1]:
            sys.exit("the answers differ")
        cluster.remove("logs")


def _locality(folder: str, job: str, logs: list[str]) -> None:
    cluster = Cluster(folder, 4)
    try:
        cluster.put("logs", logs, 2)
        cluster.answer(job, ["mrfs:logs"])
        local, other = cluster.locality(os.path.join(folder, "summary.json"))
        print(f"| map tasks where their blocks are   | {local} of {local + other} |")
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
