"""Each kind of job takes the path of its row, and the documentation shows the tables of the code."""

from pathlib import Path

import pytest

from mrframe import Job, Reader, collect, count, distinct, each, json_lines, logs, text, total, words
from mrframe.core.model.spec import MIB, Split
from mrframe.kernel import compiled
from mrframe.task.code.settings import TaskSettings
from mrframe.task.map import kernel_fold
from mrframe.task.map.path import BUFFERS, PATHS, choose, choose_buffer

DOCS = Path(__file__).parents[4] / "docs" / "performance.md"
LARGE, SMALL = (Split("file", "log", "/log", 0, size, (0, 0)) for size in (4 * MIB, 4 * MIB - 1))


def table(*rows):
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


def test_the_documentation_shows_the_tables_of_the_code():
    paths = [(row.name, row.when, row.columns, row.pairs) for row in PATHS]
    buffers = [(row.name, row.when) for row in BUFFERS]
    shown = DOCS.read_text()
    assert table(("path", "when", "columns", "into the buffer"), *paths) in shown
    assert table(("buffer of pairs", "when"), *buffers) in shown


def by_host_and_status(host, status):
    yield (host, status), 1


def true(status):
    yield status, True


def by_line(line):
    if line:
        yield line, 1


def not_empty(word):
    return word != ""


def combine(key, values):
    yield key, sum(values)


def whole(records):
    yield "n", sum(1 for _ in records)


def own_reduce(key, values):
    yield key, list(values)


def whole_line(line):
    yield line, None


PAIRS = "PairBuffer" if compiled() is None else "TextPairBuffer"
BATCH = {"map_batch": lambda table: table, "fields": ("line",)}
CASES = {
    "words, where": (Job(read=words, key="word", where=not_empty, reduce=count), "pairs", "KernelPairsBuffer"),
    "offset has no raw form": (Job(read=text, key="offset", reduce=count), "pairs", "KernelPairsBuffer"),
    "a called map": (Job(read=text, map=by_line, reduce=total), "pairs", "KernelPairsBuffer"),
    "sorted values": (Job(read=text, map=by_line, reduce=collect, sort_values=True), "pairs", PAIRS),
    "collect": (Job(read=text, map=by_line, reduce=collect), "pairs", "FoldBuffer"),
    "a combiner": (Job(read=text, map=by_line, combine=combine, reduce=own_reduce), "pairs", "CombineBuffer"),
    "a reduce": (Job(read=text, map=by_line, reduce=own_reduce), "pairs", PAIRS),
    "map_split": (Job(read=text, map_split=whole, fields=("line",), reduce=total), "split", "KernelPairsBuffer"),
}


LINES = {
    "each": Job(read=text, key="line", reduce=each),
    "in total order": Job(read=text, key="line", reduce=each, key_order="total"),
    "a map and a reduce": Job(read=text, map=whole_line, reduce=own_reduce),
    "sorted values": Job(read=text, map=whole_line, reduce=own_reduce, sort_values=True),
}
NO_LINES = {
    "a value": Job(read=text, key="line", value="offset", reduce=each),
    "a filter": Job(read=text, key="line", where=lambda line: line, reduce=each),
    "a fold": Job(read=text, map=whole_line, reduce=collect),
    "a partition": Job(read=text, key="line", reduce=each, partition=lambda key, n: 0),
    "words": Job(read=words, key="word", reduce=each),
    "a combiner": Job(read=text, map=whole_line, combine=combine, reduce=own_reduce),
}


@pytest.mark.parametrize("job", LINES.values(), ids=LINES)
def test_whole_lines_are_sorted_by_the_kernel(job):
    assert found(job) == (("pairs", PAIRS) if compiled() is None else ("lines", "LineBuffer"))
    assert found(job, guarded=True)[0] == "guarded"
    assert found(job, hash_seed=1) == (found(job) if job.key_order == "total" else ("pairs", "PairBuffer"))


@pytest.mark.parametrize("job", NO_LINES.values(), ids=NO_LINES)
def test_other_pairs_are_not_taken_for_whole_lines(job):
    assert found(job)[0] != "lines"


FOLDED = {
    "words": Job(read=words, key="word", reduce=count),
    "status": Job(read=logs.common, key="status", reduce=count),
    "two fields": Job(read=logs.common, key=("status", "path"), reduce=count),
    "a tuple of one field": Job(read=logs.common, key=("path",), reduce=count),
    "a map that counts": Job(read=logs.combined, map=by_host_and_status, reduce=total),
    "sizes": Job(read=logs.combined, key="path", value="size", reduce={"hits": count, "bytes": total}),
    "hosts": Job(read=logs.combined, key="hour", value="host", reduce=distinct),
}
NOT_FOLDED = {
    "where": Job(read=logs.combined, key="path", where=lambda path: path, reduce=count),
    "bools are added as such": Job(read=logs.combined, map=true, reduce=total),
    "words that are collected": Job(read=words, key="word", value="word", reduce=collect),
    "times are no text": Job(read=logs.combined, key="path", value="time", reduce=distinct),
    "texts are not added": Job(read=logs.combined, key="path", value="host", reduce=total),
    "a number that is not used may be bad": Job(read=logs.combined, key="path", value="size", reduce=count),
    "more reducers than a table has": Job(read=words, key="word", reduce={f"n{i}": count for i in range(33)}),
    "more fields than a key has": Job(read=logs.combined, key=("path", "host", "size") * 11, reduce=count),
    "the place of a line": Job(read=logs.combined, key="offset", reduce=count),
}
needs_kernel = pytest.mark.skipif(compiled() is None, reason="no kernel is installed")


def found(job, split=LARGE, *, hash_seed=0, **more):
    path = choose(job, split, TaskSettings(job.read, hash_seed=hash_seed), **more)
    return path.name, type(path.buffer).__name__


@pytest.mark.parametrize("case", CASES)
def test_a_job_takes_the_path_of_its_row(case):
    job, *expected = CASES[case]
    if compiled() is None and expected[1] == "KernelPairsBuffer":
        expected[1] = "FoldBuffer"
    assert found(job, SMALL) == tuple(expected)


@needs_kernel
@pytest.mark.parametrize("case", FOLDED)
def test_picked_fields_are_folded_in_the_kernel(case):
    assert found(FOLDED[case], SMALL) == ("kernel", "KernelFoldBuffer")


@needs_kernel
@pytest.mark.parametrize("case", NOT_FOLDED)
def test_all_else_is_not(case):
    assert found(NOT_FOLDED[case])[0] != "kernel"


@needs_kernel
def test_the_limits_of_a_plan_are_those_of_the_table():
    assert {compiled().AGGREGATES_MAX, compiled().KEY_COLUMNS_MAX} == {kernel_fold.COLUMNS_MAX}


@needs_kernel
def test_the_kernel_is_not_used_where_it_may_not_be():
    path = choose(FOLDED["status"], LARGE, TaskSettings(logs.common, fast=False))
    assert path.name == "pairs"


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (Job(read=text, **BATCH, reduce=collect), ("batches", "FoldBuffer")),
        pytest.param(Job(read=text, **BATCH, reduce=total), ("batches", "KernelPairsBuffer"), marks=needs_kernel),
        (Job(read=text, **BATCH, where=lambda line: line, reduce=own_reduce), ("batches", PAIRS)),
        (Job(read=json_lines, **BATCH, reduce=own_reduce), ("batches", PAIRS)),
    ],
)
def test_a_job_over_batches_takes_the_path_of_its_row(job, expected):
    pytest.importorskip("pyarrow")
    assert found(job) == expected


@needs_kernel
def test_tables_are_folded_in_the_kernel_by_the_reducers_that_it_has():
    pytest.importorskip("pyarrow")
    job = Job(read=text, **BATCH, reduce={"n": count, "sum": total})
    assert found(job, SMALL) == ("batches", "KernelPairsBuffer")
    assert found(job, SMALL, guarded=True) == ("batches", "FoldBuffer")
    assert type(choose(job, SMALL, TaskSettings(text, fast=False)).buffer).__name__ == "FoldBuffer"


def test_a_guarded_attempt_maps_record_by_record_unless_no_code_of_the_job_runs():
    assert found(CASES["a called map"][0], guarded=True)[0] == "guarded"
    assert found(FOLDED["status"], guarded=True)[0] == "guarded"
    assert found(CASES["map_split"][0], guarded=True)[0] == "split"


@pytest.mark.parametrize(
    "job",
    [
        Job(read=text, map=by_line, reduce={"n": count, "hosts": distinct, "bytes": total}),
        Job(read=text, map=by_line, reduce={"n": count, "all": collect}),
        Job(read=text, map=by_line, reduce=total, key_order="total"),
        Job(read=text, map=by_line, reduce=total, partition=lambda key, n: 0),
    ],
    ids=["values of two types", "no such reducer", "ranges of keys", "own partitions"],
)
def test_pairs_that_the_kernel_cannot_fold_or_part_are_folded_in_python(job):
    assert found(job) == ("pairs", "FoldBuffer")


@needs_kernel
@pytest.mark.parametrize("more", [{"fast": False}, {"hash_seed": 5}], ids=["fast=False", "hash seed"])
def test_pairs_are_folded_in_the_kernel_only_where_they_may_be(more):
    path = choose(CASES["a called map"][0], LARGE, TaskSettings(text, **more))
    assert type(path.buffer).__name__ == "FoldBuffer"


@needs_kernel
def test_pairs_of_a_step_before_are_folded_in_the_kernel():
    job = Job(read=Reader("pairs"), key="key", reduce=count)
    assert type(choose_buffer(job, TaskSettings(job.read))).__name__ == "KernelPairsBuffer"
