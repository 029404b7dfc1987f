"""Whatever happens to logs and job between two runs, saved results do not change the answer of the second."""

from __future__ import annotations

import gzip
import os
import random
import tempfile
import time
from pathlib import Path
from unittest import mock

from hypothesis import event, given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import RunOptions
from mrframe.errors import TooManyMalformed
from mrframe.store import file_index

JOB = """
from mrframe import Job, increment, logs, total
from weights import WEIGHT
def by_path(path, size):
    increment("asked")
    yield path, {factor} * WEIGHT * (size or 1)
job = Job(read=logs.combined, map=by_path, reduce=total)
"""
LINE = '192.0.2.1 - - [17/May/2026:{}:05:{:02d} +0000] "GET /{} HTTP/1.1" 200 {} "-" "-"\n'
FIGURES = ("records", "lines", "malformed", "bytes_in", "counters", "bad_fields", "samples", "ledger", "rows")


class World:
    """Logs and a job that change. `act` does one thing to them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.logs, self.split_bytes = folder, folder / "logs", 400
        self.logs.mkdir()
        self.factor = self.weight = 1
        self.hour = 10
        self.window: dict[str, str] = {}
        self.max_bad = "100%"
        self.write_job()
        self.append("access.log", random.Random(0), 20)

    def write_job(self) -> None:
        (self.folder / "job.py").write_text(JOB.format(factor=self.factor))
        (self.folder / "weights.py").write_text(f"WEIGHT = {self.weight}\n")

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self.logs.iterdir())

    def append(self, name: str, chance: random.Random, number: int) -> None:
        with open(self.logs / name, "ab") as file:
            for _ in range(number):
                self.hour += chance.random() < 0.05
                line = LINE.format(self.hour, chance.randrange(60), chance.randrange(9), chance.randrange(3000))
                file.write(line.encode() if chance.random() < 0.9 else b"torn \xff\n")
            if chance.random() < 0.2:
                file.write(b"no end of this lin")

    def act(self, action: str, chance: random.Random) -> None:
        plain = [name for name in self.names() if not name.endswith(".gz")]
        name = chance.choice(plain) if plain else ""
        path = self.logs / name
        new = self.logs / f"{chance.randrange(10**6):06d}.log"
        match action:
            case "append":
                self.append(name or "access.log", chance, chance.randrange(1, 9))
            case "add":
                self.append(new.name, chance, chance.randrange(1, 30))
            case "option":
                self.split_bytes = chance.choice([200, 400, 800])
            case "window":
                ends = sorted(chance.sample(range(9, min(24, self.hour + 3)), 2))
                names = chance.choice([("since", "until"), ("since",), ("until",), ()])
                self.window = {name: f"2026-05-17T{end:02d}" for name, end in zip(names, ends, strict=False)}
            case "limit":
                self.max_bad = chance.choice(["100%", "5%", "0"])
            case "job":
                self.factor += 1
                self.write_job()
            case "module":
                self.weight += 1
                self.write_job()
            case _ if not name:
                pass
            case "rotate":
                path.rename(new)
                self.append(name, chance, 2)
            case "copytruncate":
                new.write_bytes(path.read_bytes())
                os.truncate(path, 0)
            case "compress":
                (self.logs / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
                path.unlink()
            case "truncate":
                os.truncate(path, chance.randrange(path.stat().st_size + 1))
            case "rewrite":
                self._rewrite(path, chance)
            case "duplicate":
                new.write_bytes(path.read_bytes())
            case "delete" if len(self.names()) > 1:
                path.unlink()

    def _rewrite(self, path: Path, chance: random.Random) -> None:
        """In place: the same size, and the time of the last change put back."""
        before, data = path.stat(), bytearray(path.read_bytes())
        for _ in range(3):
            if data:
                data[chance.randrange(len(data))] = chance.choice(b"0123456789\n")
        with open(path, "r+b") as file:
            file.write(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def tick(self) -> None:
        """Until the file system's clock has gone on."""
        probe = self.folder / "probe"
        probe.write_bytes(b"")
        began_ns, deadline_s = probe.stat().st_ctime_ns, time.monotonic() + 10
        while probe.stat().st_ctime_ns == began_ns and time.monotonic() < deadline_s:
            probe.write_bytes(b"")

    def answer(self, cache: str):
        options = RunOptions(
            engine="inline",
            cache=cache,
            cache_dir=str(self.folder / "cache"),
            split_bytes=self.split_bytes,
            max_bad=self.max_bad,
            **self.window,
        )
        try:
            with mrframe.run(str(self.folder / "job.py"), [str(self.logs)], options) as result:
                saved = (
                    "answer" if result.summary.engine == "saved" else "some" if result.summary.saved_maps else "none"
                )
                return [list(result), *(getattr(result.summary, figure) for figure in FIGURES)], saved
        except TooManyMalformed as error:
            return str(error), "refused"


ACTIONS = (
    *("append", "add", "rotate", "copytruncate", "compress", "truncate", "rewrite", "duplicate", "delete"),
    *("option", "job", "module", "limit", "window", "window", "nothing"),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(ACTIONS), min_size=3, max_size=10), st.integers(0, 2**32))
def test_saved_results_never_change_an_answer(actions, seed):
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(file_index, "SETTLED_S", 0.0):
        world = World(Path(folder))
        for action in ["nothing", *actions]:
            world.act(action, chance)
            world.tick()
            with_saved, saved = world.answer("on")
            assert with_saved == world.answer("off")[0], action
            event(f"{action}: {saved} saved")
            world.tick()


def test_the_evidence_of_a_limit_is_read_from_a_compressed_file_too():
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(file_index, "SETTLED_S", 0.0):
        world = World(Path(folder))
        chance = random.Random(0)
        for action in ["nothing", "compress", "rotate", "limit"]:
            world.act(action, chance)
            world.tick()
            assert world.answer("on")[0] == world.answer("off")[0], action
