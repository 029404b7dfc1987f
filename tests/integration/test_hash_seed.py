"""The seed of the hash: keys that are aimed at one partition are spread by it, and no answer changes."""

from __future__ import annotations

import io
import json
import shutil
from itertools import count as numbers
from itertools import islice

import pytest

import mrframe
from mrframe import Job, RunOptions, count, each, json_lines, text, top, total, words
from mrframe.core.model.spec import ReduceOrder
from mrframe.engines import inline
from mrframe.engines.plan.planning import SEEDS
from mrframe.errors import CorruptData, UsageError, UserCodeError
from mrframe.shuffle.partition import partition_of, slot_column
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter
from mrframe.store import file_index
from mrframe.task.code.package import loaded, pack, unpack
from mrframe.task.code.settings import TaskSettings
from mrframe.task.debug.capsule import Capsule, Group
from mrframe.task.debug.rerun import replay
from mrframe.task.reduce.reduce_task import ReduceTask

PARTITIONS = 8
BY_LINE = Job(read=text, key="line", reduce=count)


def aimed(number):
    """Keys that fall into the first of eight partitions under the usual hash: one in eight that are tried does."""
    tried = (f"/{i:x}" for i in numbers())
    return list(islice((key for key in tried if slot_column([key], "s", 256)[0] < 256 // PARTITIONS), number))


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "aimed.log"
    path.write_text("".join(f"{key}\n" for key in aimed(20_000)))
    return path


@pytest.fixture
def rows_by_partition(monkeypatch):
    """The rows of each partition of the last run on the inline engine."""
    rows = []

    class Engine(inline.InlineEngine):
        def run(self, plan, on_progress):
            outcome = super().run(plan, on_progress)
            rows[:] = [done.report.records_out for done in outcome.done if done.split is None]
            return outcome

    monkeypatch.setattr(inline, "InlineEngine", Engine)
    return rows


def run(job, inputs, **options):
    """(the rows as bytes, the summary)."""
    with mrframe.run(job, inputs, RunOptions(**{"engine": "inline", "partitions": PARTITIONS, **options})) as result:
        out = io.BytesIO()
        result.write(out, "jsonl")
        return out.getvalue(), result.summary


def skew(rows):
    return max(rows) * len(rows) / sum(rows)


@pytest.mark.parametrize(
    ("seed", "drawn"), [("4711", {4711}), ("random", range(1, SEEDS + 1))], ids=["given", "random"]
)
def test_a_seed_spreads_keys_that_are_aimed_at_one_partition(log, rows_by_partition, seed, drawn):
    usual, summary = run(BY_LINE, [str(log)])
    assert summary.hash_seed == 0
    assert skew(rows_by_partition) > 5
    got, summary = run(BY_LINE, [str(log)], hash_seed=seed)
    assert got == usual
    assert summary.hash_seed in drawn
    assert skew(rows_by_partition) <= 1.2


def test_a_random_seed_is_drawn_for_each_run_and_gives_its_bytes_again(log):
    seeds = {run(BY_LINE, [str(log)], hash_seed="random")[1].hash_seed for _ in range(3)}
    assert len(seeds) == 3
    assert all(run(BY_LINE, [str(log)], hash_seed=str(seed))[1].hash_seed == seed for seed in seeds)


def joined(key, left, right):
    yield key, (len(left), sum(1 for _ in right))


def by_key(key, value):
    yield key[:2], value


TWO = Job(
    read={"left": text, "right": json_lines},
    map={"left": lambda line: [(line, 1)], "right": lambda name: [(name, 1)]},
    reduce=joined,
)
JOBS = {
    "steps": (BY_LINE.then(Job(map=by_key, reduce=total)).then(top(7)), ""),
    "order": (Job(read=text, key="line", reduce=each, key_order="total"), ""),
    "own": (Job(read=text, key="line", reduce=count, partition=lambda key, n: len(key) % n), ""),
    "many": (BY_LINE, "300"),
    "join": (TWO, ""),
}


@pytest.mark.parametrize("name", JOBS)
def test_every_kind_of_job_gives_the_same_bytes_with_it(log, tmp_path, name):
    job, partitions = JOBS[name]
    inputs = [str(log)]
    if name == "join":
        users = tmp_path / "users.jsonl"
        users.write_text("".join(json.dumps({"name": key}) + "\n" for key in [*aimed(50), "/elsewhere"]))
        inputs = {"left": [str(log)], "right": [str(users)]}
    more = {"partitions": int(partitions or 4), "split_bytes": 30_000}
    usual = run(job, inputs, **more)[0]
    assert usual.count(b"\n") == (7 if name == "steps" else 20_001 if name == "join" else 20_000)
    assert run(job, inputs, hash_seed="99", **more)[0] == usual


def test_a_cluster_gives_what_one_process_gives(log):
    more = {"hash_seed": "99", "partitions": 3, "split_bytes": 30_000}
    job = BY_LINE.then(Job(map=by_key, reduce=total))
    inline_bytes, _ = run(job, [str(log)], **more)
    cluster_bytes, summary = run(job, [str(log)], engine="local", nodes=2, slots=1, **more)
    assert (cluster_bytes, summary.hash_seed, summary.engine) == (inline_bytes, 99, "local")


@pytest.mark.parametrize("read", [words, text])
def test_the_kernel_gives_the_same_partitions(tmp_path, rows_by_partition, read):
    """It has the slots of text from a formula of its own, for the usual hash, and leaves all others to Python."""
    path = tmp_path / "words"
    path.write_text("".join(f"{key}\n" for key in aimed(3000)) * 50)  # of several blocks
    job = Job(read=words, key="word", reduce=count) if read is words else Job(read=text, map=one_by_one, reduce=count)
    for seed in ("0", "5"):
        found = []
        for fast in ("auto", "off"):
            answer, _ = run(job, [str(path)], hash_seed=seed, fast=fast)
            found.append((answer, list(rows_by_partition)))
        assert found[0] == found[1]
    assert skew(rows_by_partition) < 1.5


def one_by_one(line):
    yield line, 1


def test_results_that_were_saved_with_another_seed_are_not_used(log, tmp_path, monkeypatch):
    monkeypatch.setattr(file_index, "SETTLED_S", 0.0)
    more = {"cache": "on", "cache_dir": str(tmp_path / "cache"), "split_bytes": 30_000}
    usual, made = run(BY_LINE, [str(log)], **more)
    assert made.saved_maps == 0
    for seed, before in (("5", 0), ("5", made.tasks - PARTITIONS), ("0", made.tasks - PARTITIONS), ("6", 0)):
        got, summary = run(BY_LINE, [str(log)], hash_seed=seed, **more)
        assert (got, summary.saved_maps, summary.hash_seed) == (usual, before, int(seed))


def test_a_package_carries_it_and_a_file_of_another_seed_is_refused(tmp_path):
    settings = TaskSettings(text, hash_seed=2**64 - 1)
    assert unpack(pack(BY_LINE, settings, None, {})).settings.hash_seed == 2**64 - 1
    path = tmp_path / "map.mrf"
    with open(path, "wb") as file:
        writer = RunWriter(file, slots=256, seed=6)
        writer.add_run(["a"], [1])
        writer.close()
    (tmp_path / "out").mkdir()
    slot = slot_column(["a"], "s", 256, 6)[0]
    order = ReduceOrder("job-1/r0000.1.1", 0, partition_of(slot, 256, 4), (str(path),), str(tmp_path / "out"), 4)
    with pytest.raises(CorruptData, match="written with the hash seed 6, and this job has 7"):
        ReduceTask(BY_LINE, order, 4, TaskSettings(text, hash_seed=7), None).run()


BAD = aimed(7)[-1]


def fail(key, values):
    if key == BAD:
        raise ValueError("no good")
    yield key, sum(values)


def test_a_key_on_which_the_code_fails_is_found_with_its_values(log, tmp_path):
    job = Job(read=text, map=one_by_one, reduce=fail)
    with pytest.raises(UserCodeError, match="no good") as failed:
        run(job, [str(log), *(shutil.copy(log, tmp_path / name) for name in "ab")], hash_seed="99")
    group = Group.unpack(failed.value.group)
    (file,) = group.files
    reader = RunReader(io.BytesIO(file), "group", unpickle=False)
    assert (reader.seed, reader.records) == (99, 3)
    job = loaded(job, TaskSettings(text, hash_seed=99))
    assert "no good" in replay(Capsule("no good", group=failed.value.group), job, str(tmp_path), None)


@pytest.mark.parametrize("wrong", ["-1", "x", "", str(2**64)])
def test_an_invalid_hash_seed_is_refused(log, wrong):
    with pytest.raises(UsageError, match="hash_seed"):
        run(BY_LINE, [str(log)], hash_seed=wrong)
