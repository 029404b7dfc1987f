"""Other engines against the inline one: any text, job, cutting, number of nodes and hash seed, the same bytes.

Each example of the local engine starts a cluster of processes and ends it. The toy engine of `tests/plugins`, which a
package adds by an entry point, carries out the tasks of a stage in reversed order. The inline engine reads the same
files uncut, with one partition. Its answers are held to plain Python in `test_inline_equals_plain_python.py`.
"""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import (
    Job,
    RunOptions,
    collect,
    count,
    distinct,
    increment,
    largest,
    logs,
    mean,
    smallest,
    text,
    top,
    total,
    words,
)
from mrframe.formats.output.writing import write_rows

PLUGINS = str(Path(__file__).parents[1] / "plugins")
INLINE = RunOptions(engine="inline", partitions=1, max_bad="100%")
SAME = [
    "records",
    "lines",
    "malformed",
    "bytes_in",
    "rows",
    "bad_fields",
    "counters",
    "samples",
    "log_format",
    "steps",
]


def lengths(line: str, file: str, offset: int):
    increment("lines")
    for word in line.split():
        yield word, (file, offset, len(word))


def sum_of(word, values):
    yield word, sum(values)


def word_lengths(line: str):
    for word in line.split():
        yield word, len(word)


def in_order(word, values):
    kept = list(values)
    increment("values", len(kept))
    yield word, kept


def of_all_types(line: str):
    for word in line.split():
        number = len(word)
        yield (
            [number, float(number), number > 2, None, word, word.encode("utf-8", "surrogateescape"), (number, word)][
                number % 7
            ],
            word,
        )


def shares(line: str):
    for word in line.split():
        yield len(word), 1 / (3 + len(line))


def whole_split(records):
    for record in records:
        yield record.line[:1], (record.offset, record.line)


def by_value(key, value):
    yield value, key


WORDS = Job(read=words, key="word", reduce=count)
ON_TEXT = {
    "declared": WORDS,
    "measures": Job(read=text, map=word_lengths, reduce={"n": count, "sum": total, "mean": mean, "kinds": distinct}),
    "combined": Job(read=text, map=word_lengths, combine=sum_of, reduce=sum_of),
    "in order": Job(read=text, map=lengths, reduce=in_order),
    "types": Job(read=text, map=of_all_types, reduce=collect),
    "floats": Job(read=text, map=shares, reduce=total),
    "map_split": Job(read=text, map_split=whole_split, fields=("line", "offset"), reduce=in_order),
    "extremes": Job(read=text, map=word_lengths, reduce={"least": smallest, "most": largest}),
    "top": WORDS.then(top(4)),
    "two steps": WORDS.then(Job(map=by_value, reduce=collect)),
    "three steps": WORDS.then(Job(map=by_value, combine=None, reduce=in_order)).then(top(3)),
}
ON_LOGS = {
    "statuses": Job(read=logs.combined, key="status", reduce=count),
    "bytes by path": Job(read=logs.combined, key=("path", "method"), value="size", reduce=total),
    "hosts": Job(read=logs.combined, key="status", value="host", reduce=distinct),
    "ranked": Job(read=logs.combined, key="path", value="size", reduce=total).then(top(5)),
}
LOG_LINE = b'192.0.2.%d - - [17/May/2015:10:05:03 +0000] "GET /%d?q=1 HTTP/1.1" %d %s "-" "curl"\n'

text_lines = st.builds(
    lambda line, end: line.encode("utf-8", "surrogateescape") + end,
    st.one_of(
        st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=12),
        st.sampled_from(["a b a", "", "b", "caf\udce9 \udcff a", "a\tbb ccc", "1 22 333 4444 55555 666666 7777777"]),
    ),
    st.sampled_from([b"\n", b"\n", b"\r\n"]),
)
log_lines = st.one_of(
    st.builds(
        lambda host, path, status, size: LOG_LINE % (host, path, status, size),
        st.integers(0, 3),
        st.integers(0, 9),
        st.sampled_from([200, 304, 404]),
        st.sampled_from([b"-", b"0", b"12", b"12345678901234567890"]),
    ),
    st.sampled_from([b"garbage\n", b"\n", b"\xff\n", LOG_LINE[:40] + b"\n"]),
)


def files_of(lines):
    """One to three files of lines. The last line may lack its end, and a file may be compressed."""
    content = st.builds(
        lambda some, whole, packed: (b"".join(some) if whole else b"".join(some).rstrip(b"\r\n"), packed),
        st.lists(lines, max_size=20),
        st.booleans(),
        st.sampled_from([False, False, True]),
    )
    return st.lists(content, min_size=1, max_size=3)


work = st.one_of(
    st.tuples(st.sampled_from(sorted(ON_TEXT)), files_of(text_lines)),
    st.tuples(st.sampled_from(sorted(ON_LOGS)), files_of(log_lines)),
)
clusters = st.builds(
    lambda nodes, split_bytes, partitions, shuffle, memory_bytes: RunOptions(
        engine="local",
        nodes=nodes,
        slots=1,
        split_bytes=split_bytes,
        partitions=partitions,
        shuffle=shuffle,
        memory_bytes=memory_bytes,
        max_bad="100%",
    ),
    st.integers(1, 3),
    st.one_of(st.integers(1, 9), st.integers(10, 400)),
    st.integers(1, 5),
    st.sampled_from(["auto", "zmq"]),
    st.sampled_from([0, 256 << 20]),
)
toys = st.builds(
    lambda split_bytes, partitions, memory_bytes: RunOptions(
        engine="toy",
        split_bytes=split_bytes,
        partitions=partitions,
        memory_bytes=memory_bytes,
        max_bad="100%",
    ),
    st.one_of(st.integers(1, 9), st.integers(10, 400)),
    st.integers(1, 5),
    st.sampled_from([0, 256 << 20]),
)


def said(job, inputs, options):
    """All that a run says: the rows with their types, the bytes of the answer, the figures."""
    with mrframe.run(job, inputs, options) as result:
        written = io.BytesIO()
        write_rows(result.rows(), written, "jsonl")
        figures = result.summary.to_plain()
        assert figures["engine"] == options.engine
        return repr(list(result)), written.getvalue(), {name: figures[name] for name in SAME}


def check(one, options, hash_seed):
    name, files = one
    event(f"{name}, {options.nodes} nodes, {options.shuffle}")
    job = {**ON_TEXT, **ON_LOGS}[name]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONHASHSEED", str(hash_seed))
        inputs = []
        for number, (content, packed) in enumerate(files):
            path = Path(folder, f"in-{number}.log" + ".gz" * packed)
            path.write_bytes(gzip.compress(content) if packed else content)
            inputs.append(str(path))
        assert said(job, inputs, options) == said(job, inputs, INLINE)


@pytest.mark.parametrize("name", sorted({**ON_TEXT, **ON_LOGS}))
def test_every_job_gives_rows(name, tmp_path):
    """Else a job that always fails would hide behind examples that are empty or never drawn."""
    path = tmp_path / "x.log"
    path.write_bytes(b"b\na bb ccc\na b a\n" if name in ON_TEXT else LOG_LINE % (1, 2, 200, b"12"))
    assert said({**ON_TEXT, **ON_LOGS}[name], [str(path)], INLINE)[2]["rows"] >= 1


hash_seeds = st.integers(0, 4_000_000_000)


@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(work, clusters, hash_seeds)
def test_a_cluster_gives_what_one_process_gives(one, options, hash_seed):
    check(one, options, hash_seed)


@settings(max_examples=60, deadline=None)
@given(work, toys)
def test_an_engine_of_another_package_gives_what_one_process_gives(one, options):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGINS)
        check(one, options, 0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=600, deadline=None)
@given(work, clusters, hash_seeds)
def test_many_clusters_give_what_one_process_gives(one, options, hash_seed):
    check(one, options, hash_seed)


def test_the_processes_of_a_cluster_have_the_hash_seed_that_is_set(tmp_path, monkeypatch):
    """Else the tests above would try one seed only."""
    path = tmp_path / "x.txt"
    path.write_text("word\n")
    found = set()
    for seed in "12":
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        job = Job(read=text, map=lambda line: [(hash(line), os.environ["PYTHONHASHSEED"])], reduce=collect)
        with mrframe.run(job, [str(path)], RunOptions(engine="local", nodes=1)) as result:
            ((value, seeds),) = result.rows()
            assert seeds == [seed]
            found.add(value)
    assert len(found) == 2
