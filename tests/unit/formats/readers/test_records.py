"""Records of several lines, whatever the lengths of splits and blocks.

`testing/fuzz.py` holds them against a reader of single lines, too.
"""

from __future__ import annotations

import gzip
import io

import pytest

import mrframe
from mrframe.core.job.job import Job
from mrframe.core.settings.options import RunOptions
from mrframe.engines.datasets.block_cutter import cuts
from mrframe.errors import TooManyMalformed, UsageError
from mrframe.formats.detect import detect
from mrframe.formats.inputs import line_blocks, splits
from mrframe.formats.inputs.files import expand
from mrframe.formats.inputs.line_blocks import cut_stream, pieces
from mrframe.formats.readers.record_starts import RecordStarts
from mrframe.formats.registry import logs, reader_named, text
from mrframe.testing.fuzz import fuzz

FIRST = "2015-09-01 18:14:37,{:03d} ERROR [main] a.B: broken {}"
TRACE = "java.lang.IllegalStateException: 17\n\n\tat a.B.c(B.java:42)"
RECORDS = [FIRST.format(n, n) + ("\n" + TRACE if n % 3 else "") for n in range(40)]
LOG = ("\n".join(RECORDS) + "\n").encode()


def lines(offset, line, level):
    yield offset, (line, level)


def read(path, reader=None, **options):
    """[(offset, line)] of the records of a log, and the summary of the run."""
    job = Job(read=reader or logs.access, map=lines, reduce=mrframe.each)
    with mrframe.run(job, [str(path)], RunOptions(engine="inline", **options), keep=False) as result:
        return [(offset, line) for offset, (line, _) in result], result.summary


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "app.log"
    path.write_bytes(LOG)
    return path


@pytest.mark.parametrize("split_bytes", [1, 50, 51, 100, 777, 1 << 20])
def test_a_split_never_cuts_a_record(log, split_bytes):
    found, summary = read(log, split_bytes=split_bytes)
    assert [line for _, line in found] == RECORDS
    assert [offset for offset, _ in found] == [LOG.index(record.encode()) for record in RECORDS]
    assert (summary.lines, summary.malformed) == (LOG.count(b"\n"), 0)


@pytest.mark.parametrize("split_bytes", [50, 777])
def test_compressed_files_and_streams_have_the_same_cuts(log, split_bytes):
    starts = RecordStarts(r"\d{4}-")
    wanted = list(pieces(lambda at, count: LOG[at : at + count], len(LOG), split_bytes, starts))
    assert len(wanted) > 1
    for step in (1, 7, 500, 1 << 20):
        chunks = [LOG[at : at + step] for at in range(0, len(LOG), step)]
        found, start, at = [], 0, 0
        for data, ends in cut_stream(chunks, split_bytes, starts):
            at += len(data)
            if ends:
                found, start = [*found, (start, at - start)], at
        assert found + ([(start, at - start)] if at > start else []) == wanted
    packed = log.with_suffix(".gz")
    packed.write_bytes(gzip.compress(LOG))
    assert [line for _, line in read(packed, split_bytes=split_bytes)[0]] == RECORDS


def test_standard_input_is_cut_between_records(log, monkeypatch):
    class Stdin:
        buffer = io.BytesIO(LOG)

    monkeypatch.setattr("sys.stdin", Stdin)
    assert [line for _, line in read("-", split_bytes=50)[0]] == RECORDS


def test_a_file_that_has_grown_keeps_its_cuts():
    starts = RecordStarts(r"\d{4}-")
    for end in range(0, len(LOG), 97):
        before = list(pieces(lambda at, count, end=end: LOG[:end][at : at + count], end, 200, starts))
        after = list(pieces(lambda at, count: LOG[at : at + count], len(LOG), 200, starts))
        assert before[:-1] == after[: max(len(before) - 1, 0)]


def test_lines_of_no_record_are_malformed_each(log):
    log.write_bytes(b"banner\nof two lines\n" + LOG + b"\0\0\0after a hole\n\tat x\n" + LOG)
    for split_bytes in (1, 60, 1 << 20):
        found, summary = read(log, split_bytes=split_bytes)
        assert [line for _, line in found] == RECORDS * 2
        assert summary.malformed == 4
        assert [(one.line, one.text) for one in summary.samples][:2] == [(1, "banner"), (2, "of two lines")]


def test_a_malformed_record_has_all_its_lines_malformed(log):
    log.write_bytes(LOG + b"2015-09-01 18:14:37,000\n\tat x\n" + LOG)
    found, summary = read(log)
    assert (len(found), summary.malformed) == (80, 2)
    assert [one.line for one in summary.samples] == [LOG.count(b"\n") + 1, LOG.count(b"\n") + 2]


def test_a_wrong_format_leaves_no_line_unnoticed(log):
    log.write_bytes(b"another line\n" * 5000)
    with pytest.raises(TooManyMalformed):
        read(log, reader_named("log4j"))


def test_a_record_over_the_limit_is_malformed_wherever_it_is_cut(log, monkeypatch):
    monkeypatch.setattr(splits, "RECORD_BYTES_MAX", 500)
    monkeypatch.setattr(line_blocks, "RECORD_BYTES_MAX", 500)
    trace = b"\tat a.B.c(B.java:42)\n" * 100
    log.write_bytes(LOG + b"2015-09-01 18:14:37,123 ERROR [main] a.B: x\n" + trace + LOG)
    for split_bytes in (50, 333, 1000, 1 << 20):
        found, summary = read(log, split_bytes=split_bytes, max_bad="100%")
        assert [line for _, line in found] == RECORDS * 2
        assert (summary.malformed, summary.lines) == (101, 2 * LOG.count(b"\n") + 101)


def test_line_ends_of_windows_are_newlines_within_a_record(log):
    log.write_bytes(LOG.replace(b"\n", b"\r\n"))
    assert [line for _, line in read(log)[0]] == RECORDS


def test_a_window_of_time_takes_whole_records(log):
    found, summary = read(log, since="2015-09-01T18:14:37.010", until="2015-09-01T18:14:37.020")
    assert [line for _, line in found] == RECORDS[10:20]
    left = sum(len(record.replace("\n", "")) for record in RECORDS[:10] + RECORDS[20:])
    assert summary.ledger["outside_time_bytes"] == left


def test_text_is_read_in_records_by_a_pattern(log):
    def count(line):
        yield line.count("\n"), 1

    job = Job(read=text, map=count, reduce=mrframe.count)
    for split_bytes in (50, 1 << 20):
        options = RunOptions(engine="inline", record_start=r"\d{4}-\d\d", split_bytes=split_bytes)
        with mrframe.run(job, [str(log)], options, keep=False) as result:
            assert sorted(result) == [(0, 14), (3, 26)]
    with pytest.raises(UsageError, match="--record-start does not apply: the job reads"):
        read(log, record_start="x")


def test_stored_blocks_end_between_records(log, tmp_path):
    (file,) = expand([str(log)])
    blocks = list(cuts(file, 200, str(tmp_path)))
    assert len(blocks) > 5
    assert all(LOG[block.offset :].startswith(b"2015-") for block in blocks)


def test_a_format_is_detected_among_the_lines_of_stack_traces():
    trace = b"\tat a.B.c(B.java:42)\n" * 30
    found = detect(b"".join(record.encode() + b"\n" + trace for record in RECORDS[:20]), "app.log")
    assert (found.reader.label, found.matched) == ("log4j", found.lines)


def test_mutations_are_read_as_line_by_line():
    played, failed = fuzz(1, 0, 300, [], ["log4j", "kafka", "spring"])
    assert not failed
    assert played.records and played.malformed
