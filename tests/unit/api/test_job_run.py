"""`mrframe.run` on the inline engine: inputs of every kind, the ledger, malformed lines, limits, results."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import sys

import pytest

import mrframe
from mrframe import Job, RunOptions, count, json_lines, logs, text, top
from mrframe.core.model.reports import Ledger
from mrframe.core.model.spec import ReduceOrder
from mrframe.engines import inline
from mrframe.engines.history import summary
from mrframe.errors import (
    FormatError,
    InputError,
    JobError,
    LedgerUnbalanced,
    TooManyMalformed,
    UnknownField,
    UsageError,
)

INLINE = RunOptions(engine="inline")
GOOD = '192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /a?q=1 HTTP/1.1" {} 12 "-" "curl"\n'


def log(*statuses):
    return "".join(GOOD.format(s) if s else "garbage\n" for s in statuses).encode()


BY_STATUS = Job(read=logs.combined, key="status", reduce=count)


@pytest.fixture
def access(tmp_path):
    path = tmp_path / "access.log"
    path.write_bytes(log(*[200] * 10, 404, 0, 200))
    return path


@pytest.fixture
def packed(tmp_path, access):
    path = tmp_path / "sub" / "access.log.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(access.read_bytes()))
    return path


@pytest.mark.usefixtures("packed")
@pytest.mark.parametrize("name", ["access.log", "sub/access.log.gz", "sub", "sub/*.gz"])
def test_plain_and_compressed_files_folders_and_globs_give_the_same(tmp_path, name):
    with mrframe.run(BY_STATUS, [str(tmp_path / name)], INLINE) as result:
        assert list(result) == [(200, 11), (404, 1)]
        assert result.summary.malformed == 1


def test_a_plain_and_a_compressed_file_are_counted_together(access, packed):
    with mrframe.run(BY_STATUS, [str(access), str(packed)], INLINE) as result:
        assert list(result) == [(200, 22), (404, 2)]


@pytest.mark.parametrize("name", ["access", "packed"])
def test_standard_input_may_be_plain_or_compressed(request, monkeypatch, name):
    content = request.getfixturevalue(name).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with mrframe.run(BY_STATUS, ["-"], INLINE) as result:
        assert list(result) == [(200, 11), (404, 1)]
        assert [(s.source, s.line) for s in result.summary.samples] == [("-", 12)]


@pytest.mark.parametrize("split_bytes", [1, 100, 1 << 20])
def test_malformed_lines_are_counted_sampled_and_kept(tmp_path, access, split_bytes):
    rejects = tmp_path / "rejects.jsonl"
    options = RunOptions(engine="inline", split_bytes=split_bytes)
    with mrframe.run(BY_STATUS, [str(access)], options, rejects=str(rejects)) as result:
        assert result.summary.malformed == 1
        sample = result.summary.samples[0]
        assert (sample.line, sample.text) == (12, "garbage")
        assert sample.offset == access.read_bytes().index(b"garbage")
        rows = [json.loads(line) for line in rejects.read_text().splitlines()]
        assert rows == [
            {
                "source": str(access),
                "line": 12,
                "offset": sample.offset,
                "reason": sample.reason,
                "text": "garbage",
            }
        ]


@pytest.mark.parametrize("max_bad", ["1", "8%"])
def test_as_many_malformed_lines_as_allowed_are_accepted(access, max_bad):
    with mrframe.run(BY_STATUS, [str(access)], dataclasses.replace(INLINE, max_bad=max_bad)) as result:
        assert result.summary.malformed == 1


@pytest.mark.parametrize("max_bad", ["0", "7%"])
def test_one_malformed_line_too_many_fails_the_job(access, max_bad):
    with pytest.raises(TooManyMalformed, match="1 of 13 lines"):
        mrframe.run(BY_STATUS, [str(access)], dataclasses.replace(INLINE, max_bad=max_bad))


def test_a_limit_of_malformed_lines_that_is_no_number_is_refused(access):
    with pytest.raises(UsageError, match="max_bad"):
        mrframe.run(BY_STATUS, [str(access)], dataclasses.replace(INLINE, max_bad="some"))


def test_a_file_of_which_no_line_matches_is_refused(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(b"hello\n" * 2000)
    with pytest.raises(TooManyMalformed, match=r"none of the first 1,000 lines .*\nformat: combined, named by"):
        mrframe.run(BY_STATUS, [str(path)], dataclasses.replace(INLINE, max_bad="100%"))
    with pytest.raises(FormatError, match="no known log format"):
        mrframe.run(Job(read=logs.access, key="status", reduce=count), [str(path)], INLINE)


@pytest.mark.parametrize("key", ["status", "path", "agent", "line", "hour"])
def test_the_counts_do_not_depend_on_the_question(access, key):
    with mrframe.run(Job(read=logs.combined, key=key, reduce=count), [str(access)], INLINE) as result:
        assert (result.summary.records, result.summary.malformed) == (12, 1)


def test_a_byte_order_mark_is_a_class_of_its_own(tmp_path):
    path = tmp_path / "bom.txt"
    path.write_bytes(b"\xef\xbb\xbfa\nb\n")
    with mrframe.run(Job(read=text, key="line", reduce=count), [str(path)], INLINE) as result:
        assert list(result) == [("a", 1), ("b", 1)]
        assert result.summary.ledger["bom_bytes"] == 3


def test_a_ledger_that_does_not_balance_is_an_error_and_no_answer(access, monkeypatch):
    def lossy(self, other):
        self.bytes_in += other.bytes_in
        self.parsed_bytes += other.parsed_bytes - 1

    monkeypatch.setattr(Ledger, "add", lossy)
    with pytest.raises(LedgerUnbalanced):
        mrframe.run(BY_STATUS, [str(access)], INLINE)


def test_a_split_that_no_task_has_read_is_noticed(access, monkeypatch):
    maps = summary.input_maps
    monkeypatch.setattr(summary, "input_maps", lambda done: maps(done)[1:])
    with pytest.raises(LedgerUnbalanced):
        mrframe.run(BY_STATUS, [str(access)], RunOptions(engine="inline", splits=3))


def test_nested_fields_of_json_are_keys_and_an_unknown_one_is_refused(tmp_path):
    path = tmp_path / "app.jsonl"
    path.write_text('{"level": "info", "http": {"status": 200}}\n{"level": "error"}\n[1]\n')
    options = dataclasses.replace(INLINE, max_bad="1")
    nested = Job(read=json_lines, key="status", fields={"status": "http.status"}, reduce=count)
    with mrframe.run(nested, [str(path)], options) as result:
        assert list(result) == [(None, 1), (200, 1)]
        assert result.summary.malformed == 1
    with pytest.raises(UnknownField, match="did you mean 'level'"):
        mrframe.run(Job(read=json_lines, key="levle", reduce=count), [str(path)], options)


def test_counters_are_counted_once(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("a\nb\n")

    def each(line):
        mrframe.increment("lines")
        yield line, 1

    with mrframe.run(Job(read=text, map=each, reduce=count), [str(path)], RunOptions(engine="inline", splits=2)) as r:
        assert r.counters == {"lines": 2}


def test_a_record_that_is_left_out_counts_in_no_counter(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("a\nbad\nb\n")

    def each(line):
        mrframe.increment("lines")
        if line == "bad":
            mrframe.increment("only of the bad one")
            raise ValueError(line)
        yield line, 1

    options = RunOptions(engine="inline", max_failed="1")
    with mrframe.run(Job(read=text, map=each, reduce=count), [str(path)], options) as r:
        assert list(r) == [("a", 1), ("b", 1)]
        assert r.counters == {"lines": 2}


def test_log_format_overrides_the_job(access):
    job = Job(read=logs.common, key="status", reduce=count)
    with mrframe.run(job, [str(access)], dataclasses.replace(INLINE, log_format="combined")) as result:
        assert list(result) == [(200, 11), (404, 1)]
    with pytest.raises(UsageError, match="does not apply"):
        mrframe.run(
            Job(read=text, key="line", reduce=count),
            [str(access)],
            dataclasses.replace(INLINE, log_format="combined"),
        )


def test_missing_inputs_and_unknown_options_are_refused(tmp_path):
    with pytest.raises(InputError):
        mrframe.run(BY_STATUS, [str(tmp_path / "no*.log")], INLINE)
    with pytest.raises(InputError):
        mrframe.run(BY_STATUS, [], INLINE)
    with pytest.raises(JobError):
        mrframe.run(BY_STATUS, [str(tmp_path)], INLINE, job_options={"limit": 3})


@pytest.mark.parametrize(
    "job",
    [BY_STATUS, BY_STATUS.then(top(3)), Job(read=logs.access, key="status", reduce=count)],
    ids=["one step", "two steps", "any format"],
)
def test_an_empty_file_gives_an_empty_answer(tmp_path, job):
    path = tmp_path / "empty.log"
    path.write_bytes(b"")
    with mrframe.run(job, [str(path)], INLINE) as result:
        assert list(result) == []


def test_rows_can_be_read_again_until_the_result_is_closed(access, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    result = mrframe.run(BY_STATUS, [str(access)], RunOptions(engine="inline", scratch_dir=str(scratch)))
    assert list(result) == list(result.rows())
    assert list(scratch.iterdir()) == [], "small output is in memory: nothing is left on the disk"
    result.close()


def test_large_output_is_read_from_the_disk(access, tmp_path, monkeypatch):
    from mrframe.api import result as api_result

    monkeypatch.setattr(api_result, "HELD_BYTES_MAX", 0)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with mrframe.run(BY_STATUS, [str(access)], RunOptions(engine="inline", scratch_dir=str(scratch))) as result:
        assert list(result) == [(200, 11), (404, 1)]
        assert list(scratch.iterdir())
    assert list(scratch.iterdir()) == []


def as_number(line):
    yield int(line), 1


@pytest.fixture
def fifty(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("".join(f"{i}\n" for i in range(50)))
    return path


@pytest.mark.parametrize("partition", [lambda key, n: key % n, lambda key, n: 0], ids=["modulo", "all in one"])
def test_a_partitioner_of_the_job_changes_no_row(fifty, partition):
    job = Job(read=text, map=as_number, reduce=count, partition=partition)
    with mrframe.run(job, [str(fifty)], RunOptions(engine="inline", partitions=3)) as result:
        assert list(result) == [(i, 1) for i in range(50)]


def test_a_partition_beyond_the_last_is_refused_with_its_key(fifty):
    job = Job(read=text, map=as_number, reduce=count, partition=lambda key, n: n)
    with pytest.raises(mrframe.MrframeError, match="gave 3 for the key"):
        mrframe.run(job, [str(fifty)], RunOptions(engine="inline", partitions=3))


def test_spilling_gives_the_same_answer(tmp_path, monkeypatch):
    from mrframe.task.map import map_output

    monkeypatch.setattr(map_output, "SPILL_CHECK_BYTES", 1)
    path = tmp_path / "x.txt"
    path.write_text("".join(f"{i % 977} {i}\n" for i in range(200_000)))

    def each(line):
        key, value = line.split()
        yield int(key), int(value)

    def first_and_last(key, values):
        values = list(values)
        yield key, (values[0], values[-1], sum(values))

    job = Job(read=text, map=each, reduce=first_and_last)
    answers = []
    for memory_bytes in (1 << 16, 256 << 20):
        with mrframe.run(job, [str(path)], RunOptions(engine="inline", memory_bytes=memory_bytes)) as result:
            answers.append(list(result))
            spilled = result.summary.spills
            assert (spilled > 0) == (memory_bytes < 1 << 20)
    assert answers[0] == answers[1]


def test_partitions_without_pairs_are_reduced_once_for_all(access, monkeypatch):
    """Few keys in many partitions, as of a job over many gigabytes."""
    reduced, run_loaded = [], inline.run_loaded

    def noted(job, order, reporter, causes):
        reduced.extend([order.sources] if isinstance(order, ReduceOrder) else [])
        return run_loaded(job, order, reporter, causes)

    monkeypatch.setattr(inline, "run_loaded", noted)
    options = RunOptions(engine="inline", partitions=50)
    with mrframe.run(BY_STATUS, [str(access)], options) as result:
        assert list(result) == [(200, 11), (404, 1)]
        assert (result.summary.tasks, result.summary.partitions) == (51, 50)
    assert len(reduced) == 3
    assert reduced.count(()) == 1
