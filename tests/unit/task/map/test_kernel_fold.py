"""Jobs that the kernel folds have the rows, the figures and the bad fields of the path of pairs."""

from __future__ import annotations

import io
import os
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import Job, RunOptions, count, distinct, largest, logs, mean, smallest, total, words
from mrframe.formats.factory import make_reader
from mrframe.formats.readers.base import Scanned
from mrframe.kernel import compiled
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter
from mrframe.task.map.kernel_fold import KernelFoldBuffer, plan_of, scanned_by

pytestmark = pytest.mark.skipif(compiled() is None, reason="no kernel is installed")

SEVERAL = {"n": count, "sum": total, "mean": mean, "least": smallest, "most": largest}
JOBS = {
    "status": Job(read=logs.combined, key="status", reduce=count),
    "path": Job(read=logs.combined, key="path", reduce=count),
    "path and time": Job(read=logs.combined, key=("path", "hour"), reduce=count),
    "sizes": Job(read=logs.combined, key="path", value="size", reduce=SEVERAL),
    "mean": Job(read=logs.combined, key="method", value="size", reduce=mean),
    "hosts": Job(read=logs.combined, key="hour", value="host", reduce=distinct),
    "hosts by protocol": Job(read=logs.combined, key="protocol", value="host", reduce=distinct),
    "sizes by minute": Job(read=logs.combined, key="minute", value="size", reduce=SEVERAL),
    "hosts by status": Job(read=logs.combined, key="status", value="host", reduce=distinct),
    "agents": Job(read=logs.combined, key="query", value="agent", reduce={"agents": distinct, "n": count}),
    "in order": Job(read=logs.combined, key="path", value="status", reduce=largest, key_order="total"),
    "partitioned": Job(
        read=logs.combined, key="path", reduce=count, partition=lambda key, parts: len(key or "") % parts
    ),
    "words": Job(read=words, key="word", reduce=count),
}
HOSTS = st.sampled_from(["192.0.2.7", "-", "::1", "caf\udce9", "h\0st", "host-with-a-long-name.example.org"])
TIMES = st.sampled_from(
    [
        "17/May/2015:10:05:03 +0000",
        "17/May/2015:10:05:03 +0200",
        "31/Feb/2015:10:05:03 +0000",
        "01/Jan/2026:23:00:00 -0330",
    ]
)
REQUESTS = st.sampled_from(
    [
        "GET /a HTTP/1.1",
        "GET /a?b HTTP/1.1",
        "GET /? HTTP/1.0",
        "POST - HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /old",
        "",
        "\\x16\\x03",
        "GET /\udcff HTTP/1.1",
        "-",
        "GET /é HTTP/2.0",
    ]
)
SIZES = st.sampled_from(["0", "-", "007", "12", "9" * 18, "9" * 19, "9" * 30])
LINES = st.one_of(
    st.builds(
        '{} - - [{}] "{}" {} {} "-" "{}"'.format,
        HOSTS,
        TIMES,
        REQUESTS,
        st.sampled_from(["200", "404", "-", "007"]),
        SIZES,
        st.sampled_from(["curl", "-", "", 'a \\" b']),
    ),
    st.sampled_from(["", "not a line", "a b  c\ta", "\0\0"]),
)


def outcome(job: Job, path: str, fast: str, split_bytes: int):
    options = RunOptions(
        engine="inline", fast=fast, split_bytes=split_bytes, max_bad="100%", cache="off", partitions=3
    )
    with mrframe.run(job, [path], options) as result:
        summary = result.summary.to_plain()
        return list(result), [summary[name] for name in ("records", "lines", "malformed", "bytes_in", "bad_fields")]


@pytest.mark.parametrize("name", JOBS)
@settings(max_examples=25, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=12), st.sampled_from([64, 300, 1 << 20]), st.sampled_from(["\n", "\r\n"]))
def test_the_answer_is_that_of_the_path_of_pairs(name, lines, split_bytes, end):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "access.log")
        with open(path, "wb") as file:
            file.write("".join(line + end for line in lines).encode("utf-8", "surrogateescape"))
        by_kernel, by_pairs = (outcome(JOBS[name], path, fast, split_bytes) for fast in ("auto", "off"))
        assert repr(by_kernel) == repr(by_pairs)


def test_spellings_of_one_key_are_one_key_of_the_run():
    job = Job(read=logs.format("log_format t '$msec $remote_addr';"), key="hour", value="host", reduce=distinct)
    reader = make_reader(job.read, job.projection(), job.paths())
    plan = plan_of(job, scanned_by(reader))
    assert plan is not None
    buffer = KernelFoldBuffer(plan, job, reader, {}, may_encode=True)
    block = b"1431857103.000 a\n1431857104.000 b\n1431860703.000 c\n"
    parsed = reader.parse(block, "f", 0, forms={0: Scanned, 1: Scanned})
    buffer.add_block(parsed.columns, parsed.records)
    file = io.BytesIO()
    writer = RunWriter(file, slots=4)
    buffer.write_runs(writer)
    writer.close()
    run = RunReader(file, "run", unpickle=False)
    found = [
        pair
        for slot in range(4)
        for stream in run.streams(slot)
        for _, keys, values in stream
        for pair in zip(keys, values, strict=True)
    ]
    assert sorted((key, sorted(state)) for key, state in found) == [
        ("2015-05-17T10", ["a", "b"]),
        ("2015-05-17T11", ["c"]),
    ]
