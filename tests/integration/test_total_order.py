"""Total order and sorted values as a whole run: inputs of every kind, joins, blame, and the local engine."""

import gzip
import io
import random
import sys
from types import SimpleNamespace

import pytest

import mrframe
from mrframe import Job, RunOptions, collect, count, each, text, total
from mrframe.engines import inline
from mrframe.errors import JobError, UserCodeError
from mrframe.formats.output.writing import write_rows

TOTAL = Job(read=text, key="line", reduce=each, key_order="total")


@pytest.fixture
def log(tmp_path):
    chance = random.Random(3)
    path = tmp_path / "log.txt"
    path.write_text("".join(f"{chance.randrange(10**6):06} {'x' * 50}\n" for _ in range(4000)))
    return path


def expected(path):
    return [(line, None) for line in sorted(path.read_text().splitlines())]


@pytest.fixture
def rows_by_partition(monkeypatch):
    """The rows of each partition of the last run on the inline engine."""
    seen = []

    class Engine(inline.InlineEngine):
        def run(self, plan, on_progress):
            outcome = super().run(plan, on_progress)
            seen[:] = [done.report.records_out for done in outcome.done if done.split is None]
            return outcome

    monkeypatch.setattr(inline, "InlineEngine", Engine)
    return seen


def test_partitions_share_the_work(log, rows_by_partition):
    with mrframe.run(TOTAL, [str(log)], RunOptions(engine="inline", partitions=4)) as result:
        assert list(result) == expected(log)
    assert sum(rows_by_partition) == 4000
    assert max(rows_by_partition) < 2000


def test_one_frequent_key_among_few_does_not_fill_all_partitions(tmp_path, rows_by_partition):
    path = tmp_path / "hot.txt"
    path.write_text("hot\n" * 500 + "a\nz\n" * 20)
    with mrframe.run(TOTAL, [str(path)], RunOptions(engine="inline", partitions=9, splits=4)) as result:
        assert list(result) == expected(path)
    assert len([rows for rows in rows_by_partition if rows]) > 1


def test_an_empty_file_has_no_rows_in_order(tmp_path):
    path = tmp_path / "empty.txt"
    path.write_bytes(b"")
    with mrframe.run(TOTAL, [str(path)], RunOptions(engine="inline", partitions=3)) as result:
        assert list(result) == []


def test_compressed_input_and_standard_input_are_sampled(log, tmp_path, monkeypatch, rows_by_partition):
    packed = tmp_path / "log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    options = RunOptions(engine="inline", partitions=4)
    with mrframe.run(TOTAL, [str(packed)], options) as result:
        assert list(result) == expected(log)
    assert max(rows_by_partition) < 2000
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(log.read_bytes())))
    with mrframe.run(TOTAL, ["-"], options) as result:
        assert list(result) == expected(log)
    assert max(rows_by_partition) < 2000


def test_the_sample_is_not_counted_and_its_failures_are_the_runs(log):
    seen = []

    def each_line(line):
        mrframe.increment("lines")
        seen.append(line)
        yield line, 1

    job = Job(read=text, map=each_line, reduce=count, key_order="total")
    with mrframe.run(job, [str(log)], RunOptions(engine="inline", partitions=3)) as result:
        assert result.counters == {"lines": 4000}
        assert result.summary.records == 4000
    assert len(seen) > 4000, "the sample has run the map, too"

    def failing(line):
        yield 1 // (line < "9"), 1

    with pytest.raises(UserCodeError) as caught:
        mrframe.run(
            Job(read=text, map=failing, reduce=count, key_order="total"), [str(log)], RunOptions(partitions=3)
        )
    assert caught.value.record.startswith(b"9")


def records(some):
    for record in some:
        yield record.line, 1


@pytest.mark.parametrize(
    "grain",
    [{"map_split": records, "fields": ("line",)}, {"map": lambda line: [(line, 1)]}],
    ids=["map_split", "map"],
)
def test_every_grain_of_map_is_sampled(log, rows_by_partition, grain):
    job = Job(read=text, **grain, where=lambda line: line < "5", reduce=count, key_order="total")
    with mrframe.run(job, [str(log)], RunOptions(engine="inline", partitions=4)) as result:
        assert [key for key, _ in result] == sorted({line for line, _ in expected(log) if line < "5"})
    assert max(rows_by_partition) < 1200


@pytest.mark.parametrize(("value", "name"), [({1}, "set"), (float("nan"), "NaN"), (["a"], "list")])
def test_values_without_an_order_are_refused_by_name(log, value, name):
    job = Job(read=text, map=lambda line: [(line, value)], reduce=collect, sort_values=True)
    with pytest.raises(UserCodeError, match=rf"sort_values=True.*{name}"):
        mrframe.run(job, [str(log)], RunOptions(engine="inline"))


def test_a_key_with_more_values_than_memory_is_a_stream(tmp_path, monkeypatch):
    from mrframe.task.map import map_output

    monkeypatch.setattr(map_output, "SPILL_CHECK_BYTES", 1)
    path = tmp_path / "x.txt"
    path.write_text("".join(f"{i * 7919 % 100_003:08}\n" for i in range(100_003)))

    def by_nothing(line):
        yield "hot", line

    def ascending(key, values):
        before, number = "", 0
        for value in values:
            assert before <= value
            before, number = value, number + 1
        yield key, (number, before)

    job = Job(read=text, map=by_nothing, reduce=ascending, sort_values=True)
    with mrframe.run(job, [str(path)], RunOptions(engine="inline", memory_bytes=1 << 20, splits=3)) as result:
        assert list(result) == [("hot", (100_003, "00100002"))]
        assert result.summary.spills >= 3


CONTRADICTIONS = [
    ({"reduce": total, "sort_values": True}, "any order"),
    ({"reduce": {"n": total}, "sort_values": True}, "any order"),
    ({"reduce": dict, "combine": dict, "sort_values": True}, "combine="),
    ({"reduce": dict, "sort_values": 1}, "neither True nor False"),
    ({"reduce": dict, "key_order": "sorted"}, "neither"),
    ({"reduce": dict, "key_order": "total", "partition": len}, "partition="),
]


@pytest.mark.parametrize(("parts", "said"), CONTRADICTIONS)
def test_parts_that_contradict_each_other_are_refused(parts, said):
    with pytest.raises(JobError, match=said):
        Job(read=text, map=lambda line: [(line, 1)], **parts)


def by_head(line):
    yield line[:2], line


def listed(key, values):
    yield key, list(values)


SORTED_VALUES = Job(read=text, map=by_head, reduce=listed, key_order="total", sort_values=True)


@pytest.mark.parametrize("job", [TOTAL, SORTED_VALUES], ids=["total order", "sorted values"])
@pytest.mark.parametrize("shuffle", ["auto", "zmq"])
def test_the_local_engine_gives_the_same(log, job, shuffle):
    with mrframe.run(job, [str(log)], RunOptions(engine="inline")) as result:
        rows = list(result)
    options = RunOptions(engine="local", nodes=2, partitions=4, splits=5, shuffle=shuffle)
    with mrframe.run(job, [str(log)], options) as result:
        assert list(result) == rows


@pytest.mark.parametrize(
    "job",
    [TOTAL, Job(read=text, key="line", reduce=count), Job(read=text, key="file", value="line", reduce=collect)],
    ids=["total order", "count", "collect"],
)
@pytest.mark.parametrize("form", ["text", "jsonl", "tsv"])
def test_rows_blocks_and_the_written_form_agree(log, job, form):
    with mrframe.run(job, [str(log)], RunOptions(engine="inline", partitions=3)) as result:
        rows = list(result)
        assert [row for block in result.blocks() for row in zip(*block, strict=True)] == rows
        one, other = io.BytesIO(), io.BytesIO()
        result.write(one, form)
        write_rows(rows, other, form, columns=result.columns)
        assert one.getvalue() == other.getvalue()


ODD_LINES = [b"caf\xe9", b"\xed\xa0\x80", "\ud7a3\ue000é".encode(), b"a\tb", b"nul\0nul", b""]


@pytest.mark.parametrize("lines", [ODD_LINES, ODD_LINES[2:4]], ids=["bytes", "text alone"])
def test_text_that_was_no_utf_8_is_written_as_it_was(tmp_path, lines):
    path = tmp_path / "bytes.txt"
    path.write_bytes(b"\n".join([*lines, b""]))
    with mrframe.run(TOTAL, [str(path)], RunOptions(engine="inline", partitions=2)) as result:
        out = io.BytesIO()
        result.write(out, "text")
    assert out.getvalue().split(b"\n")[:-1] == sorted(lines, key=lambda line: line.decode("utf-8", "surrogateescape"))
