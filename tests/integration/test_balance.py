"""Real maps and reduces: each reduce says what it has read, which is what its maps made, or there is no answer."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mrframe
from mrframe import Job, RunOptions, collect, count, each, text, top, total, words
from mrframe.core.model.spec import MapOrder, ReduceOrder, Split
from mrframe.engines import inline, stages
from mrframe.errors import ShuffleUnbalanced
from mrframe.shuffle.run_file.run_writer import RunWriter
from mrframe.task.attempt import run_loaded
from mrframe.task.code.package import loaded
from mrframe.task.code.settings import Saving, TaskSettings
from mrframe.task.isolation import surroundings
from mrframe.task.isolation.progress_page import ProgressPage
from mrframe.task.isolation.record_guard import RecordGuard
from mrframe.task.map.pair_map_task import PairMapTask

ROOT = Path(__file__).parents[2]


def by_word(line):
    for number, word in enumerate(line.split()):
        yield word, number


def mixed(line):
    for word in line.split():
        yield word, 1
        yield len(word), 1


def some(key, values):
    for value in values:
        yield key, value
        break  # the others are passed over, and are read all the same


def pairs(key, left, right):
    yield key, (len(left), len(list(right)))


FORMS = {
    "ready": Job(read=text, map=by_word, reduce=total),
    "collect": Job(read=text, map=by_word, reduce=collect),
    "function": Job(read=text, map=by_word, reduce=some),
    "combiner": Job(read=text, map=by_word, combine=some, reduce=some),
    "sorted values": Job(read=text, map=by_word, reduce=some, sort_values=True),
    "declared": Job(read=words, key="word", reduce=count),
    "each": Job(read=text, key="line", reduce=each),
    "total order": Job(read=text, key="line", reduce=each, key_order="total"),
    "steps": Job(read=text, map=by_word, reduce=total).then(top(3)),
    "keys of several types": Job(read=text, map=mixed, reduce=total),
    "join": Job(read={"a": text, "b": text}, map={"a": by_word, "b": by_word}, reduce=pairs),
}


@pytest.fixture
def log(tmp_path):
    lines = [f"{i * 7 % 50} w{i * 11 % 300} word-{i % 900} longer-than-eight-{i % 40}\n" for i in range(4000)]
    (tmp_path / "log").write_text("".join(lines))
    return str(tmp_path / "log")


@pytest.fixture
def judged(monkeypatch):
    """The reports of the reduces that the inline engine has judged."""
    reports = []
    real = stages.shuffle_mismatch

    def shuffle_mismatch(made, report):
        reports.append(report)
        assert report.read == made
        return real(made, report)

    monkeypatch.setattr(stages, "shuffle_mismatch", shuffle_mismatch)
    return reports


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_reduce_reports_the_pairs_it_has_read(form, log, judged):
    inputs = {"a": [log], "b": [log]} if form == "join" else [log]
    options = RunOptions(engine="inline", partitions=3, splits=4, memory_bytes=1 << 20)
    with mrframe.run(FORMS[form], inputs, options) as result:
        assert list(result)
    assert len(judged) >= 3
    assert sum(pairs for pairs, _ in (report.read for report in judged)) > 100


@pytest.mark.parametrize("form", ["ready", "each", "total order"])
def test_a_swapped_source_with_the_same_number_of_pairs_is_noticed(form, tmp_path, monkeypatch):
    """Splits of the same words with other values: no number shows it, and every checksum is right."""
    real = inline.run_loaded

    def run_loaded(job, order, reporter, *more):
        if isinstance(order, ReduceOrder) and len(order.sources) > 1:
            order = dataclasses.replace(order, sources=(order.sources[0], *order.sources[:-1]))
        return real(job, order, reporter, *more)

    monkeypatch.setattr(inline, "run_loaded", run_loaded)
    (tmp_path / "log").write_text("one two\ntwo one\n")
    options = RunOptions(engine="inline", partitions=1, splits=2)
    with pytest.raises(ShuffleUnbalanced, match=r"job-1/r0000: its maps made (\d) pairs .* it read \1 pairs"):
        mrframe.run(FORMS[form], [str(tmp_path / "log")], options)


JOB = """
import sys
from mrframe import Job, count, distinct, each, mean, text, total

class Own:
    def __init__(self, value):
        self.held = frozenset(value)

def words(line):
    for word in line.split():
        yield word, word

def numbers(line):
    for word in line.split():
        yield word, len(word) / 7

def tables(line):
    for word in set(line.split()):
        yield line[:3], {word: 1 for word in set(line.split())}

def own(line):
    yield line[:3], Own(line.split())

def last(key, values):
    *_, value = values
    yield key, str(value)

jobs = {
    "words": Job(read=text, map=words, reduce=last),
    "numbers": Job(read=text, map=numbers, reduce=mean),
    "distinct": Job(read=text, map=words, reduce=distinct),
    "each": Job(read=text, key="line", reduce=each),
    "tables": Job(read=text, map=tables, reduce=last),
    "own": Job(read=text, map=own, reduce=last),
}
"""
MAP = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import made
from mrframe.core.model.spec import MapOrder, Split
from mrframe.task.attempt import run_loaded
from mrframe.task.isolation.progress_page import ProgressPage
from mrframe.task.isolation.record_guard import RecordGuard
from mrframe.task.code.package import loaded
from mrframe.task.code.settings import TaskSettings

class Silent:
    def beat(self, records, bytes_done): pass

found = {}
for name, job in made.jobs.items():
    path = f"{sys.argv[1]}/{'long' if name == 'distinct' else 'log'}"
    split = Split("file", "log", path, 0, os.path.getsize(path), (0, 0))
    settings = TaskSettings(job.read, memory_bytes=200_000)
    order = MapOrder("job-1/m0000.1.1", 0, split, 5, f"{sys.argv[1]}/out-{os.getpid()}-{name}", ())
    report = run_loaded(loaded(job, settings), order, Silent())
    found[name] = [report.fixed, report.spills, sorted(report.digests.items())]
print(json.dumps(found))
"""


def test_deterministic_values_have_the_same_digest_in_every_process(tmp_path, log):
    lines = Path(log).read_text()
    for name, times in ("log", 14), ("long", 34):  # more than is looked at between two spills, and so where one folds
        (tmp_path / name).write_text(lines * times)
    (tmp_path / "made.py").write_text(JOB)
    found = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", MAP, str(tmp_path)]
        found.append(json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout))
    one, other = found
    for name in ("words", "numbers", "distinct", "each"):
        assert one[name] == other[name], name
        assert one[name][0], name
        assert one[name][1] or name == "numbers", f"{name} has not spilled"
    for name in ("tables", "own"):
        assert not one[name][0], name
        assert one[name][2] != other[name][2], f"{name} could be compared"


class Silent:
    def beat(self, records, bytes_done):
        pass

    def block_sealed(self, split):
        raise AssertionError(split)


def raising(line):
    yield line, 1 // (line != "0 w0 word-0 longer-than-eight-0")


def test_attempts_with_unrepeatable_spills_have_no_comparable_digest(log, tmp_path):
    size = os.path.getsize(log)

    def mapped(job, folder, **how):
        split = Split("file", "log", log, 0, size, (0, 0))
        order = MapOrder("job-1/m0000.1.1", 0, split, 2, str(tmp_path / folder), ())
        report = run_loaded(loaded(job, TaskSettings(job.read, **how)), order, Silent())
        assert sorted(report.digests) == [0, 1]
        return report

    plain = Job(read=text, map=raising, where=lambda line: line[:2] != "0 ", reduce=total)
    assert mapped(plain, "plain").fixed
    assert mapped(plain, "may leave out", max_failed=9).fixed, "it has found nothing to leave out"
    careful = mapped(dataclasses.replace(plain, where=None), "careful", max_failed=9)
    assert (careful.ledger.quarantined > 0, careful.fixed) == (True, False)

    saving = Saving(str(tmp_path / "saved"), "ab" * 20, "plain", known=True, surroundings=surroundings.digest())
    made, found = mapped(plain, "made", saving=saving), mapped(plain, "found", saving=saving)
    assert (made.saved, made.fixed, found.saved, found.fixed) == (False, True, True, False)
    assert made.digests == found.digests


def test_a_map_over_batches_has_no_comparable_digest(log, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")

    def batch(table):
        return pyarrow.table({"key": table["line"], "value": [1] * len(table)})

    job = Job(read=text, fields=("line",), map_batch=batch, reduce=total)
    order = MapOrder(
        "job-1/m0000.1.1", 0, Split("file", "log", log, 0, os.path.getsize(log), (0, 0)), 2, str(tmp_path / "out"), ()
    )
    report = run_loaded(loaded(job, TaskSettings(job.read)), order, Silent())
    assert (sorted(report.digests), report.fixed) == ([0, 1], False)


@pytest.mark.parametrize(
    ("memory_bytes", "careful", "fixed"), [(1 << 28, 0, True), (1, 0, False), (1 << 28, 1, False)]
)
def test_a_later_map_has_a_comparable_digest_unless_it_spills_or_is_careful(tmp_path, memory_bytes, careful, fixed):
    part = str(tmp_path / "part.mrf")
    with open(part, "wb") as file:
        writer = RunWriter(file, slots=1)
        writer.add_sorted(0, [([f"{n:05}"], [n]) for n in range(1000)])
        writer.close()
    job = Job(read=text, key="line", reduce=count).then(Job(map=lambda key, value: [(key, value)], reduce=some))
    settings = TaskSettings(job.read, memory_bytes=memory_bytes)
    order = MapOrder("job-1/m0001.1.1", 1, Split("pairs", "", "", 0, 0, (0, 0)), 1, str(tmp_path / "out"), (part,))
    guard = RecordGuard(ProgressPage(), 0, {}) if careful else None
    report = PairMapTask(loaded(job, settings).steps[1], order, settings, Silent(), guard=guard).run()
    assert (report.partitions[0][0], bool(report.spills), report.fixed) == (1000, memory_bytes == 1, fixed)
