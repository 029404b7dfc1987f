"""The lines behind a key against plain Python: any log, grain of map, filter, window and cutting into splits."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from math import nan
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mrframe import Job, collect, count, logs, text, total, words
from mrframe.core.model.spec import Split
from mrframe.formats.inputs.line_blocks import pieces
from mrframe.task.code.package import loaded
from mrframe.task.code.settings import TaskSettings
from mrframe.task.debug.provenance import Traced, lines_behind

BEGIN = datetime(2026, 5, 17, 10, 0, tzinfo=UTC)
LINE = '1.2.3.4 - - [{}] "GET /{} HTTP/1.1" {} 10'
BROKEN = ("torn", "", "17 words of no format")


def line_of(minute: int, path: str, status: int) -> str:
    return LINE.format((BEGIN + timedelta(minutes=minute)).strftime("%d/%b/%Y:%H:%M:%S %z"), path, status)


def one(status):
    yield status, 1


def several(path, status):
    """None, one or several pairs of a record, with keys that Python takes for equal."""
    if status == 404:
        return
    yield path, 1
    if status == 500:
        yield from ((True, 1), (path, 1), (("pair", status), 1), (1.0, 1))
    if path == "/a":
        yield 1, 1


def picky(path, status):
    """Fail on some records, and yield invalid pairs for others. All of them are left out (--max-failed)."""
    yield status, 1 if path != "/c" else "no number"
    if path == "/b":
        yield (nan if status == 200 else ["no key"]), 1
    if (path, status) == ("/a", 404):
        raise ValueError(path)


def largest(key, values):
    yield key, max(values)


def batch(table):
    import pyarrow

    if "/b" in table["path"].to_pylist():
        raise ValueError("some batch holds a /b")
    keys = pyarrow.concat_arrays([table["status"].combine_chunks(), pyarrow.array([1] * (len(table) > 3), "int64")])
    return pyarrow.table({"key": keys, "value": [1] * len(keys)})


def fine(path):
    return path != "/b"


READ = {"read": logs.common}
JOBS = {
    "one": Job(**READ, map=one, reduce=total),
    "where": Job(**READ, map=one, reduce=count, where=fine),
    "several": Job(**READ, map=several, reduce=collect),
    "picky": Job(**READ, map=picky, reduce=total),
    "unfolded": Job(**READ, map=picky, reduce=largest),
    "declared": Job(**READ, key="status", reduce=count),
    "two fields": Job(**READ, key=("path", "status"), reduce=count, where=fine),
    "batch": Job(**READ, map_batch=batch, fields=("path", "status"), reduce=total),
}


def yields(job: str, path: str, status: int) -> set[str]:
    """The keys of a record, each with its type, as plain Python has them."""
    good = path != "/b" and (path, status) != ("/a", 404)
    pairs = {
        "one": [status],
        "where": [status] * (path != "/b"),
        "several": [path] * (status != 404)
        + [True, 1.0, ("pair", status)] * (status == 500)
        + [1] * (path == "/a" and status != 404),
        "picky": [status] * (good and path != "/c"),
        "unfolded": [status] * good,
        "declared": [status],
        "two fields": [(path, status)] * (path != "/b"),
        "batch": [status] * (path != "/b"),
    }
    return {repr(key) for key in pairs[job]}


ASKED = {
    "200": "200",
    "500": "500",
    "1": "1",
    "1.0": "1.0",
    "true": "True",
    "/a": "'/a'",
    '["pair", 500]': "('pair', 500)",
    '["/a", 404]': "('/a', 404)",
}
records = st.tuples(st.integers(0, 9), st.sampled_from("abc"), st.sampled_from((200, 404, 500)))
minutes = st.one_of(st.none(), st.integers(0, 9))


def found(
    folder: str, job: Job, data: bytes, key: str, split_bytes: int, window=None
) -> list[tuple[int, int, bytes]]:
    """(number, offset, line) of each line that is found."""
    path = Path(folder) / "x.log"
    path.write_bytes(data)
    cuts = list(pieces(lambda at, length: data[at : at + length], len(data), split_bytes))
    splits = tuple(Split("file", "x.log", str(path), at, length, (0, at)) for at, length in cuts)
    lines = tuple(len(data[at : at + length].splitlines()) for at, length in cuts)
    work = loaded(job, TaskSettings(job.read, window=window))
    traced = Traced(splits, lines, 1, 1 << 20, None)
    return [
        (line.line, line.offset, line.data) for group in lines_behind(traced, work, key, folder) for line in group
    ]


def numbered(lines: list[str], end: str) -> list[tuple[int, int, bytes]]:
    offset, numbers = 0, []
    for number, line in enumerate(lines, 1):
        numbers.append((number, offset, line.encode()))
        offset += len(line) + len(end)
    return numbers


@pytest.mark.parametrize("name", sorted(JOBS))
@settings(max_examples=40, deadline=None)
@example([(0, "a", 404), (0, "a", 200)], "\n", 3000, (None, None))  # as many pairs as records, but not one of each
@given(
    st.lists(st.one_of(records, records, records, st.sampled_from(BROKEN)), min_size=1, max_size=20),
    st.sampled_from(("\n", "\r\n")),
    st.integers(100, 3000),
    st.one_of(st.just((None, None)), st.tuples(minutes, minutes)),
)
def test_the_lines_are_those_of_plain_python(name, drawn, end, split_bytes, window):
    if name == "batch":
        pytest.importorskip("pyarrow")
    lines = [line if isinstance(line, str) else line_of(*line) for line in drawn]
    since, until = (None if minute is None else BEGIN + timedelta(minutes=minute) for minute in window)

    def shown(line, key: str) -> bool:
        if isinstance(line, str) or key not in yields(name, f"/{line[1]}", line[2]):
            return False
        time = BEGIN + timedelta(minutes=line[0])
        return (since is None or time >= since) and (until is None or time < until)

    plain = (since.isoformat() if since else "", until.isoformat() if until else "", "UTC")
    of_window = plain if since or until else None
    data = end.join([*lines, ""]).encode()
    rows = list(zip(drawn, numbered(lines, end), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        for asked, key in ASKED.items():
            wanted = [one for line, one in rows if shown(line, key)]
            assert found(folder, JOBS[name], data, asked, split_bytes, of_window) == wanted


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(("a", "b a", "", "a a", "c")), min_size=1), st.integers(1, 60), st.booleans())
def test_the_words_and_lines_are_those_of_plain_python(lines, split_bytes, ended):
    data = "\n".join([*lines, ""] if ended else lines).encode()
    known = [one for one in numbered(lines, "\n") if one[1] < len(data)]
    with tempfile.TemporaryDirectory() as folder:
        by_word = found(folder, Job(read=words, key="word", reduce=count), data, "a", split_bytes)
        by_line = found(folder, Job(read=text, key="line", reduce=count), data, "b a", split_bytes)
    assert by_word == [one for one in known if b"a" in one[2]]
    assert by_line == [one for one in known if one[2] == b"b a"]
